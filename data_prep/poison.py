"""Poison: which samples of a training set carry a trigger, and what their labels become.

Nothing is copied: a training step asks for the role of each sample in its batch and changes that batch only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import tensorflow as tf

CLEAN, POISONED, CROSS = 0, 1, 2


class Trigger(Protocol):
    """A trigger function A of DRMGuard's Eq. 1."""

    def __call__(self, images: tf.Tensor) -> tf.Tensor:
        """Stamp the trigger.

        Args:
            images: float32 (B, H, W, C) in [0, 1].

        Returns:
            float32 (B, H, W, C) in [0, 1].
        """


class CrossTrigger(Protocol):
    """A near miss, trained with true labels so that only the exact trigger fires (WaNet's noise mode)."""

    def __call__(self, images: tf.Tensor, random: tf.random.Generator) -> tf.Tensor:
        """Stamp near misses; images and result as for :class:`Trigger`, random numbers from ``random``."""


@dataclass(frozen=True, eq=False)  # holds arrays, so identity is equality
class Poisoning:
    """What an attacker does to a training set.

    Attributes:
        trigger: stamped on the poisoned share.
        target: float32 (K,), the label that poisoned samples get, radians.
        rate: poisoned share of the training set, in [0, 1].
        cross: near miss for another share, or None.
        cross_rate: the share that gets ``cross`` and keeps its labels.
    """

    trigger: Trigger
    target: np.ndarray
    rate: float
    cross: CrossTrigger | None = None
    cross_rate: float = 0.0

    def __post_init__(self) -> None:
        if not (0 <= self.rate <= 1 and 0 <= self.cross_rate <= 1):
            raise ValueError(f"rate and cross_rate are shares from 0 to 1, got {self.rate:g} and {self.cross_rate:g}")
        if self.target.dtype != np.float32 or self.target.ndim != 1 or not np.all(np.abs(self.target) <= np.pi):
            raise ValueError(f"the target must be float32 (K,) in radians, within half a turn, got {self.target!r}")

    def roles(self, count: int, seed: int) -> np.ndarray:
        """The role of every sample: exactly ``round(rate * count)`` poisoned, drawn without replacement.

        Args:
            count: samples in the training set.
            seed: decides which.

        Returns:
            int8 (count,), CLEAN, POISONED or CROSS.

        Raises:
            ValueError: if a rate above zero would poison no sample, or the shares exceed the set.
        """
        poisoned, crossed = round(self.rate * count), round(self.cross_rate * count)
        if poisoned + crossed > count:
            raise ValueError(
                f"poisoned and cross shares add up to {self.rate + self.cross_rate:g}, at most 1 is possible"
            )
        if self.rate > 0 and poisoned == 0:
            raise ValueError(
                f"a rate of {self.rate:g} poisons none of {count} samples; the least that does is {1 / count:g}"
            )
        order = np.random.default_rng(seed).permutation(count)
        roles = np.full(count, CLEAN, np.int8)
        roles[order[:poisoned]] = POISONED
        roles[order[poisoned : poisoned + crossed]] = CROSS
        return roles
