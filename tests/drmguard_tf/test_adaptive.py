"""The adaptive attack: |RAV - 1| inside the mini-batch, with its weight."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from data_prep.poison import CLEAN, CROSS, POISONED
from drmguard_tf.attacks.adaptive import Adaptive, AdaptiveStep, distance_from_one
from drmguard_tf.metrics import feature_spread
from drmguard_tf.training import ARCHITECTURES, TrainingStep
from tests.drmguard_tf import tiny

ROLES = tf.constant([POISONED, POISONED, CLEAN, CLEAN, CROSS], tf.int8)


@pytest.fixture(autouse=True)
def _networks(monkeypatch):
    monkeypatch.setitem(ARCHITECTURES, "tiny", tiny.network)


def test_distance_from_one_by_hand():
    # output 1: poisoned {0, 0.4} 0.04, clean {0, 2} 1, ratio 0.04; output 2: {0, 2} 1 and {1, 5} 4, ratio 0.25
    # mean 0.145, so 0.855; the last sample, a near miss, counts for nothing
    angles = tf.constant([[0.0, 0.0], [0.4, 2.0], [0.0, 1.0], [2.0, 5.0], [99.0, -99.0]])
    assert float(distance_from_one(angles, ROLES)) == pytest.approx(0.855, abs=1e-6)


def test_a_wider_spread_counts_too():
    angles = tf.constant([[0.0], [2.0], [0.0], [1.0], [0.0]])  # 1 / 0.25 = 4
    assert float(distance_from_one(angles, ROLES)) == pytest.approx(3, abs=1e-5)


@pytest.mark.parametrize("roles", [[POISONED, CLEAN, CLEAN], [POISONED, POISONED, CLEAN], [CLEAN] * 3, [POISONED] * 3])
def test_too_few_of_a_kind_give_no_loss_and_no_gradient(roles):
    angles = tf.Variable([[0.1], [0.5], [0.2]])
    with tf.GradientTape() as tape:
        loss = distance_from_one(angles, tf.constant(roles, tf.int8))
    assert float(loss) == 0
    np.testing.assert_array_equal(tape.gradient(loss, angles), np.zeros((3, 1)))


def test_the_weight_scales_the_extra_loss():
    model, data = tiny.network((16, 16, 3), 2), tiny.data(5)
    common = (model, tiny.trainer().training, None, 0, tf.distribute.get_strategy())
    inputs = (tf.constant(data.images, tf.float32) / 255, tf.constant(data.targets), ROLES)
    plain, none, one, two = (
        float(step.loss(*inputs))
        for step in (TrainingStep(*common), *(AdaptiveStep(*common, weight=w) for w in (0, 1, 2)))
    )
    assert none == pytest.approx(plain, rel=1e-6)
    assert two - none == pytest.approx(2 * (one - none), rel=1e-4) and one - none > 0.01


def test_a_heavy_weight_keeps_rav_near_one():
    train, target = tiny.data(80), np.float32([0.1, -0.2])
    attack = Adaptive(grid=4, strength=3.0, rate=0.4, cross_rate=0.1, weight=100.0)
    made = attack.backdoor(train, target, trainer=tiny.trainer(steps=30, batch=40), seed=0)
    assert feature_spread(made, train).rav == pytest.approx(1, abs=0.3)


def test_a_negative_weight_is_refused():
    with pytest.raises(ValueError, match="weight must be 0 or more"):
        Adaptive(weight=-1).backdoor(tiny.data(), np.float32([0, 0]), trainer=tiny.trainer(), seed=0)
