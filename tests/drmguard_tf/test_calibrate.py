"""Thresholds from benign controls."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from drmguard_tf.calibrate import (
    Calibration,
    Control,
    PaperThreshold,
    Usual,
    cheapest_runs,
    largest_product,
    moderated,
)
from drmguard_tf.reversal import Run


def _run(family: str, cost: float, *, met: bool = True, seed: int = 0) -> Run:
    return Run(family, seed, cost, 0.1, met, np.zeros(2), np.zeros((10, 5), np.float32), trigger=None)


# Three controls, two families without a usual spread: 5 % are shared, so t is taken at 0.025 with 3 - 1 = 2 degrees of
# freedom. scipy.stats.t.ppf(0.025, 2) = -4.302653, as in any table.
T = -4.302653
TWO = Calibration((("one", (0.02, 0.04, 0.08)), ("other", (0.1, 0.1, 0.1))))


def test_threshold_by_hand():
    # logs are ln 0.04 + (-ln 2, 0, ln 2): mean ln 0.04, standard deviation sqrt((ln 2)^2 * 2 / 2) = ln 2;
    # a prediction for one more model widens it by sqrt(1 + 1/3)
    assert TWO.of("one") == pytest.approx(0.04 * np.exp(T * np.log(2) * np.sqrt(4 / 3)), rel=1e-5)


def test_controls_that_agree_keep_a_least_spread():
    assert TWO.of("other") == pytest.approx(0.1 * np.exp(T * 0.1 * np.sqrt(4 / 3)), rel=1e-5)


def test_chance_at_the_threshold_is_the_level():
    assert TWO.chance("one", TWO.of("one")) == pytest.approx(0.05)
    assert TWO.chance("other", TWO.of("other")) == pytest.approx(0.05)


def test_chance_never_exceeds_one():
    assert TWO.chance("one", 0.04) == pytest.approx(1)  # the median benign cost, for two families: 2 * 0.5
    assert TWO.chance("one", 10.0) == 1


def test_more_spread_lowers_the_threshold():
    narrow, wide = (Calibration((("one", costs),)) for costs in ((0.03, 0.04, 0.16 / 3), (0.02, 0.04, 0.08)))
    assert wide.of("one") < narrow.of("one") < 0.04  # both have the geometric mean 0.04


def test_a_stricter_level_lowers_the_threshold():
    assert Calibration(TWO.costs, level=0.01).of("one") < TWO.of("one")


def test_one_control_is_no_calibration():
    with pytest.raises(ValueError, match="at least two benign controls"):
        Calibration((("one", (0.1, 0.2)), ("other", (0.1,))))


@pytest.mark.parametrize("wrong", [float("nan"), 0.0, float("inf")])
def test_a_control_that_diverged_is_no_calibration(wrong):
    with pytest.raises(ValueError, match="finite and above zero"):
        Calibration((("one", (0.1, wrong)),))


def test_a_usual_spread_moderates_that_of_the_controls():
    # own variance 0.1 ** 2 with 2 degrees of freedom, usual one 0.2 ** 2 with 6: (2 * 0.01 + 6 * 0.04) / 8 = 0.0325
    spread, degrees = moderated(np.array([-0.1, 0.0, 0.1]), Usual(0.2, 6))
    assert spread == pytest.approx(0.0325**0.5) and degrees == 8
    logs = np.array([-0.3, 0.0, 0.3])
    assert moderated(logs, Usual(0.2, 6)) == (pytest.approx(0.3), 8)  # never less than their own
    assert moderated(logs, None) == (pytest.approx(0.3), 2)
    assert moderated(np.zeros(3), None) == (0.1, 2)  # controls that agree by chance


SHARES = (0.04,) * 6  # no spread but the usual one, 0.2, with 10 of 15 degrees of freedom
LINE = Calibration((("patch", (0.02,) * 6), ("warp", (0.07,) * 6), ("generator", (0.05,) * 6)), channel_shares=SHARES)


def _share(chance: float) -> float:
    """The channel share that benign models go below with this chance: the same sum the other way round."""
    return float(0.04 * np.exp(stats.t.ppf(chance, 15) * 0.2 * np.sqrt(10 / 15) * np.sqrt(7 / 6)))


def test_the_product_of_two_chances_by_hand():
    assert 0.01 * (1 - np.log(0.01)) == pytest.approx(0.056052, rel=1e-4)
    assert largest_product(0.056052) == pytest.approx(0.01, rel=1e-4)


def test_how_rare_channels_are_goes_by_those_of_the_controls():
    assert LINE.channel_chance(_share(0.01)) == pytest.approx(0.01)
    assert LINE.channel_chance(None) is None and Calibration(LINE.costs).channel_chance(0.04) is None
    assert PaperThreshold().channel_chance(0.04) is None


def test_channels_raise_the_line_of_generators_alone():
    share = _share(0.01)
    assert LINE.of("patch", channel_share=share) == LINE.of("patch")
    assert LINE.of("warp", channel_share=share) == LINE.of("warp")
    # generators: no spread but 0.45 * sqrt(10 / 15) = 0.36742; 5 % for three families, half of a share each:
    # 0.05 / 6 = 0.00833, the largest product 0.00106188, divided by 0.01 that is 0.106188;
    # scipy.stats.t.ppf of these with 15 degrees of freedom: -2.69374 and -1.30254
    spread = 0.36742 * np.sqrt(7 / 6)
    assert largest_product(0.05 / 6) == pytest.approx(0.00106188, rel=1e-4)
    assert LINE.of("generator") == pytest.approx(0.05 * np.exp(-2.69374 * spread), rel=1e-4)
    assert LINE.of("generator", channel_share=share) == pytest.approx(0.05 * np.exp(-1.30254 * spread), rel=1e-4)
    for each in (None, share):
        line = LINE.of("generator", channel_share=each)
        assert LINE.chance("generator", line, channel_share=each) == pytest.approx(0.05)


def test_a_generator_that_is_dear_is_no_trigger_whatever_the_channels_tell():
    assert LINE.of("generator", channel_share=1e-6) == pytest.approx(
        0.05 * np.exp(stats.t.ppf(0.95, 15) * 0.36742 * np.sqrt(7 / 6)), rel=1e-4
    )


def test_channels_as_most_benign_models_have_them_change_nothing():
    assert LINE.of("generator", channel_share=0.04) == LINE.of("generator")


def test_where_nobody_looked_at_channels_generators_have_their_whole_share_of_the_level():
    blind = Calibration(LINE.costs)
    assert blind.of("generator") > LINE.of("generator")
    assert blind.chance("generator", blind.of("generator")) == pytest.approx(0.05)


def test_the_papers_constant_says_nothing_about_warps():
    with pytest.raises(ValueError, match="displacement"):
        PaperThreshold().of("warp")


def test_controls_speak_by_their_cheapest_runs():
    first = [_run("patch", 0.3), _run("patch", 0.2), _run("generator", 0.05)]
    second = [_run("patch", 0.4), _run("patch", 0.5), _run("generator", 0.06)]
    first, second = (
        [run._replace(channel_share=share) for run in runs] for runs, share in ((first, 0.05), (second, 0.04))
    )
    line = Calibration.of_controls([Control.of(first), Control.of(second)])
    assert line.costs == (("patch", (0.2, 0.4)), ("generator", (0.05, 0.06)))
    assert line.channel_shares == (0.05, 0.04)


@pytest.mark.parametrize("wrong", [float("nan"), 0.0])
def test_a_control_without_a_price_is_none(wrong):
    with pytest.raises(ValueError, match="finite and above zero"):
        Control.of([_run("patch", wrong)])


def test_a_run_that_met_its_bound_is_preferred_to_a_cheaper_one():
    cheap, met, dear = _run("patch", 0.01, met=False), _run("patch", 0.2), _run("patch", 0.3)
    assert cheapest_runs([cheap, dear, met])["patch"] is met
    assert cheapest_runs([met, dear, cheap])["patch"] is met


def test_where_none_met_its_bound_the_cheapest_speaks():
    cheap, dear = _run("patch", 0.01, met=False), _run("patch", 0.2, met=False)
    assert cheapest_runs([dear, cheap])["patch"] is cheap


def _told(*transfers: float) -> Calibration:
    controls = [Control({"warp": 0.05}, None, {"warp": transfer}) for transfer in transfers]
    return Calibration.of_controls(controls)


@pytest.mark.parametrize(
    "transfer, weight",
    [
        (0.9, 1.0),  # as far as they follow their own
        (0.3, 1.0),  # as far as the least of their own
        (0.2, 0.8),  # 0.1 of 0.4 is missing: 1 - 0.8 * 0.25
        (0.0, 0.4),  # 0.3 of 0.4: 1 - 0.8 * 0.75
        (-0.7, 0.4),  # away from it is not less than not at all
        (None, 1.0),
    ],
)
def test_a_change_that_benign_models_do_not_follow_counts_in_part(transfer, weight):
    line = _told(0.7, 0.3, 0.5)
    assert line.weight("warp", transfer) == pytest.approx(weight)
    assert line.price(_run("warp", 0.02)._replace(transfer=transfer)) == pytest.approx(0.02 * weight)
    assert line.of("warp") == Calibration(line.costs).of("warp")  # the line stays where it is


@pytest.mark.parametrize("own, weight", [((0.9, 0.6), 0.2), ((0.9, -0.1), 1.0)])
def test_how_much_counts_at_least_is_a_fifth_and_nothing_is_told_where_their_own_lead_nobody(own, weight):
    assert _told(*own).weight("warp", 0.0) == pytest.approx(weight)


def test_families_and_controls_that_were_shown_to_nobody_count_in_full():
    assert _told(0.7, 0.5).weight("patch", 0.0) == 1
    shown, not_shown = Control({"warp": 0.05}, None, {"warp": 0.5}), Control({"warp": 0.05}, None)
    assert Calibration.of_controls([shown, not_shown]).weight("warp", 0.0) == 1


def test_controls_tell_of_their_cheapest_run():
    cheap, dear = (_run("warp", cost)._replace(transfer=led) for cost, led in ((0.05, 0.6), (0.07, 0.1)))
    assert Control.of([dear, cheap]).transfers == {"warp": 0.6}
    assert Control.of([_run("warp", 0.05)]).transfers is None


def test_the_papers_threshold_is_a_constant():
    assert PaperThreshold().of("patch") == PaperThreshold().of("paper") == 0.03
    assert PaperThreshold().chance("paper", 0.01) is None
