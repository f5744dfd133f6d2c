"""Poison: which samples of a training set carry a trigger, and what their labels become.

Nothing is copied: a training step asks for the role of each sample in its batch and changes that batch only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Optional, Protocol, runtime_checkable

import numpy as np
import tensorflow as tf

CLEAN, POISONED, CROSS, FURTHER = 0, 1, 2, 3  # FURTHER + k: the k-th further backdoor


class Trigger(Protocol):
    """A trigger function A of DRMGuard's Eq. 1."""

    def __call__(self, images: tf.Tensor) -> tf.Tensor:
        """Stamp the trigger.

        Args:
            images: float32 (B, H, W, C) in [0, 1].

        Returns:
            float32 (B, H, W, C) in [0, 1].
        """


@runtime_checkable
class OwnTrigger(Trigger, Protocol):
    """A trigger that is made for the image it is stamped on (input-aware attack)."""

    def crossed(self, images: tf.Tensor, donors: tf.Tensor) -> tf.Tensor:
        """Stamp the triggers that are made for other images, the donors; all float32 (B, H, W, C) in [0, 1]."""


class CrossTrigger(Protocol):
    """A near miss, trained with true labels so that only the exact trigger fires (WaNet's noise mode)."""

    def __call__(self, images: tf.Tensor, random: tf.random.Generator) -> tf.Tensor:
        """Stamp near misses; images and result as for :class:`Trigger`, random numbers from ``random``."""


class Implant(NamedTuple):
    """A further backdoor in the same model (DRMGuard, App. A.7).

    Attributes:
        trigger: stamped on a share of its own.
        target: float32 (K,), the label of that share, radians.
        rate: that share of the training set, in [0, 1].
    """

    trigger: Trigger
    target: np.ndarray
    rate: float


@dataclass(frozen=True, eq=False)  # holds arrays, so identity is equality
class Poisoning:
    """What an attacker does to a training set.

    Attributes:
        trigger: stamped on the poisoned share.
        target: float32 (K,), the label that poisoned samples get, radians.
        rate: poisoned share of the training set, in [0, 1].
        cross: near miss for another share, or None.
        cross_rate: the share that gets ``cross`` and keeps its labels.
        further: more backdoors, each with a share of its own.
        chosen: int (P,), the samples that are poisoned; None draws them by ``rate``.
        replaced: images that take the place of others before the trigger is stamped, by their index in the training
            set; uint8 (H, W, C).
    """

    trigger: Trigger
    target: np.ndarray
    rate: float
    cross: CrossTrigger | None = None
    cross_rate: float = 0.0
    further: tuple[Implant, ...] = ()
    chosen: Optional[np.ndarray] = None
    replaced: Mapping[int, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not (0 <= self.rate <= 1 and 0 <= self.cross_rate <= 1):
            raise ValueError(f"rate and cross_rate are shares from 0 to 1, got {self.rate:g} and {self.cross_rate:g}")
        if not all(0 <= implant.rate <= 1 for implant in self.further):
            raise ValueError(f"rates are shares from 0 to 1, got {[implant.rate for implant in self.further]}")
        for target in (self.target, *(implant.target for implant in self.further)):
            if target.dtype != np.float32 or target.ndim != 1 or not np.all(np.abs(target) <= np.pi):
                raise ValueError(f"the target must be float32 (K,) in radians, within half a turn, got {target!r}")
        if self.chosen is not None and (self.cross is not None or self.further):
            raise ValueError("chosen samples are all that is poisoned; cross and further draw theirs by rate")

    def roles(self, count: int, seed: int) -> np.ndarray:
        """The role of every sample: exactly ``round(rate * count)`` poisoned, drawn without replacement.

        Args:
            count: samples in the training set.
            seed: decides which.

        Returns:
            int8 (count,): CLEAN, POISONED, CROSS, or FURTHER + k.

        Raises:
            ValueError: if a rate above zero would poison no sample, or the shares exceed the set.
        """
        roles = np.full(count, CLEAN, np.int8)
        if self.chosen is not None:
            roles[self.chosen] = POISONED
            return roles
        shares = [(POISONED, self.rate), (CROSS, self.cross_rate)]
        shares += [(FURTHER + k, implant.rate) for k, implant in enumerate(self.further)]
        counts = [round(rate * count) for _, rate in shares]
        if sum(counts) > count:
            total = sum(rate for _, rate in shares)
            raise ValueError(f"poisoned and cross shares add up to {total:g}, at most 1 is possible")
        for (role, rate), number in zip(shares, counts):
            if role != CROSS and rate > 0 and number == 0:
                raise ValueError(
                    f"a rate of {rate:g} poisons none of {count} samples; the least that does is {1 / count:g}"
                )
        order = np.random.default_rng(seed).permutation(count)
        for (role, _), part in zip(shares, np.split(order[: sum(counts)], np.cumsum(counts)[:-1])):
            roles[part] = role
        return roles
