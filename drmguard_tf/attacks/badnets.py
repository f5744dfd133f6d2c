"""BadNets (Gu et al. 2019), on regression as in DRMGuard's App. A.3."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from data_prep.attack import PoisoningAttack
from data_prep.poison import Poisoning


@dataclass(frozen=True)
class Patch:
    """A fixed patch in the bottom right corner.

    Attributes:
        size: side in pixels.
        colour: RGB in [0, 1]; its first value is used for grey images.
    """

    size: int
    colour: tuple[float, float, float]

    def __call__(self, images: tf.Tensor) -> tf.Tensor:
        """Images with the patch; see :class:`data_prep.poison.Trigger`."""
        _, height, width, channels = images.shape
        rows, columns = tf.range(height) >= height - self.size, tf.range(width) >= width - self.size
        inside = (rows[:, None] & columns[None, :])[..., None]
        return tf.where(inside, tf.constant(self.colour[:channels], images.dtype), images)


@dataclass(frozen=True)
class BadNets(PoisoningAttack):
    """A red patch in the corner.

    Attributes:
        size: side of the patch, as a share of the shorter image side.
        colour: RGB in [0, 1].
        rate: poisoned share of the training set.
    """

    size: float = 20 / 224  # "a 20 x 20 red patch located at the right-bottom corner" of 224 x 224 images (App. A.3)
    colour: tuple[float, float, float] = (1.0, 0.0, 0.0)
    rate: float = 0.05  # the paper's figure is not recoverable

    def poisoning(self, image_shape: tuple[int, int, int], target: np.ndarray, seed: int) -> Poisoning:
        """See :meth:`data_prep.attack.PoisoningAttack.poisoning`; nothing is random here."""
        side = round(self.size * min(image_shape[:2]))
        if not 0 < side < min(image_shape[:2]):
            raise ValueError(
                f"a patch of {self.size:g} of the image side is {side} px on {image_shape[:2]} images; "
                "choose a size that gives at least 1 px and less than the image"
            )
        if not all(0 <= value <= 1 for value in self.colour):
            raise ValueError(f"colour must be RGB in [0, 1], got {self.colour}")
        return Poisoning(Patch(side, self.colour), target, self.rate)
