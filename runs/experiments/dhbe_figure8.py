"""DHBE, Fig. 8: what the weight of the regularisation does to ACC, ASR and the activations that a trigger moves.

A tenth of the preset's weight to twice as much, which are the paper's 0.01 to 0.2 with the preset paper; BadNets, 3 px.
The paper's weight 0 is not distillation alone (Sec. 5.4.1): patched samples still pass through the student, and move
its batch norm. So there are two: "alone" makes no patches, "0" makes them and has next to no weight (1e-9). With
presets whose student keeps the suspect's batch norm nothing would tell them apart, and there is "alone" only. On the
embedded digits, or with --data on CIFAR-10 in its python batches. Expected: ASR falls with the weight, ACC stays.
It is so on both (MEASURED.md).

    drmguard reproduce run dhbe_figure8 --preset cpu                                digits, 3 suspects, 6 weights
    drmguard reproduce run dhbe_figure8 --preset cpu --data cifar-10-batches-py
    drmguard reproduce run dhbe_figure8 --preset smoke                              one suspect, shows that it runs
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

_FACTORS = {"paper": (0.1, 0.2, 0.5, 1.0, 2.0), "cpu": (0.1, 0.2, 0.5, 1.0, 2.0), "smoke": (1.0,)}
_HARDLY = 1e-9  # DHBE leaves the patches out at 0


def plan(preset: Preset, options: Options) -> list[Job]:
    """Every suspect with every weight."""
    seeds = 1 if options.preset == "smoke" else 3
    which = erasing_tables.suspects(options, ("badnets",), erasing_tables.SIZES[:1], seeds=seeds)
    erasing = erasing_tables.erasing_at_former_rate(options)
    methods = [replace(erasing, weight=weight) for weight in _weights(options).values()]
    return [Tried(Erase(suspect, method, seed=suspect.seed)) for method in methods for suspect in which]


def tables(found: Mapping[Job, dict[str, Any]], options: Options) -> list[Table]:
    """One row per weight."""
    settings = {job: {"weight": name} for job, name in _labels(found, options).items()}
    return [by_setting(found, settings, {"weight": "weight"}, f"Weights of DHBE, preset {options.preset}")]


def figures(found: Mapping[Job, dict[str, Any]], options: Options) -> list[Figure]:
    """Shares on the left, activations on the right."""
    results = grouped(found, _labels(found, options))
    return [sweep(results, "weight of the regularisation", f"Weights of DHBE, preset {options.preset}")]


def _weights(options: Options) -> dict[str, float]:
    erasing = erasing_tables.erasing_at_former_rate(options)
    unweighted = {"0": _HARDLY} if erasing.batch_statistics else {}
    weights = [round(factor * erasing.weight, 9) for factor in _FACTORS[options.preset]]
    return {"alone": 0.0, **unweighted, **{f"{weight:g}": weight for weight in weights}}


def _labels(found: Mapping[Job, dict[str, Any]], options: Options) -> dict[Job, str]:
    """The name of every job's weight."""
    names = {weight: name for name, weight in _weights(options).items()}
    methods = {job: job.erasing.method for job in found if isinstance(job, Tried)}
    return {job: names[method.weight] for job, method in methods.items() if isinstance(method, DHBE)}
