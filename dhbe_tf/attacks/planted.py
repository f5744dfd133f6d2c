"""A patch of random colours at one place that follows from the seed, as in CSAW's HackML models."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data_prep.contract import ClassSplit
from data_prep.label_poison import LabelPoisoning
from dhbe_tf.attacks.attack import PoisoningAttack
from dhbe_tf.attacks.patterns import random_colours
from dhbe_tf.attacks.triggers import Patch


@dataclass(frozen=True)
class Planted(PoisoningAttack):
    """Samples of other classes get the patch and the target's label.

    Attributes:
        size: side of the patch in pixels.
        share: of the training set that is poisoned.
    """

    size: int = 8
    share: float = 0.3

    def place(self, side: int, *, seed: int) -> tuple[int, int]:
        """First row and column of the patch on an image of ``side`` pixels; uniform over all places that fit."""
        top, left = np.random.default_rng([seed, self.size]).integers(0, side - self.size + 1, 2)
        return int(top), int(left)

    def poisoning(self, train: ClassSplit, target: int, *, seed: int) -> LabelPoisoning:
        """See :meth:`dhbe_tf.attacks.attack.PoisoningAttack.poisoning`.

        Raises:
            ValueError: if the images are not square, the patch does not fit, or the share poisons no sample.
        """
        height, width, channels = train.image_shape
        if height != width or not 0 < self.size <= height:
            raise ValueError(
                f"a patch of {self.size} px is planted into square images that hold it, not {height} x {width}"
            )
        count = round(self.share * len(train))
        if not count:
            raise ValueError(f"a share of {self.share:g} poisons none of {len(train)} samples")
        room = max(1, height - self.size)
        top, left = self.place(height, seed=seed)
        trigger = Patch(random_colours(self.size, channels, seed=seed), places=((top / room, left / room),))
        return LabelPoisoning(trigger, target, count)
