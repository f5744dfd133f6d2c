"""Fine-tuning on the benign set: the control that every mitigation is compared with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import tensorflow as tf

from data_prep.threat import Suspect
from drmguard_tf.reference import examine
from drmguard_tf.unlearning import Unlearning


@dataclass(frozen=True)
class FineTuning:
    """Options.

    Attributes:
        budget: steps, batch and rate; those of DRMGuard's unlearning, so that both see equally many images.
    """

    budget: Unlearning = field(default_factory=Unlearning)

    @property
    def total_steps(self) -> int:
        """Steps of the training."""
        return self.budget.steps

    def mitigate(
        self, suspect: Suspect, *, seed: int, progress: Callable[[int], None] = lambda step: None
    ) -> tf.keras.Model:
        """A copy of the suspect that went on learning the benign set.

        Args:
            suspect: model and benign set; the model's weights are left alone.
            seed: of the order of the images.
            progress: called with the number of steps done.

        Raises:
            ValueError: if model and benign set do not fit each other.
        """
        return self.budget.run(suspect, examine(suspect), [], seed=seed, progress=progress)
