"""Generators of all sizes."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from dhbe_tf.generators import renew, sample_generator, trigger_generator

layers = tf.keras.layers


def _noise(count: int = 8) -> tf.Tensor:
    return tf.random.Generator.from_seed(0).normal((count, 16))


@pytest.mark.parametrize("shape", [(32, 32, 3), (28, 28, 1), (20, 20, 3), (36, 60, 3), (64, 64, 3)])
def test_samples_are_normalised_images(shape):
    made = sample_generator(shape, latent=16, width=4, seed=0)(_noise(), training=True).numpy()
    assert made.shape == (8, *shape)
    np.testing.assert_allclose(made.mean(axis=(0, 1, 2)), 0, atol=1e-3)
    np.testing.assert_allclose(made.std(axis=(0, 1, 2)), 1, atol=0.05)  # epsilon in the batch norm takes a little


@pytest.mark.parametrize("size", [3, 4, 5, 7, 9, 10, 16, 24])
def test_triggers_fill_their_range_and_stay_in_it(size):
    made = trigger_generator(size, 3, latent=16, width=4, seed=0)(_noise(), training=True).numpy()
    assert made.shape == (8, size, size, 3)
    assert np.abs(made).max() < 1 and made.std() > 0.3  # tanh of unit variance


@pytest.mark.parametrize("size", [0, 1, 2, 11, 22])
def test_sizes_without_a_generator_are_refused(size):
    with pytest.raises(ValueError, match="3 to 9"):
        trigger_generator(size, 3, seed=0)


def _shapes(model: tf.keras.Model) -> list[tuple[int, ...]]:
    return [tuple(layer.kernel.shape) for layer in model.layers if isinstance(layer, (layers.Conv2D, layers.Dense))]


def test_the_paper_s_sample_generator_for_32_px():
    # Linear 256 -> 128 * 8 * 8, two doublings: 128 -> 128 -> 64, then to RGB
    assert _shapes(sample_generator((32, 32, 3), seed=0)) == [
        (256, 128 * 64), (3, 3, 128, 128), (3, 3, 128, 64), (3, 3, 64, 3)
    ]  # fmt: skip


def test_the_paper_s_trigger_generator_for_5_px():
    # Linear 256 -> 64 * 5 * 5, no doubling, then to RGB
    assert _shapes(trigger_generator(5, 3, seed=0)) == [(256, 64 * 25), (3, 3, 64, 3)]


def test_larger_triggers_start_small_and_with_twice_the_channels():
    assert _shapes(trigger_generator(12, 3, seed=0)) == [(256, 128 * 36), (3, 3, 128, 64), (3, 3, 64, 3)]


def test_weights_follow_from_the_seed_and_lie_within_torch_s_bound():
    one, same, other = (trigger_generator(5, 3, latent=16, width=4, seed=seed) for seed in (1, 1, 2))
    dense, again, different = (model.layers[1].get_weights() for model in (one, same, other))
    np.testing.assert_array_equal(dense[0], again[0])
    assert np.abs(dense[0] - different[0]).max() > 0.1
    assert all(0.2 < np.abs(part).max() <= 0.25 for part in dense)  # 1 / sqrt(16), bias too


def test_a_renewed_generator_is_a_new_one_whatever_it_has_been_through():
    one, other = (trigger_generator(5, 3, latent=16, width=4, seed=1) for _ in range(2))
    before = [weight.copy() for weight in one.get_weights()]
    one(_noise(), training=True)  # moves the statistics of its batch norm
    for layer in one.layers:
        if isinstance(layer, layers.BatchNormalization) and layer.scale:
            layer.gamma.assign(3 * tf.ones_like(layer.gamma))
    for model in (one, other):
        renew(model, 1, 1)
    for mine, theirs in zip(one.get_weights(), other.get_weights()):
        np.testing.assert_array_equal(mine, theirs)
    assert np.abs(one.get_weights()[0] - before[0]).max() > 0.1
    renew(other, 1, 2)
    assert np.abs(one.get_weights()[0] - other.get_weights()[0]).max() > 0.1
