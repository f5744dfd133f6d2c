"""Blend (Chen et al. 2017), on regression: a faint pattern over the whole image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from data_prep.attack import PoisoningAttack
from data_prep.poison import Poisoning


@dataclass(frozen=True, eq=False)  # holds an array, so identity is equality
class Blending:
    """A fixed pattern, mixed in.

    Attributes:
        pattern: float32 (H, W, C) in [0, 1].
        opacity: share of the pattern in every pixel, in (0, 1).
    """

    pattern: np.ndarray
    opacity: float

    def __call__(self, images: tf.Tensor) -> tf.Tensor:
        """Images with the pattern; see :class:`data_prep.poison.Trigger`."""
        return (1 - self.opacity) * images + self.opacity * tf.constant(self.pattern, images.dtype)


@dataclass(frozen=True)
class Blend(PoisoningAttack):
    """Uniform noise, the original's "random pattern", mixed into every pixel.

    Attributes:
        opacity: share of the pattern, in (0, 1).
        rate: poisoned share of the training set.
    """

    opacity: float = 0.2  # the original's blend ratio when it poisons; DRMGuard's App. A.8 has no figure
    rate: float = 0.1  # common in toolboxes; DRMGuard's App. A.8 has no figure

    def poisoning(self, image_shape: tuple[int, int, int], target: np.ndarray, seed: int) -> Poisoning:
        """See :meth:`data_prep.attack.PoisoningAttack.poisoning`; ``seed`` draws the pattern."""
        if not 0 < self.opacity < 1:
            raise ValueError(f"opacity is the pattern's share, above 0 and below 1, got {self.opacity:g}")
        pattern = np.random.default_rng(seed).random(image_shape, np.float32)
        return Poisoning(Blending(pattern, self.opacity), target, self.rate)
