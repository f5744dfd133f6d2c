"""Multi-target WaNet: two warps, two targets, two shares."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from data_prep.poison import CLEAN, CROSS, FURTHER, POISONED
from drmguard_tf.attacks.multi_target import MultiTarget
from drmguard_tf.training import ARCHITECTURES, TrainingStep
from tests.drmguard_tf import tiny

TARGET = np.float32([0.1, -0.2])


@pytest.fixture(autouse=True)
def _networks(monkeypatch):
    monkeypatch.setitem(ARCHITECTURES, "tiny", tiny.network)


def _poisoning(**settings):
    return MultiTarget(**{"grid": 4, "strength": 3.0, **settings}).poisoning((16, 16, 3), TARGET, seed=3)


def test_two_warps_lead_to_two_targets():
    poisoning = _poisoning(rate=0.2, cross_rate=0.1)
    step = TrainingStep(
        tiny.network((16, 16, 3), 2), tiny.trainer().training, poisoning, 0, tf.distribute.get_strategy()
    )
    images = tf.random.Generator.from_seed(0).uniform([3, 16, 16, 3])
    roles = tf.constant([CLEAN, POISONED, FURTHER], tf.int8)
    changed, targets = step._poison(poisoning, images, tf.zeros([3, 2]), roles)
    np.testing.assert_allclose(targets, [[0, 0], TARGET, -TARGET])
    np.testing.assert_array_equal(changed[0], images[0])
    np.testing.assert_allclose(changed[1], poisoning.trigger(images)[1], atol=1e-6)
    np.testing.assert_allclose(changed[2], poisoning.further[0].trigger(images)[2], atol=1e-6)
    assert np.abs(poisoning.trigger.flow - poisoning.further[0].trigger.flow).max() > 0.5


def test_each_share_is_exact():
    roles = _poisoning(rate=0.2, cross_rate=0.1).roles(50, seed=0)
    assert [(roles == role).sum() for role in (CLEAN, POISONED, CROSS, FURTHER)] == [25, 10, 5, 10]


def test_shares_that_exceed_the_set_are_refused():
    with pytest.raises(ValueError, match="add up to 1.2"):
        _poisoning(rate=0.5, cross_rate=0.2).roles(50, seed=0)


def test_the_second_target_can_be_given():
    np.testing.assert_allclose(_poisoning(second=(0.3, 0.0)).further[0].target, [0.3, 0.0])


@pytest.mark.parametrize("second", [(0.1, -0.2), (0.3,)])
def test_a_second_target_that_is_none_is_refused(second):
    with pytest.raises(ValueError, match="must have 2 angles and differ"):
        _poisoning(second=second)


def test_both_backdoors_are_known():
    attack = MultiTarget(grid=4)
    made = attack.backdoor(tiny.data(), TARGET, trainer=tiny.trainer(), seed=3)
    first, second = attack.known(made.model, TARGET, seed=3)
    np.testing.assert_array_equal(first.trigger.flow, made.trigger.flow)
    np.testing.assert_array_equal(second.target, -TARGET)
