"""DRMGuard, Table 6 and the right half of Table 5: mitigation against fine-tuning, fine-pruning and ANP.

Gaze and head pose, 10 models of every attack; the models and DRMGuard's scans are those of drmguard_table5. The clean
error RE after the mitigation, which the paper does not report, and the gain over plain fine-tuning stand in every row.
Aimed at: after DRMGuard, AE at least 4 times its value before, DAE at most 1.5 times RE, RE at most 1.1 times its value
before, and a lower DAE than every other method. Not run yet.

    drmguard reproduce run drmguard_table6 --preset cpu --models 3      12 scans and 36 mitigations a task
    drmguard reproduce run drmguard_table6 --preset cpu --data TABLE    the task of an image table alone
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runs import suspects
from runs.experiments import Options
from runs.figures import Figure
from runs.jobs import CleanModel, Job, ScanModel
from runs.presets import Preset
from runs.statistics import mean
from runs.tables import Table, paper

ATTACKS = ("badnets", "input-aware", "wanet", "clean-label")
_BEFORE, _OURS, _CONTROL = "undefended", "DRMGuard", "FineTuning"
_ERRORS = ("ae", "dae", "re")

Errors = dict[str, float]


def plan(preset: Preset, options: Options) -> list[Job]:
    """A scan with unlearning, and the other mitigations, of every backdoored model."""
    models = options.models or (2 if options.preset == "smoke" else 10)
    jobs: list[Job] = []
    for source in suspects.sources(preset, options.data):
        template = suspects.benign(preset, source, 1)[0]
        for case in suspects.attacked(preset, source, ATTACKS, models):
            jobs.append(ScanModel(case, template, preset.search, preset.controls, preset.unlearning))
            jobs += [CleanModel(case, method) for method in preset.mitigations.values()]
    return jobs


def tables(found: Mapping[Job, dict[str, Any]], options: Options) -> list[Table]:
    """One row per task, attack and method; and what each method takes."""
    groups, published, rows = _errors(found), paper("drmguard_table6"), []
    for (task, attack, method), errors in groups.items():
        before, control = groups[task, attack, _BEFORE], groups[task, attack, _CONTROL]
        row: dict[str, Any] = {"model": f"{task} {attack} {method}"}
        row |= {key: str(mean([each[key] for each in errors])) for key in _ERRORS}
        row["re_ratio"] = _mean(errors, "re") / _mean(before, "re")
        row["ae_ratio"] = _mean(errors, "ae") / _mean(before, "ae")
        row["dae_over_re"] = _mean(errors, "dae") / _mean(errors, "re")
        if method != _BEFORE:
            row["gain"] = _mean(control, "dae") - _mean(errors, "dae")
        row |= {f"paper_{key}": published.get((row["model"], key)) for key in ("ae", "dae")}
        rows.append(row)
    columns = {
        "model": "model and method",
        "ae": "AE",
        "dae": "DAE",
        "re": "RE",
        "ae_ratio": "AE, times before",
        "dae_over_re": "DAE over RE",
        "re_ratio": "RE, times before",
        "gain": "DAE: gain over fine-tuning",
        "paper_ae": "AE, paper",
        "paper_dae": "DAE, paper",
    }
    missed = sum("mitigation" not in result for job, result in found.items() if isinstance(job, ScanModel))
    notes = (
        suspects.INTERVAL,
        f"A model that DRMGuard's scan missed stays as it was and counts so in its rows; that happened {missed} times.",
        "The others clean every model, found or not. The paper's are MPIIFaceGaze, 224 px.",
    )
    errors_table = Table(
        "errors", f"Mitigation: errors in degrees, preset {options.preset}", columns, rows, notes=notes
    )
    return [errors_table, _takes(found, options)]


def figures(found: Mapping[Job, dict[str, Any]], options: Options) -> list[Figure]:
    """None."""
    return []


def _errors(found: Mapping[Job, dict[str, Any]]) -> dict[tuple[str, str, str], list[Errors]]:
    """Errors of every model by task, attack and method, undefended first."""
    groups: dict[tuple[str, str, str], list[Errors]] = {}

    def note(job: Any, result: dict[str, Any], method: str, errors: Mapping[str, float]) -> None:
        key = (job.case.source.data.spec.task.name, result["attack"], method)
        groups.setdefault(key, []).append({name: errors[f"{name}_deg"] for name in _ERRORS})

    for job, result in found.items():
        if isinstance(job, ScanModel):
            note(job, result, _BEFORE, result["metrics"])
            pairs = result.get("mitigation")
            after = {f"{name}_deg": pairs[name]["after_deg"] for name in _ERRORS} if pairs else result["metrics"]
            note(job, result, _OURS, after)
        elif isinstance(job, CleanModel):
            note(job, result, type(job.method).__name__, result["after"])
    return groups


def _mean(errors: list[Errors], key: str) -> float:
    return sum(each[key] for each in errors) / len(errors)


def _takes(found: Mapping[Job, dict[str, Any]], options: Options) -> Table:
    spent: dict[str, list[dict[str, float]]] = {}
    for job, result in found.items():
        if isinstance(job, ScanModel):
            spent.setdefault("DRMGuard, scan", []).append(result["spent"])
            if "mitigation" in result:
                spent.setdefault("DRMGuard, unlearning", []).append(result["mitigation"]["spent"])
        elif isinstance(job, CleanModel):
            spent.setdefault(type(job.method).__name__, []).append(result["spent"])
    lines = []
    for method, each in spent.items():
        seconds = [one["seconds"] for one in each]
        peak = max(one["peak_mib"] for one in each)
        lines.append({"method": method, "seconds": sum(seconds) / len(seconds), "largest": max(seconds), "peak": peak})
    columns = {"method": "method", "seconds": "seconds, mean", "largest": "seconds, largest", "peak": "peak MiB"}
    notes = ("With several workers, jobs share the cores.",)
    return Table("takes", f"What a mitigation takes, preset {options.preset}", columns, lines, notes=notes)
