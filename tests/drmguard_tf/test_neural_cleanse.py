"""Neural Cleanse for regression."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from data_prep.cost_schedule import CostSchedule, CostState
from data_prep.journal import NO_JOURNAL
from drmguard_tf.baselines.neural_cleanse import MaskedPattern, NeuralCleanse, _Cleansing
from drmguard_tf.baselines.target import LearnableTarget
from drmguard_tf.reference import Reference, examine
from drmguard_tf.reversal import Terms
from tests.drmguard_tf import colours

QUICK = CostSchedule(first=0.01, patience=2, stop_after=10)
BRIEF = NeuralCleanse(restarts=1, steps=6, minibatches=2, batch=4, schedule=QUICK)


@pytest.fixture(scope="module")
def reference() -> Reference:
    return examine(colours.suspect(20.0))


def test_the_target_begins_at_the_mean_and_then_at_single_answers(reference):
    outputs = reference.outputs.numpy()
    np.testing.assert_allclose(LearnableTarget(reference, 0, 0).value, outputs.mean(axis=0), atol=1e-6)
    later = LearnableTarget(reference, 0, 1).value.numpy()
    assert np.abs(outputs - later).max(axis=1).min() < 1e-6


def test_error_is_one_for_who_answers_benign_images_as_before(reference):
    target = LearnableTarget(reference, 0, 0)
    assert float(target.error(reference.outputs)) == pytest.approx(1)
    assert float(target.error(tf.tile(target.value[None], (3, 1)))) == pytest.approx(0, abs=1e-6)


def test_mask_and_pattern_lie_between_0_and_1_however_far_they_are_pushed(reference):
    trigger = MaskedPattern(reference, 0, 0)
    assert trigger.mask.shape == (colours.SIZE, colours.SIZE, 1)  # one for all channels
    for raw in (-100.0, 100.0):
        for variable in (trigger.raw_mask, trigger.raw_pattern):
            variable.assign(tf.fill(variable.shape, raw))
        assert 0 <= float(tf.reduce_min(trigger.mask)) and float(tf.reduce_max(trigger.pattern)) <= 1


def test_the_start_is_uniform(reference):
    mask = MaskedPattern(reference, 0, 0).mask.numpy()
    assert abs(mask.mean() - 0.5) < 0.06 and abs(mask.var() - 1 / 12) < 0.02


def test_blending_and_price_by_hand(reference):
    trigger = MaskedPattern(reference, 0, 0)
    half = np.full((colours.SIZE, colours.SIZE, 1), -20.0, np.float32)
    half[:4, :4] = 0  # tanh(0) / 2 + 0.5: half of 16 pixels
    trigger.raw_mask.assign(half)
    trigger.raw_pattern.assign(tf.fill(trigger.raw_pattern.shape, 20.0))  # white
    change = trigger(tf.fill((2, colours.SIZE, colours.SIZE, 3), 0.2), None)
    np.testing.assert_allclose(change.images[:, 0, 0], np.full((2, 3), 0.6), atol=1e-6)  # halfway from 0.2 to 1
    np.testing.assert_allclose(change.images[:, 5, 5], np.full((2, 3), 0.2), atol=1e-6)
    assert float(change.cost) == pytest.approx(0.5 * 16 / 256, abs=1e-6)


def test_objective_by_hand(reference):
    cleansing = _Cleansing(reference, MaskedPattern(reference, 0, 0), BRIEF, seed=0)
    cleansing.schedule.assign(CostState(weight=0.01))
    terms = Terms(tf.constant(0.25), tf.constant(0.0), tf.constant(0.0), reference.outputs)
    # the error of unchanged outputs to their mean is 1; a mask of 0.25 has the norm 256 at 32 x 32
    assert float(cleansing.objective(terms)) == pytest.approx(1 + 0.01 * 256)


def test_a_planted_patch_is_found_and_is_cheaper_than_blinding_a_benign_model():
    options = NeuralCleanse(restarts=1, steps=50, minibatches=4, batch=16, schedule=CostSchedule(first=1e-2))

    def smallest(corner_weight: float):
        (run,) = options.run(examine(colours.suspect(corner_weight)), seed=0)
        return run

    planted, benign = smallest(20.0), smallest(0.0)
    assert planted.met and planted.cost < 0.5 * benign.cost
    mask = planted.trigger.mask.numpy()[..., 0]
    assert np.max(np.unravel_index(mask.argmax(), mask.shape)) < 2  # in the corner of 2 x 2
    assert mask[:2, :2].mean() > 3 * mask[2:, 2:].mean()
    np.testing.assert_allclose(planted.target_estimate, colours.target(), atol=0.15)


def test_the_smallest_working_mask_is_kept(reference):
    (run,) = NeuralCleanse(restarts=1, steps=40, minibatches=2, batch=8, schedule=QUICK).run(reference, seed=0)
    assert run.met and run.cost == pytest.approx(run.history[:, 0].min(), rel=0.2)
    kept = float(tf.reduce_mean(run.trigger.mask))  # after the step whose norm is the cost
    assert 0.5 * run.cost < kept < 1.5 * run.cost


def test_a_run_in_which_nothing_worked_has_not_met_its_bound(reference):
    (run,) = NeuralCleanse(restarts=1, steps=2, minibatches=1, batch=4, tolerance=1e-9).run(reference, seed=0)
    assert not run.met and run.cost > 0


def test_a_restart_leaves_no_trace_of_the_run_before(reference):
    two = NeuralCleanse(restarts=2, steps=3, minibatches=1, batch=4)
    first, second = two.run(reference, seed=0)
    cleansing = _Cleansing(reference, MaskedPattern(reference, 0, 0), two, seed=0)
    alone = cleansing.search(MaskedPattern(reference, 0, 1), 1, lambda step: None, NO_JOURNAL)
    np.testing.assert_array_equal(second.history, alone.history)
    assert not np.array_equal(first.history, second.history)


@pytest.mark.parametrize("wrong", [{"restarts": 0}, {"batch": 1}, {"tolerance": 0}, {"learning_rate": 0}])
def test_options_that_cannot_search_are_refused(wrong):
    with pytest.raises(ValueError):
        NeuralCleanse(**wrong)
