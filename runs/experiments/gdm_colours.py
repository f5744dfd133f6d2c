"""GDM's slides, second evaluation: 3x3 triggers of random colours, retraining as in gdm_patterns.

Ten triggers on the embedded digits, or with --data on CIFAR-10 or CIFAR-100 in their python batches, which are the
slides'. Aims as in gdm_patterns.

    drmguard reproduce run gdm_colours --preset cpu                       digits, ten models, about 15 minutes
    drmguard reproduce run gdm_colours --preset cpu --data cifar-10-batches-py
    drmguard reproduce run gdm_colours --preset smoke                     a minute, shows that it runs, no more
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dhbe_tf.attacks.fine_tuned import FineTuned
from runs import trigger_tables
from runs.experiments import Options
from runs.figures import Figure
from runs.jobs import Job
from runs.presets import Preset
from runs.tables import Table


def plan(preset: Preset, options: Options) -> list[Job]:
    """A suspect for every trigger, each with its own target class, and its repairs."""
    count = trigger_tables.models(options)
    return trigger_tables.compared(options, [FineTuned()] * count)


def tables(found: Mapping[Job, dict[str, Any]], options: Options) -> list[Table]:
    """Summary and one row per trigger."""
    return trigger_tables.comparison(found, f"3x3 triggers of random colours, preset {options.preset}")


def figures(found: Mapping[Job, dict[str, Any]], options: Options) -> list[Figure]:
    """ASR after each repair, sampled triggers, and the distribution with the true trigger."""
    return trigger_tables.drawings(found, f"3x3 triggers of random colours, preset {options.preset}")
