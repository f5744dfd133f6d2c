"""DRMGuard, Table 1: RAV and RNV under the true trigger, for four attacks and the adaptive one.

Gaze and head pose, at least 3 models per attack; the models are those of drmguard_table10. Aimed at: RAV below 0.1 for
the four, nearer 1 for the adaptive attack. Not run yet.

    drmguard reproduce run drmguard_table1 --preset cpu                synthetic heads; 30 models, a training each
    drmguard reproduce run drmguard_table1 --preset cpu --data TABLE   the task of an image table alone
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runs import suspects
from runs.experiments import Options
from runs.figures import Figure
from runs.jobs import Job, Train
from runs.presets import Preset
from runs.statistics import mean
from runs.tables import Table, paper

ATTACKS = ("badnets", "input-aware", "clean-label", "wanet", "adaptive")


def plan(preset: Preset, options: Options) -> list[Job]:
    """Training of every attack, for gaze and head pose."""
    models = options.models or (2 if options.preset == "smoke" else 3)
    sources = suspects.sources(preset, options.data)
    return [Train(case) for source in sources for case in suspects.attacked(preset, source, ATTACKS, models)]


def tables(found: Mapping[Job, dict[str, Any]], options: Options) -> list[Table]:
    """One row per task and attack."""
    published, rows = paper("drmguard_table1"), []
    for (task, kind), measured in suspects.by_kind(found).items():
        row: dict[str, Any] = {"model": f"{task} {kind}"}
        for key in ("rav", "rnv"):
            row[key] = str(mean([metrics[key] for metrics in measured]))
            row[f"paper_{key}"] = published.get((row["model"], key))
        rows.append(row)
    columns = {"model": "model", "rav": "RAV", "rnv": "RNV", "paper_rav": "RAV, paper", "paper_rnv": "RNV, paper"}
    notes = (suspects.INTERVAL, "The paper's are MPIIFaceGaze (gaze) and Biwi (head pose).")
    return [Table("spread", f"Spread of triggered features, preset {options.preset}", columns, rows, notes=notes)]


def figures(found: Mapping[Job, dict[str, Any]], options: Options) -> list[Figure]:
    """None; the pictures are experiments of their own."""
    return []
