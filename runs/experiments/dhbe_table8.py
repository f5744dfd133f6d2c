"""DHBE, Table 8: BadNets on other networks, erased by DHBE.

ResNet34, WRN40-1 and WRN40-2 with the preset paper; narrow or shallow ones of the same kinds with cpu, which have no
figures of the paper beside them. On the embedded digits, or with --data on CIFAR-10 in its python batches. Aimed at:
ASR 5 % or less and ACC at most one point lower. On digits ASR is below 1 %, but ACC 1.0 to 1.9 points lower
(MEASURED.md); on CIFAR-10 0.1 and 0.2 % at ACC 0.3 and 0.1 lower, of two networks with one seed each.

    drmguard reproduce run dhbe_table8 --preset cpu --data cifar-10-batches-py     3 networks, 3 seeds
    drmguard reproduce run dhbe_table8 --preset cpu                                digits
    drmguard reproduce run dhbe_table8 --preset smoke                              a tiny one, shows that it runs
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runs import erasing_tables
from runs.erasing_jobs import Erase
from runs.experiments import Options
from runs.figures import Figure
from runs.jobs import Job
from runs.presets import Preset
from runs.tables import Table

_NETWORKS = {
    "paper": ("resnet34", "wrn40-1", "wrn40-2"),
    "cpu": ("narrow-resnet34", "wrn16-1", "wrn16-2"),
    "smoke": ("small-convnet",),
}


def plan(preset: Preset, options: Options) -> list[Job]:
    """A suspect for every network and seed."""
    smallest, networks = erasing_tables.SIZES[:1], _NETWORKS[options.preset]
    seeds = 1 if options.preset == "smoke" else 3
    which = erasing_tables.suspects(options, ("badnets",), smallest, seeds=seeds, architectures=networks)
    return [Erase(suspect, erasing_tables.erasing(options), seed=suspect.seed) for suspect in which]


def tables(found: Mapping[Job, dict[str, Any]], options: Options) -> list[Table]:
    """One row per network."""
    names = {job: job.suspect.training.architecture for job in found if isinstance(job, Erase)}
    title = f"Networks, erased by DHBE, preset {options.preset}"
    return [erasing_tables.before_and_after(found, names, "dhbe_table8", "network", title)]


def figures(found: Mapping[Job, dict[str, Any]], options: Options) -> list[Figure]:
    """None."""
    return []
