"""What every attack promises. Attacks are found by walking the package: a new one is tested because it exists."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import pkgutil

import numpy as np
import pytest
import tensorflow as tf

from data_prep.attack import Attack
from data_prep.poison import CROSS, FURTHER, POISONED
from drmguard_tf import attacks

SHAPE = (32, 32, 3)
TARGET = np.float32([0.1, -0.2])
FITTING = {"WaNet": {"grid": 4}, "MultiTarget": {"grid": 4}, "Adaptive": {"grid": 4}}  # defaults are for larger images
ROUNDING = 1e-6  # the four weights of a bilinear sample add up to 1 within a few units in the last place


def _attack_classes() -> list[type]:
    modules = [importlib.import_module(m.name) for m in pkgutil.walk_packages(attacks.__path__, f"{attacks.__name__}.")]
    return [
        value
        for module in modules
        for _, value in inspect.getmembers(module, inspect.isclass)
        if value.__module__ == module.__name__ and dataclasses.is_dataclass(value) and hasattr(value, "poisoning")
    ]


def test_every_file_holds_one_attack():
    found = {name: attacks.attack_class(name) for name in attacks.names()}
    assert len(set(found.values())) == len(found) and all(issubclass(kind, Attack) for kind in found.values())
    assert {"badnets", "wanet", "blend", "sig", "multi-target", "clean-label", "input-aware", "adaptive"} <= set(found)


@pytest.fixture(params=_attack_classes(), ids=lambda kind: kind.__name__)
def attack(request):
    """An instance of every poisoning attack, with settings that fit small images."""
    return request.param(**FITTING.get(request.param.__name__, {}))


@pytest.fixture
def near_miss(attack):
    """An attack's cross trigger with a generator of its own, for attacks that have one."""
    cross = _poisoning(attack).cross
    if cross is None:
        pytest.skip(f"{type(attack).__name__} trains no near misses")
    return lambda images, seed=0: cross(images, tf.random.Generator.from_seed(seed))


def _images(count: int = 4) -> tf.Tensor:
    """Random images, the first all black and the second all white."""
    images = np.random.default_rng(0).random((count, *SHAPE)).astype(np.float32)
    images[0], images[1] = 0, 1
    return tf.constant(images)


def _poisoning(attack, seed: int = 0):
    return attack.poisoning(SHAPE, TARGET, seed)


def test_the_paper_s_first_attacks_are_found():
    assert {"BadNets", "WaNet"} <= {kind.__name__ for kind in _attack_classes()}


def test_settings_are_frozen_and_compare_by_value(attack):
    with pytest.raises(dataclasses.FrozenInstanceError):
        attack.rate = 0.5
    assert attack == dataclasses.replace(attack) and hash(attack) == hash(dataclasses.replace(attack))


def test_repr_names_every_setting(attack):
    assert all(f"{field.name}=" in repr(attack) for field in dataclasses.fields(attack))


def test_triggered_images_stay_in_range(attack):
    triggered = _poisoning(attack).trigger(_images()).numpy()
    assert triggered.min() >= -ROUNDING and triggered.max() <= 1 + ROUNDING


def test_triggered_images_keep_shape_and_dtype(attack):
    triggered = _poisoning(attack).trigger(_images())
    assert triggered.shape == _images().shape and triggered.dtype == tf.float32


def test_trigger_changes_the_image(attack):
    images = _images()[2:]
    assert np.abs(_poisoning(attack).trigger(images) - images).max(axis=(1, 2, 3)).min() > 0.01


def test_no_images_are_triggered_to_no_images(attack):
    assert _poisoning(attack).trigger(_images()[:0]).shape == (0, *SHAPE)


def test_trigger_treats_every_image_alone(attack):
    trigger, images = _poisoning(attack).trigger, _images()
    np.testing.assert_allclose(trigger(images)[2:3], trigger(images[2:3]), atol=ROUNDING)


def test_trigger_compiles_for_any_number_of_images(attack):
    trigger = _poisoning(attack).trigger
    compiled = tf.function(lambda images: trigger(images), input_signature=[tf.TensorSpec((None, *SHAPE), tf.float32)])
    np.testing.assert_allclose(compiled(_images()), trigger(_images()), atol=ROUNDING)
    assert compiled(_images()[:0]).shape == (0, *SHAPE)


def test_poison_takes_exactly_its_share(attack):
    poisoning = _poisoning(attack)
    roles = poisoning.roles(400, seed=0)
    assert 0 < poisoning.rate < 1
    assert (roles == POISONED).sum() == round(400 * poisoning.rate)
    assert (roles == CROSS).sum() == round(400 * poisoning.cross_rate)
    assert [(roles == FURTHER + k).sum() for k in range(len(poisoning.further))] == [
        round(400 * implant.rate) for implant in poisoning.further
    ]


def test_target_is_the_one_asked_for(attack):
    np.testing.assert_array_equal(_poisoning(attack).target, TARGET)


def test_same_seed_same_trigger(attack):
    one, other = (_poisoning(attack, seed=5).trigger(_images()) for _ in range(2))
    np.testing.assert_array_equal(one, other)


def test_poisoning_leaves_numpy_s_global_generator_alone(attack):
    before = np.random.get_state()[1].copy()
    _poisoning(attack).trigger(_images())
    np.testing.assert_array_equal(np.random.get_state()[1], before)


def test_near_misses_stay_in_range_and_keep_shape_and_dtype(near_miss):
    changed = near_miss(_images())
    assert changed.shape == _images().shape and changed.dtype == tf.float32
    assert changed.numpy().min() >= -ROUNDING and changed.numpy().max() <= 1 + ROUNDING


def test_no_images_have_no_near_misses(near_miss):
    assert near_miss(_images()[:0]).shape == (0, *SHAPE)


def test_same_generator_state_same_near_misses(near_miss):
    np.testing.assert_array_equal(near_miss(_images(), seed=3), near_miss(_images(), seed=3))


def test_near_misses_are_not_the_trigger(near_miss, attack):
    images = _images()[2:]
    assert np.abs(near_miss(images) - _poisoning(attack).trigger(images)).max() > 0.01
