"""GDM's slides, realistic defence: faces to recognise, a trigger of unknown class, shape and place, a moving window.

Synthetic people, ten pictures of each for the attacker, ten for the defender, ten for the test; an 8x8 patch of random
colours at a fixed place. Aimed at: the trigger's window located (intersection over union 0.3 or more) on 8 of 10
models, ASR 10 % or less after the repair. The slides have CSAW's 1,284 people.

    drmguard reproduce run gdm_realistic --preset cpu                      ten models, about 15 minutes
    drmguard reproduce run gdm_realistic --preset smoke                    a minute, shows that it runs, no more
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runs import trigger_tables
from runs.experiments import Options
from runs.figures import Figure
from runs.jobs import Job
from runs.presets import Preset
from runs.tables import Table


def plan(preset: Preset, options: Options) -> list[Job]:
    """A suspect for every seed, with its own patch, place and target class."""
    return trigger_tables.located(options)


def tables(found: Mapping[Job, dict[str, Any]], options: Options) -> list[Table]:
    """Summary, one row per model, and the natural backdoors beside the planted one."""
    return trigger_tables.locations(found, f"faces, preset {options.preset}")


def figures(found: Mapping[Job, dict[str, Any]], options: Options) -> list[Figure]:
    """Heat maps with the planted patch and what was found."""
    return trigger_tables.heat_maps(found, f"faces, preset {options.preset}")
