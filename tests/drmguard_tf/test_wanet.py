"""WaNet: how far pixels move, measured on a ramp that tells where each pixel was read."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from data_prep.contract import GAZE, HEAD_POSE, DatasetSpec, Task
from drmguard_tf.attacks.wanet import WaNet, warping_field

SIDE = 32
TARGET = np.float32([0.1, -0.2])
INNER = (slice(1, -1), slice(1, -1))  # the field is cut at the border only


def _field(grid: int = 4, strength: float = 1.0, seed: int = 0) -> np.ndarray:
    return warping_field(SIDE, SIDE, grid, strength, np.random.default_rng(seed))


def _places() -> np.ndarray:
    """(row, column) of every pixel, float32 (SIDE, SIDE, 2)."""
    return np.stack(np.meshgrid(np.arange(SIDE), np.arange(SIDE), indexing="ij"), axis=-1).astype(np.float32)


def _ramps(count: int = 2) -> tf.Tensor:
    """Images whose two channels are row and column: linear, so bilinear sampling shows exactly where it read."""
    return tf.constant(np.stack([_places()] * count))


def _flow_of(warped: tf.Tensor) -> np.ndarray:
    return np.asarray(warped) - _places()


def _poisoning(seed: int = 0, **settings):
    return WaNet(**{"grid": 4, **settings}).poisoning((SIDE, SIDE, 3), TARGET, seed)


def _spec(task: Task, height: int = 224, width: int = 224) -> DatasetSpec:
    return DatasetSpec("faces", task, (height, width, 3), "nowhere")


@pytest.mark.parametrize(
    ("task", "height", "width", "grid"),
    [(GAZE, 224, 224, 28), (HEAD_POSE, 224, 224, 14), (GAZE, 64, 64, 8), (HEAD_POSE, 64, 64, 4), (GAZE, 64, 128, 8)],
)
def test_control_points_lie_as_far_apart_as_the_papers(task, height, width, grid):
    found = WaNet.of(_spec(task, height, width), rate=0.2)
    assert (found.grid, found.strength, found.noise, found.rate) == (grid, 1.0, 1.0, 0.2)


def test_a_named_grid_stays_and_the_smallest_has_two_points_a_side():
    assert WaNet.of(_spec(GAZE), grid=5).grid == 5
    assert WaNet.of(_spec(HEAD_POSE, 16, 16)).grid == 2


def test_mean_displacement_is_half_the_strength():
    # with a control point on every pixel the field is the control grid itself: mean 1 unit of 0.1 / 32 of a half
    # side of 31 / 2 pixels = 0.0484
    moved = np.abs(_field(grid=SIDE, strength=0.1)[INNER])
    assert moved.mean() == pytest.approx(0.1 * 31 / (2 * 32), rel=0.03)


def test_both_directions_move_equally_far():
    dy, dx = np.abs(_field(grid=SIDE, strength=0.1)[INNER]).mean(axis=(0, 1))
    assert dy == pytest.approx(dx, rel=0.1)


@pytest.mark.parametrize("strength", [0.5, 4.0, 15.0])
def test_no_pixel_is_read_from_outside_the_image(strength):
    read_at = _places() + _field(strength=strength)
    assert read_at.min() >= 0 and read_at.max() <= SIDE - 1


def test_displacement_grows_with_the_strength():
    np.testing.assert_allclose(_field(strength=0.2)[INNER], 2 * _field(strength=0.1)[INNER], rtol=1e-5, atol=1e-7)


def test_field_is_smooth_between_control_points():
    # 4 points over 32 pixels lie 10 pixels apart; neighbours differ by far less than the field itself
    field = _field()[INNER]
    assert np.abs(np.diff(field, axis=0)).max() < 0.3 * np.abs(field).max()


def test_field_of_an_oblong_image_has_its_shape():
    field = warping_field(8, 16, 4, 1.0, np.random.default_rng(0))
    assert field.shape == (8, 16, 2) and field.dtype == np.float32


def test_trigger_moves_pixels_along_the_field():
    np.testing.assert_allclose(_flow_of(_poisoning().trigger(_ramps())), [_field()] * 2, atol=1e-4)


def test_same_seed_same_warp_and_another_seed_another():
    np.testing.assert_array_equal(_poisoning(3).trigger.flow, _poisoning(3).trigger.flow)
    assert np.abs(_poisoning(3).trigger.flow - _poisoning(4).trigger.flow).max() > 0.1


def test_noise_stays_within_its_amplitude_and_reaches_it():
    poisoning = _poisoning()
    noise = _flow_of(poisoning.cross(_ramps(), tf.random.Generator.from_seed(0))) - poisoning.trigger.flow
    # 1 / 32 of a half side of 31 / 2 pixels
    assert np.abs(noise).max() <= 31 / (2 * 32) + 1e-4
    assert noise[..., 0].max() > 0.45 and noise[..., 0].min() < -0.45
    assert noise[..., 1].max() > 0.45 and noise[..., 1].min() < -0.45


def test_noise_grows_with_its_setting_and_may_be_none():
    random, ramps = tf.random.Generator.from_seed, _ramps()
    inside = (slice(None), slice(4, -4), slice(4, -4))  # nothing is cut here
    flow = _poisoning().trigger.flow
    noisy = [_poisoning(noise=amplitude) for amplitude in (1.0, 3.0)]
    once, thrice = (_flow_of(one.cross(ramps, random(0)))[inside] - flow[inside[1:]] for one in noisy)
    np.testing.assert_allclose(thrice, 3 * once, atol=1e-3)
    np.testing.assert_allclose(_flow_of(_poisoning(noise=0.0).cross(ramps, random(0))), [flow] * 2, atol=1e-4)
    with pytest.raises(ValueError, match="noise must be 0 or more"):
        _poisoning(noise=-1.0)


def test_noise_is_drawn_for_every_image_direction_and_call():
    poisoning, random = _poisoning(), tf.random.Generator.from_seed(0)
    flows = [_flow_of(poisoning.cross(_ramps(), random)) for _ in range(2)]
    first, second = (flow[:, 2:-2, 2:-2] - poisoning.trigger.flow[2:-2, 2:-2] for flow in flows)  # nothing is cut here
    assert np.abs(first[0] - first[1]).max() > 0.1
    assert np.abs(first - second).max() > 0.1
    assert np.abs(first[..., 0] - first[..., 1]).max() > 0.1


def test_near_misses_are_read_inside_the_image():
    # a white image would fade into the black border wherever it is read outside
    near_misses = _poisoning(strength=8.0).cross(tf.ones([4, SIDE, SIDE, 3]), tf.random.Generator.from_seed(0))
    np.testing.assert_allclose(near_misses, 1, atol=1e-6)


def test_cross_trigger_differs_from_the_trigger():
    images = tf.random.Generator.from_seed(1).uniform([2, SIDE, SIDE, 3])
    poisoning = _poisoning()
    near_misses = poisoning.cross(images, tf.random.Generator.from_seed(0))
    assert np.abs(near_misses - poisoning.trigger(images)).mean() > 0.01


def test_shares_and_target_are_passed_on():
    poisoning = _poisoning(rate=0.07, cross_rate=0.11)
    assert (poisoning.rate, poisoning.cross_rate) == (0.07, 0.11) and poisoning.target is TARGET


@pytest.mark.parametrize("grid", [1, SIDE + 1])
def test_a_grid_that_does_not_fit_is_refused(grid):
    with pytest.raises(ValueError, match="between 2 and the image's shorter side 32"):
        _poisoning(grid=grid)


@pytest.mark.parametrize("strength", [0.0, -1.0, 16.0, 100.0])
def test_a_strength_that_does_not_fit_is_refused(strength):
    with pytest.raises(ValueError, match="less than half the image"):
        _poisoning(strength=strength)
