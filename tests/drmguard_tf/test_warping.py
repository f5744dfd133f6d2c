"""Bilinear sampling and cubic upsampling by hand."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from drmguard_tf.warping import upsampling, warp


def _images(count: int = 2, height: int = 4, width: int = 5) -> np.ndarray:
    return np.random.default_rng(0).random((count, height, width, 3)).astype(np.float32)


def _flow(dy: float, dx: float, height: int = 4, width: int = 5) -> tf.Tensor:
    return tf.constant(np.full((height, width, 2), [dy, dx], np.float32))


def _row(*values: float) -> tf.Tensor:
    """One grey image, one pixel high."""
    return tf.constant(values, tf.float32, shape=[1, 1, len(values), 1])


def test_no_flow_changes_nothing():
    np.testing.assert_array_equal(warp(_images(), _flow(0, 0)), _images())


def test_flow_points_to_where_the_pixel_is_read():
    # output column j shows column j + 1, and nothing lies beyond the last
    np.testing.assert_array_equal(tf.squeeze(warp(_row(1, 2, 3), _flow(0, 1, 1, 3))), [2, 3, 0])


def test_dy_comes_first():
    shifted = warp(_images(), _flow(1, 0)).numpy()
    np.testing.assert_array_equal(shifted[:, :-1], _images()[:, 1:])
    np.testing.assert_array_equal(shifted[:, -1], 0)


def test_negative_shift_brings_in_zeros_at_the_start():
    shifted = warp(_images(), _flow(-1, -2)).numpy()
    np.testing.assert_array_equal(shifted[:, 1:, 2:], _images()[:, :-1, :-2])
    assert not shifted[:, 0].any() and not shifted[:, :, :2].any()


def test_half_a_pixel_shows_the_mean_of_neighbours():
    # (1 + 2) / 2, (2 + 4) / 2, and half of the last pixel fades into the border: (4 + 0) / 2
    np.testing.assert_array_equal(tf.squeeze(warp(_row(1, 2, 4), _flow(0, 0.5, 1, 3))), [1.5, 3, 2])


def test_between_four_pixels_all_four_count():
    image = tf.constant([1.0, 2, 3, 4], shape=[1, 2, 2, 1])
    # a quarter down and half right of the first pixel: 0.75 * (1 + 2) / 2 + 0.25 * (3 + 4) / 2
    assert warp(image, _flow(0.25, 0.5, 2, 2))[0, 0, 0, 0] == 2


def test_far_outside_there_is_only_border():
    assert not warp(_images(), _flow(0, 1000)).numpy().any()


def test_flow_per_image_equals_common_flow():
    flow = np.random.default_rng(1).uniform(-2, 2, (4, 5, 2)).astype(np.float32)
    common = warp(_images(3), tf.constant(flow))
    each = warp(_images(3), tf.constant(np.stack([flow] * 3)))
    np.testing.assert_array_equal(common, each)


def test_every_image_has_its_own_flow():
    flow = tf.stack([_flow(0, 0), _flow(0, 1)])
    warped = warp(_images(), flow).numpy()
    np.testing.assert_array_equal(warped[0], _images()[0])
    np.testing.assert_array_equal(warped[1, :, :-1], _images()[1, :, 1:])


@pytest.mark.parametrize("shape", [(4, 5, 2), (0, 4, 5, 2)])
def test_no_images_give_no_images(shape):
    assert warp(tf.zeros([0, 4, 5, 3]), tf.zeros(shape)).shape == (0, 4, 5, 3)


def test_slope_in_the_flow_by_hand():
    flow = tf.Variable(_flow(0, 0.25, 1, 3))
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(warp(_row(1, 2, 5), flow))
    # to the right the image rises by 1, then by 3, then falls from 5 to the border's 0
    np.testing.assert_allclose(tape.gradient(total, flow)[0, :, 1], [1, 3, -5])


def test_slope_in_the_image_is_the_share_of_each_pixel():
    image = tf.Variable(_row(1, 2, 5))
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(warp(image, _flow(0, 0.25, 1, 3)))
    # the first pixel is read once with 0.75, the others also with 0.25 from their left
    np.testing.assert_allclose(tf.squeeze(tape.gradient(total, image)), [0.75, 1, 1])


def test_rows_of_the_upsampling_sum_to_one():
    np.testing.assert_allclose(tf.reduce_sum(upsampling(5, 32), axis=1), 1, atol=1e-6)


def test_ends_hit_the_end_control_points():
    matrix = upsampling(4, 11).numpy()
    np.testing.assert_allclose(matrix[[0, -1]], [[1, 0, 0, 0], [0, 0, 0, 1]], atol=1e-6)


def test_as_many_pixels_as_points_is_the_identity():
    np.testing.assert_allclose(upsampling(6, 6), np.eye(6), atol=1e-6)


def test_halfway_between_control_points_by_hand():
    # seven pixels over four points: the middle one lies at 1.5, half a step from points 1 and 2, 1.5 from 0 and 3
    # near: (1.25 * 0.5 - 2.25) * 0.25 + 1 = 0.59375; far: ((1.5 - 5) * 1.5 + 8) * 1.5 * -0.75 + 3 = -0.09375
    np.testing.assert_allclose(upsampling(4, 7)[3], [-0.09375, 0.59375, 0.59375, -0.09375], atol=1e-6)


def test_beyond_the_ends_the_end_point_is_repeated():
    # three pixels over two points: the middle one lies at 0.5; the points -1 and 2 are 0 and 1 again
    np.testing.assert_allclose(upsampling(2, 3)[1], [0.59375 - 0.09375] * 2, atol=1e-6)


def test_a_single_control_point_is_refused():
    with pytest.raises(ValueError, match="at least 2 points"):
        upsampling(1, 8)
