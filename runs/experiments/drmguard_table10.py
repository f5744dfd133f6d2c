"""DRMGuard, Table 10: attack error AE and clean error RE of every attack; with the AE of Table 9 and App. A.8.

Gaze and head pose, at least 3 models per kind. Aimed at: AE of at most 4 degrees, RE within 15 % of the benign models'.
With cpu that holds but for RE of multi-target and adaptive WaNet, 16 to 26 % above: see MEASURED.md.

    drmguard reproduce run drmguard_table10 --preset cpu                synthetic heads; 54 models, a training each
    drmguard reproduce run drmguard_table10 --preset cpu --data TABLE   the task of an image table alone
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from runs import suspects
from runs.experiments import Options
from runs.figures import Figure
from runs.jobs import Job, Train
from runs.presets import Preset
from runs.statistics import shown
from runs.tables import Table, paper

ATTACKS = ("badnets", "wanet", "input-aware", "clean-label", "blend", "sig", "multi-target", "adaptive")


def plan(preset: Preset, options: Options) -> list[Job]:
    """Training of benign models and of every attack, for gaze and head pose."""
    models = options.models or (2 if options.preset == "smoke" else 3)
    cases = []
    for source in suspects.sources(preset, options.data):
        cases += suspects.benign(preset, source, models) + suspects.attacked(preset, source, ATTACKS, models)
    return [Train(case) for case in cases]


def tables(found: Mapping[Job, dict[str, Any]], options: Options) -> list[Table]:
    """One row per task and attack."""
    published, rows, groups = paper("drmguard_table10"), [], suspects.by_kind(found)
    for (task, kind), measured in groups.items():
        clean, benign = ([one["re_deg"] for one in each] for each in (measured, groups.get((task, "benign"), [])))
        row: dict[str, Any] = {"model": f"{task} {kind}", "re": shown(clean)}
        if benign:
            row["ratio"] = float(np.mean(clean) / np.mean(benign))
        for key in ("ae", "dae", "ae_2", "cross"):
            if f"{key}_deg" in measured[0]:
                row[key] = shown([metrics[f"{key}_deg"] for metrics in measured])
        row |= {f"paper_{key}": published.get((row["model"], key)) for key in ("ae", "dae", "re")}
        rows.append(row)
    columns = {
        "model": "model",
        "ae": "AE",
        "dae": "DAE",
        "re": "RE",
        "ratio": "RE over benign RE",
        "ae_2": "AE, second target",
        "cross": "error under another image's trigger",
        "paper_ae": "AE, paper",
        "paper_dae": "DAE, paper",
        "paper_re": "RE, paper",
    }
    title = f"Attacks: errors in degrees, preset {options.preset}"
    return [Table("errors", title, columns, rows, notes=(suspects.INTERVAL, "The paper's are MPIIFaceGaze, 224 px."))]


def figures(found: Mapping[Job, dict[str, Any]], options: Options) -> list[Figure]:
    """None; the pictures are experiments of their own."""
    return []
