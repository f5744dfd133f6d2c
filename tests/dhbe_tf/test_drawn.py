"""Drawn samples: in range, of the right kind, and nothing but their random numbers decides them."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from dhbe_tf.drawn import balanced, draw, in_parts


def _drawn(count: int, shape: tuple[int, int, int], seed: int = 0) -> np.ndarray:
    return draw(tf.random.Generator.from_seed(seed), count, shape).numpy()


def test_pictures_are_in_range_and_fit_sides_that_differ():
    pictures = _drawn(64, (32, 20, 3))
    assert pictures.shape == (64, 32, 20, 3) and pictures.dtype == np.float32
    assert pictures.min() >= 0 and pictures.max() <= 1


def test_the_seed_decides():
    np.testing.assert_array_equal(_drawn(4, (16, 16, 1)), _drawn(4, (16, 16, 1)))
    assert np.abs(_drawn(4, (16, 16, 1)) - _drawn(4, (16, 16, 1), seed=1)).mean() > 0.05


def test_pictures_have_flat_grounds_and_edges():
    # noise of the same spread has differences as large as its spread nearly everywhere, a ramp has no large ones
    pictures = _drawn(256, (32, 32, 1))[..., 0]
    steps = np.abs(np.diff(pictures, axis=2)).reshape(256, -1)
    flat, edged = (steps < 0.02).mean(axis=1) > 0.5, steps.max(axis=1) > 0.1
    assert (flat & edged).mean() > 0.3
    assert pictures.std(axis=0).min() > 0.2  # over pictures, every pixel takes dark and bright values


def test_colours_are_tinted_greys():
    pictures = _drawn(256, (16, 16, 3))
    tint = pictures.max(axis=-1) - pictures.min(axis=-1)
    assert 0.02 < np.median(tint) < 0.3 < np.ptp(pictures.mean(axis=(1, 2, 3)))


def _by_brightness(pictures: tf.Tensor) -> tf.Tensor:
    """Outputs of three classes: dark, bright, and one that nothing belongs to."""
    bright = tf.reduce_mean(pictures, axis=(1, 2, 3)) > 0.8  # few pictures are
    return tf.one_hot(tf.cast(bright, tf.int32), 3)


def test_a_balanced_set_has_as_many_of_every_class_as_are_found():
    pictures = balanced(tf.random.Generator.from_seed(0), 60, (16, 16, 1), _by_brightness)
    counts = np.bincount(np.argmax(_by_brightness(pictures), axis=1), minlength=3)
    assert counts.tolist() == [20, 20, 0]
    usual = np.argmax(_by_brightness(_drawn(60, (16, 16, 1))), axis=1)
    assert (usual == 1).mean() < 0.3


def test_parts_are_put_together_again():
    pictures = _drawn(300, (8, 8, 1))
    np.testing.assert_array_equal(in_parts(_by_brightness, tf.constant(pictures)), _by_brightness(pictures))
