"""Early stop, on losses written by hand and on a training that has nothing to learn."""

from __future__ import annotations

import numpy as np
import pytest

from data_prep.contract import Split
from drmguard_tf.convergence import EarlyStop, Plateau
from drmguard_tf.training import ARCHITECTURES, Training
from tests.drmguard_tf.test_training import _brightness


def _reached(losses: list[float], **options) -> list[int]:
    plateau = Plateau(EarlyStop(**options))
    return [number for number, loss in enumerate(losses, 1) if plateau.reached(loss)]


def test_a_phase_is_over_when_no_window_of_the_last_ones_was_better():
    # windows of two: 3, 2, 2, 2.5; the third and the fourth bring nothing
    assert _reached([4, 2, 3, 1, 1, 3, 2, 3], window=2, patience=2) == [8]


def test_a_gain_below_the_least_one_is_none():
    assert _reached([1.0, 0.95, 0.9025], window=1, patience=2, least=0.1) == [3]  # 10 % below 1 is wanted
    assert _reached([1.0, 0.95, 0.9025], window=1, patience=2, least=0.04) == []


def test_a_gain_starts_the_count_anew():
    assert _reached([1, 1, 0.5, 0.5, 0.5], window=1, patience=2) == [5]


@pytest.mark.parametrize("wrong", [{"window": 0}, {"patience": 0}, {"least": 1.0}])
def test_settings_that_never_or_always_stop_are_refused(wrong):
    with pytest.raises(ValueError, match="window and patience must be 1 or more"):
        EarlyStop(**wrong)


def _done(monkeypatch, target: float, **stop) -> list[int]:
    monkeypatch.setitem(ARCHITECTURES, "line", _brightness)
    data = Split(np.zeros((4, 2, 2, 3), np.uint8), np.full((4, 1), target, np.float32))
    training = Training("line", batch=4, learning_rate=0.01, steps=100, milestones=(0.5,))
    told: list[int] = []
    training.fit(data, seed=0, progress=told.append, **stop)
    return told


def test_what_is_left_of_a_phase_is_skipped_where_nothing_is_learned(monkeypatch):
    # the weights start at the answer: of each of two phases three windows of five steps are done
    told = _done(monkeypatch, 0.0, early_stop=EarlyStop(window=5, patience=2))
    assert len(told) == 30
    assert told[14:16] == [51, 52]  # one step past the milestone, where the rate has fallen
    assert told[-1] == 100


def test_a_loss_that_falls_is_not_stopped(monkeypatch):
    # far from the answer the loss falls by 0.01 a step, 10 % of it in a window at first and in the last phase 1 %
    stopped = _done(monkeypatch, 1.0, early_stop=EarlyStop(window=10, patience=3, least=0.001))
    assert stopped == _done(monkeypatch, 1.0) == list(range(1, 101))
