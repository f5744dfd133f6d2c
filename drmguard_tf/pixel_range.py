"""Generated images cut to what an image can show."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf


@tf.custom_gradient
def into_range(images: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
    """``tf.clip_by_value(images, 0, 1)`` with its gradient, worked out as a product with a mask.

    TensorFlow makes two selections of it, which on a CPU take as long as a small convolution (MEASURED.md, speed).

    Args:
        images: float, finite, any shape.

    Returns:
        The images in [0, 1]; slopes pass where they were in it, its ends included.
    """
    inside = tf.cast((images >= 0) & (images <= 1), images.dtype)
    return tf.clip_by_value(images, 0, 1), lambda slopes: slopes * inside
