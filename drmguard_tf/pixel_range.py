"""Generated images cut to what an image can show."""

from __future__ import annotations

import tensorflow as tf


def into_range(images: tf.Tensor) -> tf.Tensor:
    """``tf.clip_by_value(images, 0, 1)`` with its gradient, worked out as a product with a mask.

    TensorFlow makes two selections of the gradient, which on a CPU take as long as a small convolution (MEASURED.md,
    speed). No ``tf.custom_gradient``: TensorFlow keeps each one for good that is compiled, and all constants of the
    function with it.

    Args:
        images: float, finite, any shape.

    Returns:
        The images in [0, 1]; slopes pass where they were in it, its ends included.
    """
    inside, above = (tf.cast(mask, images.dtype) for mask in ((images >= 0) & (images <= 1), images > 1))
    return images * inside + above
