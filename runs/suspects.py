"""The models of the experiments on attacks: benign ones and some of every attack, each with its own seed and target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Optional

import numpy as np

from data_prep.contract import GAZE, HEAD_POSE
from runs.cases import Case, Source, Table
from runs.data_folder import DataFolder
from runs.jobs import Job, Train
from runs.presets import Preset

INTERVAL = "Mean over models with its 95 % interval (Student's t); every model has its own seed and target."

_LARGEST_DEG = {HEAD_POSE.name: (20.0, 20.0, 8.0)}  # heads roll less than they turn
_FIRST_SEED = {  # the same attack on the same data is the same model in every experiment
    "badnets": 100,
    "wanet": 200,
    "input-aware": 300,
    "clean-label": 400,
    "adaptive": 500,
    "multi-target": 600,
    "blend": 700,
    "sig": 800,
}


def sources(preset: Preset, data: Optional[Path]) -> list[Source]:
    """An image table, or synthetic heads for gaze and for head pose."""
    if data:
        return [Source(Table(DataFolder.of(data)))]
    return [Source(replace(preset.heads, task=task)) for task in (GAZE, HEAD_POSE)]


def by_kind(found: Mapping[Job, dict[str, Any]]) -> dict[tuple[str, str], list[dict[str, float]]]:
    """Metrics of trained models, grouped by task and attack (or ``benign``), in the order of the jobs."""
    groups: dict[tuple[str, str], list[dict[str, float]]] = {}
    for job, result in found.items():
        if isinstance(job, Train):
            attack = type(job.case.attack).__name__ if job.case.attack else "benign"
            groups.setdefault((job.case.source.data.spec.task.name, attack), []).append(result["metrics"])
    return groups


def kind(case: Case) -> str:
    """Task and attack (or ``benign``), as rows of tables are called."""
    return f"{case.source.data.spec.task.name} {type(case.attack).__name__ if case.attack else 'benign'}"


def benign(preset: Preset, source: Source, models: int) -> list[Case]:
    """Benign models with the seeds 0, 1, ..."""
    training = preset.training_on(source.data)
    return [Case(source, training, None, None, seed) for seed in range(models)]


def attacked(preset: Preset, source: Source, names: Sequence[str], models: int) -> list[Case]:
    """``models`` models of every attack, by command line name."""
    cases, training = [], preset.training_on(source.data)
    for name in names:
        attack = preset.attack(name, source.data.spec)
        for seed in range(_FIRST_SEED[name], _FIRST_SEED[name] + models):
            cases.append(Case(source, training, attack, target(seed, source), seed))
    return cases


def target(seed: int, source: Source) -> tuple[float, ...]:
    """A random target within what the training part shows, and well away from straight ahead; radians.

    At most 20 degrees in each angle (8 in roll) and at least 12 degrees in all, or 0.7 of the farthest corner of what
    the data shows where that is less.
    """
    rng = np.random.default_rng([seed, 7])
    task, labels = source.data.spec.task, source.labels()
    largest = np.array(_LARGEST_DEG.get(task.name, (20.0,) * task.size))
    lowest, highest = -largest, largest
    if labels is not None:
        shown = np.degrees([labels.min(axis=0), labels.max(axis=0)])
        lowest, highest = np.clip(lowest, *shown), np.clip(highest, *shown)
    least = min(12.0, 0.7 * np.linalg.norm(np.maximum(np.abs(lowest), np.abs(highest))))
    while True:
        degrees = rng.uniform(lowest, highest)
        if np.linalg.norm(degrees) > least:
            rounded = np.radians(degrees).round(4)
            return tuple(np.clip(rounded, np.radians(lowest), np.radians(highest)).tolist())
