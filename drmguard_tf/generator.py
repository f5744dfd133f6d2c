"""The generators: the paper's, at any width, and a small one that starts at the identity."""

from __future__ import annotations

import tensorflow as tf

layers = tf.keras.layers


def paper_generator(
    image_shape: tuple[int, int, int], channels: int | None = None, *, width: int = 32, name: str = "paper_generator"
) -> tf.keras.Model:
    """The encoder-decoder of DRMGuard's App. A.10, after the input-aware attack's.

    Args:
        image_shape: (H, W, C), H and W divisible by 8.
        channels: of what is made; None takes C.
        width: features at full size, twice and four times as many below; the paper's by default.
        name: of the model.

    Returns:
        Images in [0, 1] -> images in [0, 1]; has batch norm, so calls say ``training``.

    Raises:
        ValueError: if a side is not divisible by 8.
    """
    if any(side % 8 for side in image_shape[:2]):
        raise ValueError(
            f"the paper's generator halves images three times, so sides must be multiples of 8: {image_shape}"
        )
    images = tf.keras.Input(image_shape)
    x = images
    for features in (width, 2 * width, 4 * width):
        x = layers.MaxPooling2D()(_convolution(_convolution(x, features), features))
    x = _convolution(x, 4 * width)
    for features in (4 * width, 2 * width):
        x = layers.UpSampling2D(interpolation="bilinear")(x)
        x = _convolution(_convolution(x, features), features // 2)
    x = _convolution(layers.UpSampling2D(interpolation="bilinear")(x), width)
    x = layers.BatchNormalization()(layers.Conv2D(channels or image_shape[2], 3, padding="same")(x))
    x = layers.Activation("tanh")(x)
    return tf.keras.Model(images, layers.Rescaling(1 / (2 + 1e-7), offset=0.5)(x), name=name)


def small_generator(image_shape: tuple[int, int, int]) -> tf.keras.Model:
    """A residual U-Net with two coordinate channels that starts close to zero; ours, for the steered search.

    It works on blocks of 2x2 pixels (space to depth), which makes it cheaper than the networks under examination.

    Args:
        image_shape: (H, W, C); inside, sides grow to multiples of 8.

    Returns:
        [images in [0, 1], coordinates (B, H, W, 2)] -> change of the images, unbounded; without batch norm.
    """
    height, width, channels = image_shape
    margin = ((0, -height % 8), (0, -width % 8))
    images = tf.keras.Input(image_shape)
    place = tf.keras.Input((height, width, 2))
    blocks = tf.nn.space_to_depth(layers.ZeroPadding2D(margin)(layers.Concatenate()([images, place])), 2)
    fine = _rectified(blocks, 8)
    middle = _rectified(fine, 16, strides=2)
    coarse = _rectified(_rectified(middle, 32, strides=2), 16)
    up = _rectified(layers.Concatenate()([layers.UpSampling2D()(coarse), middle]), 8)
    up = _rectified(layers.Concatenate()([layers.UpSampling2D()(up), fine]), 16)
    near_zero = tf.keras.initializers.RandomNormal(stddev=1e-3)
    residual = layers.Conv2D(4 * channels, 3, padding="same", kernel_initializer=near_zero)(up)
    change = layers.Cropping2D(margin)(tf.nn.depth_to_space(residual, 2))
    return tf.keras.Model([images, place], change, name="small_generator")


def coordinates(height: int, width: int) -> tf.Tensor:
    """Row and column of every pixel, float32 (1, H, W, 2) in [-1, 1]."""
    rows, columns = tf.meshgrid(tf.linspace(-1.0, 1.0, height), tf.linspace(-1.0, 1.0, width), indexing="ij")
    return tf.stack([rows, columns], axis=-1)[None]


def _convolution(x: tf.Tensor, width: int) -> tf.Tensor:
    return layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(width, 3, padding="same")(x)))


def _rectified(x: tf.Tensor, width: int, strides: int = 1) -> tf.Tensor:
    return layers.Conv2D(width, 3, strides=strides, padding="same", activation="relu", kernel_initializer="he_normal")(
        x
    )
