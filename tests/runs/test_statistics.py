"""Intervals and comparisons."""

from __future__ import annotations

import numpy as np
import pytest

from runs import statistics


def test_wilson_by_hand():
    # 15 of 15: the lower end is n / (n + z^2) = 15 / (15 + 3.8415)
    found = statistics.accuracy([True] * 15)
    assert (found.value, found.high, found.n) == (1, 1, 15)
    assert found.low == pytest.approx(15 / (15 + 1.959964**2), rel=1e-5)


def test_an_auc_of_one_keeps_an_interval():
    few = statistics.auc([0, 0, 1, 1], [1, 2, 3, 4])
    many = statistics.auc([0] * 50 + [1] * 50, np.arange(100))
    assert few.value == many.value == few.high == 1
    assert 0.2 < few.low < 0.8 < 0.9 < many.low < 1


def test_the_ends_of_an_auc_s_interval_are_one_critical_value_away():
    found = statistics.auc([0, 0, 0, 1, 1, 1], [1, 3, 2, 2.5, 5, 6])  # 8 of 9 pairs in order
    assert found.value == pytest.approx(8 / 9)
    # standard error at t for 3 + 3 models: sqrt(t (1 - t) (1 + 2 ((1 - t) / (2 - t) + t / (1 + t))) / 9)
    for end in (found.low, found.high):
        error = np.sqrt(end * (1 - end) * (1 + 2 * ((1 - end) / (2 - end) + end / (1 + end))) / 9)
        assert abs(end - 8 / 9) / error == pytest.approx(1.959964, rel=1e-4)


def test_a_useless_score_has_an_auc_of_a_half():
    found = statistics.auc([0, 1] * 20, [1] * 40)
    assert found.value == 0.5 and found.low < 0.5 < found.high


def test_an_auc_needs_both_kinds():
    with pytest.raises(ValueError, match="3 backdoored and 0 benign"):
        statistics.auc([1, 1, 1], [1, 2, 3])


def test_mcnemar_by_hand():
    # 5 models on which only the first is right, none the other way round: 2 * 0.5^5
    assert statistics.mcnemar([True] * 8, [True] * 3 + [False] * 5) == pytest.approx(2 * 0.5**5)
    assert statistics.mcnemar([True, False], [True, False]) == 1


def test_a_paired_comparison_needs_the_same_models():
    with pytest.raises(ValueError, match="same models"):
        statistics.mcnemar([True], [True, False])


def test_mean_with_student_s_interval_by_hand():
    # 1, 2, 3: mean 2, standard error 1 / sqrt(3) = 0.5774, t for 2 degrees of freedom 4.3027: 2.4842
    found = statistics.mean([1.0, 2.0, 3.0])
    assert (found.value, found.n) == (2, 3)
    assert (found.low, found.high) == pytest.approx((2 - 2.4842, 2 + 2.4842), abs=1e-3)


def test_a_single_model_has_no_interval():
    with pytest.raises(ValueError, match="at least two models"):
        statistics.mean([1.0])


def test_a_method_that_is_always_wrong_mirrors_one_that_is_always_right():
    attacked = [False] * 3 + [True] * 4
    right = statistics.auc(attacked, [0, 1, 2, 3, 4, 5, 6])
    wrong = statistics.auc(attacked, [6, 5, 4, 3, 2, 1, 0])
    assert (wrong.value, wrong.low) == (0, 0) and wrong.high == pytest.approx(1 - right.low, abs=1e-6)
