"""The decision about a model, and how sure it is."""

from __future__ import annotations

import json

import numpy as np
import pytest

from drmguard_tf.calibrate import Calibration, PaperThreshold
from drmguard_tf.reversal import Run
from drmguard_tf.verdict import Verdict, decide


class Lines:
    """A threshold per family."""

    def __init__(self, **lines: float) -> None:
        self.lines = lines

    def of(self, family: str, *, channel_share: float | None = None) -> float:
        return self.lines[family]

    def price(self, run: Run) -> float:
        return run.cost

    def chance(self, family: str, cost: float, *, channel_share: float | None = None) -> float | None:
        return None

    def channel_chance(self, share: float | None) -> float | None:
        return None


def _run(cost: float, family: str = "patch", *, met: bool = True, target=(0.0, 0.0), costs=None, seed: int = 0) -> Run:
    """A run whose cost stays the same; ``costs`` are those of the last fifth, if they differ."""
    last = [cost] * 10 if costs is None else costs
    history = np.zeros((5 * len(last), 5), np.float32)
    history[:, 0] = cost
    history[-len(last) :, 0] = last
    return Run(family, seed, cost, 0.1, met, np.float32(target), history, trigger=None)


def _decide(*runs: Run, line=PaperThreshold(), seed: int = 0) -> Verdict:
    return decide(runs, line, seed=seed)


def test_the_decider_is_the_family_furthest_below_its_own_line():
    lines = Lines(patch=0.1, warp=0.02)
    # 0.1 / 0.05 = 2 against 0.02 / 0.005 = 4
    assert _decide(_run(0.05), _run(0.005, "warp"), line=lines).family == "warp"
    # 0.1 / 0.05 = 2 against 0.02 / 0.016 = 1.25: the warp is cheaper, but not against its line
    found = _decide(_run(0.05), _run(0.016, "warp"), line=lines)
    assert (found.family, found.score, found.threshold) == ("patch", 0.05, 0.1)
    assert found.margin == pytest.approx(2)


def test_a_model_whose_channels_speak_against_it_is_judged_by_a_higher_line():
    line = Calibration((("generator", (0.04, 0.05, 0.06, 0.05)),), channel_shares=(0.04, 0.05, 0.04, 0.05))
    cheapest, dear = _run(0.03, "generator"), _run(0.05, "generator", seed=1)
    assert not _decide(cheapest, dear, line=line).backdoored
    found = _decide(*(run._replace(channel_share=0.015) for run in (cheapest, dear)), line=line)
    assert found.backdoored and found.threshold == line.of("generator", channel_share=0.015)
    assert found.chance_if_benign == line.chance("generator", 0.03, channel_share=0.015) < 0.05
    assert found.channel_chance == line.channel_chance(0.015) and found.summary()["channel_share"] == 0.015


def test_a_dearer_change_that_nobody_else_follows_decides():
    line = Calibration((("warp", (0.05, 0.05)),), transfers=(("warp", (0.8, 0.7)),))
    followed, own = (
        _run(cost, "warp", seed=seed)._replace(transfer=led) for cost, seed, led in ((0.05, 0, 0.8), (0.06, 1, 0.0))
    )
    found = _decide(followed, own, line=line)
    assert found.backdoored and found.score == pytest.approx(0.2 * 0.06) == found.prices[1]
    assert found.prices[0] == 0.05 and found.summary()["runs"][1]["transfer"] == 0.0
    assert found.certainty > 0.7  # three quarters of the replicates draw the second run at least once
    assert not _decide(followed, line=line).backdoored


@pytest.mark.parametrize("cost, backdoored", [(0.02, True), (0.03, True), (0.031, False)])
def test_backdoored_means_at_most_the_threshold(cost, backdoored):
    assert _decide(_run(cost)).backdoored is backdoored


def test_a_run_that_missed_its_bound_never_convicts():
    found = _decide(_run(0.001, met=False))
    assert not found.backdoored
    assert found.certainty == 1


def test_where_no_run_met_its_bound_there_is_no_margin():
    assert _decide(_run(0.001, met=False)).margin == 0


def test_a_run_that_missed_its_bound_gives_way_to_one_that_met_it():
    found = _decide(_run(0.001, met=False), _run(0.5, "generator"))
    assert (found.family, found.backdoored) == ("generator", False)


def test_a_steady_search_is_certain():
    found = _decide(_run(0.01), _run(0.01, seed=1))
    assert found.certainty == 1
    np.testing.assert_allclose(found.interval, [3, 3], rtol=1e-5)  # 0.03 / 0.01


def test_a_search_that_wavers_around_the_line_is_not_certain():
    found = _decide(_run(0.03, costs=[0.02, 0.04] * 5))
    assert 0.2 < found.certainty < 0.9
    low, high = found.interval
    assert 0.03 / 0.04 <= low < 1 < high <= 0.03 / 0.02


def test_certainty_is_a_share():
    rng = np.random.default_rng(0)
    for seed in range(5):
        costs = rng.uniform(0.01, 0.1, 10)
        runs = [_run(float(costs.mean()), costs=costs), _run(0.05, "generator", met=seed % 2 == 0)]
        assert 0 <= _decide(*runs, seed=seed).certainty <= 1


def test_agreement_by_hand():
    # from [0, 0]: sqrt(9 + 9) = 4.2 degrees agrees, sqrt(16 + 16) = 5.7 degrees does not, a missed bound does not count
    runs = [_run(0.01)]
    runs += [_run(0.02, target=np.radians([3, 3])), _run(0.02, target=np.radians([4, 4]))]
    runs += [_run(0.02, target=np.radians([0, 1]), met=False)]
    assert _decide(*runs).agreement == pytest.approx(2 / 3)


def test_the_target_is_the_deciders():
    found = _decide(_run(0.02, target=(0.1, 0.2)), _run(0.01, target=(0.3, -0.4)))
    np.testing.assert_allclose(found.target_estimate, [0.3, -0.4], rtol=1e-6)


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_a_search_that_diverged_is_refused(wrong):
    run = _run(0.01, seed=7)
    run.history[3, 1] = wrong
    with pytest.raises(ValueError, match="patch search with seed 7 diverged; repeat"):
        _decide(run)


def test_a_change_without_cost_is_refused():
    with pytest.raises(ValueError, match="diverged"):
        _decide(_run(0.0))


def test_same_seed_same_verdict():
    rng = np.random.default_rng(0)
    runs = [_run(0.03, costs=rng.uniform(0.01, 0.05, 10), seed=seed) for seed in range(2)]
    first, again = _decide(*runs, seed=3), _decide(*runs, seed=3)
    assert (first.certainty, first.interval) == (again.certainty, again.interval)


def test_summary_is_plain_and_in_degrees():
    summary = json.loads(json.dumps(_decide(_run(0.01, target=(np.pi / 4, -np.pi / 6))).summary()))
    assert summary["verdict"] == "backdoored"
    assert summary["target_estimate_deg"] == [45, -30]
    assert summary["runs"][0]["target_estimate_deg"] == [45, -30]
