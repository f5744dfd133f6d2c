"""Mode connectivity repair: the curve, its gradients by the chain rule, and batch norm's statistics."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from suspects import normed

from data_prep.contract import ClassSplit
from dhbe_tf.baselines.mode_connectivity import Curve, ModeConnectivity, bezier, renew_statistics
from dhbe_tf.baselines.tuning import Tuning

layers = tf.keras.layers
OPTIONS = Tuning(epochs=3, samples=16, batch=8, learning_rate=0.1, weight_decay=0.5, crop=0, flip=False)


def _linear() -> tf.keras.Model:
    images = tf.keras.Input((1, 2, 1))
    return tf.keras.Model(images, layers.Dense(2)(layers.Flatten()(images)))


def _ends() -> tuple[list[np.ndarray], list[np.ndarray]]:
    random = np.random.default_rng(0)
    return tuple([random.normal(size=shape).astype(np.float32) for shape in ((2, 2), (2,))] for _ in range(2))


@pytest.mark.parametrize("place, expected", [(0.0, 1.0), (0.5, 0.25 * 1 + 0.5 * 10 + 0.25 * 4), (1.0, 4.0)])
def test_a_curve_begins_at_one_end_and_is_bent_by_the_middle(place, expected):
    assert float(bezier(tf.constant(1.0), tf.constant(10.0), tf.constant(4.0), tf.constant(place))) == expected


def test_a_new_curve_is_a_straight_line():
    start, end = _ends()
    curve = Curve(_linear(), start, end, OPTIONS, seed=0)
    curve.write(tf.constant(0.25))
    for variable, one, other in zip(curve.model.trainable_variables, start, end):
        np.testing.assert_allclose(variable, 0.75 * one + 0.25 * other, rtol=1e-5)


def test_gradients_of_the_middle_are_those_of_the_whole_objective():
    start, end = _ends()
    curve = Curve(_linear(), start, end, OPTIONS, seed=0)
    images, labels, place = np.float32([[[[1], [2]]], [[[0], [3]]]]), np.array([0, 1]), tf.constant(0.3)
    with tf.GradientTape() as tape:
        kernel, bias = (bezier(a, m, b, place) for a, m, b in zip(start, curve.middle, end))
        answers = images.reshape(2, 2) @ kernel + bias
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, answers))
        penalty = 0.5 * OPTIONS.weight_decay * (tf.reduce_sum(kernel**2) + tf.reduce_sum(bias**2))
        total = loss + penalty
    expected = tape.gradient(total, curve.middle)
    curve.write(place)
    found, slopes = curve.slopes(tf.constant(images), tf.constant(labels), place)
    np.testing.assert_allclose(found, loss, rtol=1e-5)
    for mine, theirs in zip(slopes, expected):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-6)


def test_statistics_become_those_of_the_defender_s_images():
    images = tf.keras.Input((2, 2, 1))
    model = tf.keras.Model(images, layers.BatchNormalization(momentum=0.9)(images))
    values = np.random.default_rng(0).integers(0, 256, (41, 2, 2, 1), dtype=np.uint8)
    renew_statistics(model, ClassSplit(values, np.zeros(41, np.int64), ("only",)), batch=20)
    halves = values[:40].reshape(2, 80) / 255  # the image that is left over is not used
    layer = model.layers[-1]
    np.testing.assert_allclose(layer.moving_mean, [halves.mean()], rtol=1e-5)
    np.testing.assert_allclose(layer.moving_variance, [halves.var(axis=1).mean()], rtol=1.5 / 80)  # n or n - 1
    assert layer.momentum == 0.9


def test_the_ends_stay_and_the_middle_moves():
    suspect = normed()
    trained = [variable.numpy() for variable in suspect.model.trainable_variables]
    for place, equal in ((0.0, True), (1.0, True), (0.5, False)):
        cleaned = ModeConnectivity(OPTIONS, place=place).mitigate(suspect, seed=0)
        pairs = zip(trained, cleaned.trainable_variables)
        assert all(np.allclose(old, new, atol=1e-7) for old, new in pairs) is equal
        moved = cleaned.non_trainable_variables[0] - suspect.model.non_trainable_variables[0]
        assert np.abs(moved).max() > 1e-3  # statistics are the defender's
