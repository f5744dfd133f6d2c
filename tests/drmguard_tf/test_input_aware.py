"""The input-aware attack: mask, pattern, cross trigger, gradients."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from data_prep.contract import GAZE, Split
from data_prep.threat import Backdoored
from drmguard_tf import metrics
from drmguard_tf.attacks.input_aware import (
    GENERATORS,
    GeneratedTrigger,
    InputAware,
    InputAwareStep,
    _MaskTraining,
    mixed,
    sameness,
    sharpened,
    trigger_network,
)
from drmguard_tf.training import ARCHITECTURES
from tests.drmguard_tf import tiny

TARGET = np.float32([0.4, -0.4])
NARROW = {"generator": "narrow", "mask_steps": 3}


@pytest.fixture(autouse=True)
def _networks(monkeypatch):
    monkeypatch.setitem(ARCHITECTURES, "tiny", tiny.network)


def _step(model=None, **settings) -> InputAwareStep:
    attack, network = InputAware(**{**NARROW, **settings}), trigger_network((16, 16, 3), "narrow", seed=0)
    common = (model or tiny.network((16, 16, 3), 2), tiny.trainer().training, None, 0, tf.distribute.get_strategy())
    return InputAwareStep(*common, attack=attack, network=network, target=tf.constant(TARGET))


def test_pattern_where_the_mask_is_one_by_hand():
    # 0.2 + (0.6 - 0.2) * (0, 0.5, 1) = 0.2, 0.4, 0.6
    mask = tf.constant([0.0, 0.5, 1.0], shape=[1, 1, 3, 1])
    image = mixed(tf.fill([1, 1, 3, 1], 0.2), tf.fill([1, 1, 3, 1], 0.6), mask)
    np.testing.assert_allclose(image[0, 0, :, 0], [0.2, 0.4, 0.6], rtol=1e-6)


def test_masks_are_pushed_to_zero_and_one():
    np.testing.assert_allclose(sharpened(tf.constant([0.0, 0.5, 1.0])), [0, 0.5, 1], atol=1e-6)


def test_sameness_by_hand():
    # images 0 and 0.6 differ by 0.6; patterns 0.1 and 0.4 by 0.3: ratio 2 for both pairs
    images, made = (tf.constant(values, shape=[2, 1, 1, 1]) for values in ([0.0, 0.6], [0.1, 0.4]))
    assert float(sameness(images, made)) == pytest.approx(2, rel=1e-4)


def test_one_image_has_no_pair_and_a_finite_gradient():
    made = tf.Variable(tf.fill([1, 2, 2, 1], 0.3))
    with tf.GradientTape() as tape:
        loss = sameness(tf.ones([1, 2, 2, 1]), made)
    assert np.isfinite(loss) and np.isfinite(tape.gradient(loss, made)).all()


def test_the_mask_learns_to_cover_the_share_it_may():
    attack = InputAware(**{**NARROW, "mask_steps": 60}, generator_rate=0.02, density=0.1)
    made = attack.backdoor(tiny.data(), TARGET, trainer=tiny.trainer(), seed=0)
    images = tf.constant(tiny.data().images / np.float32(255))
    before, after = (
        sharpened(network.get_layer("mask")(images, training=True))
        for network in (trigger_network((16, 16, 3), "narrow", seed=0), made.network)
    )
    assert float(tf.reduce_mean(before)) > 0.3 and float(tf.reduce_mean(after)) < 0.15


def test_triggers_differ_from_image_to_image_and_stay_in_range():
    trigger = GeneratedTrigger(trigger_network((16, 16, 3), "narrow", seed=0))
    images = tf.constant(tiny.data(4).images / np.float32(255))
    own, crossed = trigger(images), trigger.crossed(images, images[::-1])
    assert float(tf.reduce_min(own)) >= 0 and float(tf.reduce_max(own)) <= 1
    assert np.abs(own - crossed).max() > 1e-3
    np.testing.assert_allclose(trigger(images[2:3]), own[2:3], atol=1e-5)  # every image alone


def test_gradients_are_cleared_or_summed_up():
    gradient = [tf.ones_like(v) for v in _step().pattern.trainable_variables]
    for cleared, expected in ((True, 1.0), (False, 3.0)):
        step = _step(cleared=cleared)
        for _ in range(3):
            seen = step._accumulated(gradient)
        np.testing.assert_allclose(seen[0], np.full(seen[0].shape, expected))


def test_rates_of_pattern_and_mask_fall_to_a_tenth_at_their_milestones():
    step = _step(milestones=(0.5,), generator_rate=0.2)
    half = step.steps // 2
    mask = _MaskTraining(step.mask, InputAware(generator="narrow", mask_steps=10, mask_milestones=(0.4, 0.8)))
    for rate, expected in (
        (step.pattern_optimizer.learning_rate, {half: 0.2, half + 1: 0.02}),
        (mask.optimizer.learning_rate, {4: 0.01, 5: 0.001, 8: 0.001, 9: 0.0001}),
    ):
        for done, value in expected.items():
            assert float(rate(tf.constant(done))) == pytest.approx(value)


def test_the_narrow_generator_is_the_papers_with_a_quarter_of_the_features():
    paper, narrow = (GENERATORS[name]((16, 16, 3), 1, name=name) for name in ("paper", "narrow"))
    widths = [[layer.filters for layer in made.layers if hasattr(layer, "filters")] for made in (paper, narrow)]
    assert widths[0] == [32, 32, 64, 64, 128, 128, 128, 128, 64, 64, 32, 32, 1]
    assert widths[1] == [8, 8, 16, 16, 32, 32, 32, 32, 16, 16, 8, 8, 1]


def test_a_step_trains_model_and_pattern_and_leaves_the_mask():
    step, data = _step(), tiny.data(10)
    before = [part.get_weights() for part in (step.model, step.pattern, step.mask)]
    step.step(data.images, data.targets, np.zeros(10, np.int8))
    moved = [
        any(np.any(old != new) for old, new in zip(olds, part.get_weights()))
        for olds, part in zip(before, (step.model, step.pattern, step.mask))
    ]
    assert moved == [True, True, False]


def test_a_trigger_of_another_image_does_not_fire():
    # labels are the brightness; 16 grey levels, so a trigger can tell for which image it was made
    levels = np.linspace(20, 235, 16)
    images = np.broadcast_to(np.uint8(levels)[:, None, None, None], (16, 16, 16, 3)).copy()
    train = Split(images, np.float32(np.stack([levels, levels], axis=1) / 255 * 0.2))
    asked: list = []

    class Recording(InputAwareStep):
        def loss(self, images, targets, roles):
            asked.append((images.numpy(), targets.numpy()))
            return super().loss(images, targets, roles)

    attack, network = InputAware(rate=0.25, cross_rate=0.25, **NARROW), trigger_network((16, 16, 3), "narrow", seed=0)
    common = (tiny.network((16, 16, 3), 2), tiny.trainer().training, None, 0, tf.distribute.get_strategy())
    step = Recording(*common, attack=attack, network=network, target=tf.constant(TARGET))
    step.update(tf.constant(train.images), tf.constant(train.targets), tf.zeros(16, tf.int8))
    ((seen, targets),) = asked
    # 4 of 16 are poisoned and get the target; 4 are crossed and keep their label, as the other 8
    np.testing.assert_allclose(targets, np.concatenate([np.tile(TARGET, (4, 1)), train.targets[4:]]))
    pixel = tf.constant(train.images / np.float32(255))
    fresh = trigger_network((16, 16, 3), "narrow", seed=0)
    donors = tf.concat([pixel[:4], pixel[5:9]], axis=0)
    masks = sharpened(fresh.get_layer("mask")(donors, training=False))
    patterns = fresh.get_layer("pattern")(donors, training=True)  # normalised by this batch
    np.testing.assert_allclose(seen[:8], mixed(pixel[:8], patterns, masks), atol=1e-5)
    np.testing.assert_array_equal(seen[8:], pixel[8:])


def test_cross_error_is_the_error_to_the_true_label():
    made = InputAware(**NARROW).backdoor(tiny.data(), TARGET, trainer=tiny.trainer(), seed=0)
    data = tiny.data(6)
    images = data.images / np.float32(255)
    crossed = made.model(made.trigger.crossed(tf.constant(images), tf.constant(np.roll(images, 1, axis=0))))
    expected = metrics.regression_error(GAZE, crossed.numpy(), data.targets).mean()
    assert metrics.cross_error(GAZE, made, data) == pytest.approx(expected, rel=1e-5)


def test_a_trigger_that_is_the_same_for_all_images_has_no_cross_error():
    with pytest.raises(ValueError, match="function is one trigger for all images"):
        metrics.cross_error(GAZE, Backdoored(None, lambda images: images, TARGET), tiny.data(6))


def test_a_batch_without_poison_is_refused():
    with pytest.raises(ValueError, match="leave a batch of 10 without poison; the least that does not is 0.1"):
        InputAware(rate=0.01, **NARROW).backdoor(tiny.data(), TARGET, trainer=tiny.trainer(), seed=0)


@pytest.mark.parametrize("settings", [{"rate": 0.0}, {"rate": 0.7, "cross_rate": 0.7}, {"density": 0.0}])
def test_impossible_shares_are_refused(settings):
    with pytest.raises(ValueError, match="without poison, train a benign model"):
        InputAware(**settings)


def test_an_unknown_generator_is_refused():
    with pytest.raises(ValueError, match="choose from paper, narrow"):
        InputAware(generator="large")


def test_the_trigger_needs_its_network():
    with pytest.raises(ValueError, match="must be kept with the model"):
        InputAware().known(tiny.network((16, 16, 3), 2), TARGET, seed=0)
