"""Optimizers against their formulas, worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from dhbe_tf.optimizers import SGD, Adam


def test_sgd_decays_inside_the_momentum_and_rates_act_outside():
    weight = tf.Variable([2.0])
    optimizer = SGD([weight], learning_rate=0.1, momentum=0.9, weight_decay=0.5)
    optimizer.apply([tf.constant([1.0])], [weight])  # v = 1 + 0.5 * 2 = 2; w = 2 - 0.1 * 2 = 1.8
    np.testing.assert_allclose(weight, [1.8], rtol=1e-6)
    optimizer.learning_rate.assign(0.01)
    optimizer.apply([tf.constant([0.0])], [weight])  # v = 0.9 * 2 + 0.5 * 1.8 = 2.7; w = 1.8 - 0.01 * 2.7
    np.testing.assert_allclose(weight, [1.773], rtol=1e-6)


def test_nesterov_s_form_looks_a_step_ahead():
    weight = tf.Variable([2.0])
    optimizer = SGD([weight], learning_rate=0.1, momentum=0.9, weight_decay=0.5, nesterov=True)
    optimizer.apply([tf.constant([1.0])], [weight])  # d = 2 = v; w = 2 - 0.1 * (2 + 0.9 * 2) = 1.62
    np.testing.assert_allclose(weight, [1.62], rtol=1e-6)
    optimizer.apply([tf.constant([0.0])], [weight])  # d = 0.81; v = 1.8 + 0.81; w = 1.62 - 0.1 * (0.81 + 0.9 * 2.61)
    np.testing.assert_allclose(weight, [1.3041], rtol=1e-6)


def test_adam_s_first_step_is_the_rate_and_epsilon_counts_after_the_correction():
    weight = tf.Variable([1.0, 1.0])
    Adam([weight], learning_rate=0.1).apply([tf.constant([4.0, 1e-8])], [weight])
    # mean / sqrt(square) is 1 for a large gradient; for one as small as epsilon 1e-8 / (1e-8 + 1e-8)
    np.testing.assert_allclose(weight, [0.9, 0.95], rtol=1e-4)


def test_adam_s_second_step_by_hand():
    weight = tf.Variable([0.0])
    optimizer = Adam([weight], learning_rate=1.0)
    for gradient in (1.0, 3.0):
        optimizer.apply([tf.constant([gradient])], [weight])
    # means 0.1, 0.39 over 1 - 0.81; squares 0.001, 0.009999 over 1 - 0.998001
    second = (0.39 / 0.19) / np.sqrt(0.009999 / 0.001999)
    assert float(weight[0]) == pytest.approx(-(1 + second), rel=1e-4)


def test_a_restarted_adam_steps_as_a_new_one():
    weight, fresh = tf.Variable([0.0]), tf.Variable([0.0])
    optimizer = Adam([weight], learning_rate=0.1)
    optimizer.apply([tf.constant([5.0])], [weight])
    optimizer.restart()
    weight.assign([0.0])
    optimizer.apply([tf.constant([-2.0])], [weight])
    Adam([fresh], learning_rate=0.1).apply([tf.constant([-2.0])], [fresh])
    np.testing.assert_array_equal(weight, fresh)
