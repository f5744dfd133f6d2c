"""DHBE, Table 2: how far apart classes are, by sliced Wasserstein distances. Nothing is trained.

On the embedded digits (the paper has MNIST), or with --data on CIFAR-10 or CIFAR-100 in their python batches. The paper
does not say how it scales sliced distances, so orders of magnitude and the closest pair can be compared, no more.

    drmguard reproduce run dhbe_table2 --preset cpu                                digits, seconds
    drmguard reproduce run dhbe_table2 --preset cpu --data cifar-10-batches-py     a minute
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runs import erasing_tables
from runs.earth_movers import Distances
from runs.experiments import Options
from runs.figures import Figure
from runs.jobs import Job
from runs.presets import Preset
from runs.tables import Table, paper

_PAPER = {10: "CIFAR10", 100: "CIFAR100"}  # of photographs, by the number of classes


def plan(preset: Preset, options: Options) -> list[Job]:
    """One job; all presets are alike."""
    return [Distances(erasing_tables.data(options))]


def tables(found: Mapping[Job, dict[str, Any]], options: Options) -> list[Table]:
    """One row, and the paper's beside it."""
    (result,) = found.values()
    published = paper("dhbe_table2")
    counterpart = "MNIST" if options.data is None else _PAPER.get(result["classes"], "")
    row = {
        "model": f"{'digits' if options.data is None else options.data.name} ({result['values']})",
        "closest": " and ".join(result["closest"]),
        "least": round(result["least"], 1),
        "mean": round(result["mean"], 1),
        "paper_least": published.get((counterpart, "least")),
        "paper_mean": published.get((counterpart, "mean")),
    }
    columns = {
        "model": "data (values)",
        "closest": "closest pair",
        "least": "distance",
        "mean": "mean distance",
        "paper_least": "distance, paper",
        "paper_mean": "mean, paper",
    }
    notes = (
        f"Over {result['images']} training images. The paper's are MNIST (784 values; closest: 7 and 9), CIFAR-10 (cat "
        "and dog), CIFAR-100 (leopard and tiger).",
    )
    return [Table("distances", "Distances between classes", columns, [row], notes=notes)]


def figures(found: Mapping[Job, dict[str, Any]], options: Options) -> list[Figure]:
    """None."""
    return []
