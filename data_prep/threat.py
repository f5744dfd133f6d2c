"""Who holds what: the threat model as types.

A defence receives a :class:`Suspect` and nothing else, so it cannot look at the trigger, the target or test data.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

import numpy as np
import tensorflow as tf

from data_prep.contract import ClassSplit, Split
from data_prep.poison import Trigger


@dataclass(frozen=True, eq=False)  # holds arrays, so identity is equality
class Suspect:
    """All that a defender holds: a trained model, and for DRMGuard (Sec. 3.1) a small benign set with right labels.

    Attributes:
        model: takes float32 images (B, H, W, C) in [0, 1]; a defence never changes its weights.
        benign: the defender's own data; None where there are none, which is enough for DHBE.
    """

    model: tf.keras.Model
    benign: Split = None  # type: ignore[assignment]  # a defence that needs data refuses None before it starts


@dataclass(frozen=True, eq=False)  # holds arrays, so identity is equality
class ClassSuspect:
    """The same for a classifier.

    Attributes:
        model: takes float32 images (B, H, W, C) in [0, 1]; a defence never changes its weights.
        benign: the defender's own small set with right labels.
    """

    model: tf.keras.Model
    benign: ClassSplit


@dataclass(frozen=True, eq=False)  # holds arrays, so identity is equality
class Backdoored:
    """A backdoored model with what only the attacker knows; read by evaluation, never by a defence.

    Attributes:
        model: the model that the attacker hands out.
        trigger: its trigger function.
        target: float32 (K,), the target vector, radians; for a classifier the class, an integer array ().
        network: what a learned trigger consists of, to be kept with the model; None for all others.
    """

    model: tf.keras.Model
    trigger: Trigger
    target: np.ndarray
    network: Optional[tf.keras.Model] = None
