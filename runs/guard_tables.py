"""What the tables of DRMGuard's experiments have in common: models told apart, and errors before and after cleaning."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Optional

from drmguard_tf.calibrate import PaperThreshold
from runs import figures, identification, statistics, suspects
from runs.cases import Case, Source
from runs.experiments import Options
from runs.figures import Figure
from runs.jobs import CleanModel, Job, ScanModel
from runs.presets import Preset
from runs.statistics import shown
from runs.tables import Table, Value, paper

Found = Mapping[Job, dict[str, Any]]
Label = Callable[[Case], Optional[str]]

BEFORE, NEVER, OURS, CONTROL = "undefended", "never attacked", "DRMGuard", "FineTuning"
_ERRORS = ("ae", "dae", "re")
_DECISIONS = {"tp": "TP", "fp": "FP", "fn": "FN", "tn": "TN", "accuracy": "accuracy"}
_STRENGTH = {"ae": "AE", "dae": "DAE", "re": "RE", "benign_re": "RE, benign models"}


def models(options: Options, usual: int = 10) -> int:
    """How many of each kind: what was asked for, else 2 with the preset smoke, else the experiment's own number."""
    return options.models or (2 if options.preset == "smoke" else usual)


def scans(preset: Preset, source: Source, attacks: Sequence[str], count: int) -> list[ScanModel]:
    """Scans of benign models and of every attack, ``count`` of each, and unlearning of what they find.

    The same question makes the same jobs in every experiment, so a store does each of them once.
    """
    benign = suspects.benign(preset, source, count)
    cases = benign + suspects.attacked(preset, source, attacks, count)
    return [ScanModel(case, benign[0], preset.search, preset.controls, preset.unlearning) for case in cases]


def with_control(preset: Preset, asked: Sequence[ScanModel]) -> list[Job]:
    """Scans, that of a backdoored model followed by its plain fine-tuning: the control beside every mitigation."""
    control = preset.mitigations["fine-tuning"]
    return [
        job
        for scan in asked
        for job in ((scan,) if scan.case.attack is None else (scan, CleanModel(scan.case, control)))
    ]


def identified(found: Found, title: str, published: str, label: Label = suspects.kind) -> Table:
    """One row per kind of backdoored models, beside the benign ones of the same data and training.

    Args:
        found: results; scans are read, the rest is not.
        title: of the table.
        published: name of the paper's numbers; a row of theirs that has no counterpart here stands below ours.
        label: the row of a backdoored case; None leaves it out.
    """
    printed = paper(published)
    rows = []
    for name, peers in compared(found, label).items():
        measured = [scan["metrics"] for scan in peers if scan["attack"] is not None]
        benign = [scan["metrics"] for scan in peers if scan["attack"] is None]
        row = {"models": name, **decisions(peers)}
        row |= {key: shown([errors[f"{key}_deg"] for errors in measured]) for key in _ERRORS}
        row["benign_re"] = shown([errors["re_deg"] for errors in benign])
        rows.append(row)
    columns = {"models": "backdoored models", **DECISION_COLUMNS, **_STRENGTH}
    notes = (*DECISION_NOTES, "AE, DAE and RE, in degrees, are those of the models before any defence.")
    return beside_the_papers(Table("identification", title, columns, rows, notes), printed)


DECISION_COLUMNS = {**_DECISIONS, "auc": "AUC", "constant": "accuracy at the paper's 0.03"}
DECISION_NOTES = (
    "Accuracy at the calibrated thresholds with Wilson's 95 % interval, AUC with Newcombe's (method 5) over margins.",
    "At the paper's 0.03: backdoored where the found trigger collapses the outputs and changes the images by at most "
    "0.03 of the largest benign norm.",
)


def decisions(peers: Sequence[dict[str, Any]]) -> dict[str, Value]:
    """How benign and backdoored models are told apart, for :data:`DECISION_COLUMNS`."""
    at_constant = identification.right_at(peers, PaperThreshold().constant)
    return {
        **identification.counts(peers)._asdict(),
        "accuracy": str(statistics.accuracy(identification.right(peers))),
        "auc": str(identification.auc(peers)),
        "constant": str(statistics.accuracy(at_constant)),
    }


def compared(found: Found, label: Label = suspects.kind) -> dict[str, list[dict[str, Any]]]:
    """Scans by row: the backdoored models of a kind, behind the benign ones of the same data and training."""
    pairs = [(job.case, result) for job, result in found.items() if isinstance(job, ScanModel)]
    rows: dict[str, list[dict[str, Any]]] = {}
    for case, result in pairs:
        name = label(case) if case.attack is not None else None
        if name is None:
            continue
        if name not in rows:
            rows[name] = [scan for other, scan in pairs if other.attack is None and _alike(other, case)]
        rows[name].append(result)
    return rows


def _alike(one: Case, other: Case) -> bool:
    return (one.source, one.training) == (other.source, other.training)


def margins(found: Found, title: str, label: Label = suspects.kind) -> list[Figure]:
    """Margins and ROC curves, a figure for every kind of data and training."""
    groups: dict[tuple[Source, Any], dict[str, list[float]]] = {}
    for job, scan in found.items():
        if isinstance(job, ScanModel):
            kinds = groups.setdefault((job.case.source, job.case.training), {"benign": []})
            kind = (label(job.case) or suspects.kind(job.case)) if job.case.attack is not None else "benign"
            kinds.setdefault(kind, []).append(scan["margin"])
    drawn = []
    for (source, training), kinds in groups.items():
        task = source.data.spec.task.name
        one = figures.identification(kinds, f"{title}: margins of all models and ROC curves, {task}")
        drawn.append(replace(one, name=f"identification_{task}_{training.architecture}"))
    return drawn


