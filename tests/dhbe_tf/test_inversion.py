"""Model inversion: the gap of statistics, what a descent reaches, and distillation on it."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from suspects import normed, sleeper

from dhbe_tf.baselines.inversion import Inversion, InvertedDistillation, divergence, statistics_gap
from dhbe_tf.baselines.mode_connectivity import renew_statistics
from dhbe_tf.baselines.tuning import Tuning
from dhbe_tf.domain import declared

DOMAIN = declared((0.5,) * 3, (0.25,) * 3)
BRIEF = Inversion(steps=30, batch=6, learning_rate=0.1)


def test_the_gap_of_statistics_by_hand():
    maps = tf.constant([[[[0.0, 1.0], [2.0, 1.0]]]])  # means 1 and 1, variances 1 and 0
    gap = statistics_gap([maps, maps], [tf.constant([1.0, 4.0])] * 2, [tf.constant([1.0, 4.0])] * 2)
    np.testing.assert_allclose(gap, 2 * (3 + 4), rtol=1e-5)


def test_inverted_images_have_the_statistics_that_the_model_remembers():
    suspect = normed("linear")
    model, start = suspect.model, tf.random.Generator.from_seed(0).normal((6, 16, 16, 3))
    renew_statistics(model, suspect.benign, 12)
    before = [weight.copy() for weight in model.get_weights()]
    found = BRIEF.invert(model, domain=DOMAIN, seed=0)
    norm = model.layers[2]
    maps = tf.keras.Model(model.inputs, norm.input)
    first, last, true = (
        float(statistics_gap([maps(images)], [norm.moving_mean], [norm.moving_variance]))
        for images in (
            tf.clip_by_value(DOMAIN.pixels(start), 0, 1),
            found.images,
            suspect.benign.images / np.float32(255),
        )
    )
    assert true < 1e-3 and last < 0.5 * first
    assert found.labels.tolist() == [0, 1, 2, 0, 1, 2]
    assert found.images.min() >= 0 and found.images.max() <= 1 and found.images.shape == (6, 16, 16, 3)
    for old, new in zip(before, model.get_weights()):
        np.testing.assert_array_equal(old, new)


def test_a_model_without_batch_norm_is_refused():
    with pytest.raises(ValueError, match="batch norms"):
        BRIEF.invert(sleeper(), domain=DOMAIN, seed=0)


def test_divergence_by_hand():
    teacher, student = tf.math.log([[0.5, 0.5]]), tf.math.log([[0.8, 0.2]])
    # 0.5 * ln(0.5 / 0.8) + 0.5 * ln(0.5 / 0.2) = 0.2231
    np.testing.assert_allclose(divergence(student, teacher, 1.0), 0.22314, rtol=1e-4)
    np.testing.assert_allclose(divergence(2 * student, 2 * teacher, 2.0), 4 * 0.22314, rtol=1e-4)
    np.testing.assert_allclose(divergence(teacher, teacher, 3.0), 0, atol=1e-7)


def test_a_student_is_new_learns_from_the_suspect_and_leaves_it_alone():
    model, heard = normed().model, []
    before = [weight.copy() for weight in model.get_weights()]
    tuning = Tuning(epochs=2, samples=12, batch=6, crop=0, flip=False, learning_rate=0.05)
    way = InvertedDistillation(Inversion(steps=2, batch=6), batches=1, tuning=tuning)
    pool = way.pool(model, domain=DOMAIN, seed=3, progress=heard.append)
    assert heard == [1, 2] and pool.labels.tolist() == [0, 1, 2, 0, 1, 2] and pool.images.dtype == np.uint8
    student = way.distil(model, pool, seed=3)
    for old, new in zip(before, model.get_weights()):
        np.testing.assert_array_equal(old, new)
    kernels = [network.trainable_variables[0].numpy().ravel() for network in (model, student)]
    assert abs(np.corrcoef(*kernels)[0, 1]) < 0.5  # new weights
    np.testing.assert_allclose(student(tf.zeros([1, 16, 16, 3])).numpy().sum(), 1, rtol=1e-5)
