"""DHBE, Fig. 7: how far a trigger moves the last block and the outputs of cleaned models, method by method.

BadNets with triggers of 3, 5 and 7 px, one suspect each, by every method as the paper runs it (Neural Cleanse and GDM
are told the class); L1 and L2 norms of the difference between 200 test images with and without the trigger, as boxes.
Suspects and erasings are those of dhbe_table3, with cpu those of 3 px alone. On the embedded digits, or with --data on
CIFAR-10 in its python batches. Expected, in the paper's words: "far less response" after DHBE than after the others, in
the inner layer too; it is so on digits (MEASURED.md).

    drmguard reproduce run dhbe_figure7 --preset cpu                                digits, 3 suspects, 7 erasings each
    drmguard reproduce run dhbe_figure7 --preset cpu --data cifar-10-batches-py
    drmguard reproduce run dhbe_figure7 --preset smoke                              one suspect, shows that it runs
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from runs import erasing_tables
from runs.ablation_figures import boxes
from runs.ablation_jobs import Moved
from runs.erasing_jobs import QUANTILES, Erase
from runs.experiments import Options
from runs.figures import Figure
from runs.jobs import Job
from runs.presets import Preset
from runs.tables import Table

_NAMES = {
    "block_l1": "last block, L1",
    "block_l2": "last block, L2",
    "output_l1": "outputs, L1",
    "output_l2": "outputs, L2",
}


def plan(preset: Preset, options: Options) -> list[Job]:
    """A suspect for every size, by every method."""
    sizes = erasing_tables.SIZES[:1] if options.preset == "smoke" else erasing_tables.SIZES
    which = erasing_tables.suspects(replace(options, models=1), ("badnets",), sizes)
    erasings = erasing_tables.erasings(which, erasing_tables.as_in_the_paper(options))
    return [Moved(job) for job in erasings if isinstance(job, Erase)]


def tables(found: Mapping[Job, dict[str, Any]], options: Options) -> list[Table]:
    """Medians, a row per trigger and method."""
    middle = QUANTILES.index(0.5)
    rows: list[dict[str, Any]] = []
    for suspect, methods in _panels(found, options).items():
        for name, quantiles in methods.items():
            rows.append({"suspect": suspect, "method": name, **{key: quantiles[key][middle] for key in _NAMES}})
    columns = {"suspect": "trigger", "method": "method", **_NAMES}
    notes = ("Medians over test images of the difference that the trigger makes.",)
    return [Table("moved", f"Activation differences, preset {options.preset}", columns, rows, notes=notes)]


def figures(found: Mapping[Job, dict[str, Any]], options: Options) -> list[Figure]:
    """Boxes of the quartiles, whiskers to 5 and 95 %."""
    return [boxes(_panels(found, options), _NAMES, f"Activation differences by method, preset {options.preset}")]


def _panels(
    found: Mapping[Job, dict[str, Any]], options: Options
) -> dict[str, dict[str, Mapping[str, Sequence[float]]]]:
    """By trigger, quantiles of the backdoored model's differences, then those after every method."""
    named = erasing_tables.as_in_the_paper(options)
    panels: dict[str, dict[str, Mapping[str, Sequence[float]]]] = {}
    for job, result in found.items():
        assert isinstance(job, Moved)
        panel = panels.setdefault(f"{job.erasing.suspect.attack.size} px", {"backdoored": result["before"]})
        (name,) = [name for name, method in named.items() if method == job.erasing.method]
        panel[name] = result["after"]
    return panels
