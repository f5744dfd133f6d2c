"""DRMGuard, Table 1: RAV and RNV under the true trigger, for four attacks and the adaptive one; what the latter pays.

Gaze and head pose, at least 3 models per attack; the models are those of drmguard_table10, and more adaptive ones at
the paper's weight. Aimed at: RAV below 0.1 for the four, nearer 1 for the adaptive attack, whose AE rises with its
weight.

    drmguard reproduce run drmguard_table1 --preset cpu                synthetic heads; 36 models, a training each
    drmguard reproduce run drmguard_table1 --preset cpu --data TABLE   the task of an image table alone
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Optional

from drmguard_tf.attacks.adaptive import Adaptive
from drmguard_tf.attacks.wanet import WaNet
from runs import suspects
from runs.cases import Case
from runs.experiments import Options
from runs.figures import Figure
from runs.jobs import Job, Train
from runs.presets import Preset
from runs.statistics import shown
from runs.tables import Table, paper

ATTACKS = ("badnets", "input-aware", "clean-label", "wanet", "adaptive")


def plan(preset: Preset, options: Options) -> list[Job]:
    """Training of every attack, for gaze and head pose; the adaptive one also at the paper's weight."""
    models = options.models or (2 if options.preset == "smoke" else 3)
    cases: list[Case] = []
    for source in suspects.sources(preset, options.data):
        cases += suspects.attacked(preset, source, ATTACKS, models)
        for case in suspects.attacked(preset, source, ("adaptive",), models):
            assert isinstance(case.attack, Adaptive)
            printed = replace(case, attack=replace(case.attack, weight=Adaptive.weight))
            cases += [printed] if printed not in cases else []
    return [Train(case) for case in cases]


def tables(found: Mapping[Job, dict[str, Any]], options: Options) -> list[Table]:
    """One row per task and attack; then one per task and weight of the adaptive attack."""
    usual_weight = min(filter(None, map(_weight, found)))
    usual = {job: result for job, result in found.items() if _weight(job) in (None, 0.0, usual_weight)}
    return [_spread(usual, options), _strength(found, options)]


def _spread(found: Mapping[Job, dict[str, Any]], options: Options) -> Table:
    published, rows = paper("drmguard_table1"), []
    for (task, kind), measured in suspects.by_kind(found).items():
        row: dict[str, Any] = {"model": f"{task} {kind}"}
        for key in ("rav", "rnv"):
            row[key] = shown([metrics[key] for metrics in measured])
            row[f"paper_{key}"] = published.get((row["model"], key))
        rows.append(row)
    columns = {"model": "model", "rav": "RAV", "rnv": "RNV", "paper_rav": "RAV, paper", "paper_rnv": "RNV, paper"}
    notes = (suspects.INTERVAL, "The paper's are MPIIFaceGaze (gaze) and Biwi (head pose).")
    return Table("spread", f"Spread of triggered features, preset {options.preset}", columns, rows, notes=notes)


def _strength(found: Mapping[Job, dict[str, Any]], options: Options) -> Table:
    groups: dict[tuple[str, float], list[dict[str, float]]] = {}
    for job, result in found.items():
        weight = _weight(job)
        if isinstance(job, Train) and weight is not None:
            groups.setdefault((job.case.source.data.spec.task.name, weight), []).append(result["metrics"])
    rows = []
    for (task, weight), measured in sorted(groups.items()):
        means = {key: shown([metrics[key] for metrics in measured]) for key in ("rav", "ae_deg", "re_deg")}
        rows.append({"model": task, "weight": f"{weight:g}", **means})
    columns = {"model": "task", "weight": "weight", "rav": "RAV", "ae_deg": "AE", "re_deg": "RE"}
    notes = (suspects.INTERVAL, "Weight 0 is WaNet, other seeds and targets. The paper has one weight.")
    title = f"What the adaptive attack pays, errors in degrees, preset {options.preset}"
    return Table("strength", title, columns, rows, notes=notes)


def _weight(job: Job) -> Optional[float]:
    """Of the adaptive attack's extra loss; 0 for WaNet, which it starts from, and None for other attacks."""
    attack = job.case.attack if isinstance(job, Train) else None
    if isinstance(attack, Adaptive):
        return attack.weight
    return 0.0 if isinstance(attack, WaNet) else None


def figures(found: Mapping[Job, dict[str, Any]], options: Options) -> list[Figure]:
    """None; the pictures are experiments of their own."""
    return []
