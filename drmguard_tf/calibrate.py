"""Thresholds: how cheap a perturbation must be before a model is called backdoored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from drmguard_tf.reversal import Run

_LEAST_SPREAD = 0.1  # a handful of controls can agree by chance; costs of equal models differ by a tenth between seeds


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

    def of(self, family: str) -> float:
        """The threshold of a family, in its own price.

        Raises:
            ValueError: for a family that no paper has a constant for.
        """
        if family in _NO_CONSTANT:
            raise ValueError(_NO_CONSTANT[family])
        return self.feature_re if family == "feature_re" else self.constant

    def chance(self, family: str, cost: float) -> float | None:
        """Not known for a constant."""
        return None


@dataclass(frozen=True)
class Calibration:
    """Thresholds from benign controls: models that the defender trained on the benign set (ours).

    Log costs of benign models are taken as normal, so the threshold of a family is the lower end of the prediction
    interval for one more benign model, at ``level`` shared by all families.

    Attributes:
        costs: per family the cheapest cost of every control, two controls or more.
        level: chance that a benign model is flagged, over all families together.
    """

    costs: tuple[tuple[str, tuple[float, ...]], ...]
    level: float = 0.05

    def __post_init__(self) -> None:
        if any(len(costs) < 2 for _, costs in self.costs):
            raise ValueError("a calibration needs the costs of at least two benign controls for every family")
        if not all(np.isfinite(cost) and cost > 0 for _, costs in self.costs for cost in costs):
            raise ValueError(f"costs of benign controls must be finite and above zero, got {dict(self.costs)}")

    @classmethod
    def of_controls(cls, controls: Sequence[Sequence[Run]], level: float = 0.05) -> Calibration:
        """Calibrate on the search runs of benign controls.

        Args:
            controls: the runs of each control, all with the same search.
            level: see above.
        """
        cheapest = [cheapest_runs(runs) for runs in controls]
        costs = {family: tuple(runs[family].cost for runs in cheapest) for family in cheapest[0]}
        return cls(tuple(costs.items()), level)

    def of(self, family: str) -> float:
        """Threshold of a family, in its own price."""
        logs, spread, degrees = self._fit(family)
        return float(np.exp(logs.mean() + stats.t.ppf(self.level / len(self.costs), degrees) * spread))

    def chance(self, family: str, cost: float) -> float:
        """Bound on the chance that any family would be as cheap as this if the model were benign (Bonferroni)."""
        logs, spread, degrees = self._fit(family)
        return float(min(1.0, len(self.costs) * stats.t.cdf((np.log(cost) - logs.mean()) / spread, degrees)))

    def _fit(self, family: str) -> tuple[np.ndarray, float, int]:
        logs = np.log(dict(self.costs)[family])
        spread = max(logs.std(ddof=1), _LEAST_SPREAD) * np.sqrt(1 + 1 / len(logs))
        return logs, spread, len(logs) - 1


def cheapest_runs(runs: Sequence[Run]) -> dict[str, Run]:
    """The run that speaks for each family: the cheapest that met its bound, else the cheapest at all."""
    best: dict[str, Run] = {}
    for run in runs:
        rival = best.get(run.family)
        if rival is None or (not run.met, run.cost) < (not rival.met, rival.cost):
            best[run.family] = run
    return best
