"""Smoke: every kind of job once, in seconds; its numbers mean nothing.

No table of a paper. One benign and two backdoored models, all of them scanned, and cleaned where a backdoor is found.

    drmguard reproduce run smoke --preset smoke                       about a minute
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from runs.cases import Case, Source, Table
from runs.data_folder import DataFolder
from runs.experiments import Options
from runs.figures import Figure, identification
from runs.jobs import Job, ScanModel
from runs.presets import Preset
from runs.tables import Table as ResultTable

_TARGET = (0.2, -0.3, 0.1)


def plan(preset: Preset, options: Options) -> list[Job]:
    """A benign, a BadNets and a WaNet model."""
    source = Source(Table(DataFolder.of(options.data)) if options.data else preset.heads)
    task = source.data.spec.task
    training = preset.training_on(source.data)
    cases = [Case(source, training, None, None, 0)]
    for seed, name in enumerate(("badnets", "wanet"), 1):
        cases.append(Case(source, training, preset.attack(name, source.data.spec), _TARGET[: task.size], seed))
    search = replace(preset.search, families=("patch",))  # compiling the others takes longer than searching
    return [ScanModel(case, cases[0], search, preset.controls, preset.unlearning) for case in cases]


def tables(found: Mapping[Job, dict[str, Any]], options: Options) -> list[ResultTable]:
    """One row per model."""
    rows = []
    for job, result in found.items():
        if isinstance(job, ScanModel):
            errors = result["metrics"]
            measured = {"re": errors["re_deg"], "ae": errors.get("ae_deg")}
            rows.append({"model": job.case.name, **measured, **{key: result[key] for key in ("verdict", "margin")}})
    columns = {"model": "model", "re": "RE, degrees", "ae": "AE, degrees", "verdict": "verdict", "margin": "margin"}
    return [ResultTable("models", f"Smoke: preset {options.preset}; the numbers mean nothing", columns, rows)]


def figures(found: Mapping[Job, dict[str, Any]], options: Options) -> list[Figure]:
    """Margins and ROC curves."""
    kinds: dict[str, list[float]] = {"benign": [], "BadNets": [], "WaNet": []}
    for result in found.values():
        kinds[result["attack"] or "benign"].append(result["margin"])
    return [identification(kinds, "Smoke: margins and ROC curves; they mean nothing")]
