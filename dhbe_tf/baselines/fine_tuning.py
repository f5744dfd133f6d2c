"""Fine-tuning on benign images: the first of DHBE's blind rivals (App. C (a))."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import tensorflow as tf

from data_prep.journal import NO_JOURNAL, Journal
from data_prep.threat import ClassSuspect
from dhbe_tf import logits
from dhbe_tf.baselines.rival import check, with_weights_of
from dhbe_tf.baselines.tuning import Tuning


@dataclass(frozen=True)
class FineTuning:
    """Options.

    Attributes:
        tuning: of the whole model.
    """

    tuning: Tuning = field(default_factory=Tuning)

    def total(self, suspect: ClassSuspect) -> int:
        """Steps of the training."""
        return self.tuning.total_steps

    def mitigate(
        self,
        suspect: ClassSuspect,
        *,
        seed: int,
        progress: Callable[[int], None] = lambda step: None,
        journals: Callable[[str], Journal] = lambda name: NO_JOURNAL,
    ) -> tf.keras.Model:
        """A copy of the suspect that went on learning; see :class:`dhbe_tf.baselines.rival.Rival`."""
        check(suspect)
        work = logits.copy(suspect.model)
        self.tuning.run(work, suspect.benign, seed=seed, progress=progress, journal=journals("tuning"))
        return with_weights_of(work, suspect)
