"""DRMGuard, Figure 4 (App. A.5): the estimate of the target vector while a trigger is searched for, four attacks.

The estimate is the mean answer to reversed images; beside it stand the attacker's target and, as in the paper, the mean
answer to triggered images, which is what the backdoor really leads to. Gaze; the models, controls and searches are
those of drmguard_table5, searched once more. Aimed at: every path ends within 5 degrees of what the backdoor leads to.
Run as smoke only.

    drmguard reproduce run drmguard_figure4 --preset cpu                four searches
    drmguard reproduce run drmguard_figure4 --preset cpu --data TABLE   on an image table
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from runs import guard_tables, suspects
from runs.experiments import Options
from runs.figures import Figure
from runs.jobs import Job
from runs.presets import Preset
from runs.reversing import Reverse
from runs.search_figures import paths
from runs.tables import Table

ATTACKS = ("badnets", "clean-label", "input-aware", "wanet")


def plan(preset: Preset, options: Options) -> list[Job]:
    """The first model of every attack."""
    source = suspects.sources(preset, options.data)[0]
    scans = guard_tables.scans(preset, source, ATTACKS, 1)
    return [Reverse(scan) for scan in scans if scan.case.attack is not None]


def tables(found: Mapping[Job, dict[str, Any]], options: Options) -> list[Table]:
    """How near the estimates end, and how far the backdoors themselves are from their targets."""
    rows: list[dict[str, Any]] = []
    for name, result in _by_model(found).items():
        row = {key: str(np.round(result[f"{key}_deg"], 1).tolist()) for key in ("target", "reached", "target_estimate")}
        apart = [_apart(result[f"{key}_deg"], result["reached_deg"]) for key in ("target_estimate", "target")]
        found_by = {key: result[key] for key in ("verdict", "family")}
        rows.append({"model": name, **row, "apart": apart[0], "missed": apart[1], **found_by})
    columns = {
        "model": "model",
        "target": "attacker's target",
        "reached": "mean answer to triggered images",
        "target_estimate": "estimate",
        "apart": "estimate to that answer",
        "missed": "target to that answer",
        "verdict": "verdict",
        "family": "family",
    }
    title = f"Estimates of the target vector, degrees, preset {options.preset}"
    return [Table("estimates", title, columns, rows, notes=("Of the run that decided the scan.",))]


def figures(found: Mapping[Job, dict[str, Any]], options: Options) -> list[Figure]:
    """A panel per attack."""
    outputs = next(job.scan.case.source.data.spec.task.outputs for job in found if isinstance(job, Reverse))
    return [paths(_by_model(found), outputs, f"Estimates of the target during a search, preset {options.preset}")]


def _by_model(found: Mapping[Job, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {suspects.kind(job.scan.case): result for job, result in found.items() if isinstance(job, Reverse)}


def _apart(one: list[float], other: list[float]) -> float:
    return float(np.linalg.norm(np.subtract(one, other)))
