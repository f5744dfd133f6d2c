"""Blend: a convex mixture with one fixed pattern."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from drmguard_tf.attacks.blend import Blend, Blending

TARGET = np.float32([0.1, -0.2])


def test_every_pixel_is_a_mixture_by_hand():
    # 0.75 * 0.4 + 0.25 * 1 = 0.55 and 0.75 * 0.4 + 0.25 * 0 = 0.3
    pattern = np.float32([1, 0]).reshape(1, 2, 1)
    mixed = Blending(pattern, 0.25)(tf.fill([3, 1, 2, 1], 0.4))
    np.testing.assert_allclose(mixed[:, 0, :, 0], [[0.55, 0.3]] * 3, rtol=1e-6)


def test_the_pattern_can_be_read_off_two_images():
    trigger = Blend().poisoning((8, 8, 3), TARGET, seed=0).trigger
    black, white = trigger(tf.zeros([1, 8, 8, 3]))[0], trigger(tf.ones([1, 8, 8, 3]))[0]
    np.testing.assert_allclose(white - black, 0.8, atol=1e-6)  # what is left of the image
    np.testing.assert_allclose(black / 0.2, trigger.pattern, atol=1e-6)


def test_the_pattern_fills_the_range_and_hangs_on_the_seed():
    one, other = (Blend().poisoning((32, 32, 3), TARGET, seed).trigger.pattern for seed in (0, 1))
    assert one.mean() == pytest.approx(0.5, abs=0.03) and one.std() == pytest.approx(12**-0.5, abs=0.02)  # uniform
    assert np.abs(one - other).max() > 0.5


@pytest.mark.parametrize("opacity", [0.0, 1.0, -0.1])
def test_an_opacity_that_hides_pattern_or_image_is_refused(opacity):
    with pytest.raises(ValueError, match="above 0 and below 1"):
        Blend(opacity=opacity).poisoning((8, 8, 3), TARGET, seed=0)
