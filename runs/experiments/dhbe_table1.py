"""DHBE, Table 1: what triggers change in an image, as an earth-mover cost. Nothing is trained.

The paper's text has lost its formulas, so nothing stands beside these. DHBE builds on triggers being cheaper than the
way from one class to the next (dhbe_table2): squares are; on CIFAR-10, SIG and the watermark cost half as much again as
cat and dog are apart on our scale, and half as much on the paper's, which is not said.

    drmguard reproduce run dhbe_table1 --preset cpu                                digits, seconds
    drmguard reproduce run dhbe_table1 --preset cpu --data cifar-10-batches-py
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runs import erasing_tables
from runs.earth_movers import Costs
from runs.experiments import Options
from runs.figures import Figure
from runs.jobs import Job
from runs.presets import Preset
from runs.tables import Table


def plan(preset: Preset, options: Options) -> list[Job]:
    """One job; all presets are alike."""
    return [Costs(erasing_tables.data(options))]


def tables(found: Mapping[Job, dict[str, Any]], options: Options) -> list[Table]:
    """One row per trigger."""
    (result,) = found.values()
    rows = [
        {"model": name, "cost": round(cost, 1), "share": f"{100 * cost / result['values']:.2f} %"}
        for name, cost in result["costs"].items()
    ]
    columns = {"model": "trigger", "cost": "EM cost", "share": "mean change of a value"}
    notes = (f"Mean over {result['images']} test images of {result['values']} values in [0, 1]; L1.",)
    return [Table("costs", "What triggers cost", columns, rows, notes=notes)]


def figures(found: Mapping[Job, dict[str, Any]], options: Options) -> list[Figure]:
    """None."""
    return []
