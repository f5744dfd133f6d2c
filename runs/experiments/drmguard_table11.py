"""DRMGuard, Table 11 (App. A.7): two backdoors with two targets in one model, identified; and which one is found.

Gaze, as in the paper; 10 benign models and 10 of multi-target WaNet, those of drmguard_table10. How well both backdoors
took stands beside it: a model whose second one failed has one backdoor. Aimed at: accuracy 0.95, and every estimate at
one of the two targets. With two models of each kind all are right; of each model's two runs for a warp one finds the
one backdoor, one the other (MEASURED.md).

    drmguard reproduce run drmguard_table11 --preset cpu --models 3      6 scans
    drmguard reproduce run drmguard_table11 --preset cpu --data TABLE    on an image table
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from drmguard_tf.attacks.multi_target import MultiTarget
from drmguard_tf.verdict import Verdict
from runs import guard_tables, suspects
from runs.cases import Case
from runs.experiments import Options
from runs.figures import Figure
from runs.jobs import Job, ScanModel
from runs.presets import Preset
from runs.statistics import shown
from runs.tables import Table

ATTACKS = ("multi-target",)


def plan(preset: Preset, options: Options) -> list[Job]:
    """Scans of benign models and of multi-target WaNet."""
    source = suspects.sources(preset, options.data)[0]
    return [*guard_tables.scans(preset, source, ATTACKS, guard_tables.models(options))]


def tables(found: Mapping[Job, dict[str, Any]], options: Options) -> list[Table]:
    """Identification; then the two targets."""
    title = f"Identification of models with two backdoors, preset {options.preset}"
    return [guard_tables.identified(found, title, "drmguard_table11"), _targets(found, options)]


def figures(found: Mapping[Job, dict[str, Any]], options: Options) -> list[Figure]:
    """Margins and ROC curves."""
    return guard_tables.margins(found, f"Two backdoors, preset {options.preset}")


def _targets(found: Mapping[Job, dict[str, Any]], options: Options) -> Table:
    """Which of its targets each flagged model's estimate is near."""
    scans = [(job.case, scan) for job, scan in found.items() if isinstance(job, ScanModel) and job.case.attack]
    apart = [_apart_deg(case, scan) for case, scan in scans if scan["verdict"] == "backdoored"]
    nearest = [int(np.argmin(pair)) if min(pair) <= Verdict.AGREE_DEG else None for pair in apart]
    row: dict[str, Any] = {
        "models": len(scans),
        "ae": shown([scan["metrics"]["ae_deg"] for _, scan in scans]),
        "ae_2": shown([scan["metrics"]["ae_2_deg"] for _, scan in scans]),
        "first": nearest.count(0),
        "second": nearest.count(1),
        "neither": nearest.count(None),
        "apart": float(np.mean([min(pair) for pair in apart])) if apart else None,
    }
    columns = {
        "models": "models",
        "ae": "AE, first target",
        "ae_2": "AE, second target",
        "first": "estimate at the first",
        "second": "at the second",
        "neither": "at neither",
        "apart": "degrees to the nearer one",
    }
    notes = (
        suspects.INTERVAL,
        f"Estimates of flagged models; at a target: within {Verdict.AGREE_DEG:g} degrees of it. One scan finds one.",
    )
    return Table("targets", f"Two targets, preset {options.preset}", columns, [row], notes=notes)


def _apart_deg(case: Case, scan: Mapping[str, Any]) -> tuple[float, float]:
    """Distances of the estimate from the first and from the second target."""
    assert isinstance(case.attack, MultiTarget) and case.target is not None
    first = np.asarray(case.target)
    second = -first if case.attack.second is None else np.asarray(case.attack.second)
    estimate = np.asarray(scan["target_estimate_deg"])
    to_first, to_second = (float(np.linalg.norm(estimate - np.degrees(each))) for each in (first, second))
    return to_first, to_second
