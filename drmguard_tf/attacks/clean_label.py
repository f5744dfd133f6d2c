"""Clean Label (Turner et al. 2019), on regression as in DRMGuard's App. A.3.

Poisoned are only images whose labels lie near the target already. Half of them are first moved, by projected gradient
ascent (PGD) on the attacker's own benign model, to where their content says little; then all get the patch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from data_prep.attack import Attack, Trainer
from data_prep.contract import Split, pixels
from data_prep.poison import Poisoning, Trigger
from data_prep.threat import Backdoored
from drmguard_tf.attacks.badnets import BadNets

_BATCH = 100


@dataclass(frozen=True)
class CleanLabel(Attack):
    """A red patch on images near the target, half of them adversarial.

    Attributes:
        size: side of the patch, as a share of the shorter image side.
        nearness_deg: largest Euclidean distance between a poisoned sample's label and the target, degrees.
        share: of the samples that near, drawn by the seed, which is poisoned; in (0, 1].
        radius: largest change of a value by PGD.
        step: of PGD.
        steps: how many.
    """

    size: float = 20 / 224  # "a 20 x 20 red patch located at the right-bottom corner" (App. A.3)
    nearness_deg: float = 5.0  # the paper's bound is not recoverable
    share: float = (
        1.0  # "the images whose annotations satisfy [the bound] as the target group to be poisoned" (App. A.3)
    )
    radius: float = 8 / 255  # Turner et al. test 8/255 and 16/255; DRMGuard has no figure
    step: float = 1.5 / 255
    steps: int = 100

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise ValueError(f"share is a part of the target group, above 0 and at most 1, got {self.share:g}")

    def backdoor(self, train: Split, target: np.ndarray, *, trainer: Trainer, seed: int) -> Backdoored:
        """Train a benign model, perturb, train the backdoored one; see :meth:`data_prep.attack.Attack.backdoor`."""
        near, adversarial = self.choose(train, target, seed)
        trigger = self.trigger(train.image_shape, target)
        surrogate = trainer.fit(train, seed=seed + 1, part="surrogate")
        moved = self.perturb(surrogate, train.images[adversarial], train.targets[adversarial])
        poisoning = Poisoning(
            trigger, target, len(near) / len(train), chosen=near, replaced=dict(zip(adversarial.tolist(), moved))
        )
        return Backdoored(trainer.fit(train, seed=seed, poisoning=poisoning), trigger, target)

    def known(
        self, model: tf.keras.Model, target: np.ndarray, seed: int, network: tf.keras.Model | None = None
    ) -> list[Backdoored]:
        """See :meth:`data_prep.attack.Attack.known`."""
        return [Backdoored(model, self.trigger(model.input_shape[1:], target), target)]

    def trigger(self, image_shape: tuple[int, int, int], target: np.ndarray) -> Trigger:
        """The patch, as BadNets has it.

        Raises:
            ValueError: if it does not fit the images.
        """
        return BadNets(size=self.size).poisoning(image_shape, target, seed=0).trigger

    def choose(self, train: Split, target: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """The samples that are poisoned, and the half of them (rounded down) that becomes adversarial; indices.

        Raises:
            ValueError: if fewer than two labels lie near the target.
        """
        distance = np.degrees(np.linalg.norm(train.targets - target, axis=1))
        near = np.flatnonzero(distance <= self.nearness_deg)
        if len(near) < 2:
            wanted = np.degrees(target.astype(float)).round(1).tolist()
            raise ValueError(
                f"{len(near)} of {len(train)} labels lie within {self.nearness_deg:g} degrees of the target {wanted}; "
                f"the nearest is {distance.min():.1f} degrees away. Choose a target among the labels, or a larger "
                "nearness_deg"
            )
        order = np.random.default_rng(seed).permutation(near)[: max(2, round(self.share * len(near)))]
        return np.sort(order), np.sort(order[: len(order) // 2])

    def perturb(self, model: tf.keras.Model, images: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Images moved, within ``radius``, to where the model's L1 loss is larger.

        Args:
            model: the attacker's own.
            images: uint8 (N, H, W, C).
            targets: float32 (N, K), radians.

        Returns:
            uint8 (N, H, W, C).
        """

        @tf.function
        def ascend(original: tf.Tensor, moved: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
            with tf.GradientTape() as tape:
                tape.watch(moved)
                loss = tf.reduce_sum(tf.abs(model(moved, training=False) - right))
            moved = moved + self.step * tf.sign(tape.gradient(loss, moved))
            return tf.clip_by_value(tf.clip_by_value(moved, original - self.radius, original + self.radius), 0, 1)

        parts = []
        for start in range(0, len(images), _BATCH):
            original, right = pixels(images[start : start + _BATCH]), tf.constant(targets[start : start + _BATCH])
            moved = tf.constant(original)
            for _ in range(self.steps):
                moved = ascend(tf.constant(original), moved, right)
            parts.append(np.round(moved.numpy() * 255).astype(np.uint8))
        return np.concatenate(parts)
