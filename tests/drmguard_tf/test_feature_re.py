"""FeatureRE for regression."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from data_prep.journal import NO_JOURNAL
from drmguard_tf.baselines import feature_trigger
from drmguard_tf.baselines.feature_re import FeatureRE, _beyond, _Inversion, violations
from drmguard_tf.baselines.feature_trigger import FeatureTrigger
from drmguard_tf.baselines.unet import unet
from drmguard_tf.reference import Reference, examine
from tests.drmguard_tf import colours

BRIEF = FeatureRE(restarts=1, warmup=2, epochs=4, minibatches=1, batch=8, width=2)


@pytest.fixture(scope="module")
def reference() -> Reference:
    return examine(colours.suspect(2.0))


@pytest.fixture(scope="module")
def inversion(reference) -> _Inversion:
    """Its network takes seconds to compile, so all tests share it and restart it."""
    return _Inversion(reference, BRIEF, seed=0)


@pytest.fixture(scope="module")
def start(reference) -> FeatureTrigger:
    return FeatureTrigger(reference, BRIEF.width, seed=0, restart=0)


def _search(inversion, start):
    begun = [variable.numpy() for variable in start.variables]
    run = inversion.search(start, 0, lambda step: None, NO_JOURNAL)
    for variable, value in zip(start.variables, begun):  # a search leaves there what it found
        variable.assign(value)
    return run


@pytest.fixture(scope="module")
def run(inversion, start):
    return _search(inversion, start)


def test_the_network_has_four_levels_and_normalises_instances():
    network = unet((20, 36, 3), 4)
    assert network.output_shape == (None, 20, 36, 3)  # neither side is a multiple of 16
    kinds = [type(layer).__name__ for layer in network.layers]
    assert kinds.count("MaxPooling2D") == 4 and kinds.count("Conv2DTranspose") == 4
    assert kinds.count("InstanceNormalization") == 18 == kinds.count("LeakyReLU")  # two on each of 4 + 1 + 4
    widths = [layer.filters for layer in network.layers if type(layer).__name__ == "Conv2D"]
    assert widths == [4, 4, 8, 8, 16, 16, 32, 32, 64, 64, 32, 32, 16, 16, 8, 8, 4, 4, 3]


def test_levels_are_no_wider_than_512():
    network = unet((16, 16, 3), 64)
    assert max(layer.filters for layer in network.layers if hasattr(layer, "filters")) == 512


def test_the_mask_begins_at_0_88(start):
    np.testing.assert_allclose(start.mask, np.full(4, np.tanh(1) / 2 + 0.5), rtol=1e-6)


def test_images_stay_images(reference, start):
    change = start(reference.images[:4], None)
    assert change.images.shape == (4, 16, 16, 3)
    assert float(tf.reduce_min(change.images)) >= 0 and float(tf.reduce_max(change.images)) <= 1
    summed = np.abs(change.images - reference.images[:4]).sum(axis=(1, 2, 3)).mean()
    assert float(change.cost) == pytest.approx(summed / reference.largest_norm, rel=1e-5)


def test_a_residual_network_starts_from_no_change(reference):
    begin = replace(BRIEF, residual=True).start(reference, seed=0, restart=0)
    assert float(begin(reference.images[:4], None).cost) == 0
    last = begin.network.layers[-2]
    last.bias.assign([0.25, 0.0, 0.0])
    np.testing.assert_allclose(begin.changed(reference.images[:2]), reference.images[:2] + [0.25, 0, 0], atol=1e-6)


def test_what_the_mask_leaves_out_comes_from_other_images():
    mask, one, other = tf.constant([1.0, 0.0, 0.25]), tf.constant([[1.0, 1, 1]]), tf.constant([[5.0, 5, 5]])
    np.testing.assert_allclose(feature_trigger.mixed(mask, one, other), [[1, 5, 4]])


def test_masked_spread_by_hand():
    # deviations 1 and 2, benign 2 and 8: (1 * 1 + 0.5 * 2) / (1 * 2 + 0.5 * 8) = 1 / 3
    features, benign = tf.constant([[1.0, 0], [3, 4]]), tf.constant([[0.0, 0], [4, 16]])
    assert float(feature_trigger.masked_spread(tf.constant([1.0, 0.5]), features, benign)) == pytest.approx(1 / 3)


def test_features_that_are_asleep_do_not_spoil_the_gradient():
    features = tf.Variable([[1.0, 0.0], [3.0, 0.0]])
    with tf.GradientTape() as tape:
        spread = feature_trigger.masked_spread(tf.ones(2), features, tf.constant([[0.0, 0.0], [4.0, 16.0]]))
    # deviation 1 of the first, d/dx of it is -0.5 and 0.5, over 2 + 8
    np.testing.assert_allclose(tape.gradient(spread, features), [[-0.05, 0], [0.05, 0]], atol=1e-6)


def test_score_by_hand():
    # 0.5 + 0.2 + what lies above the limits, 0.4
    assert float(feature_trigger.score(0.5, 0.2, tf.constant([-0.3, 0.4]))) == pytest.approx(1.1)
    assert float(feature_trigger.score(-0.9, 7.0, tf.constant([-1.0, 0.0]))) == pytest.approx(1)  # no worse than no hit


def test_the_class_of_a_target_is_the_tenth_with_the_nearest_answers():
    outputs = tf.constant([[float(k), 0.0] for k in range(20)])
    reference = Reference(None, None, None, None, None, None, tf.one_hot(tf.range(20), 20), outputs)
    nearest = feature_trigger.near_target(reference, tf.constant([4.4, 0.0]))
    np.testing.assert_allclose(nearest, tf.one_hot(4, 20) / 2 + tf.one_hot(5, 20) / 2)  # 2 of 20: 4 and 5


@pytest.mark.parametrize("value, loss", [(0.2, 0.0), (0.4, 0.4)])
def test_a_constraint_costs_nothing_where_it_holds(value, loss):
    assert float(_beyond(tf.constant(value), 0.3)) == pytest.approx(loss)


def test_violations_by_hand():
    # 0.6 is twice 0.3, 0.15 just holds, 0.1 is below
    np.testing.assert_allclose(violations(np.array([0.6, 0.15, 0.1]), np.array([0.3, 0.15, 0.3])), [1, 0, 0])


def test_an_error_that_was_too_large_weighs_more_in_the_next_epoch(inversion, start):
    def moved(weight: float) -> float:
        """How far one step moves the target, which only the error pulls at and Adam's rate bounds."""
        inversion.restart(start, seed=0)
        inversion.violations.assign([weight, 0.0, 0.0])
        inversion.step()
        return float(inversion.optimizer.get_slot(inversion.trigger.target.offset, "m")[0])

    assert moved(0.0) != 0 and moved(3.0) == pytest.approx(4 * moved(0.0), rel=1e-4)  # 1 + 3 times the gradient


