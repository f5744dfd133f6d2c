"""Multi-target WaNet (DRMGuard, App. A.7): two warps in one model, each with its own target."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Optional

import numpy as np

from data_prep.poison import Implant, Poisoning
from drmguard_tf.attacks.wanet import WaNet


@dataclass(frozen=True)
class MultiTarget(WaNet):
    """WaNet with a second warp of other control points that leads to a second target.

    Attributes:
        second: the second target vector, radians; None takes the first one negated.
        rate: poisoned share of each warp.
        grid, strength, cross_rate, noise: as for :class:`drmguard_tf.attacks.wanet.WaNet`; noise mode is the first
            warp's.
    """

    second: Optional[tuple[float, ...]] = None  # the paper does not say how its two targets were chosen

    def poisoning(self, image_shape: tuple[int, int, int], target: np.ndarray, seed: int) -> Poisoning:
        """See :meth:`data_prep.attack.PoisoningAttack.poisoning`; ``seed`` draws both warps."""
        second = -target if self.second is None else np.asarray(self.second, np.float32)
        if second.shape != target.shape or np.abs(second - target).max() < 1e-3:
            raise ValueError(
                f"the second target {second.tolist()} must have {len(target)} angles and differ from the first, "
                f"{target.tolist()} (radians); name another"
            )
        first = super().poisoning(image_shape, target, seed)
        other = super().poisoning(image_shape, second, int(np.random.default_rng([seed, 2]).integers(2**31)))
        return replace(first, further=(Implant(other.trigger, second, self.rate),))
