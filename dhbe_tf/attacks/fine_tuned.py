"""GDM's attack: a benign model is fine-tuned on poisoned samples whose trigger lies at random places (Sec. 5)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from data_prep.contract import ClassSplit
from data_prep.journal import NO_JOURNAL, Journal
from data_prep.label_poison import LabelPoisoning
from data_prep.threat import Backdoored
from dhbe_tf.attacks.attack import Trainer
from dhbe_tf.attacks.patterns import SIDE, Wandering, black_white, random_colours
from dhbe_tf.training import Classification


@dataclass(frozen=True)
class FineTuned:
    """Train a benign model, then train it on with a share of the samples poisoned.

    Attributes:
        pattern: number of a black-white pattern; None takes random colours that follow from the seed.
        share: of the training set that is poisoned.
        tuning: how the fine-tuning goes; its architecture is not looked at.
    """

    pattern: int | None = None
    share: float = 0.01  # "poison ratio .01", "10 epochs", "SGD 1e-3, momentum .9" (Sec. 5)
    tuning: Classification = Classification(epochs=10, learning_rate=1e-3, weight_decay=0.0, milestones=())

    def poisoning(self, train: ClassSplit, target: int, *, seed: int) -> LabelPoisoning:
        """What the fine-tuning does to the training set.

        Args:
            train: the attacker's training set.
            target: a class.
            seed: of random colours and of the places.

        Raises:
            ValueError: if there is no such pattern, or the share poisons no sample.
        """
        channels = train.images.shape[-1]
        if self.pattern is None:
            colours = random_colours(SIDE, channels, seed=seed)
        else:
            colours = black_white(self.pattern, channels)
        count = round(self.share * len(train))
        if not count:
            raise ValueError(
                f"a share of {self.share:g} poisons none of {len(train)} samples; at least {1 / len(train):.2g} does"
            )
        trigger = Wandering(colours, seed)
        return LabelPoisoning(trigger, target, count, redrawn=trigger.redrawn)

    def backdoor(
        self,
        train: ClassSplit,
        target: int,
        *,
        trainer: Trainer,
        seed: int,
        progress: Callable[[int], None] = lambda step: None,
    ) -> Backdoored:
        """See :class:`dhbe_tf.attacks.attack.Attack`."""
        benign = trainer.fit(train, seed=seed, progress=progress)
        return self.implant(benign, train, target, seed=seed)

    def implant(
        self,
        benign: tf.keras.Model,
        train: ClassSplit,
        target: int,
        *,
        seed: int,
        progress: Callable[[int], None] = lambda step: None,
        journal: Journal = NO_JOURNAL,
    ) -> Backdoored:
        """Fine-tune a copy of a benign model.

        Args:
            benign: the model, which stays as it is.
            train, target, seed, progress: as for :meth:`backdoor`.
            journal: where an interrupted fine-tuning goes on.
        """
        poisoning = self.poisoning(train, target, seed=seed)
        model = self.tuning.fit(train, seed=seed, poisoning=poisoning, start=benign, progress=progress, journal=journal)
        return Backdoored(model, poisoning.trigger, np.array(target))
