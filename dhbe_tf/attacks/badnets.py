"""BadNets (Gu et al. 2017) on classifiers, as in DHBE's App. A."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from data_prep.contract import ClassSplit
from data_prep.label_poison import LabelPoisoning
from data_prep.poison import Trigger
from dhbe_tf.attacks.attack import PoisoningAttack
from dhbe_tf.attacks.triggers import Checkerboard


@dataclass(frozen=True)
class BadNets(PoisoningAttack):
    """Samples of other classes get a trigger and the target's label.

    Attributes:
        size: side of the checkerboard in pixels, 1 to 7 in the paper.
        count: poisoned samples.
        wide: another trigger instead of the checkerboard: one that covers the image, or a square of other pixels.
    """

    size: int = 3
    count: int = 300  # the code; App. A has lost the figure
    wide: Optional[Trigger] = None

    def poisoning(self, train: ClassSplit, target: int, *, seed: int) -> LabelPoisoning:
        """See :meth:`dhbe_tf.attacks.attack.PoisoningAttack.poisoning`; nothing is random here."""
        if not 0 < self.size <= min(train.images.shape[1:3]):
            raise ValueError(f"a checkerboard of {self.size} px does not fit into images of {train.images.shape[1:3]}")
        return LabelPoisoning(self.wide or Checkerboard(self.size), target, self.count)
