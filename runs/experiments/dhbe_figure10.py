"""DHBE, Fig. 10: what the learning rate does to ACC and ASR; the generators' rates go with the student's.

A tenth of the rates that most tables have to twice as much, which are the paper's 0.01 to 0.2 with the preset paper;
with cpu the least is its own on photographs. BadNets, 3 px. On the embedded digits, or with --data on CIFAR-10 in its
python batches. Expected: the same ACC and ASR over the whole range; on CIFAR-10 ACC is a little higher at lower rates,
on digits a tenth unlearns too little (MEASURED.md).

    drmguard reproduce run dhbe_figure10 --preset cpu                               digits, 3 suspects, 5 rates
    drmguard reproduce run dhbe_figure10 --preset cpu --data cifar-10-batches-py
    drmguard reproduce run dhbe_figure10 --preset smoke                             one suspect, shows that it runs
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dhbe_tf.dhbe import DHBE
from runs import erasing_tables
from runs.ablation_figures import sweep
from runs.ablation_jobs import Tried
from runs.ablation_tables import by_setting, grouped
from runs.erasing_jobs import Erase
from runs.experiments import Options
from runs.figures import Figure
from runs.jobs import Job
from runs.presets import Preset
from runs.tables import Table

_FACTORS = {"paper": (0.1, 0.2, 0.5, 1.0, 2.0), "cpu": (0.1, 0.2, 0.5, 1.0, 2.0), "smoke": (1.0, 2.0)}


def plan(preset: Preset, options: Options) -> list[Job]:
    """Every suspect with every rate."""
    seeds = 1 if options.preset == "smoke" else 3
    which = erasing_tables.suspects(options, ("badnets",), erasing_tables.SIZES[:1], seeds=seeds)
    return [Tried(Erase(suspect, method, seed=suspect.seed)) for method in _methods(options) for suspect in which]


def tables(found: Mapping[Job, dict[str, Any]], options: Options) -> list[Table]:
    """One row per rate."""
    settings = {job: {"rate": rate} for job, rate in _labels(found).items()}
    return [by_setting(found, settings, {"rate": "learning rate"}, f"Learning rates of DHBE, preset {options.preset}")]


def figures(found: Mapping[Job, dict[str, Any]], options: Options) -> list[Figure]:
    """Shares on the left, activations on the right."""
    title = f"Learning rates of DHBE, preset {options.preset}"
    return [sweep(grouped(found, _labels(found)), "learning rate of the student", title)]


def _methods(options: Options) -> list[DHBE]:
    erasing, factors = erasing_tables.erasing_at_former_rate(options), _FACTORS[options.preset]
    pairs = [
        [round(factor * rate, 9) for rate in (erasing.learning_rate, erasing.generator_rate)] for factor in factors
    ]
    return [replace(erasing, learning_rate=student, generator_rate=generators) for student, generators in pairs]


def _labels(found: Mapping[Job, dict[str, Any]]) -> dict[Job, str]:
    rates = {job: job.erasing.method for job in found if isinstance(job, Tried)}
    return {job: f"{method.learning_rate:g}" for job, method in rates.items() if isinstance(method, DHBE)}
