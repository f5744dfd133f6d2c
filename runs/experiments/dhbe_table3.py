"""DHBE, Tables 3, 5 and 6: seven methods against three attacks, with ASR under four and nine triggers, time and memory.

Every method but DHBE holds the same 4 % of the training set. On the embedded digits, or with --data on CIFAR-10 in its
python batches (the paper's data). Aimed at: DHBE has the highest mean ACC of the methods whose mean ASR is 5 % or less,
and the lowest ASR with nine triggers. Not run yet, but for smoke; 4 % of the digits are 57 images.

    drmguard reproduce run dhbe_table3 --preset cpu --data cifar-10-batches-py     27 suspects, 7 erasings each
    drmguard reproduce run dhbe_table3 --preset cpu                                digits
    drmguard reproduce run dhbe_table3 --preset smoke                              one suspect, shows that it runs
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runs import erasing_tables
from runs.experiments import Options
from runs.figures import Figure
from runs.jobs import Job
from runs.presets import Preset
from runs.tables import Table


def plan(preset: Preset, options: Options) -> list[Job]:
    """Three attacks with three sizes of trigger and three seeds, each erased by every method."""
    smoke = options.preset == "smoke"
    attacks = ("badnets",) if smoke else tuple(erasing_tables.ATTACKS)
    sizes = erasing_tables.SIZES[:1] if smoke else erasing_tables.SIZES
    which = erasing_tables.suspects(options, attacks, sizes, seeds=1 if smoke else 3)
    return erasing_tables.erasings(which, erasing_tables.methods(options))


def tables(found: Mapping[Job, dict[str, Any]], options: Options) -> list[Table]:
    """Methods over everything, then attack by attack."""
    where = f"{'digits' if options.data is None else options.data.name}, preset {options.preset}"
    return [
        erasing_tables.summary(found, options, f"Erasing methods: {where}"),
        erasing_tables.by_attack(found, options, f"Erasing methods by attack: {where}"),
    ]


def figures(found: Mapping[Job, dict[str, Any]], options: Options) -> list[Figure]:
    """None."""
    return []
