"""The network that FeatureRE changes images with."""

from __future__ import annotations

import tensorflow as tf

layers = tf.keras.layers

_LEVELS, _CAP = 4, 512


def unet(image_shape: tuple[int, int, int], width: int, *, silent: bool = False) -> tf.keras.Model:
    """The U-Net of FeatureRE's authors: two convolutions with instance normalisation a level, four levels.

    Args:
        image_shape: (H, W, C); inside, sides grow to multiples of 16.
        width: channels of the first level; they double from level to level, up to 512.
        silent: whether the last convolution starts at zero, so that the network answers nothing at first.

    Returns:
        Images (B, H, W, C) -> unbounded (B, H, W, C).
    """
    height, rest, channels = image_shape
    margin = ((0, -height % 2**_LEVELS), (0, -rest % 2**_LEVELS))
    images = tf.keras.Input(image_shape)
    x, skipped = layers.ZeroPadding2D(margin)(images), []
    widths = [min(width * 2**level, _CAP) for level in range(_LEVELS + 1)]
    for level in widths[:-1]:
        x = _twice(x, level)
        skipped.append(x)
        x = layers.MaxPooling2D()(x)
    x = _twice(x, widths[-1])
    for level, skip in zip(widths[-2::-1], skipped[::-1]):
        x = layers.Concatenate()([layers.Conv2DTranspose(level, 3, strides=2, padding="same")(x), skip])
        x = _twice(x, level)
    last = layers.Conv2D(channels, 1, kernel_initializer="zeros" if silent else "glorot_uniform")
    return tf.keras.Model(images, layers.Cropping2D(margin)(last(x)), name="unet")


def _twice(x: tf.Tensor, width: int) -> tf.Tensor:
    from tensorflow_addons.layers import InstanceNormalization  # slow to import, and nothing else needs it

    for _ in range(2):
        x = layers.LeakyReLU(0.01)(InstanceNormalization()(layers.Conv2D(width, 3, padding="same")(x)))
    return x
