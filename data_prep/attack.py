"""What an attack is: a frozen dataclass that says how it poisons or trains; its fields are its settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Protocol

import numpy as np
import tensorflow as tf

from data_prep.contract import DatasetSpec, Split
from data_prep.journal import Journal
from data_prep.poison import Poisoning
from data_prep.threat import Backdoored


class Trainer(Protocol):
    """Whatever trains models for an attacker."""

    @property
    def batch(self) -> int:
        """Images a step."""

    def fit(
        self,
        train: Split,
        *,
        seed: int,
        poisoning: Poisoning | None = None,
        step: Callable[..., Any] | None = None,
        part: str = "training",
    ) -> tf.keras.Model:
        """Train a new model.

        Args:
            train: the data.
            seed: of everything random.
            poisoning: what is done to the data, None for nothing.
            step: makes the compiled step of an attacker who controls training, None takes the usual one.
            part: name of this piece of work; an attack that trains several models gives each its own.
        """

    def journal(self, part: str) -> Journal:
        """Where another optimisation of the attack goes on after an interruption."""


class Attack:
    """An attack on a regression model; a subclass is a dataclass and writes :meth:`backdoor` and :meth:`known`."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @classmethod
    def of(cls, spec: DatasetSpec, **settings: Any) -> Attack:
        """The attack with the paper's settings for a data set, and others where ``settings`` names them."""
        return cls(**settings)

    def backdoor(self, train: Split, target: np.ndarray, *, trainer: Trainer, seed: int) -> Backdoored:
        """Train a backdoored model.

        Args:
            train: the attacker's training set.
            target: float32 (K,), radians.
            trainer: how models are trained.
            seed: of the trigger, the choice of poisoned samples and the training.

        Raises:
            ValueError: if the attack does not fit the data.
        """
        raise NotImplementedError(f"{type(self).__name__} must say how it trains")

    def known(
        self, model: tf.keras.Model, target: np.ndarray, seed: int, network: tf.keras.Model | None = None
    ) -> list[Backdoored]:
        """All backdoors of a model that this attack made, the one of ``target`` first; for evaluation only.

        Args:
            model: the model.
            target, seed: as it was made.
            network: of a learned trigger, see :class:`data_prep.threat.Backdoored`.
        """
        raise NotImplementedError(f"{type(self).__name__} must know its triggers")


class PoisoningAttack(Attack):
    """An attack that follows the usual training and only poisons; a subclass writes :meth:`poisoning`."""

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
        poisoning = self.poisoning(train.image_shape, target, seed)
        return Backdoored(trainer.fit(train, seed=seed, poisoning=poisoning), poisoning.trigger, target)

    def known(
        self, model: tf.keras.Model, target: np.ndarray, seed: int, network: tf.keras.Model | None = None
    ) -> list[Backdoored]:
        """See :meth:`Attack.known`."""
        poisoning = self.poisoning(model.input_shape[1:], target, seed)
        further = [Backdoored(model, implant.trigger, implant.target) for implant in poisoning.further]
        return [Backdoored(model, poisoning.trigger, target), *further]
