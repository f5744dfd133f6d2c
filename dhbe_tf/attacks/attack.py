"""What an attack on a classifier is: a frozen dataclass whose fields are its settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
import tensorflow as tf

from data_prep.contract import ClassSplit
from data_prep.label_poison import LabelPoisoning
from data_prep.threat import Backdoored


class Trainer(Protocol):
    """Whatever trains a classifier."""

    def fit(
        self,
        train: ClassSplit,
        *,
        seed: int,
        poisoning: LabelPoisoning | None = None,
        start: tf.keras.Model | None = None,
        progress: Callable[[int], None] = lambda step: None,
    ) -> tf.keras.Model:
        """Train a new model, or a copy of ``start`` further, poisoned as told."""

    def recoloured(self, images: tf.Tensor, random: tf.random.Generator) -> tf.Tensor:
        """Images (B, H, W, C) in [0, 1] in the colours that training shows them in, before any trigger."""


class Attack(Protocol):
    """An attack on a classifier."""

    def backdoor(
        self,
        train: ClassSplit,
        target: int,
        *,
        trainer: Trainer,
        seed: int,
        progress: Callable[[int], None] = lambda step: None,
    ) -> Backdoored:
        """Train a backdoored model.

        Args:
            train: the attacker's training set.
            target: the class that triggered images are to get.
            trainer: how models are trained.
            seed: of the choice of poisoned samples, the trigger and the training.
            progress: called with the number of training steps done.
        """


class PoisoningAttack:
    """An attack that follows the usual training and only poisons; a subclass writes :meth:`poisoning`."""

    def poisoning(self, train: ClassSplit, target: int, *, seed: int) -> LabelPoisoning:
        """What is done to the training set.

        Args:
            train: the attacker's training set.
            target: a class.
            seed: of whatever is random in the trigger.

        Raises:
            ValueError: if the trigger does not fit the images.
        """
        raise NotImplementedError(f"{type(self).__name__} must say how it poisons")

    def backdoor(
        self,
        train: ClassSplit,
        target: int,
        *,
        trainer: Trainer,
        seed: int,
        progress: Callable[[int], None] = lambda step: None,
    ) -> Backdoored:
        """Train a backdoored model; see :meth:`Attack.backdoor`."""
        poisoning = self.poisoning(train, target, seed=seed)
        model = trainer.fit(train, seed=seed, poisoning=poisoning, progress=progress)
        return Backdoored(model, poisoning.trigger, np.array(target))
