"""DHBE, Table 7: BadNets with every other target class, erased by DHBE.

On the embedded digits, or with --data on CIFAR-10 in its python batches (the paper's data). Aimed at: ASR 5 % or less
and ACC at most one point lower for every class. On digits ASR is 1 % in the mean of nine, 8 % at most (MEASURED.md);
on CIFAR-10 0.4 %, 1.2 at most, and ACC half a point lower at most.

    drmguard reproduce run dhbe_table7 --preset cpu --data cifar-10-batches-py     9 suspects with --models 1
    drmguard reproduce run dhbe_table7 --preset cpu                                digits
    drmguard reproduce run dhbe_table7 --preset smoke                              one class, shows that it runs
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from data_prep.digits import CLASSES
from runs import classes, erasing_tables
from runs.erasing_jobs import Erase
from runs.experiments import Options
from runs.figures import Figure
from runs.jobs import Job
from runs.presets import Preset
from runs.tables import Table


def plan(preset: Preset, options: Options) -> list[Job]:
    """A suspect for every class but the last and every seed."""
    targets = range(1 if options.preset == "smoke" else len(_names(options)) - 1)
    which = erasing_tables.suspects(options, ("badnets",), (erasing_tables.SIZES[0],), seeds=1, targets=targets)
    return [Erase(suspect, erasing_tables.erasing(options), seed=suspect.seed) for suspect in which]


def tables(found: Mapping[Job, dict[str, Any]], options: Options) -> list[Table]:
    """One row per class."""
    names = {job: _names(options)[job.suspect.target or 0] for job in found if isinstance(job, Erase)}
    title = f"Target classes, erased by DHBE, preset {options.preset}"
    return [erasing_tables.before_and_after(found, names, "dhbe_table7", "target class", title)]


def figures(found: Mapping[Job, dict[str, Any]], options: Options) -> list[Figure]:
    """None."""
    return []


def _names(options: Options) -> tuple[str, ...]:
    return CLASSES if options.data is None else classes.read(str(options.data))[1].classes
