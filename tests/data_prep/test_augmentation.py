"""Random changes of training images."""

from __future__ import annotations

import numpy as np
import pytest

from data_prep.augmentation import Augmentation
from data_prep.contract import GAZE, HEAD_POSE

STILL = {"shift": 0.0, "contrast": 0.0, "brightness": 0.0}


def _apply(augmentation: Augmentation, images: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return augmentation.apply(images, targets, np.random.default_rng(0))


def _same(image: np.ndarray, targets: list[float], count: int = 64) -> tuple[np.ndarray, np.ndarray]:
    return np.repeat(image[None], count, 0), np.tile(np.float32(targets), (count, 1))


@pytest.mark.parametrize(
    "task, target, turned", [(GAZE, [0.1, 0.2], [0.1, -0.2]), (HEAD_POSE, [0.1, 0.2, 0.3], [-0.1, 0.2, -0.3])]
)
def test_half_of_the_images_are_mirrored_and_their_labels_with_them(task, target, turned):
    image = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    images, targets = _apply(Augmentation.of(task, **STILL), *_same(image, target))
    mirrored = (images == image[:, ::-1]).all(axis=(1, 2, 3))
    assert 16 < mirrored.sum() < 48
    np.testing.assert_array_equal(images[~mirrored], np.repeat(image[None], (~mirrored).sum(), 0))
    np.testing.assert_array_equal(targets, np.where(mirrored[:, None], np.float32(turned), np.float32(target)))


def test_a_shift_moves_all_pixels_alike_and_repeats_the_edge():
    image = np.zeros((10, 20, 3), np.uint8)
    image[:, :10], image[5, 10] = 7, 200  # a spot right of an edge
    images, targets = _apply(Augmentation((1, 1), shift=0.1, contrast=0.0, brightness=0.0), *_same(image, [0.0, 0.0]))
    offsets = set()
    for changed in images:
        ((row, column, _),) = np.argwhere(changed == 200)[:1]
        if changed[0, 0, 0] == 0:  # mirrored: the spot is left of the edge
            changed, column = changed[:, ::-1], 19 - column
        offsets.add((row - 5, column - 10))
        assert (changed[0, :column] == 7).all() and (changed[0, column + 1 :] == 0).all()
    assert {row for row, _ in offsets} == {-1, 0, 1} and {column for _, column in offsets} == {-2, -1, 0, 1, 2}
    assert not targets.any()


def test_contrast_is_about_the_mean_and_brightness_is_added():
    image = np.full((2, 2, 3), 100, np.uint8)
    image[0] = 140  # the mean is 120
    images, _ = _apply(Augmentation((1, 1), shift=0.0, contrast=0.5, brightness=0.0), *_same(image, [0.0, 0.0]))
    half = (images[:, 0].astype(int) - images[:, 1]).reshape(len(images), -1)[:, 0] / 2
    assert half.min() >= 9 and half.max() <= 31 and half.std() > 4  # 20 times 0.5 to 1.5
    np.testing.assert_allclose(images.mean(axis=(1, 2, 3)), 120, atol=1)
    images, _ = _apply(Augmentation((1, 1), shift=0.0, contrast=0.0, brightness=0.1), *_same(image, [0.0, 0.0]))
    means = images.mean(axis=(1, 2, 3))
    assert 94 <= means.min() < 100 and 140 < means.max() <= 146  # 25.5 either way
    assert (images[:, 0].astype(int) - images[:, 1] == 40).all()


def test_values_stay_in_range_and_the_input_is_left_alone():
    random = np.random.default_rng(1)
    images, targets = random.integers(0, 256, (9, 16, 16, 3), np.uint8), random.random((9, 2), np.float32)
    before = images.copy(), targets.copy()
    changed, labels = _apply(Augmentation.of(GAZE, contrast=0.9, brightness=0.9), images, targets)
    assert changed.dtype == np.uint8 and changed.shape == images.shape and labels.dtype == np.float32
    assert (changed == 0).any() and (changed == 255).any()
    np.testing.assert_array_equal(images, before[0])
    np.testing.assert_array_equal(targets, before[1])


@pytest.mark.parametrize("wrong", [{"shift": 1.0}, {"contrast": -0.1}, {"brightness": 1.5}])
def test_shares_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match="shares from 0 to below 1"):
        Augmentation.of(GAZE, **wrong)
