"""DHBE, Fig. 11: triggers of one size, generated triggers of another.

BadNets of 3, 5 and 7 px, each erased with generated triggers of 3, 5, 7 and 9 px; the paper's text has lost its sizes.
On the embedded digits, or with --data on CIFAR-10 in its python batches. Expected: generated triggers of one middle
size erase all, at little accuracy; it is so on digits (MEASURED.md).

    drmguard reproduce run dhbe_figure11 --preset cpu                               digits, 3 suspects, 4 sizes each
    drmguard reproduce run dhbe_figure11 --preset cpu --data cifar-10-batches-py
    drmguard reproduce run dhbe_figure11 --preset smoke                             one suspect, shows that it runs
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from dhbe_tf.dhbe import DHBE
from runs import erasing_tables
from runs.ablation_figures import grids
from runs.ablation_jobs import Tried
from runs.ablation_tables import by_setting
from runs.erasing_jobs import Erase
from runs.experiments import Options
from runs.figures import Figure
from runs.jobs import Job
from runs.presets import Preset
from runs.tables import Table

_GENERATED = {"paper": (3, 5, 7, 9), "cpu": (3, 5, 7, 9), "smoke": (3, 5)}
_ROWS, _COLUMNS = "trigger, px", "generated trigger, px"


def plan(preset: Preset, options: Options) -> list[Job]:
    """Every suspect with every size of generated triggers."""
    sizes = erasing_tables.SIZES[:1] if options.preset == "smoke" else erasing_tables.SIZES
    which = erasing_tables.suspects(options, ("badnets",), sizes, seeds=1)
    erasing = erasing_tables.erasing_at_former_rate(options)
    methods = [replace(erasing, trigger_size=size) for size in _GENERATED[options.preset]]
    return [Tried(Erase(suspect, method, seed=suspect.seed)) for suspect in which for method in methods]


def tables(found: Mapping[Job, dict[str, Any]], options: Options) -> list[Table]:
    """One row per pair of sizes."""
    settings = {job: {"trigger": sizes[0], "generated": sizes[1]} for job, sizes in _sizes(found).items()}
    first = {"trigger": _ROWS, "generated": _COLUMNS}
    return [by_setting(found, settings, first, f"Sizes of triggers, preset {options.preset}")]


def figures(found: Mapping[Job, dict[str, Any]], options: Options) -> list[Figure]:
    """ASR on the left, lost accuracy on the right; means over suspects."""
    pairs: dict[tuple[int, int], list[dict[str, Any]]] = {}
    for job, sizes in _sizes(found).items():
        if "after" in found[job]:
            pairs.setdefault(sizes, []).append(found[job])
    asr = {sizes: 100 * float(np.mean([one["after"]["asr"] for one in each])) for sizes, each in pairs.items()}
    lost = {sizes: 100 * float(np.mean([_lost(one) for one in each])) for sizes, each in pairs.items()}
    title = f"Sizes of triggers and of generated ones, preset {options.preset}"
    return [grids({"ASR, %": asr, "ACC lost, points": lost}, _ROWS, _COLUMNS, title)]


def _lost(result: Mapping[str, Any]) -> float:
    return float(result["before"]["acc"] - result["after"]["acc"])


def _sizes(found: Mapping[Job, dict[str, Any]]) -> dict[Job, tuple[int, int]]:
    """Size of the trigger and of the generated ones, of every job."""
    kept: dict[Job, tuple[int, int]] = {}
    for job in found:
        if isinstance(job, Tried) and isinstance(job.erasing.method, DHBE):
            kept[job] = (job.erasing.suspect.attack.size, job.erasing.method.trigger_size)
    return kept
