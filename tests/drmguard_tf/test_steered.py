"""The steered search."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from data_prep.contract import Split
from data_prep.threat import Suspect
from drmguard_tf.families import FAMILIES
from drmguard_tf.reference import Reference, examine
from drmguard_tf.reversal import Reversal, Terms
from drmguard_tf.steered import SteeredSearch

layers = tf.keras.layers
SIZE = 16
BRIEF = SteeredSearch(families=("patch",), restarts=1, steps=10, batch=4)


def _benign() -> Split:
    """Images of one colour each, with a dark corner."""
    rng = np.random.default_rng(0)
    images = np.tile(rng.integers(0, 256, (32, 1, 1, 3), dtype=np.uint8), (1, SIZE, SIZE, 1))
    images[:, :2, :2] = 0
    return Split(images, rng.uniform(-0.4, 0.4, (32, 2)).astype(np.float32))


def _colour_model(corner_weight: float) -> tf.keras.Model:
    """Outputs follow the colour; brightness of the corner, times ``corner_weight``, silences the features of colour."""
    tf.keras.utils.set_random_seed(0)
    images = tf.keras.Input((SIZE, SIZE, 3))
    colour = layers.GlobalAveragePooling2D()(images)
    corner = layers.GlobalAveragePooling2D()(layers.Cropping2D(((0, SIZE - 2), (0, SIZE - 2)))(images))
    kernel = np.concatenate([np.eye(3), np.full((3, 3), -corner_weight)]).astype(np.float32)
    constant = np.zeros((6, 1), np.float32)  # a fourth feature that is always 0.5
    weights = [np.concatenate([kernel, constant], axis=1), np.float32([0.1, 0.1, 0.1, 0.5])]
    both = layers.Dense(4, activation="relu", name="features")
    features = both(layers.Concatenate()([colour, corner]))
    both.set_weights(weights)
    return tf.keras.Model(images, layers.Dense(2)(features))


@pytest.fixture(scope="module")
def reference() -> Reference:
    return examine(Suspect(_colour_model(0.0), _benign()))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_search_lets_go_of_what_it_was_compiled_with(family):
    held = []
    for _ in range(3):
        examined = examine(Suspect(_colour_model(0.0), _benign()))
        replace(BRIEF, families=(family,)).run(examined, seed=0)
        held.append(weakref.ref(examined.images))
        del examined
    gc.collect()
    assert sum(images() is not None for images in held) <= 1  # TensorFlow may keep the last


@pytest.mark.parametrize("family", FAMILIES)
def test_a_step_changes_the_trigger_and_not_the_suspect(family):
    suspect = Suspect(_colour_model(0.0), _benign())
    before = suspect.model.get_weights()
    reversal = BRIEF.reversal(examine(suspect), family, seed=0)
    start = [variable.numpy() for variable in reversal.trigger.trainable_variables]
    row = reversal.step()
    assert row.shape == (3 + 2,)
    assert np.isfinite(row).all()
    assert any((a != b.numpy()).any() for a, b in zip(start, reversal.trigger.trainable_variables))
    for a, b in zip(before, suspect.model.get_weights()):
        np.testing.assert_array_equal(a, b)


def _steered(reference: Reference, rav: float, spread: float) -> Reversal:
    reversal = BRIEF.reversal(reference, "patch", seed=0)
    reversal.recent.assign(0.1)
    reversal.weight.assign(5.0)
    reversal.steer(Terms(tf.constant(0.5), tf.constant(rav), tf.constant(spread), tf.zeros((1, 2))))
    return reversal


def test_the_weight_rises_while_the_ratio_is_under_its_bound(reference):
    # recent = 0.8 * 0.1 + 0.2 * 0 = 0.08, so the weight grows by (0.1 / 0.08) ** 0.05 = 1.25 ** 0.05
    assert _steered(reference, rav=0.0, spread=0.0).weight.numpy() == pytest.approx(5 * 1.25**0.05)


@pytest.mark.parametrize("rav, spread", [(1.0, 0.0), (0.0, 1.0)])
def test_the_weight_falls_when_either_ratio_is_over_it(reference, rav, spread):
    # recent = 0.8 * 0.1 + 0.2 * 1 = 0.28, so the weight shrinks by (0.1 / 0.28) ** 0.05
    assert _steered(reference, rav=rav, spread=spread).weight.numpy() == pytest.approx(5 * (0.1 / 0.28) ** 0.05)


def test_the_weight_never_falls_below_its_least(reference):
    reversal = BRIEF.reversal(reference, "patch", seed=0)
    assert reversal.weight.numpy() == pytest.approx(2)
    reversal.weight.assign(1.01)
    reversal.steer(Terms(tf.constant(0.5), tf.constant(1.0), tf.constant(1.0), tf.zeros((1, 2))))
    assert reversal.weight.numpy() == pytest.approx(BRIEF.least_weight)


@pytest.mark.parametrize(
    "rav, spread, met", [(0.19, 0.019, True), (0.21, 0.001, False), (0.01, 0.021, False), (0.0, 0.0, True)]
)
def test_a_run_has_met_its_bounds_up_to_twice_them(reference, rav, spread, met):
    assert BRIEF.reversal(reference, "patch", seed=0).met(rav, spread) is met  # bounds 0.1 and 0.01


@pytest.mark.parametrize("seed, tightened, weight", [(4, 0.0, 2.0), (5, 1.0, 20.0)])
def test_every_other_run_begins_at_the_tight_bound(reference, seed, tightened, weight):
    reversal = BRIEF.reversal(reference, "patch", seed=0)
    reversal.restart(BRIEF.start(reference, "patch", seed), seed)
    assert (float(reversal.tightened()), float(reversal.weight)) == pytest.approx((tightened, weight))


@pytest.mark.parametrize("seed, every_rav, met", [(4, False, True), (5, False, False), (4, True, False)])
def test_every_other_run_asks_for_nothing_in_feature_space(reference, seed, every_rav, met):
    options = replace(BRIEF, every_rav=every_rav)
    reversal = options.reversal(reference, "patch", seed=0)
    reversal.restart(options.start(reference, "patch", seed), seed)
    assert reversal.met(rav=0.9, spread=0.001) is met


def test_the_objective_by_hand(reference):
    terms = Terms(tf.constant(0.5), tf.constant(0.3), tf.constant(0.04), tf.zeros((1, 2)))
    reversal = BRIEF.reversal(reference, "patch", seed=0)
    found = []
    for share in (0.2, 0.425, 0.8):  # of the steps; the output variance counts once, the root of ten and ten times
        reversal.age.assign(share * BRIEF.steps)
        found.append(reversal.objective(terms).numpy())
    np.testing.assert_allclose(found, [0.3 + weight * 0.04 + 2 * 0.5 for weight in (1, 10**0.5, 10)], rtol=1e-5)


@pytest.mark.parametrize("wrong", [{"output_bound": 0.2}, {"output_bound": 0.0}, {"least_weight": 30.0}])
def test_bounds_and_weights_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValueError, match="bounds are shares of 1"):
        SteeredSearch(**wrong)


@pytest.mark.parametrize("waking", [-0.1, 0.6])
def test_waking_that_leaves_no_time_to_search_is_refused(waking):
    with pytest.raises(ValueError, match="at most half"):
        SteeredSearch(waking=waking)


def test_a_restart_leaves_no_trace_of_the_run_before(reference):
    both = SteeredSearch(families=("patch",), restarts=2, steps=10, batch=4).run(reference, seed=0)
    alone = SteeredSearch(families=("patch",), restarts=1, steps=10, batch=4).run(reference, seed=1)
    np.testing.assert_array_equal(both[1].history, alone[0].history)
    assert not np.array_equal(both[0].trigger.mask.numpy(), both[1].trigger.mask.numpy())


def test_runs_beside_each_other_find_what_they_find_one_after_the_other(reference, monkeypatch):
    options = SteeredSearch(restarts=2, steps=10, batch=4)
    found = []
    for count in (1, 3):
        monkeypatch.setattr("drmguard_tf.steered.lanes", lambda count=count: count)
        found.append(options.run(reference, seed=0))
    alone, beside = found
    assert [(run.family, run.seed) for run in beside] == [(name, seed) for name in options.families for seed in (0, 1)]
    for one, other in zip(alone, beside):
        np.testing.assert_array_equal(one.history, other.history)
        for mine, theirs in zip(one.trigger.variables, other.trigger.variables):
            np.testing.assert_array_equal(mine, theirs)


def test_same_seed_same_history(reference):
    first, again, other = (BRIEF.run(reference, seed=seed)[0].history for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_run_is_judged_by_its_last_fifth(reference):
    (run,) = BRIEF.run(reference, seed=0)
    assert run.history.shape == (10, 5)
    assert run.cost == pytest.approx(run.history[-2:, 0].mean())  # 10 / 5 = 2 steps
    np.testing.assert_allclose(run.target_estimate, run.history[-2:, 3:].mean(axis=0))


def test_progress_counts_all_runs(reference):
    done: list[int] = []
    options = SteeredSearch(families=("generator", "warp"), restarts=1, steps=10, batch=4, generator_length=3)
    runs = options.run(reference, seed=0, progress=done.append)
    assert [(run.family, len(run.history)) for run in runs] == [("generator", 30), ("warp", 10)]
    assert options.total_steps == 40 and done == list(range(1, 41))


def test_a_planted_trigger_is_found_and_costs_less_than_silencing_a_benign_model():
    options = SteeredSearch(families=("patch",), restarts=1, steps=100)

    def cheapest_collapse(corner_weight: float) -> float:
        """Lowest cost of a step in which both ratios met the bound."""
        (run,) = options.run(examine(Suspect(_colour_model(corner_weight), _benign())), seed=0)
        return run.history[(run.history[:, 1:3] <= (options.bound, options.output_bound)).all(axis=1), 0].min()

    assert cheapest_collapse(20.0) < 0.1 * cheapest_collapse(0.0)


@pytest.mark.parametrize("wrong", [{"families": ("patch", "sound")}, {"families": ()}])
def test_unknown_families_are_refused(wrong):
    with pytest.raises(ValueError, match="choose from patch, warp, generator"):
        SteeredSearch(**wrong)


@pytest.mark.parametrize("wrong", [{"restarts": 0}, {"generator_length": 0}, {"steps": 9}, {"batch": 1}])
def test_too_small_a_search_is_refused(wrong):
    with pytest.raises(ValueError, match="1 restart, 10 steps and batches of 2"):
        SteeredSearch(**wrong)


@pytest.mark.parametrize("wrong", [(), (4, 8), (8, 0)])
def test_grids_must_go_from_coarse_to_fine(wrong):
    with pytest.raises(ValueError, match="the coarsest first"):
        SteeredSearch(spacings=wrong)
