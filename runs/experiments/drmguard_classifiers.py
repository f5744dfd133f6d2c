"""DRMGuard on classifiers (App. A.9) under DHBE's attacks: BadNets, clean-label and trojaning, three seeds of each.

Not a table of the papers: DRMGuard's Table 17 has BadNets alone. The suspects are those of dhbe_table3, who scans is as
in drmguard_table17, beside three benign classifiers. On the embedded digits, where clean-label does not take, or with
--data on CIFAR-10 in its python batches. Measured there (MEASURED.md): all of BadNets is found, two of clean-label's
three, and none of trojaning's, whose trigger works on four images of five.

    drmguard reproduce run drmguard_classifiers --preset cpu --data cifar-10-batches-py     12 classifiers, 6 controls
    drmguard reproduce run drmguard_classifiers --preset smoke                              shows that it runs
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runs import guard_tables
from runs.class_scans import ScanClassifier
from runs.erasing_jobs import Erase
from runs.experiments import Options, dhbe_table3, drmguard_table17
from runs.figures import Figure
from runs.jobs import Job
from runs.presets import Preset
from runs.tables import Table, Value

_BENIGN = 3


def plan(preset: Preset, options: Options) -> list[Job]:
    """Scans of benign classifiers and of every suspect."""
    defended = drmguard_table17.defender(preset, options)
    asked = dhbe_table3.plan(preset, options)
    suspects = dict.fromkeys(job.suspect for job in asked if isinstance(job, Erase))
    benign = drmguard_table17.benign(defended, guard_tables.models(options, _BENIGN))
    return benign + [ScanClassifier(suspect, defended) for suspect in suspects]


def tables(found: Mapping[Job, dict[str, Any]], options: Options) -> list[Table]:
    """Attack by attack, model by model, and what a scan takes."""
    identified, times = drmguard_table17.told_apart(found, options)
    rows: list[dict[str, Value]] = []
    for job, scan in found.items():
        asr = 100 * scan["metrics"]["asr"] if scan["attack"] else None
        shown = {key: scan[key] for key in ("verdict", "family", "margin", "target", "infected")}
        rows.append({"model": job.name.replace("scan ", ""), "asr": asr, **shown})
    columns = {"model": "model", "asr": "ASR, %", "verdict": "verdict", "family": "family", "margin": "margin"}
    columns |= {"target": "attacked class", "infected": "class of the found trigger"}
    return [identified, Table("models", f"Classifiers one by one, preset {options.preset}", columns, rows), times]


def figures(found: Mapping[Job, dict[str, Any]], options: Options) -> list[Figure]:
    """Margins and ROC curves."""
    return drmguard_table17.figures(found, options)
