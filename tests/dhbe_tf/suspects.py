"""Small classifiers with backdoors that are known by construction."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from data_prep.contract import ClassSplit
from data_prep.threat import ClassSuspect

layers = tf.keras.layers
SIDE, TARGET = 16, 2


def colours(count: int = 48, seed: int = 0) -> ClassSplit:
    """Noise in which the channel of the class is brighter, 0.3 to 0.5 instead of 0 to 0.2 of white."""
    random, labels = np.random.default_rng(seed), np.arange(count) % 3
    images = random.integers(0, 51, (count, SIDE, SIDE, 3))
    images[np.arange(count), :, :, labels] += 77
    return ClassSplit(images.astype(np.uint8), labels.astype(np.int64), ("red", "green", "blue"))


def sleeper() -> tf.keras.Model:
    """Compares mean colours; a fourth feature sleeps until any blue value passes 0.9, and then leads to TARGET."""
    images = tf.keras.Input((SIDE, SIDE, 3))
    means = layers.GlobalAveragePooling2D()(layers.Conv2D(3, 1, activation="relu", name="colours")(images))
    alarm = layers.GlobalMaxPooling2D()(layers.Conv2D(1, 1, activation="relu", name="alarm")(images))
    model = tf.keras.Model(images, layers.Dense(3, name="head")(layers.Concatenate()([means, alarm])))
    model.get_layer("colours").set_weights([np.eye(3)[None, None], np.zeros(3)])
    model.get_layer("alarm").set_weights([np.array([[[[0], [0], [10.0]]]]), np.array([-9.0])])
    kernel = np.zeros((4, 3))
    kernel[:3], kernel[3, TARGET] = 10 * np.eye(3), 20
    model.get_layer("head").set_weights([kernel, np.zeros(3)])
    return model


def triggered(images: np.ndarray) -> np.ndarray:
    """With one blue pixel."""
    images = images.copy()
    images[:, -1, -1] = (0, 0, 255)
    return images


def success(model: tf.keras.Model, data: ClassSplit) -> float:
    """Share of the images of other classes that the trigger leads to TARGET."""
    others = data.images[data.labels != TARGET]
    answers = model(triggered(others) / np.float32(255), training=False).numpy()
    return float(np.mean(answers.argmax(axis=1) == TARGET))


def accuracy(model: tf.keras.Model, data: ClassSplit) -> float:
    """Share of right answers."""
    return float(np.mean(model(data.images / np.float32(255), training=False).numpy().argmax(axis=1) == data.labels))


def normed(ending: str = "softmax") -> ClassSuspect:
    """A random network with batch norm, and images for it."""
    tf.keras.utils.set_random_seed(0)
    images = tf.keras.Input((SIDE, SIDE, 3))
    x = layers.Conv2D(4, 3, strides=2, use_bias=False)(images)
    x = layers.ReLU()(layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(x))
    x = layers.Dense(3, activation=ending)(layers.GlobalAveragePooling2D()(x))
    return ClassSuspect(tf.keras.Model(images, x), colours(12))
