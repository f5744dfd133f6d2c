"""Angles, directions and rotations against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from data_prep.geometry import angular_error, gaze_to_vector, head_pose_of, rotation, vector_to_gaze

POSES = [(0.4, 0.0, 0.0), (0.0, 0.3, 0.0), (0.0, 0.0, -0.5), (-0.7, 0.6, 0.2), (2.5, -1.2, 3.0)]


def test_gaze_into_the_camera_is_the_z_axis():
    np.testing.assert_array_equal(gaze_to_vector(np.zeros(2)), [0, 0, 1])


def test_positive_pitch_looks_up():
    # sin 30 = 1/2, cos 30 = sqrt(3)/2
    np.testing.assert_allclose(gaze_to_vector(np.array([np.pi / 6, 0])), [0, 0.5, np.sqrt(3) / 2], atol=1e-15)


def test_positive_yaw_looks_to_image_left():
    np.testing.assert_allclose(gaze_to_vector(np.array([0, np.pi / 6])), [-0.5, 0, np.sqrt(3) / 2], atol=1e-15)


def test_gaze_vectors_have_length_one():
    gaze = np.random.default_rng(0).uniform(-1.5, 1.5, (4, 5, 2))
    np.testing.assert_allclose(np.linalg.norm(gaze_to_vector(gaze), axis=-1), 1)


def test_vector_to_gaze_inverts_gaze_to_vector():
    gaze = np.random.default_rng(1).uniform([-1.5, -3], [1.5, 3], (50, 2))
    np.testing.assert_allclose(vector_to_gaze(gaze_to_vector(gaze)), gaze, atol=1e-12)


def test_length_of_a_direction_does_not_matter():
    # (-1, 0, 1) lies 45 degrees to image left and (0, 1, 1) 45 degrees up, whatever their length
    gaze = vector_to_gaze(np.array([[-7.0, 0, 7], [0, 0.1, 0.1]]))
    np.testing.assert_allclose(gaze, [[0, np.pi / 4], [np.pi / 4, 0]], atol=1e-15)


@pytest.mark.parametrize("sideways", [[0, np.pi / 2], [0, -np.pi / 2], [np.pi / 2, 0], [-np.pi / 2, 1.0]])
def test_sideways_is_ninety_degrees_from_forward(sideways):
    np.testing.assert_allclose(angular_error(np.zeros((1, 2)), np.array([sideways])), [90])


def test_angular_error_of_mixed_directions():
    # pitch 60: (0, sqrt(3)/2, 1/2); yaw 60: (-sqrt(3)/2, 0, 1/2); their product is 1/4 and acos(1/4) = 75.5225 degrees
    sixty = np.pi / 3
    np.testing.assert_allclose(angular_error(np.array([[sixty, 0]]), np.array([[0, sixty]])), [75.5225], atol=1e-4)


@pytest.mark.parametrize("small", [[0, 1e-6], [1e-6, 0], [0, -1e-9]])
def test_tiny_angles_are_exact(small):
    # acos(u . v) is off by 1e-4 of the angle at 1e-6 and answers 0 at 1e-9
    expected = np.degrees(np.abs(small).max())
    np.testing.assert_allclose(angular_error(np.zeros((1, 2)), np.array([small])), [expected], rtol=1e-9)


def test_angles_near_a_half_turn_are_exact():
    error = angular_error(np.zeros((1, 2)), np.array([[0, np.pi - 1e-6]]))
    np.testing.assert_allclose(180 - error, [np.degrees(1e-6)], rtol=1e-6)


def test_equal_directions_have_no_error_in_float32():
    gaze = np.random.default_rng(2).uniform(-1, 1, (100, 2)).astype(np.float32)
    np.testing.assert_allclose(angular_error(gaze, gaze), 0, atol=1e-12)


@pytest.mark.parametrize("signs", [(1, -1), (-1, 1), (-1, -1)])
def test_angular_error_does_not_depend_on_the_sign_convention(signs):
    one, other = np.random.default_rng(3).uniform(-1, 1, (2, 20, 2))
    np.testing.assert_allclose(angular_error(one * signs, other * signs), angular_error(one, other))


def test_angular_error_is_per_sample_and_in_float64():
    error = angular_error(np.float32([[0, 0], [0, np.pi / 2]]), np.zeros(2, np.float32))  # one expected for all
    assert error.dtype == np.float64
    np.testing.assert_allclose(error, [0, 90], atol=1e-5)  # float32(pi / 2) is off by 4e-8


def test_no_rotation_is_the_identity():
    np.testing.assert_array_equal(rotation(0, 0, 0), np.eye(3))


@pytest.mark.parametrize("yaw, pitch, roll", POSES)
def test_forward_axis_of_a_head_is_the_gaze_of_its_pitch_and_yaw(yaw, pitch, roll):
    np.testing.assert_allclose(rotation(yaw, pitch, roll)[:, 2], gaze_to_vector(np.array([pitch, yaw])), atol=1e-15)


@pytest.mark.parametrize("yaw, pitch, roll", POSES)
def test_rotation_keeps_lengths_and_handedness(yaw, pitch, roll):
    matrix = rotation(yaw, pitch, roll)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-15)
    assert np.linalg.det(matrix) == pytest.approx(1)


def test_positive_roll_turns_the_head_anticlockwise():
    # anticlockwise by 30 degrees takes x = (1, 0) to (cos 30, sin 30)
    np.testing.assert_allclose(rotation(0, 0, np.pi / 6)[:, 0], [np.sqrt(3) / 2, 0.5, 0], atol=1e-15)


def test_roll_is_applied_first():
    # roll 90 takes x to y, and yaw leaves y alone; the other order would end at z
    np.testing.assert_allclose(rotation(np.pi / 2, 0, np.pi / 2)[:, 0], [0, 1, 0], atol=1e-15)


@pytest.mark.parametrize("yaw, pitch, roll", POSES)
def test_head_pose_of_inverts_rotation(yaw, pitch, roll):
    np.testing.assert_allclose(head_pose_of(rotation(yaw, pitch, roll)), [yaw, pitch, roll], atol=1e-12)
