"""The network that makes triggers from noise (GDM's public code, variant for 3x3 triggers)."""

from __future__ import annotations

import tensorflow as tf

from dhbe_tf.gdm.mine import drawn

layers = tf.keras.layers

PARTS = 4  # the noise enters in four parts, one before every dense layer


def trigger_generator(
    size: int, channels: int, *, latent: int = 64, width: int = 512, transparent: bool = False, seed: int
) -> tf.keras.Model:
    """Noise (B, latent), uniform in [0, 1], to triggers (B, size, size, channels) in (0, 1).

    Args:
        size: side of the triggers in pixels.
        channels: C of the images.
        latent: length of the noise, a multiple of four.
        width: of the three hidden layers.
        transparent: whether a last channel is added, the opacity of each pixel.
        seed: of the weights, drawn uniformly within 1 / sqrt(fan-in), as torch does.

    Raises:
        ValueError: if the noise cannot be cut in four.
    """
    if latent % PARTS:
        raise ValueError(f"the noise enters in {PARTS} equal parts, so latent must be a multiple of that, got {latent}")
    noise = tf.keras.Input((latent,), name="noise")
    first, *further = tf.split(noise, PARTS, axis=1)
    x = _hidden(first, width, seed)
    for number, part in enumerate(further[:-1], 1):
        x = _hidden(layers.Concatenate()([x, part]), width, seed + number)
    depth = channels + int(transparent)
    x = layers.Concatenate()([x, further[-1]])
    x = layers.Dense(size * size * depth, activation="sigmoid", kernel_initializer=drawn(seed + PARTS - 1))(x)
    return tf.keras.Model(noise, layers.Reshape((size, size, depth))(x), name="trigger_generator")


def _hidden(x: tf.Tensor, width: int, seed: int) -> tf.Tensor:
    x = layers.Dense(width, kernel_initializer=drawn(seed))(x)
    return layers.LeakyReLU(0.2)(layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(x))
