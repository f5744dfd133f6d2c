"""The main job on embedded data: train, scan, clean, export, report."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from data_prep import image_table
from data_prep.contract import Split
from runs import cases, export, guarding, inspection, judging, parallel, safety, store, views
from runs.cases import Case, Source
from runs.controls import Controls
from runs.inspection import Scan
from runs.presets import PRESETS, Preset

_TARGET = (0.25, -0.35)  # radians: 14 degrees up, 20 degrees towards image right


def demo_preset(name: str) -> Preset:
    """``demo`` is the cpu preset with fewer images and steps and without the costly generator family: minutes."""
    if name == "smoke":
        return PRESETS["smoke"]
    cpu = PRESETS["cpu"]
    brief = replace(cpu.training, steps=2000, learning_rate=0.004, milestones=(0.6, 0.85))
    return replace(
        cpu,
        heads=replace(cpu.heads, count=8000),
        training=brief,
        search=replace(cpu.search, families=("patch", "warp")),
        controls=Controls(count=4, training=brief),
    )


def run(out: Path, *, preset: str, seed: int, workers: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Everything; ``out`` gets summary.json, report.html, export/ and, under ``work``, models and data.

    Args:
        out: folder of the results.
        preset: "demo" or "smoke".
        seed: of the models and the search.
        workers: processes.
        say: called with a line for people after every stage.

    Returns:
        The summary.
    """
    started = time.perf_counter()

    def stage(text: str) -> None:
        say(f"[{time.perf_counter() - started:4.0f} s] {text}")

    chosen, home = demo_preset(preset), out / "work"
    source = Source(chosen.heads, seed=seed)
    stage(f"rendering {chosen.heads.count} synthetic heads")
    parts = source.parts(home, workers=workers)
    benign = home / "benign"
    store.write_directory(benign, lambda folder: image_table.write(folder, chosen.heads.task, parts.benign))
    honest = Case(source, chosen.training, None, None, seed)
    attacked = Case(source, chosen.training, chosen.attack("badnets", chosen.heads.spec), _TARGET, seed + 1)
    stage("training a benign and a backdoored model")
    folders = list(parallel.spread(_Train(home), [honest, attacked], workers=workers))
    scans = [Scan(folder / "model.h5", benign, chosen.search, chosen.controls, seed) for folder in folders]
    stage(f"training and searching {chosen.controls.count} benign controls")
    line = inspection.threshold(scans[0], workers=workers)
    stage("scanning both models, cleaning the one that is found")
    jobs = [(scan, line, chosen, case) for scan, case in zip(scans, (honest, attacked))]
    found = list(parallel.spread(_scan_and_clean, jobs, workers=workers))
    stage("measuring, exporting, reporting")
    summary = _conclude(out, chosen, attacked, found, parts.test, time.perf_counter() - started)
    summary["seconds"] = round(time.perf_counter() - started, 1)
    store.write_json(out / "summary.json", summary)
    return summary


class _Train:
    """``train`` with its store, picklable."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def __call__(self, case: Case) -> Path:
        return cases.train(case, self.home)


def _scan_and_clean(job: tuple[Scan, Any, Preset, Case]) -> dict[str, Any]:
    """One model's scan as plain values and pictures; where a backdoor is found, the cleaned model beside it."""
    scan, line, preset, case = job
    scanned = inspection.scan_model(scan, line)
    folder = scan.model.parent
    trigger = case.backdoored(scan.suspect.model, folder).trigger if case.attack else None
    view = views.view(scanned, "Backdoored model" if case.attack else "Benign model", trigger)
    if scanned.verdict.backdoored:
        for name, model in (
            ("cleaned", inspection.clean(scanned, preset.unlearning)),
            ("fine_tuned", inspection.fine_tune(scanned, preset.unlearning)),
        ):
            path = folder / f"{name}.h5"
            store.write_file(path, partial(model.save, include_optimizer=False))
    return {
        "record": guarding.scan_record(scanned),
        "view": view,
        "controls": views.controls_of(scanned),
        "folder": folder,
    }


def _conclude(
    out: Path, preset: Preset, attacked: Case, found: list[dict[str, Any]], test: Split, seconds: float
) -> dict[str, Any]:
    """Metrics, export, report and summary."""
    task = preset.heads.task
    honest, suspect = (item["record"] for item in found)
    folder = found[1]["folder"]
    known = attacked.backdoored(safety.load_model(folder / "model.h5"), folder)
    summary: dict[str, Any] = {
        "benign": _decision(honest),
        "backdoored": _decision(suspect),
        "target": np.degrees(known.target).round(3).tolist(),
        "target_estimate": suspect["target_estimate_deg"],
        "unit": "degrees",
    }
    if suspect["verdict"] == "backdoored":
        cleaned, tuned = (safety.load_model(folder / f"{name}.h5") for name in ("cleaned", "fine_tuned"))
        summary["mitigation"] = judging.judge(task, known, cleaned, tuned, test)
        facts = {"record": {**suspect, "mitigation": summary["mitigation"], "unlearning": asdict(preset.unlearning)}}
        summary["export"] = export.export(cleaned, task, out / "export", test.images[:16], facts)
    record = {**suspect, "unlearning": asdict(preset.unlearning), "seconds": round(seconds, 1)}
    page = views.page(
        "DRMGuard-TF demonstration",
        task,
        [item["view"] for item in found[::-1]],
        found[1]["controls"],
        record,
        mitigation=summary.get("mitigation"),
        export=summary.get("export"),
        true_target_deg=summary["target"],
    )
    store.write_text(out / "report.html", page)
    return summary


def _decision(record: dict[str, Any]) -> dict[str, Any]:
    return {key: record[key] for key in ("verdict", "score", "threshold", "family", "margin", "seconds")}
