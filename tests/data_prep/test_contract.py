"""What a split accepts and what it refuses."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from data_prep.contract import GAZE, HEAD_POSE, TASKS, ClassSplit, Split, as_bytes, pixels


def _images(count: int) -> np.ndarray:
    return np.arange(count, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 3), np.uint8)


def _targets(count: int) -> np.ndarray:
    return np.zeros((count, 2), np.float32)


def test_every_image_is_its_own_group_by_default():
    np.testing.assert_array_equal(Split(_images(3), _targets(3)).groups, [0, 1, 2])


def test_people_are_counted_by_their_groups():
    assert Split(_images(4), _targets(4), np.array([7, 3, 7, 7])).people == 2
    assert Split(_images(4), _targets(4)).people == 4  # where nobody is named, every image is its own


def test_a_split_is_as_long_as_its_images():
    assert len(Split(_images(3), _targets(3))) == 3


def test_a_split_cannot_be_reassigned():
    split = Split(_images(1), _targets(1))
    with pytest.raises(dataclasses.FrozenInstanceError):
        split.images = _images(2)


def test_take_keeps_images_targets_and_groups_together():
    split = Split(_images(4), np.float32([[0, 0], [1, 1], [2, 2], [3, 3]]), np.array([10, 11, 12, 13]))
    taken = split.take(np.array([3, 1]))
    np.testing.assert_array_equal(taken.images[:, 0, 0, 0], [3, 1])
    np.testing.assert_array_equal(taken.targets[:, 0], [3, 1])
    np.testing.assert_array_equal(taken.groups, [13, 11])


def test_take_understands_slices():
    np.testing.assert_array_equal(Split(_images(4), _targets(4)).take(slice(1, 3)).groups, [1, 2])


def test_degrees_are_refused_and_the_sample_named():
    targets = np.float32([[0.1, 0.2], [3, 25]])
    with pytest.raises(ValueError, match=r"sample 1 is .*degrees"):
        Split(_images(2), targets)


def test_negative_degrees_are_refused():
    with pytest.raises(ValueError, match="degrees"):
        Split(_images(1), np.float32([[-10, 0]]))


def test_half_a_turn_is_still_an_angle():
    # float32 rounds pi up, to 3.14159274
    Split(_images(2), np.float32([[0, np.pi], [0, -np.pi]]))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_targets_that_are_not_finite_are_refused(value):
    with pytest.raises(ValueError, match="1 targets are not finite, first at sample 1"):
        Split(_images(2), np.float32([[0, 0], [0, value]]))


def test_images_in_floating_point_are_refused():
    with pytest.raises(ValueError, match="images must be uint8"):
        Split(_images(1).astype(np.float32) / 255, _targets(1))


def test_a_single_image_without_batch_axis_is_refused():
    with pytest.raises(ValueError, match="images must be uint8"):
        Split(_images(1)[0], _targets(1))


def test_targets_in_double_precision_are_refused():
    with pytest.raises(ValueError, match="targets must be float32"):
        Split(_images(1), np.zeros((1, 2)))


def test_flat_targets_are_refused():
    with pytest.raises(ValueError, match="targets must be float32"):
        Split(_images(2), np.zeros(2, np.float32))


def test_an_empty_split_is_refused():
    with pytest.raises(ValueError, match="there is no image"):
        Split(_images(0), _targets(0))


def test_an_empty_selection_is_refused():
    with pytest.raises(ValueError, match="there is no image"):
        Split(_images(2), _targets(2)).take(np.array([], np.int64))


@pytest.mark.parametrize("targets, groups", [(2, 3), (3, 2)])
def test_unequal_lengths_are_refused(targets, groups):
    with pytest.raises(ValueError, match="equally long"):
        Split(_images(3), _targets(targets), np.arange(groups))


def test_pixels_run_from_zero_to_one():
    images = np.uint8([0, 51, 255]).reshape(1, 1, 3, 1)
    floats = pixels(images)
    assert floats.dtype == np.float32
    np.testing.assert_array_equal(floats.ravel(), np.float32([0, 0.2, 1]))  # 51 / 255 = 1/5


def test_bytes_are_rounded_and_cut_off_and_lead_back():
    np.testing.assert_array_equal(as_bytes(np.array([-0.1, 0.0, 0.1, 0.5, 1.0, 1.2])), [0, 0, 26, 128, 255, 255])
    every = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(as_bytes(pixels(every)), every)


def test_gaze_is_pitch_yaw_and_head_pose_yaw_pitch_roll():
    assert GAZE.outputs == ("pitch", "yaw") and HEAD_POSE.outputs == ("yaw", "pitch", "roll")
    assert (GAZE.size, HEAD_POSE.size) == (2, 3)


def test_tasks_are_found_by_their_names():
    assert TASKS["gaze"] is GAZE and TASKS["head-pose"] is HEAD_POSE


def test_classes_are_taken_together_with_their_images():
    taken = ClassSplit(_images(4), np.array([0, 1, 1, 0]), ("a", "b", "c")).take(np.array([2, 3]))
    np.testing.assert_array_equal(taken.images[:, 0, 0, 0], [2, 3])
    np.testing.assert_array_equal(taken.labels, [1, 0])
    assert taken.classes == ("a", "b", "c")


@pytest.mark.parametrize("labels", [[0, 2], [0, -1]])
def test_labels_without_a_class_are_refused(labels):
    with pytest.raises(ValueError, match=r"must lie in \[0, 2\)"):
        ClassSplit(_images(2), np.array(labels), ("a", "b"))


@pytest.mark.parametrize("labels", [np.zeros(2, np.float32), np.zeros((2, 1), np.int64), np.zeros(3, np.int64)])
def test_labels_are_whole_numbers_one_per_image(labels):
    with pytest.raises(ValueError, match=r"int64 \(2,\)"):
        ClassSplit(_images(2), labels, ("a", "b"))
