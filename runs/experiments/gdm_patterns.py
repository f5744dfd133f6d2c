"""GDM's slides, first evaluation: black-white 3x3 triggers, retraining against the distribution or against one trigger.

Ten of the canonical patterns, drawn at random, without the uniform one, which cannot be seen on a uniform ground; the
class is not told, all are searched. On the embedded digits, or with --data on CIFAR-10 or CIFAR-100 in their python
batches (the slides have CIFAR-10). Aimed at: ASR after GDM 5 % or less in the mean, its worst case below that of the
single trigger, ACC at most one point lower.

    drmguard reproduce run gdm_patterns --preset cpu                       digits, ten models, about 15 minutes
    drmguard reproduce run gdm_patterns --preset cpu --data cifar-10-batches-py      about two and a half hours
    drmguard reproduce run gdm_patterns --preset smoke                     a minute, shows that it runs, no more
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from dhbe_tf.attacks.fine_tuned import FineTuned
from dhbe_tf.attacks.patterns import canonical
from runs import trigger_tables
from runs.experiments import Options
from runs.figures import Figure
from runs.jobs import Job
from runs.presets import Preset
from runs.tables import Table

_SEED = 0  # of the drawn patterns


def plan(preset: Preset, options: Options) -> list[Job]:
    """A suspect for every pattern, each with its own target class, and its repairs."""
    count = trigger_tables.models(options)
    numbers = np.random.default_rng(_SEED).permutation(np.arange(1, len(canonical())))[:count]
    return trigger_tables.compared(options, [FineTuned(pattern=int(number)) for number in numbers])


def tables(found: Mapping[Job, dict[str, Any]], options: Options) -> list[Table]:
    """Summary and one row per pattern."""
    return trigger_tables.comparison(found, f"black-white 3x3 triggers, preset {options.preset}")


def figures(found: Mapping[Job, dict[str, Any]], options: Options) -> list[Figure]:
    """ASR after each repair, sampled triggers, and the distribution with the true trigger."""
    return trigger_tables.drawings(found, f"black-white 3x3 triggers, preset {options.preset}")
