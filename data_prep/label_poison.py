"""Poison for classifiers: which samples of a training set are changed, how, and what their labels become.

The counterpart of :mod:`data_prep.poison`, whose triggers it uses, for data with classes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Optional

import numpy as np
import tensorflow as tf

from data_prep.contract import ClassSplit
from data_prep.poison import CLEAN, POISONED, CrossTrigger, Trigger


@dataclass(frozen=True, eq=False)  # holds arrays, so identity is equality
class LabelPoisoning:
    """What an attacker does to a training set with classes.

    Attributes:
        trigger: stamped on the chosen samples.
        target: the class that the trigger is to lead to.
        count: samples that are changed.
        clean_label: False: samples of other classes are chosen and get the target's label. True: samples of the target
            class are chosen, and no label changes.
        replaced: images that take the place of others before the trigger is stamped, by their index in the training
            set; uint8 (H, W, C). With ``clean_label`` these are the chosen samples.
        redrawn: the trigger for an attacker who controls training and draws what is random in it anew in every step;
            None stamps ``trigger``.
    """

    trigger: Trigger
    target: int
    count: int
    clean_label: bool = False
    replaced: dict[int, np.ndarray] = field(default_factory=dict)
    redrawn: Optional[CrossTrigger] = None

    def stamped(self, images: tf.Tensor, random: tf.random.Generator) -> tf.Tensor:
        """Images with the trigger, as training sees them; float32 (B, H, W, C) in [0, 1]."""
        return self.trigger(images) if self.redrawn is None else self.redrawn(images, random)

    def roles(self, train: ClassSplit, seed: int) -> np.ndarray:
        """The role of every sample: exactly ``count`` poisoned, drawn without replacement.

        Args:
            train: the training set.
            seed: decides which, unless ``replaced`` does.

        Returns:
            int8 (N,), CLEAN or POISONED.

        Raises:
            ValueError: if the target is no class of the set, or the set has too few samples to choose from.
        """
        roles = np.full(len(train), CLEAN, np.int8)
        roles[self.chosen(train, seed)] = POISONED
        return roles

    def chosen(self, train: ClassSplit, seed: int) -> np.ndarray:
        """Indices of the poisoned samples; see :meth:`roles`."""
        if self.replaced:
            return np.array(sorted(self.replaced))
        return choose(train, self.target, self.count, of_target=self.clean_label, seed=seed)


def choose(train: ClassSplit, target: int, count: int, *, of_target: bool, seed: int) -> np.ndarray:
    """Samples of the target class, or of all others, drawn without replacement.

    Args:
        train: the training set.
        target: a class.
        count: how many.
        of_target: whether from the target class.
        seed: decides which.

    Returns:
        int64 (count,), indices.

    Raises:
        ValueError: if the target is no class of the set, or the set has too few samples to choose from.
    """
    if not 0 <= target < len(train.classes):
        raise ValueError(f"the target must be a class from 0 to {len(train.classes) - 1}, got {target}")
    possible = np.flatnonzero((train.labels == target) == of_target)
    if not 0 < count <= len(possible):
        which = "of the target class" if of_target else "of other classes"
        raise ValueError(f"{count} samples cannot be poisoned: the set has {len(possible)} {which}")
    return np.random.default_rng(seed).choice(possible, count, replace=False)
