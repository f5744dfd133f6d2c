"""First light: are benign, BadNets and WaNet models told apart by one setting of the steered search?

Not a table of the paper (its Tables 3 and 5 ask the same of 10 models per kind on MPIIFaceGaze: accuracy 95 %, AUC
1.000).
Expected on heads: AUC 0.98 or more, accuracy 0.93 or more, one scan in 60 s or less.

    drmguard reproduce run first_light --preset cpu                  synthetic heads, 5 + 5 + 5 models, about an hour
    drmguard reproduce run first_light --preset cpu --data TABLE --models 3    an image table, 3 + 3 + 3 models
    drmguard reproduce run first_light --preset smoke                 a minute, for tests: shows that it runs, no more
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats
from sklearn.metrics import roc_auc_score

from data_prep import image_table
from drmguard_tf.calibrate import Calibration
from runs import inspection, parallel, store
from runs.cases import Case, Source, Table, train
from runs.export import versions
from runs.inspection import Scan
from runs.presets import Preset

_Say = Callable[[str], None]
_ATTACKS = ("badnets", "wanet")


def cases(preset: Preset, source: Source, models: int) -> list[Case]:
    """``models`` benign cases and as many of each attack, each with its own seed and target."""
    benign = [Case(source, preset.training, None, None, seed) for seed in range(models)]
    attacked = [
        Case(
            source,
            preset.training,
            preset.attack(attack, source.data.spec.task),
            _target(100 * kind + seed, source),
            100 * kind + seed,
        )
        for kind, attack in enumerate(_ATTACKS, 1)
        for seed in range(models)
    ]
    return benign + attacked


def run(preset: Preset, home: Path, *, data: Path | None, models: int, workers: int, say: _Say) -> dict[str, Any]:
    """Train and scan all cases; what the store holds already is used.

    Args:
        preset: settings.
        home: root of the store.
        data: image table to use instead of synthetic heads.
        models: per kind.
        workers: processes.
        say: called with a line for people whenever something is finished.

    Returns:
        The table: one row per model, and the summary.
    """
    source = Source(Table(str(data.resolve())) if data else preset.heads)
    planned = cases(preset, source, models)
    benign_table = _benign_table(source, home, workers)
    folders = []
    for folder in parallel.spread(_Train(home), planned, workers=workers):
        folders.append(folder)
        say(f"trained {len(folders)}/{len(planned)} {folder.name} {_metrics(folder)}")
    first = Scan(folders[0] / "model.h5", benign_table, preset.search, preset.controls)
    started = time.perf_counter()
    line = inspection.threshold(first, workers=workers)
    controls_seconds = time.perf_counter() - started
    say(f"calibrated on {preset.controls.count} benign controls in {controls_seconds:.0f} s (kept ones are used again)")
    rows = []
    jobs = [(case, folder, first, line) for case, folder in zip(planned, folders)]
    for row in parallel.spread(
        _scan, jobs, workers=1
    ):  # one at a time on all cores, so that the seconds mean something
        rows.append(row)
        say("{name:12s} {verdict:10s} {family:9s} margin {margin:6.2f} in {seconds:.0f} s".format(**row))
    return {"summary": summarise(rows, controls_seconds), "rows": rows, "versions": versions()}


class _Train:
    """``train`` with its store, picklable."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def __call__(self, case: Case) -> Path:
        return train(case, self.home)


def _scan(job: tuple[Case, Path, Scan, Calibration]) -> dict[str, Any]:
    case, folder, first, line = job
    scan = Scan(folder / "model.h5", first.benign, first.search, first.controls, seed=first.seed)
    kept = folder / f"scan-{store.digest((scan.search, line, scan.seed))}.json"
    if not kept.is_file():
        scanned = inspection.scan_model(scan, line)
        trained = store.read_json(folder / "train.json")
        row = {
            "name": case.name,
            "attack": type(case.attack).__name__ if case.attack else None,
            **scanned.verdict.summary(),
        }
        if case.target:
            row["target_deg"] = np.degrees(case.target).round(3).tolist()
        store.write_json(kept, {**row, "metrics": trained["metrics"], "seconds": scanned.seconds})
    return store.read_json(kept)


def summarise(rows: list[dict[str, Any]], controls_seconds: float) -> dict[str, Any]:
    """AUC, accuracy with its Wilson 95 % interval, and scan time over rows of :func:`run`."""
    attacked = np.array([row["attack"] is not None for row in rows])
    margins = np.array([row["margin"] for row in rows])
    right = int(sum((row["verdict"] == "backdoored") == bad for row, bad in zip(rows, attacked)))
    interval = stats.binomtest(right, len(rows)).proportion_ci(method="wilson")
    attacks = sorted({row["attack"] for row in rows if row["attack"]})
    return {
        "models": len(rows),
        "auc": float(roc_auc_score(attacked, margins)),
        "auc_per_attack": {
            name: float(roc_auc_score(attacked[mine], margins[mine]))
            for name in attacks
            for mine in [np.array([row["attack"] in (None, name) for row in rows])]
        },
        "accuracy": right / len(rows),
        "accuracy_interval_95": [float(interval.low), float(interval.high)],
        "seconds_per_scan": {
            "mean": float(np.mean([r["seconds"] for r in rows])),
            "max": max(r["seconds"] for r in rows),
        },
        "controls_seconds": controls_seconds,
        "largest_ae_deg": max((row["metrics"]["ae_deg"] for row in rows if row["attack"]), default=None),
    }


def _target(seed: int, source: Source) -> tuple[float, ...]:
    """A random target at least 12 degrees from straight ahead, within what the data shows."""
    rng = np.random.default_rng([seed, 7])
    size = source.data.spec.task.size
    while True:
        target = np.radians(rng.uniform(-20, 20, size))
        if np.linalg.norm(np.degrees(target)) > 12:
            return tuple(float(round(angle, 4)) for angle in target)


def _benign_table(source: Source, home: Path, workers: int) -> Path:
    """The benign part as an image table, the form in which a defender holds it."""
    folder = home / "benign" / store.digest(source)
    if not folder.is_dir():
        benign = source.parts(home, workers=workers).benign
        store.write_directory(folder, lambda temporary: image_table.write(temporary, source.data.spec.task, benign))
    return folder


def _metrics(folder: Path) -> str:
    metrics = store.read_json(folder / "train.json")["metrics"]
    return " ".join(f"{name} {value:.3g}" for name, value in metrics.items())
