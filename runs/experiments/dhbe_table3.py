"""DHBE, Tables 3, 5 and 6: seven methods against three attacks, with ASR under four and nine triggers, time and memory.

Every method but DHBE holds the same 4 % of the training set. Neural Cleanse and GDM stand there twice: as a defender
has them, who has to find the attacked class, and told it as in the paper, where GDM fine-tunes for 20 epochs. Three
seeds. ``paper`` has three sizes of trigger for each attack; ``cpu`` has one: 3 px for BadNets, 5 for clean-label and 7
for trojaning, at which these take. On the embedded digits, or with --data on CIFAR-10 in its python batches (the
paper's data). Aimed at: DHBE has the highest mean ACC of the methods whose mean ASR is 5 % or less, and the lowest ASR
with nine triggers. On CIFAR-10 it has both (MEASURED.md). 4 % of the digits are 57 images.

    drmguard reproduce run dhbe_table3 --preset cpu --data cifar-10-batches-py     9 suspects, 9 erasings each
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

_SIZES: dict[str, dict[str, tuple[int, ...]]] = {
    "paper": {attack: erasing_tables.SIZES for attack in erasing_tables.ATTACKS},
    "cpu": {"badnets": (3,), "clean-label": (5,), "trojaning": (7,)},
    "smoke": {"badnets": (3,)},
}
_SEEDS = {"paper": 3, "cpu": 3, "smoke": 1}


def plan(preset: Preset, options: Options) -> list[Job]:
    """Every attack with its sizes of trigger and seeds, each suspect erased by every method."""
    seeds = _SEEDS[options.preset]
    which = [
        suspect
        for attack, sizes in _SIZES[options.preset].items()
        for suspect in erasing_tables.suspects(options, (attack,), sizes, seeds=seeds)
    ]
    return erasing_tables.erasings(which, erasing_tables.with_told(options))


def tables(found: Mapping[Job, dict[str, Any]], options: Options) -> list[Table]:
    """Methods over everything, then attack by attack, and what they take."""
    where = f"{'digits' if options.data is None else options.data.name}, preset {options.preset}"
    named = erasing_tables.with_told(options)
    return [
        erasing_tables.summary(found, named, f"Erasing methods: {where}"),
        erasing_tables.by_attack(found, named, f"Erasing methods by attack: {where}"),
        erasing_tables.taken(found, named, f"What erasing takes: {where}"),
    ]


def figures(found: Mapping[Job, dict[str, Any]], options: Options) -> list[Figure]:
    """None."""
    return []
