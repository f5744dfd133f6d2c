"""Networks of a few weights and grey images, on which an attack is trained in seconds."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from data_prep.contract import Split
from drmguard_tf.training import Trainer, Training

layers = tf.keras.layers


def network(image_shape: tuple[int, int, int], outputs: int) -> tf.keras.Model:
    """One convolution, pooling and a linear head."""
    images = tf.keras.Input(image_shape)
    features = layers.GlobalAveragePooling2D()(layers.Conv2D(8, 3, strides=2, activation="relu")(images))
    return tf.keras.Model(images, layers.Dense(outputs)(features))


def data(count: int = 40, side: int = 16, outputs: int = 2) -> Split:
    """Random images with random labels of up to half a radian."""
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (count, side, side, 3), np.uint8)
    return Split(images, random.uniform(-0.5, 0.5, (count, outputs)).astype(np.float32))


def trainer(steps: int = 3, batch: int = 10) -> Trainer:
    """Short training of :func:`network`, which a test enters as ``tiny``."""
    return Trainer(Training("tiny", steps=steps, batch=batch, learning_rate=0.01))
