"""What an attack is: a frozen dataclass that says how it poisons; its fields are its settings."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from data_prep.contract import Split, Task
from data_prep.poison import Poisoning
from data_prep.threat import Backdoored


class Trainer(Protocol):
    """Whatever trains a model."""

    def fit(self, train: Split, *, seed: int, poisoning: Poisoning | None = None) -> tf.keras.Model:
        """Train a new model, poisoned as told."""


class Attack(Protocol):
    """An attack on a regression model."""

    def backdoor(self, train: Split, target: np.ndarray, *, trainer: Trainer, seed: int) -> Backdoored:
        """Train a backdoored model.

        Args:
            train: the attacker's training set.
            target: float32 (K,), radians.
            trainer: how models are trained.
            seed: of the trigger, the choice of poisoned samples and the training.
        """


class PoisoningAttack:
    """An attack that follows the usual training and only poisons; a subclass writes :meth:`poisoning`."""

    @classmethod
    def of(cls, task: Task, **settings: Any) -> PoisoningAttack:
        """The attack with the paper's settings for a task, and others where ``settings`` names them."""
        return cls(**settings)

    def poisoning(self, image_shape: tuple[int, int, int], target: np.ndarray, seed: int) -> Poisoning:
        """The trigger and the shares of one attack.

        Args:
            image_shape: (H, W, C).
            target: float32 (K,), radians.
            seed: of whatever is random in the trigger.

        Raises:
            ValueError: if the trigger does not fit the images.
        """
        raise NotImplementedError(f"{type(self).__name__} must say how it poisons")

    def backdoor(self, train: Split, target: np.ndarray, *, trainer: Trainer, seed: int) -> Backdoored:
        """Train a backdoored model; see :meth:`Attack.backdoor`."""
        poisoning = self.poisoning(train.images.shape[1:], target, seed)
        return Backdoored(trainer.fit(train, seed=seed, poisoning=poisoning), poisoning.trigger, target)
