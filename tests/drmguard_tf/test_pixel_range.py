"""Images cut to what an image can show."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import tensorflow as tf

from drmguard_tf.pixel_range import into_range

VALUES = tf.constant([-0.5, -1e-9, 0.0, 0.25, 1.0, 1.0000001, 3.0])


def test_values_and_slopes_are_those_of_clip_by_value():
    found = []
    for cut in (into_range, lambda images: tf.clip_by_value(images, 0, 1)):
        with tf.GradientTape() as tape:
            tape.watch(VALUES)
            images = cut(VALUES)
            loss = tf.reduce_sum(images * tf.range(1.0, 8.0))
        found.append((images.numpy(), tape.gradient(loss, VALUES).numpy()))
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0][1], [0, 0, 3, 4, 5, 0, 0])


def test_it_can_be_compiled():
    assert tf.function(into_range)(VALUES).numpy().max() == 1


def test_what_it_was_compiled_with_is_let_go():
    constant = tf.random.uniform((7,))
    held, slope = weakref.ref(constant), _slope(constant)
    slope()
    del slope, constant
    gc.collect()
    assert held() is None


def _slope(constant: tf.Tensor):
    @tf.function
    def slope() -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(VALUES)
            images = into_range(VALUES * constant)
        return tape.gradient(images, VALUES)

    return slope
