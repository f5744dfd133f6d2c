"""Thresholds from benign controls."""

from __future__ import annotations

import numpy as np
import pytest

from drmguard_tf.calibrate import Calibration, PaperThreshold, cheapest_runs
from drmguard_tf.reversal import Run


def _run(family: str, cost: float, *, met: bool = True, seed: int = 0) -> Run:
    return Run(family, seed, cost, 0.1, met, np.zeros(2), np.zeros((10, 5), np.float32), trigger=None)


# Three controls, two families: 5 % are shared, so t is taken at 0.025 with 3 - 1 = 2 degrees of freedom.
# scipy.stats.t.ppf(0.025, 2) = -4.302653, as in any table.
T = -4.302653
TWO = Calibration((("patch", (0.02, 0.04, 0.08)), ("warp", (0.1, 0.1, 0.1))))


def test_threshold_by_hand():
    # logs are ln 0.04 + (-ln 2, 0, ln 2): mean ln 0.04, standard deviation sqrt((ln 2)^2 * 2 / 2) = ln 2;
    # a prediction for one more model widens it by sqrt(1 + 1/3)
    assert TWO.of("patch") == pytest.approx(0.04 * np.exp(T * np.log(2) * np.sqrt(4 / 3)), rel=1e-5)


def test_controls_that_agree_keep_a_least_spread():
    assert TWO.of("warp") == pytest.approx(0.1 * np.exp(T * 0.1 * np.sqrt(4 / 3)), rel=1e-5)


def test_chance_at_the_threshold_is_the_level():
    assert TWO.chance("patch", TWO.of("patch")) == pytest.approx(0.05)
    assert TWO.chance("warp", TWO.of("warp")) == pytest.approx(0.05)


def test_chance_never_exceeds_one():
    assert TWO.chance("patch", 0.04) == pytest.approx(1)  # the median benign cost, for two families: 2 * 0.5
    assert TWO.chance("patch", 10.0) == 1


def test_more_spread_lowers_the_threshold():
    narrow, wide = (Calibration((("patch", costs),)) for costs in ((0.03, 0.04, 0.16 / 3), (0.02, 0.04, 0.08)))
    assert wide.of("patch") < narrow.of("patch") < 0.04  # both have the geometric mean 0.04


def test_a_stricter_level_lowers_the_threshold():
    assert Calibration(TWO.costs, level=0.01).of("patch") < TWO.of("patch")


def test_one_control_is_no_calibration():
    with pytest.raises(ValueError, match="at least two benign controls"):
        Calibration((("patch", (0.1, 0.2)), ("warp", (0.1,))))


@pytest.mark.parametrize("wrong", [float("nan"), 0.0, float("inf")])
def test_a_control_that_diverged_is_no_calibration(wrong):
    with pytest.raises(ValueError, match="finite and above zero"):
        Calibration((("patch", (0.1, wrong)),))


def test_the_papers_constant_says_nothing_about_warps():
    with pytest.raises(ValueError, match="displacement"):
        PaperThreshold().of("warp")


def test_controls_speak_by_their_cheapest_runs():
    first = [_run("patch", 0.3), _run("patch", 0.2), _run("warp", 0.05)]
    second = [_run("patch", 0.4), _run("patch", 0.5), _run("warp", 0.06)]
    assert Calibration.of_controls([first, second]).costs == (("patch", (0.2, 0.4)), ("warp", (0.05, 0.06)))


def test_a_run_that_met_its_bound_is_preferred_to_a_cheaper_one():
    cheap, met, dear = _run("patch", 0.01, met=False), _run("patch", 0.2), _run("patch", 0.3)
    assert cheapest_runs([cheap, dear, met])["patch"] is met
    assert cheapest_runs([met, dear, cheap])["patch"] is met


def test_where_none_met_its_bound_the_cheapest_speaks():
    cheap, dear = _run("patch", 0.01, met=False), _run("patch", 0.2, met=False)
    assert cheapest_runs([dear, cheap])["patch"] is cheap


def test_the_papers_threshold_is_a_constant():
    assert PaperThreshold().of("patch") == PaperThreshold().of("paper") == 0.03
    assert PaperThreshold().chance("paper", 0.01) is None
