"""Trigger families: what they change, and what it costs."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from drmguard_tf.families import FAMILIES, UniversalPatch, UniversalWarp
from drmguard_tf.generator import small_generator
from drmguard_tf.reference import Reference

SIZE = 32
IMAGES = tf.constant(np.random.default_rng(0).random((4, SIZE, SIZE, 3), dtype=np.float32))
NO_ATTENTION = tf.zeros([4, SIZE, SIZE, 1])


def _reference(images: tf.Tensor) -> Reference:
    """What a family looks at: the images' shape and their largest norm."""
    norm = float(tf.reduce_max(tf.reduce_sum(images, axis=[1, 2, 3])))
    return Reference(None, images, NO_ATTENTION, tf.ones(2), tf.constant(1.0), norm, None, None)


REFERENCE = _reference(IMAGES)


@pytest.fixture(params=FAMILIES)
def family(request: pytest.FixtureRequest) -> str:
    return request.param


def test_a_family_knows_its_name(family):
    assert FAMILIES[family](REFERENCE, 0).name == family  # a run is named after its trigger


def test_images_stay_in_range_and_shape(family):
    trigger = FAMILIES[family](REFERENCE, 0)
    for variable in trigger.trainable_variables:
        variable.assign(50 * tf.sign(variable) + variable)
    images, cost = trigger(IMAGES, NO_ATTENTION)
    assert images.shape == IMAGES.shape
    assert tf.reduce_min(images) >= -1e-5 and tf.reduce_max(images) <= 1 + 1e-5
    assert cost.shape == () and cost >= 0


def test_the_seed_decides_the_start(family):
    first, again, other = (FAMILIES[family](REFERENCE, seed)(IMAGES, NO_ATTENTION).images for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_change_that_is_amplified_once_is_that_change(family):
    trigger = FAMILIES[family](REFERENCE, 0)
    once = trigger.amplified(IMAGES, NO_ATTENTION, tf.ones((4, 1, 1, 1)))
    np.testing.assert_allclose(once, trigger(IMAGES, NO_ATTENTION).images, atol=1e-6)


# Patch


def test_an_amplified_patch_is_more_opaque_up_to_its_pattern():
    patch = UniversalPatch(REFERENCE, 0)
    patch.mask.assign(tf.fill(patch.mask.shape, -float(np.log(3))))  # sigmoid = 0.25
    strength = tf.reshape(tf.constant([1.0, 2.0, 4.0, 9.0]), (4, 1, 1, 1))
    images, pattern = patch.amplified(IMAGES, NO_ATTENTION, strength), tf.sigmoid(patch.pattern)
    np.testing.assert_allclose(images[1], 0.5 * IMAGES[1] + 0.5 * pattern, atol=1e-6)
    np.testing.assert_allclose(images[2:], tf.stack([pattern, pattern]), atol=1e-6)


def test_a_patch_with_an_empty_mask_changes_nothing():
    patch = UniversalPatch(REFERENCE, 0)
    patch.mask.assign(tf.fill(patch.mask.shape, -30.0))  # sigmoid(-30) = 1e-13
    images, cost = patch(IMAGES, NO_ATTENTION)
    np.testing.assert_allclose(images, IMAGES, atol=1e-6)
    assert cost < 1e-6


def test_cost_of_a_full_patch_by_hand():
    grey = tf.fill([4, SIZE, SIZE, 3], 0.25)
    patch = UniversalPatch(_reference(grey), 0)
    patch.mask.assign(tf.fill(patch.mask.shape, 30.0))
    patch.pattern.assign(tf.fill(patch.pattern.shape, 30.0))
    images, cost = patch(grey, NO_ATTENTION)
    np.testing.assert_allclose(images, 1, atol=1e-6)
    np.testing.assert_allclose(cost, 3, rtol=1e-5)  # every value rises by 0.75, the norm has 0.25 for each


# Warp


def _set(warp: UniversalWarp, *displacements: tuple[float, float]) -> None:
    for grid, displacement in zip(warp.grids, displacements):
        grid.control.assign(tf.broadcast_to(displacement, grid.control.shape))  # (dy, dx)


def test_a_warp_of_zero_changes_nothing():
    warp = UniversalWarp(REFERENCE, 0)
    _set(warp, (0.0, 0.0))
    images, cost = warp(IMAGES, NO_ATTENTION)
    np.testing.assert_allclose(images, IMAGES, atol=1e-6)
    assert cost < 1e-4


def test_a_shift_of_two_pixels_costs_two_of_the_side():
    warp = UniversalWarp(REFERENCE, 0, spacings=(16, 8, 4))
    _set(warp, (0.0, 1.0), (0.0, 1.0), (0.0, 2.0))  # finer grids count for their spacing: 1 + 1 / 2 + 2 / 4 pixels
    images, cost = warp(IMAGES, NO_ATTENTION)
    np.testing.assert_allclose(cost, 2 / 32, rtol=1e-4)
    np.testing.assert_allclose(images[:, :, :-2], IMAGES[:, :, 2:], atol=1e-5)


def test_an_amplified_warp_moves_farther():
    warp = UniversalWarp(REFERENCE, 0, spacings=(16,))
    _set(warp, (1.0, 0.0))
    images = warp.amplified(IMAGES, NO_ATTENTION, tf.reshape(tf.constant([1.0, 2.0, 3.0, 0.0]), (4, 1, 1, 1)))
    np.testing.assert_allclose(images[1, :-2], IMAGES[1, 2:], atol=1e-4)
    np.testing.assert_allclose(images[2, :-3], IMAGES[2, 3:], atol=1e-4)


def test_a_warp_starts_on_its_coarsest_grid():
    coarse, *finer = UniversalWarp(REFERENCE, 0).grids
    assert coarse.control.shape == (3, 3, 2) and np.abs(coarse.control).min() > 0  # 32 px, a point every 16
    assert [grid.control.shape for grid in finer] == [(5, 5, 2), (9, 9, 2)]
    assert not any(np.abs(grid.control).any() for grid in finer)
    assert UniversalWarp(REFERENCE, 0, spacings=(64,)).grids[0].control.shape == (2, 2, 2)


# Generator


def test_a_generator_starts_near_the_identity():
    images, cost = FAMILIES["generator"](REFERENCE, 0)(IMAGES, NO_ATTENTION)
    assert 0 < float(tf.reduce_mean(tf.abs(images - IMAGES))) < 0.05
    assert cost < 0.1


def test_attention_protects_pixels():
    trigger = FAMILIES["generator"](REFERENCE, 0)
    free, half = (trigger(IMAGES, tf.fill([4, SIZE, SIZE, 1], a)).images - IMAGES for a in (0.0, 0.75))
    np.testing.assert_allclose(half, 0.25 * free, atol=1e-6)  # 0.75 * x + 0.25 * (x + change) - x


def test_a_generator_takes_images_of_any_size():
    generator = small_generator((36, 60, 3))
    assert generator([tf.zeros((2, 36, 60, 3)), tf.zeros((2, 36, 60, 2))]).shape == (2, 36, 60, 3)
