"""The adaptive attack of DRMGuard's Sec. 4.5: WaNet, trained to hide the spread of angles that DRMGuard looks for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import tensorflow as tf

from data_prep.attack import Trainer
from data_prep.contract import Split
from data_prep.poison import CLEAN, POISONED
from data_prep.threat import Backdoored
from drmguard_tf.attacks.wanet import WaNet
from drmguard_tf.losses import head_angles
from drmguard_tf.submodels import split
from drmguard_tf.training import TrainingStep


@dataclass(frozen=True)
class Adaptive(WaNet):
    """WaNet with the loss of Eq. 6, which pulls RAV to one.

    Attributes:
        weight: of the extra loss.
        grid, strength, rate, cross_rate, noise: as for :class:`drmguard_tf.attacks.wanet.WaNet`.
    """

    weight: float = 0.02  # by other people's account of the paper, whose figure is not recoverable

    def backdoor(self, train: Split, target: np.ndarray, *, trainer: Trainer, seed: int) -> Backdoored:
        """Train with the extra loss; see :meth:`data_prep.attack.Attack.backdoor`."""
        if self.weight < 0:
            raise ValueError(f"weight must be 0 or more, got {self.weight:g}")
        poisoning = self.poisoning(train.image_shape, target, seed)
        model = trainer.fit(train, seed=seed, poisoning=poisoning, step=partial(AdaptiveStep, weight=self.weight))
        return Backdoored(model, poisoning.trigger, target)


class AdaptiveStep(TrainingStep):
    """The usual step with Eq. 6 as an extra loss; on several devices each takes it over its part of the batch."""

    def __init__(self, *arguments, weight: float) -> None:
        super().__init__(*arguments)
        self.sub, self.weight = split(self.model), weight

    def loss(self, images: tf.Tensor, targets: tf.Tensor, roles: tf.Tensor) -> tf.Tensor:
        """See :meth:`drmguard_tf.training.TrainingStep.loss`."""
        features, outputs = self.sub.joint(images, training=True)
        angles = head_angles(features, self.sub.kernel)
        return tf.reduce_mean(tf.abs(outputs - targets)) + self.weight * distance_from_one(angles, roles)


def distance_from_one(angles: tf.Tensor, roles: tf.Tensor) -> tf.Tensor:
    """How far the RAV of a mini-batch is from one: DRMGuard's Eq. 6.

    Args:
        angles: float (B, K), radians, of a poisoned batch.
        roles: int8 (B,); poisoned samples are compared with clean ones, near misses are left out.

    Returns:
        Scalar ``abs(RAV - 1)``; 0 where fewer than two samples are poisoned or clean.
    """
    poisoned, clean = tf.cast(roles == POISONED, angles.dtype), tf.cast(roles == CLEAN, angles.dtype)
    enough = (tf.reduce_sum(poisoned) >= 2) & (tf.reduce_sum(clean) >= 2)
    spread = tf.where(enough, _variance(angles, clean), tf.ones_like(angles[0]))  # no division by nothing
    rav = tf.reduce_mean(_variance(angles, poisoned) / spread)
    return tf.where(enough, tf.abs(rav - 1), 0.0)


def _variance(angles: tf.Tensor, chosen: tf.Tensor) -> tf.Tensor:
    """Variance over the chosen samples, (K,); finite, with a finite gradient, for none."""
    count = tf.maximum(tf.reduce_sum(chosen), 1.0)
    mean = tf.reduce_sum(chosen[:, None] * angles, axis=0) / count
    return tf.reduce_sum(chosen[:, None] * (angles - mean) ** 2, axis=0) / count
