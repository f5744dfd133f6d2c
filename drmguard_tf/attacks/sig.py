"""SIG (Barni et al. 2019), on regression: a sine wave across the image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from data_prep.attack import PoisoningAttack
from data_prep.poison import Poisoning


@dataclass(frozen=True)
class Sinusoid:
    """A horizontal sine wave that is added to every row, the result clipped.

    Attributes:
        strength: amplitude, in (0, 1].
        cycles: waves across the image.
    """

    strength: float
    cycles: float

    def __call__(self, images: tf.Tensor) -> tf.Tensor:
        """Images with the wave; see :class:`data_prep.poison.Trigger`."""
        width = images.shape[2]
        wave = self.strength * np.sin(2 * np.pi * np.arange(width) * self.cycles / width)
        return tf.clip_by_value(images + tf.constant(wave[:, None], images.dtype), 0, 1)


@dataclass(frozen=True)
class Sig(PoisoningAttack):
    """A sine wave on a random share of the images, which get the target as label.

    The original changes no label and poisons one class only; a regression model has no class (EQUATIONS.md, difference
    19).

    Attributes:
        strength: amplitude of the wave, in (0, 1].
        cycles: waves across the image, more than 0 and at most half as many as there are columns.
        rate: poisoned share of the training set.
    """

    strength: float = 40 / 255  # Delta = 40 of 255, as in common toolboxes; DRMGuard's App. A.8 has no figure
    cycles: float = 6.0  # f = 6, likewise
    rate: float = 0.1  # likewise

    def poisoning(self, image_shape: tuple[int, int, int], target: np.ndarray, seed: int) -> Poisoning:
        """See :meth:`data_prep.attack.PoisoningAttack.poisoning`; nothing is random here."""
        if not 0 < self.strength <= 1:
            raise ValueError(f"strength is the wave's amplitude, above 0 and at most 1, got {self.strength:g}")
        if not 0 < self.cycles <= image_shape[1] / 2:
            raise ValueError(
                f"cycles must be above 0 and at most {image_shape[1] / 2:g}, half the image's columns, "
                f"got {self.cycles:g}; faster waves cannot be told from slower ones"
            )
        return Poisoning(Sinusoid(self.strength, self.cycles), target, self.rate)
