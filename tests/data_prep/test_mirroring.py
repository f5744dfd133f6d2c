"""Mirror images and their labels."""

from __future__ import annotations

import numpy as np
import pytest

from data_prep.contract import GAZE, HEAD_POSE, Split
from data_prep.mirroring import with_mirror_images


@pytest.mark.parametrize(
    "task, target, mirrored",
    [(GAZE, [0.1, 0.2], [0.1, -0.2]), (HEAD_POSE, [0.1, 0.2, 0.3], [-0.1, 0.2, -0.3])],
    ids=["gaze", "head pose"],
)
def test_yaw_and_roll_turn_round_and_pitch_stays(task, target, mirrored):
    found = with_mirror_images(Split(np.zeros((1, 2, 2, 3), np.uint8), np.float32([target])), task)
    np.testing.assert_array_equal(found.targets, np.float32([target, mirrored]))


def test_left_and_right_change_places():
    images = np.arange(2 * 2 * 3 * 3, dtype=np.uint8).reshape(2, 2, 3, 3)
    found = with_mirror_images(Split(images, np.zeros((2, 2), np.float32), np.array([4, 7])), GAZE)
    np.testing.assert_array_equal(found.images[:2], images)
    np.testing.assert_array_equal(found.images[2:], images[:, :, [2, 1, 0]])
    assert found.groups.tolist() == [4, 7, 4, 7]
