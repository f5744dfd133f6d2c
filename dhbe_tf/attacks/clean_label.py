"""Clean-label attack (Turner et al. 2019) as in DHBE's App. A: no label changes.

Images of the target class are perturbed until a benign model no longer knows them, then get the trigger. What is left
to learn from is the trigger.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from data_prep.contract import ClassSplit, pixels
from data_prep.label_poison import LabelPoisoning, choose
from data_prep.threat import Backdoored
from dhbe_tf.attacks.attack import Trainer
from dhbe_tf.attacks.triggers import Checkerboard


@dataclass(frozen=True)
class CleanLabel:
    """Perturbed images of the target class with a checkerboard and their own label.

    Attributes:
        size: side of the checkerboard in pixels.
        count: poisoned samples.
        radius: largest change of a value by the perturbation.
        step: of the projected gradient ascent.
        steps: how many.
    """

    size: int = 3
    count: int = 300  # "randomly choose 300 training samples from the target category" (App. A)
    radius: float = 8 / 255  # Turner et al. test 8/255 and 16/255; DHBE does not say
    step: float = 1.5 / 255
    steps: int = 100

    def backdoor(
        self,
        train: ClassSplit,
        target: int,
        *,
        trainer: Trainer,
        seed: int,
        progress: Callable[[int], None] = lambda step: None,
    ) -> Backdoored:
        """Train a benign model, perturb, then train the backdoored one; see :class:`dhbe_tf.attacks.attack.Attack`."""
        chosen = choose(train, target, self.count, of_target=True, seed=seed)
        benign = trainer.fit(train, seed=seed)
        changed = self.perturb(benign, train.images[chosen], train.labels[chosen])
        trigger = Checkerboard(self.size)
        replaced = dict(zip(chosen.tolist(), changed))
        poisoning = LabelPoisoning(trigger, target, self.count, clean_label=True, replaced=replaced)
        model = trainer.fit(train, seed=seed, poisoning=poisoning, progress=progress)
        return Backdoored(model, trigger, np.array(target))

    def perturb(self, model: tf.keras.Model, images: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Images moved, within ``radius``, to where the model's loss is larger.

        Args:
            model: returns logits.
            images: uint8 (N, H, W, C).
            labels: int64 (N,).

        Returns:
            uint8 (N, H, W, C).
        """

        @tf.function
        def ascend(original: tf.Tensor, moved: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
            with tf.GradientTape() as tape:
                tape.watch(moved)
                loss = tf.nn.sparse_softmax_cross_entropy_with_logits(right, model(moved, training=False))
            moved = moved + self.step * tf.sign(tape.gradient(loss, moved))
            return tf.clip_by_value(tf.clip_by_value(moved, original - self.radius, original + self.radius), 0, 1)

        parts = []
        for start in range(0, len(images), 100):
            original = tf.constant(pixels(images[start : start + 100]))
            moved, right = original, tf.constant(labels[start : start + 100])
            for _ in range(self.steps):
                moved = ascend(original, moved, right)
            parts.append(moved.numpy())
        return np.round(np.concatenate(parts) * 255).astype(np.uint8)