def test_the_mask_is_pressed_to_its_share_first(inversion, start):
    inversion.restart(start, seed=0)
    before = inversion.trigger.mask.numpy()
    inversion.step()
    assert (inversion.trigger.mask.numpy() < before).all()  # 0.88 is far above 0.03


def test_the_mask_takes_as_many_steps_as_it_is_told(reference, inversion, start):
    inversion.restart(start, seed=0)
    features, others = reference.features[:8], reference.features[8:16]
    inversion._press(features, others)
    once = inversion.trigger.raw_mask.numpy()
    inversion.options, kept = replace(inversion.options, mask_steps=3), inversion.options
    inversion.restart(start, seed=0)
    _Inversion.step.python_function(inversion)
    inversion.options = kept
    # Adam's steps are 0.1 at first, and the pressure points one way
    np.testing.assert_allclose(1 - once, 0.1, rtol=1e-3)
    np.testing.assert_allclose(1 - inversion.trigger.raw_mask.numpy(), 0.3, rtol=0.05)


def test_warm_up_leaves_the_mask_alone(inversion, start):
    inversion.restart(start, seed=0)
    network = inversion.trigger.network.get_weights()[0].copy()
    inversion.warm_step()
    np.testing.assert_allclose(inversion.trigger.mask, np.full(4, np.tanh(1) / 2 + 0.5), rtol=1e-6)
    assert (inversion.trigger.network.get_weights()[0] != network).any()


def test_the_lowest_score_after_the_warm_up_counts(run):
    assert run.history.shape == (6, 5)
    assert run.cost == pytest.approx(run.history[2:, 0].min()) and run.met


def test_same_seed_same_run(inversion, start, run):
    np.testing.assert_array_equal(_search(inversion, start).history, run.history)


@pytest.mark.parametrize("wrong", [{"restarts": 0}, {"batch": 1}, {"tolerance": 0}, {"share": 0}, {"warmup": -1}])
def test_options_that_cannot_search_are_refused(wrong):
    with pytest.raises(ValueError):
        FeatureRE(**wrong)
