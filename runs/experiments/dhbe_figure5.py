"""DHBE, Fig. 5: what a trigger looks like in one, four and nine places. Nothing is trained.

Four go to the corners, nine to edges and centre too. On the embedded digits, or with --data on CIFAR-10 or CIFAR-100 in
their python batches, or a table of classes. What the amplified triggers do to cleaned models is in dhbe_table3.

    drmguard reproduce run dhbe_figure5 --preset cpu                                digits, seconds
    drmguard reproduce run dhbe_figure5 --preset cpu --data cifar-10-batches-py
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from runs import erasing_tables
from runs.earth_movers import Amplified
from runs.experiments import Options
from runs.figures import Figure, contact_sheet
from runs.jobs import Job
from runs.presets import Preset
from runs.tables import Table


def plan(preset: Preset, options: Options) -> list[Job]:
    """One job; all presets are alike."""
    return [Amplified(erasing_tables.data(options), erasing_tables.SIZES[0])]


def tables(found: Mapping[Job, dict[str, Any]], options: Options) -> list[Table]:
    """One row per number of triggers."""
    (result,) = found.values()
    rows = [{"count": count, "cost": cost} for count, cost in result["costs"].items()]
    columns = {"count": "triggers", "cost": "EM cost"}
    notes = ("Mean over test images; values in [0, 1], L1. What lies between classes: dhbe_table2.",)
    return [Table("amplified", f"Amplified triggers of {erasing_tables.SIZES[0]} px", columns, rows, notes=notes)]


def figures(found: Mapping[Job, dict[str, Any]], options: Options) -> list[Figure]:
    """An image of every class, clean and with the triggers."""
    (result,) = found.values()
    named = {f"{count} trigger{'s' if int(count) > 1 else ''}": each for count, each in result["triggered"].items()}
    rows = {name: list(np.asarray(images, np.uint8)) for name, images in {"clean": result["clean"], **named}.items()}
    return [contact_sheet(rows, "Test images with one, four and nine triggers")]
