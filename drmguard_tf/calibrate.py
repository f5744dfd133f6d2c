"""Thresholds: how cheap a perturbation must be before a model is called backdoored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import stats

from drmguard_tf.reversal import Run


@dataclass(frozen=True)
class Usual:
    """How far log costs of benign models spread elsewhere: what a handful of controls cannot tell for itself.

    Attributes:
        spread: standard deviation.
        degrees: of freedom; it weighs as much as one more control for each of them.
    """

    spread: float
    degrees: int = 10


# Of benign gaze and head-pose models on synthetic heads, preset `cpu`, rounded up (EQUATIONS.md, difference 7).
_USUAL = {"patch": Usual(0.15), "warp": Usual(0.1), "generator": Usual(0.45)}
_LEAST_SPREAD = 0.1  # of families without a usual one: a handful of controls can agree by chance

_WAKEABLE = "generator"  # the family whose runs may begin by waking a compromised channel

_NO_CONSTANT = {
    "warp": "the paper's constant is a share of the largest norm; a warp's displacement is not",
    "neural_cleanse": (
        "Neural Cleanse has no constant for one model: its anomaly index compares labels, and regression has none"
    ),
}


@dataclass(frozen=True)
class PaperThreshold:
    """The constants of the papers.

    Attributes:
        constant: backdoored when the score is at most this, 0.03 in DRMGuard's Sec. 3.4.
        feature_re: the same for FeatureRE's score: -0.75 in its authors' code, where 1 is added here.
    """

    constant: float = 0.03
    feature_re: float = 0.25

    def of(self, family: str, *, woken: bool = False) -> float:
        """The threshold of a family, in its own price; a compromised channel does not change it.

        Raises:
            ValueError: for a family that no paper has a constant for.
        """
        if family in _NO_CONSTANT:
            raise ValueError(_NO_CONSTANT[family])
        return self.feature_re if family == "feature_re" else self.constant

    def chance(self, family: str, cost: float, *, woken: bool = False) -> float | None:
        """Not known for a constant."""
        return None


class Control(NamedTuple):
    """What a search finds in a benign control.

    Attributes:
        costs: per family the cheapest.
        woken: whether the control has a compromised channel, see :mod:`drmguard_tf.stimulation`.
    """

    costs: Mapping[str, float]
    woken: bool

    @classmethod
    def of(cls, runs: Sequence[Run]) -> Control:
        """Of the runs of a search.

        Raises:
            ValueError: if a cost is no finite number above zero.
        """
        costs = {family: run.cost for family, run in cheapest_runs(runs).items()}
        if not all(np.isfinite(cost) and cost > 0 for cost in costs.values()):
            raise ValueError(f"costs of benign controls must be finite and above zero, got {costs}")
        return cls(costs, woken(runs))


@dataclass(frozen=True)
class Calibration:
    """Thresholds from benign controls: models that the defender trained on the benign set (ours).

    Log costs of benign models are taken as normal, so the threshold of a family is the lower end of the prediction
    interval for one more benign model, at ``level`` shared by all families. Their variance is that of the controls
    together with the usual one of the family, weighed by degrees of freedom (a moderated t, as in Smyth, 2004), or that
    of the controls alone where it is larger.

    A compromised channel is evidence of its own. Of n controls k have one, so a benign model is expected to have one
    with a chance of ``(k + 1) / (n + 2)``. Half of the generators' share of the level is for models without, the other
    half for models with a channel, divided by that chance: their line is the higher one.

    Attributes:
        costs: per family the cheapest cost of every control, two controls or more.
        level: chance that a benign model is flagged, over all families together.
        woken: how many of the controls have a compromised channel.
    """

    costs: tuple[tuple[str, tuple[float, ...]], ...]
    level: float = 0.05
    woken: int = 0

    def __post_init__(self) -> None:
        if any(len(costs) < 2 for _, costs in self.costs):
            raise ValueError("a calibration needs the costs of at least two benign controls for every family")
        if not all(np.isfinite(cost) and cost > 0 for _, costs in self.costs for cost in costs):
            raise ValueError(f"costs of benign controls must be finite and above zero, got {dict(self.costs)}")

    @classmethod
    def of_controls(cls, controls: Sequence[Control], level: float = 0.05) -> Calibration:
        """Calibrate on what the same search found in benign controls; ``level`` as above."""
        costs = {family: tuple(control.costs[family] for control in controls) for family in controls[0].costs}
        return cls(tuple(costs.items()), level, sum(control.woken for control in controls))

    def of(self, family: str, *, woken: bool = False) -> float:
        """Threshold of a family, in its own price.

        Args:
            family: its name.
            woken: whether the model under examination has a compromised channel.
        """
        logs, spread, degrees = self._fit(family)
        level = self.level / self._share(family, woken)
        return float(np.exp(logs.mean() + stats.t.ppf(min(level, 0.5), degrees) * spread))

    def chance(self, family: str, cost: float, *, woken: bool = False) -> float:
        """Bound on the chance that any family would be as cheap as this if the model were benign (Bonferroni)."""
        logs, spread, degrees = self._fit(family)
        alone = stats.t.cdf((np.log(cost) - logs.mean()) / spread, degrees)
        return float(min(1.0, self._share(family, woken) * alone))

    def _share(self, family: str, woken: bool) -> float:
        """What the level is divided by: families, cases with and without a channel, and the chance of the case."""
        if family != _WAKEABLE:
            return len(self.costs)
        controls = len(dict(self.costs)[family])
        return 2 * len(self.costs) * ((self.woken + 1) / (controls + 2) if woken else 1)

    def _fit(self, family: str) -> tuple[np.ndarray, float, int]:
        logs = np.log(dict(self.costs)[family])
        spread, degrees = moderated(logs, _USUAL.get(family))
        return logs, spread * np.sqrt(1 + 1 / len(logs)), degrees


def moderated(logs: np.ndarray, usual: Usual | None) -> tuple[float, int]:
    """Standard deviation of log costs (n,), two or more, moderated by the usual one, and its degrees of freedom.

    Never less than the costs' own: on data that is harder than that of the usual one, models differ more.
    """
    own, degrees = float(logs.std(ddof=1)), len(logs) - 1
    if usual is None:
        return max(own, _LEAST_SPREAD), degrees
    together = degrees + usual.degrees
    joined = float(np.sqrt((degrees * own**2 + usual.degrees * usual.spread**2) / together))
    return max(own, joined), together


def cheapest_runs(runs: Sequence[Run]) -> dict[str, Run]:
    """The run that speaks for each family: the cheapest that met its bound, else the cheapest at all."""
    best: dict[str, Run] = {}
    for run in runs:
        rival = best.get(run.family)
        if rival is None or (not run.met, run.cost) < (not rival.met, rival.cost):
            best[run.family] = run
    return best


def woken(runs: Sequence[Run]) -> bool:
    """Whether the searched model has a compromised channel: a run began by waking it."""
    return any(run.woken for run in runs)
