"""DRMGuard, Figure 2: angles between features and weight vectors, clean and triggered, one model per attack.

Gaze and head pose; of head pose's three angles the first two are drawn. The models are those of drmguard_table10.

    drmguard reproduce run drmguard_figure2 --preset cpu
    drmguard reproduce run drmguard_figure2 --preset cpu --data TABLE
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from runs import suspects
from runs.experiments import Options
from runs.figures import Figure, angles
from runs.jobs import Job
from runs.looks import Angles
from runs.presets import Preset
from runs.tables import Table

ATTACKS = ("badnets", "input-aware", "clean-label", "wanet")


def plan(preset: Preset, options: Options) -> list[Job]:
    """The first model of every attack, for gaze and head pose."""
    sources = suspects.sources(preset, options.data)
    return [Angles(case) for source in sources for case in suspects.attacked(preset, source, ATTACKS, 1)]


def tables(found: Mapping[Job, dict[str, Any]], options: Options) -> list[Table]:
    """Spread of the angles as a standard deviation per output, averaged."""
    rows: list[dict[str, Any]] = []
    for name, (clean, triggered) in _panels(found).items():
        rows.append({"model": name, "clean": float(_spread(clean)), "triggered": float(_spread(triggered))})
    columns = {"model": "model", "clean": "clean, degrees", "triggered": "triggered, degrees"}
    title = f"Standard deviation of feature angles, mean over outputs, preset {options.preset}"
    return [Table("angle_spread", title, columns, rows)]


def figures(found: Mapping[Job, dict[str, Any]], options: Options) -> list[Figure]:
    """A panel per model."""
    return [angles(_panels(found), f"Angles of features, clean and triggered, preset {options.preset}")]


def _panels(found: Mapping[Job, dict[str, Any]]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    panels = {}
    for job, result in found.items():
        if isinstance(job, Angles):
            panels[suspects.kind(job.case)] = (np.asarray(result["clean"]), np.asarray(result["triggered"]))
    return panels


def _spread(angles_deg: np.ndarray) -> np.floating:
    return angles_deg.std(axis=0).mean()
