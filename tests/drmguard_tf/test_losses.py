"""One hand-worked number per equation."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from drmguard_tf import losses

SMALLEST_ANGLE = 1.5e-3  # acos(1 - 1e-6) = 1.414e-3, the price of a finite slope


def test_output_variance_by_hand():
    # Var{0, 2} = 1
    assert losses.output_variance(tf.constant([[0.0], [2.0]])) == 1


def test_output_variance_is_the_mean_over_outputs():
    # Var{0, 2} = 1 and Var{1, 7} = 9; their mean is 5, while all four numbers together have a variance of 7.25
    assert losses.output_variance(tf.constant([[0.0, 1.0], [2.0, 7.0]])) == 5


def test_constant_outputs_have_no_variance():
    np.testing.assert_allclose(losses.output_variance(tf.constant([[0.3, -0.7]] * 4)), 0, atol=1e-12)


def test_input_distance_sums_pixels_and_averages_images():
    images = tf.zeros([2, 2, 2, 3])
    changed = np.zeros((2, 2, 2, 3), np.float32)
    changed[0, 0, 0] = [1, 0.5, 0.5]  # |1| + |0.5| + |0.5| = 2
    changed[1] = 0.5  # 12 values of 0.5 = 6
    assert losses.input_distance(images, tf.constant(changed)) == 4  # mean of 2 and 6


def test_input_distance_counts_both_directions():
    images = tf.constant([0.2, 0.8], shape=[1, 1, 2, 1])
    distance = losses.input_distance(images, tf.reverse(images, [2]))
    np.testing.assert_allclose(distance, 1.2, rtol=1e-6)  # 0.6 up and 0.6 down


def test_unchanged_images_have_no_distance():
    images = tf.random.Generator.from_seed(0).uniform([2, 3, 3, 3])
    assert losses.input_distance(images, images) == 0


def test_orthogonal_vectors_are_a_quarter_turn_apart():
    angles = losses.head_angles(tf.constant([[3.0, 0.0]]), tf.constant([[0.0], [5.0]]))
    np.testing.assert_allclose(angles, [[np.pi / 2]], rtol=1e-6)


def test_parallel_vectors_have_angle_zero_whatever_their_length():
    angles = losses.head_angles(tf.constant([[1.0, 2.0], [10.0, 20.0]]), tf.constant([[0.5], [1.0]]))
    np.testing.assert_allclose(angles, np.zeros((2, 1)), atol=SMALLEST_ANGLE)


def test_opposite_vectors_are_half_a_turn_apart():
    angles = losses.head_angles(tf.constant([[1.0, 2.0]]), tf.constant([[-2.0], [-4.0]]))
    np.testing.assert_allclose(angles, [[np.pi]], atol=SMALLEST_ANGLE)


def test_head_angles_pair_every_sample_with_every_output():
    features = tf.constant([[1.0, 0.0], [1.0, 1.0]])
    kernel = tf.constant([[0.0, 1.0, -1.0], [1.0, 1.0, 0.0]])  # columns (0, 1), (1, 1), (-1, 0)
    # (1, 0) is 90, 45, 180 degrees from the columns; (1, 1) is 45, 0, 135
    expected = [[90, 45, 180], [45, 0, 135]]
    np.testing.assert_allclose(np.degrees(losses.head_angles(features, kernel)), expected, atol=0.1)


@pytest.mark.parametrize("features", [[[3.0, 0.0]], [[-3.0, 0.0]], [[0.0, 0.0]]])
def test_slope_is_finite_for_parallel_and_for_empty_features(features):
    features = tf.constant(features)
    with tf.GradientTape() as tape:
        tape.watch(features)
        angles = losses.head_angles(features, tf.constant([[1.0], [0.0]]))
    assert np.isfinite(tape.gradient(angles, features)).all()


def test_head_angles_refuse_a_transposed_kernel():
    with pytest.raises(ValueError):
        losses.head_angles(tf.zeros([4, 5]), tf.zeros([2, 5]))


def test_ratio_of_angle_variance_by_hand():
    # Var{0, 2} = 1 over 4, Var{0, 0.2} = 0.01 over 0.02: (0.25 + 0.5) / 2
    angles = tf.constant([[0.0, 0.0], [2.0, 0.2]])
    ratio = losses.ratio_of_angle_variance(angles, tf.constant([4.0, 0.02]))
    np.testing.assert_allclose(ratio, 0.375, rtol=1e-6)


def test_equal_angles_have_a_ratio_of_zero():
    assert losses.ratio_of_angle_variance(tf.constant([[0.3], [0.3]]), tf.constant([1.0])) == 0


def test_ratio_of_norm_variance_by_hand():
    # norms {5, 1}: Var = 4; benign norms {0, 8}: Var = 16
    features = tf.constant([[3.0, 4.0], [0.0, -1.0]])
    benign = tf.constant([[0.0, 0.0], [8.0, 0.0]])
    assert losses.ratio_of_norm_variance(features, benign) == 0.25


def test_ratio_of_norm_variance_takes_sets_of_different_size():
    # norms {1, 3}: Var = 1; benign norms {0, 2, 4}: Var = 8/3
    ratio = losses.ratio_of_norm_variance(tf.constant([[1.0], [3.0]]), tf.constant([[0.0], [2.0], [4.0]]))
    np.testing.assert_allclose(ratio, 3 / 8, rtol=1e-6)


def test_without_attention_the_generated_image_is_shown():
    images, generated = tf.fill([2, 2, 2, 3], 0.25), tf.fill([2, 2, 2, 3], 0.75)
    mixed = losses.momentum_reverse_trigger(images, generated, tf.zeros([2, 2, 2, 1]))
    np.testing.assert_array_equal(mixed, generated)


def test_with_full_attention_the_original_stays():
    images, generated = tf.fill([2, 2, 2, 3], 0.25), tf.fill([2, 2, 2, 3], 0.75)
    mixed = losses.momentum_reverse_trigger(images, generated, tf.fill([2, 2, 2, 1], 0.999))
    np.testing.assert_allclose(mixed, 0.2505, atol=1e-6)  # 0.999 * 0.25 + 0.001 * 0.75


def test_attention_is_per_pixel_and_shared_by_the_channels():
    images, generated = tf.zeros([1, 1, 2, 3]), tf.ones([1, 1, 2, 3])
    mixed = losses.momentum_reverse_trigger(images, generated, tf.constant([0.75, 0.0], shape=[1, 1, 2, 1]))
    np.testing.assert_array_equal(mixed[0, 0], [[0.25] * 3, [1] * 3])
