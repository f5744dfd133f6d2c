"""Neural Cleanse for classes: search, outlier test, unlearning."""

from __future__ import annotations

import numpy as np
import pytest
from suspects import TARGET, accuracy, colours, sleeper, success

from data_prep.contract import ClassSplit
from data_prep.cost_schedule import CostSchedule
from data_prep.threat import ClassSuspect
from dhbe_tf.baselines.neural_cleanse import NeuralCleanse, Reversed, _Search, anomaly, flagged
from dhbe_tf.baselines.tuning import Tuning

TUNING = Tuning(epochs=6, samples=96, batch=16, learning_rate=0.05, crop=0, flip=False)
OPTIONS = NeuralCleanse(steps=30, minibatches=3, batch=16, schedule=CostSchedule(first=0.01, patience=2), tuning=TUNING)


def _found(target: int, norm: float, worked: bool = True) -> Reversed:
    mask = np.zeros((2, 2, 1), np.float32)
    mask[target % 2, 0] = 1
    return Reversed(target, mask, np.full((2, 2, 3), target / 10, np.float32), norm, worked)


@pytest.fixture(scope="module")
def suspect() -> ClassSuspect:
    return ClassSuspect(sleeper(), colours())


@pytest.fixture(scope="module")
def found(suspect) -> list[Reversed]:
    return OPTIONS.find(suspect, seed=0)


def test_the_attacked_class_has_by_far_the_smallest_mask(found):
    assert all(one.worked for one in found) and [one.target for one in found] == [0, 1, 2]
    norms = [one.norm for one in found]
    assert norms[TARGET] < 0.3 * min(norms[:TARGET])
    assert flagged(found, 2.0) == [found[TARGET]]


def test_a_found_trigger_works_as_it_is_returned(suspect, found):
    stamped = found[TARGET].stamped(suspect.benign.images) / np.float32(255)
    assert np.mean(suspect.model(stamped).numpy().argmax(axis=1) == TARGET) >= 0.95


def test_unlearning_ends_the_backdoor_and_keeps_the_accuracy(suspect, found):
    cleaned, fresh = OPTIONS.mitigate(suspect, seed=0), colours(seed=1)
    assert success(suspect.model, fresh) == 1 and success(cleaned, fresh) <= 0.1 and accuracy(cleaned, fresh) >= 0.95


def test_one_class_alone_is_searched_as_among_all(suspect, found):
    steps = []
    (alone,) = OPTIONS.find(suspect, seed=0, target=1, progress=steps.append)
    assert alone.target == 1 and max(steps) <= OPTIONS.steps
    np.testing.assert_allclose(alone.mask, found[1].mask, atol=1e-4)
    assert OPTIONS.total(suspect, 1) == OPTIONS.total(suspect) - 2 * OPTIONS.steps
    with pytest.raises(ValueError, match="classes 0 to 2, so 3 cannot"):
        OPTIONS.find(suspect, seed=0, target=3)


def test_a_restarted_search_finds_the_same(suspect, found):
    search = _Search(suspect, OPTIONS, seed=0)
    for target in (1, 0):  # another class first
        search.restart(target, 0)
        again = search.run(lambda step: None, _silent())
    np.testing.assert_allclose(again.mask, found[0].mask, atol=1e-4)


def _silent():
    from data_prep.journal import NO_JOURNAL

    return NO_JOURNAL


def test_anomaly_is_counted_in_deviations():
    # median 12, distances 2 0 2 10 0, their median 2: 10 / (1.4826 * 2) = 3.37
    np.testing.assert_allclose(anomaly(np.array([10.0, 12, 14, 2, 12])), np.array([2, 0, 2, 10, 0]) / 2.9652)
    np.testing.assert_array_equal(anomaly(np.array([5.0, 5, 5, 1])), [0, 0, 0, np.inf])


def test_only_small_outliers_of_triggers_that_work_are_flagged():
    norms = [10, 12, 14, 2, 12, 30, 1]
    many = [_found(k, norm, worked=k != 6) for k, norm in enumerate(norms)]
    assert [one.target for one in flagged(many, 2.0)] == [3]  # 30 lies above the median; 1 does not work
    assert [one.target for one in flagged(many[:3], 2.0)] == [0]  # none is an outlier: the smallest
    assert flagged(many[6:], 2.0) == []


def test_a_share_of_the_loaded_images_is_stamped_and_labels_stay():
    data = ClassSplit(np.zeros((4, 2, 2, 3), np.uint8), np.arange(4), tuple("abcd"))
    tuned = NeuralCleanse(share=0.25, tuning=Tuning(samples=16, batch=4))
    loaded = tuned.stamped(data, [_found(2, 1.0), _found(5, 1.0)], seed=0)
    assert len(loaded) == 16
    np.testing.assert_array_equal(loaded.labels, np.tile(np.arange(4), 4))
    changed = loaded.images[loaded.images.any(axis=(1, 2, 3))]
    assert len(changed) == 4  # a quarter of 16, two of each trigger
    assert sorted(image.max() for image in changed) == [51, 51, 128, 128]  # 0.2 and 0.5 of 255
    assert np.count_nonzero(changed) == 4 * 3  # one pixel each, the rest as it was
