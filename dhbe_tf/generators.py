"""The two generators of DHBE's App. B.2 (Tables 10 to 13), for all sizes that the tables' pattern gives."""

from __future__ import annotations

from typing import Union

import numpy as np
import tensorflow as tf

layers = tf.keras.layers

_BATCH_NORM = dict(momentum=0.9, epsilon=1e-5)
_BASES = range(3, 10)  # sides from which trigger generators start


def sample_generator(
    image_shape: tuple[int, int, int], *, latent: int = 256, width: int = 64, seed: int
) -> tf.keras.Model:
    """Noise (B, latent) to normalised images (B, H, W, C), zero mean and unit variance per channel and batch.

    Starts from a grid of 5 to 8 cells on the shorter side and doubles it. Sides that are no such number times a power
    of two are generated larger and cropped.

    Args:
        image_shape: (H, W, C), H and W 5 or more.
        latent: length of the noise.
        width: channels before the last convolution; twice as many before that. The tables have 64.
        seed: of the weights.
    """
    height, width_px, channels = image_shape
    doublings = next(n for n in range(16) if min(height, width_px) <= 8 * 2**n)
    base = tuple(-(-side // 2**doublings) for side in (height, width_px))
    noise = tf.keras.Input((latent,), name="noise")
    x = _grow(noise, base, doublings, width)
    x = layers.Conv2D(channels, 3, padding="same")(x)
    extra = tuple((0, side * 2**doublings - wanted) for side, wanted in zip(base, (height, width_px)))
    x = layers.Cropping2D(extra)(x) if extra != ((0, 0), (0, 0)) else x
    x = layers.BatchNormalization(center=False, scale=False, **_BATCH_NORM)(layers.Activation("tanh")(x))
    return _drawn(tf.keras.Model(noise, x, name="sample_generator"), seed)


def trigger_generator(size: int, channels: int, *, latent: int = 256, width: int = 64, seed: int) -> tf.keras.Model:
    """Noise (B, latent) to patches (B, size, size, channels) in (-1, 1).

    Args:
        size: side of the patches in pixels: 3 to 9, or 5 to 9 times a power of two.
        channels: C of the images.
        latent: length of the noise.
        width: channels before the last convolution. The tables have 64.
        seed: of the weights.

    Raises:
        ValueError: if there is no generator of that size.
    """
    base, doublings = size, 0
    while base not in _BASES and base % 2 == 0 and base > 0:
        base, doublings = base // 2, doublings + 1
    if base not in _BASES:
        raise ValueError(
            f"there is no trigger generator for {size} px; choose 3 to 9, or 5 to 9 times 2, 4, 8 and so on"
        )
    noise = tf.keras.Input((latent,), name="noise")
    x = layers.Conv2D(channels, 3, padding="same")(_grow(noise, (base, base), doublings, width))
    x = layers.Activation("tanh")(layers.BatchNormalization(center=False, scale=False, **_BATCH_NORM)(x))
    return _drawn(tf.keras.Model(noise, x, name="trigger_generator"), seed)


def _grow(noise: tf.Tensor, base: tuple[int, ...], doublings: int, width: int) -> tf.Tensor:
    """Noise to features (B, H, W, width) by doublings; twice the width until the last one."""
    channels = 2 * width if doublings else width
    x = layers.Dense(channels * base[0] * base[1])(noise)
    x = layers.BatchNormalization(**_BATCH_NORM)(layers.Reshape((*base, channels))(x))
    for step in range(doublings):
        x = layers.UpSampling2D(2, interpolation="nearest")(x)
        x = layers.Conv2D(width if step == doublings - 1 else 2 * width, 3, padding="same")(x)
        x = layers.LeakyReLU(0.2)(layers.BatchNormalization(**_BATCH_NORM)(x))
    return x


def renew(model: tf.keras.Model, seed: int, number: int) -> None:
    """Make a generator as new, with other weights.

    Args:
        model: of :func:`sample_generator` or :func:`trigger_generator`.
        seed: as there.
        number: of the renewal, counted from 1; each draws weights of its own.
    """
    _drawn(model, (seed, number))
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            for weight in layer.weights:
                begins_at_one = any(name in weight.name for name in ("gamma", "variance"))
                weight.assign(tf.ones_like(weight) if begins_at_one else tf.zeros_like(weight))


def _drawn(model: tf.keras.Model, seed: Union[int, tuple[int, int]]) -> tf.keras.Model:
    """Weights and biases drawn as torch does by default, uniform within 1 / sqrt(fan-in), from a seed of our own."""
    random = np.random.default_rng(seed)
    for layer in model.layers:
        if isinstance(layer, (layers.Dense, layers.Conv2D)):
            limit = 1 / np.sqrt(np.prod(layer.kernel.shape[:-1]))
            layer.set_weights([random.uniform(-limit, limit, w.shape).astype(np.float32) for w in layer.get_weights()])
    return model
