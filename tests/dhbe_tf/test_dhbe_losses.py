"""Terms of the objective, by hand."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from dhbe_tf import losses


def test_discrepancy_is_a_mean_over_samples_and_outputs():
    # differences 1, 0, 2, 1: 4 / 4
    assert float(losses.discrepancy(tf.constant([[1.0, 2.0], [0.0, 3.0]]), tf.constant([[0.0, 2.0], [2.0, 4.0]]))) == 1


def test_trigger_response_is_a_mean_over_samples_and_outputs():
    # differences 3, 0, 0, 1: 4 / 4
    assert float(losses.trigger_response(tf.constant([[0.0, 1.0], [1.0, 1]]), tf.constant([[3.0, 1.0], [1, 0]]))) == 1


def test_outputs_of_different_numbers_are_refused():
    with pytest.raises(ValueError):
        losses.discrepancy(tf.zeros([2, 3]), tf.zeros([2, 1]))


def test_deviation_is_a_share_of_what_a_constant_answer_would_have():
    teacher = tf.constant([[0.0, 4.0], [2.0, 0.0]])  # its mean is (1, 2): differences 1, 2, 1, 2
    assert float(losses.deviation(teacher + 0.75, teacher)) == pytest.approx(0.75 / 1.5)
    assert float(losses.deviation(tf.constant([[1.0, 2.0], [1.0, 2.0]]), teacher)) == 1
    assert float(losses.deviation(teacher, teacher)) == 0


@pytest.mark.parametrize("deviation, weight", [(0.0, 2.0), (0.1, 2.0), (0.25, 2.0), (0.5, 1.0), (2.0, 0.25)])
def test_a_weight_is_whole_up_to_the_tolerance_and_gives_way_beyond(deviation, weight):
    assert float(losses.yielding(2.0, tf.constant(deviation), 0.25)) == pytest.approx(weight)


def test_a_weight_that_gives_way_has_no_slope():
    deviation = tf.Variable(0.5)
    with tf.GradientTape() as tape:
        weight = losses.yielding(2.0, deviation, 0.25)
    assert tape.gradient(weight, deviation) is None


def test_roughness_by_hand():
    # one image [[0, 3], [4, 0]]: right 3, -4 -> 5; below 4, -3 -> 5; falling 0; rising 4 - 3 = 1
    image = tf.reshape(tf.constant([0.0, 3.0, 4.0, 0.0]), [1, 2, 2, 1])
    assert float(losses.roughness(image)) == pytest.approx(11)


def test_roughness_is_a_norm_over_the_batch_not_a_mean():
    image = tf.reshape(tf.constant([0.0, 3.0, 4.0, 0.0]), [1, 2, 2, 1])
    assert float(losses.roughness(tf.tile(image, [4, 1, 1, 1]))) == pytest.approx(2 * 11)  # sqrt(4) as large


def test_patches_are_added_where_they_belong_and_nothing_is_clipped():
    pixels, patches = tf.fill([2, 4, 5, 1], 0.75), tf.stack([tf.fill([2, 2, 1], 0.5), tf.fill([2, 2, 1], -1.0)])
    patched = losses.add_patches(pixels, patches, tf.constant([0, 2]), tf.constant([1, 3])).numpy()[..., 0]
    expected = np.full((2, 4, 5), 0.75)
    expected[0, 0:2, 1:3], expected[1, 2:4, 3:5] = 1.25, -0.25
    np.testing.assert_allclose(patched, expected, atol=1e-6)


def test_a_patch_keeps_its_orientation_and_channels():
    patches = tf.reshape(tf.range(12.0), [1, 2, 2, 3])
    patched = losses.add_patches(tf.zeros([1, 3, 3, 3]), patches, tf.constant([1]), tf.constant([0]))
    np.testing.assert_array_equal(patched[0, 1:, :2], patches[0])
