"""DRMGuard, Table 17 (App. A.9): backdoored classifiers told from benign ones by Eq. 10, no label tried.

10 benign classifiers and 10 of BadNets, each with its own target class. The search is our steered one without the
feature-space term (EQUATIONS.md, difference 27), the line is calibrated on classifiers that the defender trains on his
share of the training set. On the embedded digits, or with --data on CIFAR-10 in its python batches (the paper's data).
Aimed at: the paper's accuracy of 0.85 or more, and the attacked class found in every flagged model; on digits
both are so, and on 3 + 3 of CIFAR-10 (MEASURED.md).

    drmguard reproduce run drmguard_table17 --preset cpu --data cifar-10-batches-py     20 classifiers, 6 controls
    drmguard reproduce run drmguard_table17 --preset cpu                                digits
    drmguard reproduce run drmguard_table17 --preset smoke                              shows that it runs
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from drmguard_tf.ablations import WithoutRav
from runs import classes, guard_tables, takes
from runs.class_scans import Defender, ScanClassifier
from runs.data_folder import DataFolder
from runs.erasing_jobs import Implanted, Learned
from runs.experiments import Options
from runs.figures import Figure, identification
from runs.jobs import Job
from runs.presets import Preset
from runs.statistics import shown
from runs.tables import Table, paper

SHARES = {classes.DIGITS: 0.25}  # 1,437 digits; of 50,000 photographs a tenth is enough
_FIRST_ATTACKED = 100  # seed
_CLASSES = 10  # of the digits and of CIFAR-10


def plan(preset: Preset, options: Options) -> list[Job]:
    """Scans of benign classifiers and of BadNets."""
    defended, count = defender(preset, options), guard_tables.models(options)
    attack = classes.PRESETS[options.preset].attack("badnets", defended.data)
    seeds = range(_FIRST_ATTACKED, _FIRST_ATTACKED + count)
    return benign(defended, count) + [
        ScanClassifier(Implanted(defended.data, defended.training, attack, seed % _CLASSES, seed), defended)
        for seed in seeds
    ]


def defender(preset: Preset, options: Options) -> Defender:
    """Who scans classifiers of these data, and how."""
    data = classes.DIGITS if options.data is None else DataFolder.of(options.data)
    training, search = classes.PRESETS[options.preset].trained(data), WithoutRav(**asdict(preset.search))
    return Defender(data, training, SHARES.get(data, 0.1), search, preset.controls.count)


def benign(defended: Defender, count: int) -> list[Job]:
    """Scans of so many benign classifiers."""
    return [ScanClassifier(Learned(defended.data, defended.training, seed), defended) for seed in range(count)]


def tables(found: Mapping[Job, dict[str, Any]], options: Options) -> list[Table]:
    """Identification, and whether the attacked class was found."""
    identified, times = told_apart(found, options)
    return [guard_tables.beside_the_papers(identified, paper("drmguard_table17")), times]


def told_apart(found: Mapping[Job, dict[str, Any]], options: Options) -> tuple[Table, Table]:
    """A row per attack, beside all benign classifiers; and what a scan takes."""
    scans = [result for job, result in found.items() if isinstance(job, ScanClassifier)]
    clean = [scan for scan in scans if scan["attack"] is None]
    rows = []
    for attack in dict.fromkeys(scan["attack"] for scan in scans if scan["attack"] is not None):
        attacked = [scan for scan in scans if scan["attack"] == attack]
        flagged = [scan for scan in attacked if scan["verdict"] == "backdoored"]
        right = sum(scan["infected"] == scan["target"] for scan in flagged)
        row = {
            "models": attack,
            **guard_tables.decisions([*clean, *attacked]),
            "infected": f"{right} of {len(flagged)}",
        }
        row |= {key: shown([100 * scan["metrics"][key] for scan in attacked]) for key in ("asr", "acc")}
        rows.append({**row, "benign_acc": shown([100 * scan["metrics"]["acc"] for scan in clean])})
    columns = {
        "models": "backdoored models",
        **guard_tables.DECISION_COLUMNS,
        "infected": "attacked class found",
        "asr": "ASR, %",
        "acc": "ACC, %",
        "benign_acc": "ACC, benign models, %",
    }
    notes = (*guard_tables.DECISION_NOTES, "No scan goes through the classes: its runs are those of its families.")
    where = f"{'digits' if options.data is None else options.data.name}, preset {options.preset}"
    times = takes.table(
        f"What a scan takes: {where}", [takes.taken("DRMGuard for classifiers", scan) for scan in scans]
    )
    return Table("identification", f"Identification of classifiers: {where}", columns, rows, notes), times


def figures(found: Mapping[Job, dict[str, Any]], options: Options) -> list[Figure]:
    """Margins and ROC curve."""
    kinds: dict[str, list[float]] = {"benign": []}
    for scan in found.values():
        kinds.setdefault(scan["attack"] or "benign", []).append(scan["margin"])
    return [identification(kinds, f"Classifiers: margins of all models and ROC curve, preset {options.preset}")]