def errors(found: Found, title: str, published: str, label: Label = suspects.kind) -> Table:
    """One row per kind of backdoored models and method: errors before and after it, in degrees.

    The clean error RE and the gain over plain fine-tuning, :data:`CONTROL`, stand in every row. All rows of a kind are
    of the same models: those that every method has cleaned, of the methods that have cleaned any.

    Args:
        found: results of scans with unlearning, and of the other mitigations.
        title: of the table.
        published: name of the paper's numbers.
        label: the kind of a backdoored case; None leaves it out.
    """
    rows = []
    for name, methods in _measured(found, label).items():
        common = [case for case in methods[BEFORE] if all(case in each for each in methods.values())]
        same = {method: [each[case] for case in common] for method, each in methods.items()}
        for method, each in same.items():
            row: dict[str, Value] = {"model": f"{name} {method}", "n": len(common)}
            if common:
                row |= {key: shown([one[key] for one in each]) for key in _ERRORS}
                row["dae_over_re"] = _mean(each, "dae") / _mean(each, "re")
                row |= {f"{key}_ratio": _mean(each, key) / _mean(same[BEFORE], key) for key in ("re", "ae")}
                if method not in (BEFORE, NEVER) and CONTROL in same:
                    row["gain"] = _mean(same[CONTROL], "dae") - _mean(each, "dae")
            rows.append(row)
    columns = {
        "model": "model and method",
        "n": "models",
        "ae": "AE",
        "dae": "DAE",
        "re": "RE",
        "ae_ratio": "AE, times before",
        "dae_over_re": "DAE over RE",
        "re_ratio": "RE, times before",
        "gain": "DAE: gain over fine-tuning",
    }
    missed = sum("mitigation" not in scan for scan in _of_backdoored(found, label))
    notes = (
        suspects.INTERVAL,
        f"A model that DRMGuard's scan missed stays as it was and counts so in its rows; that happened {missed} times.",
        "All rows of a kind are of the same models, those that every method has cleaned.",
        f"In rows '{NEVER}' a benign model gets the same triggered images: less than its DAE is more than a removed "
        "backdoor.",
        "The others clean every model, found or not. The paper's are MPIIFaceGaze, 224 px.",
    )
    return beside_the_papers(Table("errors", title, columns, rows, notes=notes), paper(published))


def _of_backdoored(found: Found, label: Label) -> list[dict[str, Any]]:
    pairs = [(job.case, result) for job, result in found.items() if isinstance(job, ScanModel)]
    return [result for case, result in pairs if case.attack is not None and label(case) is not None]


def _measured(found: Found, label: Label) -> dict[str, dict[str, dict[Case, dict[str, float]]]]:
    """Errors of every scanned backdoored model by kind and method, in the order of the jobs."""
    kinds: dict[str, dict[str, dict[Case, dict[str, float]]]] = {}

    def note(case: Case, method: str, degrees: Mapping[str, float]) -> None:
        name = label(case)
        if name is not None:
            of_kind = kinds.setdefault(name, {BEFORE: {}})
            of_kind.setdefault(method, {})[case] = {key: degrees[f"{key}_deg"] for key in _ERRORS}

    for job, result in found.items():
        if isinstance(job, ScanModel) and job.case.attack is not None:
            note(job.case, BEFORE, result["metrics"])
            note(job.case, NEVER, result["never_attacked"])
            pairs = result.get("mitigation")
            after = {f"{key}_deg": pairs[key]["after_deg"] for key in _ERRORS} if pairs else result["metrics"]
            note(job.case, OURS, after)
        elif isinstance(job, CleanModel):
            note(job.case, type(job.method).__name__, result["after"])
    return kinds


def _mean(each: Sequence[Mapping[str, float]], key: str) -> float:
    return sum(one[key] for one in each) / len(each)


def named(table: Table, name: str, first: str) -> Table:
    """A table under another name, with another heading of its first column."""
    key = next(iter(table.columns))
    return replace(table, name=name, columns={**table.columns, key: first})


def beside_the_papers(table: Table, printed: Mapping[tuple[str, str], float]) -> Table:
    """A table with a column for every kind of number that the paper has, and below it the paper's other rows.

    Args:
        table: its first column names the rows as the paper's numbers do.
        printed: of :func:`runs.tables.paper`.
    """
    first = next(iter(table.columns))
    kinds = _in_order((key for _, key in printed), tuple(table.columns))
    rows = [{**row, **_theirs(printed, str(row[first]), kinds)} for row in table.rows]
    ours = {row[first] for row in table.rows}
    others = dict.fromkeys(name for name, _ in printed if name not in ours)
    rows += [{first: name, **_theirs(printed, name, kinds)} for name in others]
    columns = {**table.columns, **{f"paper_{key}": f"{table.columns.get(key, key)}, paper" for key in kinds}}
    return replace(table, columns=columns, rows=rows)


def _theirs(printed: Mapping[tuple[str, str], float], row: str, kinds: Iterable[str]) -> dict[str, Value]:
    return {f"paper_{key}": printed.get((row, key)) for key in kinds}


def _in_order(kinds: Iterable[str], order: Sequence[str]) -> list[str]:
    return sorted(dict.fromkeys(kinds), key=lambda key: order.index(key) if key in order else len(order))
