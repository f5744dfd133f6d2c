"""The target vector as a variable: y_t of DRMGuard's Eq. 8 and 9, where classifiers have a list of labels to try."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from drmguard_tf.reference import Reference


class LearnableTarget(tf.Module):
    """A target that is searched for together with the trigger, and the error of outputs to it.

    It is learned in standard deviations of the benign outputs, so a learning rate means the same for every model.
    """

    def __init__(self, reference: Reference, seed: int, restart: int) -> None:
        """Begin at the mean answer for the first restart, at that on a random benign image for the others.

        Args:
            reference: of the suspect.
            seed: of the draw.
            restart: counted from 0.
        """
        super().__init__(name="target")
        outputs = reference.outputs.numpy()
        self.mean, self.spread = outputs.mean(axis=0), outputs.std(axis=0)
        self.deviation = float(np.abs(outputs - self.mean).mean())
        begin = self.mean if restart == 0 else outputs[np.random.default_rng([seed, restart]).integers(len(outputs))]
        self.offset = tf.Variable((begin - self.mean) / self.spread, name="offset")

    @property
    def value(self) -> tf.Tensor:
        """float32 (K,), radians."""
        return self.mean + self.spread * self.offset

    def error(self, outputs: tf.Tensor) -> tf.Tensor:
        """L1 loss to the target as a share of what it costs to answer the mean for every benign image.

        Args:
            outputs: float32 (B, K), radians.

        Returns:
            Scalar >= 0: 0 where all images get the target, around 1 where the trigger does nothing.
        """
        return tf.reduce_mean(tf.abs(outputs - self.value)) / self.deviation
