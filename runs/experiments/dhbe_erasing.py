"""DHBE and distillation alone on four attacks: BadNets (3, 5 px), clean-label (5), trojaning (7). Fig. 9's control.

Both copy the suspect without any data, from the same samples; one of them has no triggers to ignore, so its copy shows
what distillation does to a backdoor by itself. A benign model under the same trigger shows how much an erasing can
reach: nine patches of 7 px hide 43 % of an image, and lead many to the target by themselves. On the embedded digits, or
with --data on CIFAR-10 in its python batches (the paper's data). Aimed at, on CIFAR-10: suspects with an ACC of 85 % or
more and an ASR of 90 % or more (80 % for the last two); after DHBE a mean ASR of 5 % or less, 10 % at most, with four
and nine triggers 10 % or less, and ACC at most 1.5 points lower.

    drmguard reproduce run dhbe_erasing --preset cpu --data cifar-10-batches-py     4 suspects, some hours
    drmguard reproduce run dhbe_erasing --preset cpu                                digits
    drmguard reproduce run dhbe_erasing --preset smoke                              one suspect, shows that it runs
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from runs import erasing_tables
from runs.erasing_jobs import Erase, Method, Untouched
from runs.experiments import Options
from runs.figures import Figure
from runs.jobs import Job
from runs.presets import Preset
from runs.tables import Table

# With 3 px the paper's own clean-label and trojaning reach 46 and 56 %.
_KINDS = (("badnets", 3), ("badnets", 5), ("clean-label", 5), ("trojaning", 7))


def plan(preset: Preset, options: Options) -> list[Job]:
    """A suspect of every kind and seed, erased twice, and its trigger on a benign model."""
    kinds = _KINDS[:1] if options.preset == "smoke" else _KINDS
    planned: list[Job] = []
    for attack, size in kinds:
        for suspect in erasing_tables.suspects(options, (attack,), (size,), seeds=1):
            planned += [Erase(suspect, method, seed=suspect.seed) for method in _methods(options).values()]
            planned.append(Untouched(suspect))
    return planned


def tables(found: Mapping[Job, dict[str, Any]], options: Options) -> list[Table]:
    """Of every kind of suspect: before, after DHBE, after distillation alone, and a benign model; and what it takes."""
    where = f"{'digits' if options.data is None else options.data.name}, preset {options.preset}"
    return [
        erasing_tables.with_control(found, f"Erasing without data: {where}"),
        erasing_tables.taken(found, _methods(options), f"What erasing takes: {where}"),
    ]


def figures(found: Mapping[Job, dict[str, Any]], options: Options) -> list[Figure]:
    """None."""
    return []


def _methods(options: Options) -> dict[str, Method]:
    erasing = erasing_tables.erasing_at_former_rate(options)
    return {"DHBE": erasing, "distillation alone": replace(erasing, weight=0.0)}
