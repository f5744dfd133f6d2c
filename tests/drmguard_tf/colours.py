"""Images of one colour, and a hand-made model that reads it: with a back door in one corner, if it is asked for."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from data_prep.contract import Split
from data_prep.threat import Suspect

layers = tf.keras.layers
SIZE = 16
_READ = np.float32([[0.8, 0.0], [0.0, 0.8], [0.4, -0.4], [0.0, 0.0]])
_BIAS = np.float32([-0.6, -0.2])


def suspect(corner_weight: float, count: int = 32) -> Suspect:
    """A model and a benign set that it answers exactly.

    Args:
        corner_weight: 0 for a benign model; else brightness of the 2 x 2 corner, times this, silences the features of
            colour, and the answer is that of black images, ``target()``.
        count: of images; their corners are black.
    """
    rng = np.random.default_rng(0)
    images = np.tile(rng.integers(60, 256, (count, 1, 1, 3), dtype=np.uint8), (1, SIZE, SIZE, 1))
    images[:, :2, :2] = 0
    model = _model(corner_weight)
    return Suspect(model, Split(images, model(images.astype(np.float32) / 255, training=False).numpy()))


def target() -> np.ndarray:
    """Where the back door leads: the answer without any colour."""
    return _BIAS


def _model(corner_weight: float) -> tf.keras.Model:
    images = tf.keras.Input((SIZE, SIZE, 3))
    corner = layers.GlobalMaxPooling2D()(layers.Cropping2D(((0, SIZE - 2), (0, SIZE - 2)))(images))
    colour = layers.GlobalAveragePooling2D()(images)
    both = layers.Dense(4, activation="relu", name="features")
    features = both(layers.Concatenate()([colour, corner]))
    kernel = np.concatenate([np.eye(3), np.full((3, 3), -corner_weight)]).astype(np.float32)
    both.set_weights([np.concatenate([kernel, np.zeros((6, 1))], axis=1), np.float32([0, 0, 0, 0.5])])
    head = layers.Dense(2, name="head")
    model = tf.keras.Model(images, head(features))
    head.set_weights([_READ, _BIAS])
    return model
