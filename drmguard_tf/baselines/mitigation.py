"""What the methods of mitigation have in common that do not ask which trigger was found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import tensorflow as tf

from data_prep.configuration import Configuration
from data_prep.threat import Suspect


class Mitigation(Configuration, Protocol):
    """A frozen dataclass of options."""

    @property
    def total_steps(self) -> int:
        """Steps that are reported."""

    def mitigate(
        self, suspect: Suspect, *, seed: int, progress: Callable[[int], None] = lambda step: None
    ) -> tf.keras.Model:
        """A cleaned copy of the suspect.

        Args:
            suspect: model and benign set; the model's weights are left alone.
            seed: of all that is drawn.
            progress: called with the number of steps done.
        """
