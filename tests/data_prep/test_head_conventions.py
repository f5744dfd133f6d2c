"""Published angles of head poses."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from data_prep.geometry import gaze_to_vector
from data_prep.head_conventions import CONVENTIONS, Angles, to_angles, to_matrix
from tests.fake.biwi import MATRIX, PITCH_YAW_ROLL


def test_the_published_matrix_gives_the_angles_of_its_pose_bin():
    pitch, yaw, roll = PITCH_YAW_ROLL
    np.testing.assert_allclose(to_angles(MATRIX, "biwi"), (yaw, pitch, roll), atol=0.01)


def test_the_published_matrix_gives_hopenet_s_labels():
    np.testing.assert_allclose(to_angles(MATRIX, "hopenet"), (-52.376, -54.920, 41.554), atol=0.01)


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_angles_and_rotations_are_each_other_s_inverse(convention):
    for matrix in Rotation.random(50, random_state=0).as_matrix():
        np.testing.assert_allclose(to_matrix(to_angles(matrix, convention), convention), matrix, atol=1e-9)


def test_biwi_s_angles_are_scipy_s_xyz():
    for turn in Rotation.random(20, random_state=1):
        pitch, yaw, roll = turn.as_euler("xyz", degrees=True)
        np.testing.assert_allclose(to_angles(turn.as_matrix(), "biwi"), (yaw, pitch, roll), atol=1e-6)


def test_pandora_s_angles_are_scipy_s_xzy():
    for turn in Rotation.random(20, random_state=2):
        pitch, roll, yaw = turn.as_euler("xzy", degrees=True)
        np.testing.assert_allclose(to_angles(turn.as_matrix(), "pandora"), (yaw, pitch, roll), atol=1e-6)


@pytest.mark.parametrize(
    "angles, x, y",
    [
        (Angles(30, 0, 0), -1, 0),  # yaw > 0: image left
        (Angles(0, -30, 0), 0, 1),  # pitch < 0: up
    ],
)
def test_signs_of_biwi(angles, x, y):
    yaw, pitch, _ = np.radians(to_angles(to_matrix(angles, "biwi"), "project"))
    np.testing.assert_allclose(gaze_to_vector(np.array([pitch, yaw]))[:2], [x * 0.5, y * 0.5], atol=1e-9)  # sin 30


def test_roll_of_biwi_is_clockwise():
    # Rz(roll) with y down turns the head's x axis down, clockwise; ours is anticlockwise.
    assert to_angles(to_matrix(Angles(0, 0, 20), "biwi"), "project").roll == pytest.approx(-20)


def test_near_the_frontal_pose_conventions_differ_in_signs_only():
    matrix = to_matrix(Angles(2, 3, 1), "biwi")
    np.testing.assert_allclose(to_angles(matrix, "hopenet"), (2, -3, 1), atol=0.15)
    np.testing.assert_allclose(to_angles(matrix, "project"), (2, -3, -1), atol=0.15)


def test_an_unknown_convention_is_refused():
    with pytest.raises(ValueError, match="no convention 'euler'"):
        to_angles(MATRIX, "euler")
    with pytest.raises(ValueError, match="no convention 'euler'"):
        to_matrix(Angles(0, 0, 0), "euler")
