"""Neural Cleanse's schedule, transition by transition."""

from __future__ import annotations

import pytest

from data_prep.cost_schedule import CostSchedule, CostState

SCHEDULE = CostSchedule(first=0.5, patience=3, factor=2.0, stop_after=4)


def _after(state: CostState, *steps: tuple[bool, float], schedule: CostSchedule = SCHEDULE) -> CostState:
    for worked, norm in steps:
        state = schedule.advance(state, worked, norm)
    return state


def test_the_weight_is_zero_until_the_trigger_has_worked_patience_times_in_a_row():
    assert _after(CostState(), (True, 9), (True, 9)).weight == 0
    assert _after(CostState(), (True, 9), (True, 9), (True, 9)).weight == 0.5


def test_a_failure_disarms():
    state = _after(CostState(), (True, 9), (True, 9), (False, 9))
    assert (state.weight, state.armed) == (0, 0)
    assert _after(state, (True, 9), (True, 9)).weight == 0 and _after(state, *[(True, 9)] * 3).weight == 0.5


def test_failures_while_the_weight_is_zero_do_not_count_as_lowered_afterwards():
    state = _after(CostState(), *[(False, 9)] * 3)
    assert (state.weight, state.lowered, state.down) == (0, 1, 0)
    state = _after(state, *[(True, 9)] * 3)
    assert (state.weight, state.raised, state.lowered, state.up) == (0.5, 0, 0, 1)  # the step that sets it counts


def test_the_weight_doubles_after_patience_successes():
    state = _after(CostState(weight=0.5), (True, 9), (True, 9))
    assert (state.weight, state.up) == (0.5, 2)
    state = _after(state, (True, 9))
    assert (state.weight, state.up, state.raised, state.lowered) == (1.0, 0, 1, 0)


def test_the_weight_is_divided_by_two_to_the_1_5_after_patience_failures():
    state = _after(CostState(weight=0.5), *[(False, 9)] * 3)
    assert state.weight == pytest.approx(0.5 / 2.8284271) and (state.down, state.raised, state.lowered) == (0, 0, 1)


def test_success_and_failure_clear_each_other():
    state = _after(CostState(weight=0.5), (True, 9), (True, 9), (False, 9))
    assert (state.up, state.down, state.weight) == (0, 1, 0.5)
    assert _after(state, (True, 9)).down == 0


def test_setting_the_weight_does_not_double_it_at_once():
    # the fault of a well-known port: its branch also fires later, and the weight can never rise again
    state = _after(CostState(), *[(True, 9)] * 5)
    assert state.weight == 1.0  # set at the third success, doubled two steps later: 1, 2, 3 successes
    assert _after(state, *[(True, 9)] * 3).weight == 2.0


def test_only_a_trigger_that_worked_sets_the_best_norm():
    state = _after(CostState(), (False, 1), (True, 7), (False, 2), (True, 8))
    assert state.best == 7


def test_a_gain_below_one_in_a_hundred_is_stale_but_kept():
    state = _after(CostState(), (True, 100))
    assert state.stale == 0
    state = _after(state, (True, 99.5))
    assert (state.best, state.stale) == (99.5, 1)
    assert _after(state, (True, 98)).stale == 0  # 98 < 0.99 * 99.5


def test_nothing_is_stale_before_the_first_success():
    assert _after(CostState(), *[(False, 9)] * 10).stale == 0


@pytest.mark.parametrize(
    "state, exhausted",
    [
        (CostState(raised=1, lowered=1, stale=4), True),
        (CostState(raised=1, lowered=1, stale=3), False),
        (CostState(raised=1, lowered=0, stale=9), False),
        (CostState(raised=0, lowered=1, stale=9), False),
    ],
)
def test_the_search_ends_only_after_the_weight_went_both_ways(state, exhausted):
    assert SCHEDULE.exhausted(state) is exhausted


def test_defaults_are_the_authors():
    assert CostSchedule() == CostSchedule(first=1e-3, patience=5, factor=2.0, improvement=0.99, stop_after=25)


@pytest.mark.parametrize("wrong", [{"first": 0}, {"factor": 1}, {"improvement": 1.1}, {"patience": 0}])
def test_a_schedule_that_cannot_move_is_refused(wrong):
    with pytest.raises(ValueError):
        CostSchedule(**wrong)
