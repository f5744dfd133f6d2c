"""MINE: its bound and its gradient by hand, and Gaussians whose mutual information is known."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from dhbe_tf.gdm.mine import Mine, corrected_objective, information, statistics_network


def test_the_bound_by_hand():
    joint, marginal = tf.constant([1.0, 3.0]), tf.math.log(tf.constant([1.0, 3.0]))
    # mean(1, 3) - log(mean(1, 3)) = 2 - log 2
    assert float(information(joint, marginal)) == pytest.approx(2 - np.log(2), abs=1e-6)


def test_the_bound_does_not_overflow():
    # T = 1000 everywhere: 1000 - log(exp(1000)) = 0
    assert float(information(tf.fill([4], 1000.0), tf.fill([4], 1000.0))) == pytest.approx(0, abs=1e-3)


def test_the_gradient_divides_by_the_moving_average_and_not_by_the_batch():
    joint, marginal = tf.Variable([0.0, 1.0]), tf.Variable(tf.math.log([2.0, 6.0]))
    with tf.GradientTape() as tape:
        objective = corrected_objective(joint, marginal, tf.constant(8.0))
    to_joint, to_marginal = tape.gradient(objective, [joint, marginal])
    np.testing.assert_allclose(to_joint, [0.5, 0.5], rtol=1e-6)  # of a mean of two
    # exp(T) / (2 * average): 2 / 16 and 6 / 16. The batch's own mean, 4, would give 2 / 8 and 6 / 8.
    np.testing.assert_allclose(to_marginal, [-2 / 16, -6 / 16], rtol=1e-6)


def test_the_moving_average_starts_at_the_first_value_and_moves_by_its_rate():
    mine = Mine(4, 1, width=4, learning_rate=1e-9, rate=0.25, seed=0)
    noise = [tf.random.Generator.from_seed(seed).normal((8, 4)) for seed in range(4)]
    values = tf.ones((8, 1))

    def expected(other: tf.Tensor) -> float:
        return float(tf.reduce_mean(tf.exp(mine.network([other, values])[:, 0])))

    first, second = expected(noise[1]), expected(noise[3])
    mine.step(noise[0], noise[1], values)
    assert float(mine.average) == pytest.approx(first, rel=1e-5)
    mine.step(noise[2], noise[3], values)
    assert float(mine.average) == pytest.approx(0.75 * first + 0.25 * second, rel=1e-5)


def test_the_statistics_network_is_the_published_one():
    # 64 noise and 27 values into 8 units with one bias, 8 x 8 + 8, 8 x 1 + 1
    assert statistics_network(64, 27, width=8, seed=0).count_params() == (64 + 27 + 1) * 8 + 72 + 9


@pytest.mark.parametrize("correlation", [0.5, 0.8, 0.95])
def test_gaussians_of_known_information(correlation):
    true = -0.5 * np.log(1 - correlation**2)  # nats: 0.144, 0.511, 1.164
    random = tf.random.Generator.from_seed(1)

    def draw(count: int) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        noise, other, rest = (random.normal((count, 1)) for _ in range(3))
        return noise, other, correlation * noise + np.sqrt(1 - correlation**2) * rest

    mine = Mine(1, 1, width=32, learning_rate=3e-3, betas=(0.9, 0.999), rate=0.01, seed=0)
    for step in range(700):
        if step == 500:
            mine.optimizer.learning_rate.assign(3e-4)
        mine.step(*draw(512))
    assert float(mine.estimate(*draw(100_000))) == pytest.approx(true, rel=0.1)
