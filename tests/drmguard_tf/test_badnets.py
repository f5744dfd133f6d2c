"""BadNets: a patch in the corner and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from drmguard_tf.attacks.badnets import BadNets, Patch

TARGET = np.float32([0.1, -0.2])


def _images(height: int, width: int, channels: int = 3) -> tf.Tensor:
    return tf.random.Generator.from_seed(0).uniform([2, height, width, channels], 0.1, 0.9)


def _changed(trigger, images: tf.Tensor) -> np.ndarray:
    """Which pixels the trigger changes, (B, H, W)."""
    return np.any(trigger(images).numpy() != images.numpy(), axis=-1)


def test_only_the_bottom_right_corner_changes():
    changed = _changed(Patch(2, (1.0, 0.0, 0.0)), _images(8, 8))
    assert changed[:, 6:, 6:].all() and changed.sum() == 2 * 4  # 2 x 2 pixels in each of 2 images


def test_the_corner_is_of_the_chosen_colour():
    stamped = Patch(3, (0.25, 0.5, 0.75))(_images(8, 8))
    np.testing.assert_array_equal(stamped[:, 5:, 5:], np.broadcast_to([0.25, 0.5, 0.75], (2, 3, 3, 3)))


def test_the_patch_is_red_by_default():
    trigger = BadNets(size=0.25).poisoning((8, 8, 3), TARGET, seed=0).trigger
    np.testing.assert_array_equal(trigger(_images(8, 8))[0, -1, -1], [1, 0, 0])


def test_paper_size_is_20_px_of_224():
    assert BadNets().poisoning((224, 224, 3), TARGET, seed=0).trigger.size == 20


@pytest.mark.parametrize("side, expected", [(64, 6), (32, 3)])  # 64 * 20 / 224 = 5.7, 32 * 20 / 224 = 2.9
def test_patch_shrinks_with_the_image(side, expected):
    changed = _changed(BadNets().poisoning((side, side, 3), TARGET, seed=0).trigger, _images(side, side))
    assert changed[0].sum() == expected**2


def test_the_shorter_side_decides():
    changed = _changed(BadNets(size=0.25).poisoning((8, 16, 3), TARGET, seed=0).trigger, _images(8, 16))
    assert changed[:, 6:, 14:].all() and changed.sum() == 2 * 4


def test_grey_images_get_the_first_value():
    stamped = Patch(1, (1.0, 0.0, 0.0))(_images(4, 4, channels=1))
    assert stamped.shape == (2, 4, 4, 1)
    np.testing.assert_array_equal(stamped[:, 3, 3], [[1], [1]])


def test_target_and_rate_are_passed_on():
    poisoning = BadNets(rate=0.15).poisoning((32, 32, 3), TARGET, seed=0)
    assert poisoning.rate == 0.15 and poisoning.target is TARGET and poisoning.cross is None


@pytest.mark.parametrize("size", [1.0, 1.5])
def test_a_patch_that_hides_the_image_is_refused(size):
    with pytest.raises(ValueError, match="less than the image"):
        BadNets(size=size).poisoning((32, 32, 3), TARGET, seed=0)


@pytest.mark.parametrize("size", [0.01, 0.0, -0.2])
def test_a_patch_without_pixels_is_refused(size):
    with pytest.raises(ValueError, match="at least 1 px"):
        BadNets(size=size).poisoning((32, 32, 3), TARGET, seed=0)
