"""DRMGuard, Table 5: identification against Neural Cleanse and FeatureRE, four attacks alone and together.

Gaze and head pose; 10 benign models and 10 of every attack, all of them scanned by all three methods with controls of
their own. Also: accuracy at the calibrated thresholds with McNemar's test, the paper's statistic (mean change of the
images) for every method, seconds and peak memory of a scan. Aimed at: AUC of DRMGuard 0.98 or more per attack and
together, above both others; accuracy 0.95. With cpu it is 1.00 everywhere, and so is the accuracy, see MEASURED.md.

    drmguard reproduce run drmguard_table5 --preset cpu --models 3      15 scans a task and method
    drmguard reproduce run drmguard_table5 --preset cpu --data TABLE    the task of an image table alone
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, Optional

from runs import identification, statistics, suspects, takes
from runs.cases import Case
from runs.experiments import Options
from runs.figures import Figure
from runs.figures import identification as drawn
from runs.jobs import Job, ScanModel
from runs.presets import Preset
from runs.tables import Table, paper

ATTACKS = ("badnets", "input-aware", "wanet", "clean-label")
METHODS = {"SteeredSearch": "DRMGuard", "NeuralCleanse": "NeuralCleanse", "FeatureRE": "FeatureRE"}
_ALL = "all attacks"

Scans = dict[tuple[str, str], dict[Case, dict[str, Any]]]


def plan(preset: Preset, options: Options) -> list[Job]:
    """Scans of every model by every method; DRMGuard's are those of Table 6, which cleans what they find."""
    models = options.models or (2 if options.preset == "smoke" else 10)
    jobs: list[Job] = []
    for source in suspects.sources(preset, options.data):
        benign = suspects.benign(preset, source, models)
        for case in benign + suspects.attacked(preset, source, ATTACKS, models):
            jobs.append(ScanModel(case, benign[0], preset.search, preset.controls, preset.unlearning))
            for search in (preset.neural_cleanse, preset.feature_re):
                jobs.append(ScanModel(case, benign[0], search, preset.controls))
    return jobs


def tables(found: Mapping[Job, dict[str, Any]], options: Options) -> list[Table]:
    """AUC by each method's own score and by the paper's, accuracy, and what a scan takes."""
    scans, where = _by_method(found), f"preset {options.preset}"
    rows = _rows(scans)
    return [
        _aucs("auc", f"AUC of identification, by margin, {where}", scans, rows, by_distance=False),
        _aucs("auc_distance", f"AUC by mean change of the images, the paper's statistic, {where}", scans, rows, True),
        _accuracies(f"Accuracy at the calibrated thresholds, {where}", scans, rows),
        _takes(f"What a scan takes, {where}", scans),
    ]


def figures(found: Mapping[Job, dict[str, Any]], options: Options) -> list[Figure]:
    """Margins and ROC curves of every method."""
    shown = []
    for (task, method), scans in _by_method(found).items():
        kinds: dict[str, list[float]] = {"benign": []}
        for scan in scans.values():
            kinds.setdefault(scan["attack"] or "benign", []).append(scan["margin"])
        one = drawn(kinds, f"{method}, {task}: margins of all models and ROC curves, preset {options.preset}")
        shown.append(replace(one, name=f"identification_{task}_{method}"))
    return shown


def _by_method(found: Mapping[Job, dict[str, Any]]) -> Scans:
    """Results by task, method and model; a method that has scanned nothing yet is left out."""
    scans: Scans = {}
    for job, result in found.items():
        if isinstance(job, ScanModel):
            task, method = job.case.source.data.spec.task.name, METHODS[type(job.search).__name__]
            scans.setdefault((task, method), {})[job.case] = result
    return scans


def _rows(scans: Scans) -> list[tuple[str, str]]:
    """Task and attack of every row."""
    rows = []
    for task in dict.fromkeys(task for task, _ in scans):
        every = [scan for (one, _), found in scans.items() if one == task for scan in found.values()]
        attacks = dict.fromkeys(scan["attack"] for scan in every if scan["attack"])
        rows += [(task, attack) for attack in (*attacks, _ALL)]
    return rows


def _of(scans: Scans, task: str, attack: str, method: str) -> dict[Case, dict[str, Any]]:
    found = scans.get((task, method), {})
    return {case: scan for case, scan in found.items() if attack == _ALL or scan["attack"] in (None, attack)}


def _of_both_kinds(scans: Collection[dict[str, Any]]) -> bool:
    return len({scan["attack"] is None for scan in scans}) == 2


def _auc(scans: Collection[dict[str, Any]], by_distance: bool) -> Optional[str]:
    return str(identification.auc(list(scans), by_distance=by_distance)) if _of_both_kinds(scans) else None


def _aucs(name: str, title: str, scans: Scans, rows: list[tuple[str, str]], by_distance: bool) -> Table:
    published, lines = paper("drmguard_table5"), []
    for task, attack in rows:
        line: dict[str, Any] = {"models": f"{task} {attack}"}
        for method in METHODS.values():
            line[method] = _auc(_of(scans, task, attack, method).values(), by_distance)
            line[f"paper_{method}"] = published.get((line["models"], method))
        lines.append(line)
    columns = {"models": "backdoored models", **{method: method for method in METHODS.values()}}
    columns |= {f"paper_{method}": f"{method}, paper" for method in METHODS.values()}
    notes = (
        "With the 95 % interval of Newcombe (method 5).",
        "The paper's are MPIIFaceGaze, by mean change of the images.",
    )
    return Table(name, title, columns, lines, notes=notes)


def _accuracies(title: str, scans: Scans, rows: list[tuple[str, str]]) -> Table:
    lines = []
    for task, attack in rows:
        line: dict[str, Any] = {"models": f"{task} {attack}"}
        ours = _of(scans, task, attack, "DRMGuard")
        for method in METHODS.values():
            theirs = _of(scans, task, attack, method)
            if _of_both_kinds(theirs.values()):
                line[method] = str(statistics.accuracy(identification.right(list(theirs.values()))))
            same = [case for case in theirs if case in ours]
            if same and method != "DRMGuard":
                our_right = identification.right([ours[case] for case in same])
                their_right = identification.right([theirs[case] for case in same])
                line[f"p_{method}"] = statistics.mcnemar(our_right, their_right)
        lines.append(line)
    columns = {"models": "backdoored models", **{method: method for method in METHODS.values()}}
    columns |= {f"p_{method}": f"p, DRMGuard against {method}" for method in METHODS.values() if method != "DRMGuard"}
    notes = (
        "With Wilson's 95 % interval; p is McNemar's exact test on the models that both have scanned, two-sided.",
        "The benign models are the same in every row.",
    )
    return Table("accuracy", title, columns, lines, notes=notes)


def _takes(title: str, scans: Scans) -> Table:
    pieces = [
        takes.taken(method, scan)
        for method in METHODS.values()
        for (_, name), found in scans.items()
        if name == method
        for scan in found.values()
    ]
    notes = (
        "Controls are not in it.",
        "Where a worker has several threads, DRMGuard's runs go beside each other and the rivals' do not; with one "
        "thread all are alike.",
    )
    return takes.table(title, pieces, notes)
