"""How sure a figure is: intervals for accuracies and AUCs, and comparison of methods on the same models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import optimize, stats
from sklearn.metrics import roc_auc_score

_Z = 1.959963984540054  # 95 %, two-sided
_ALMOST = 1 - 1e-9  # at 1 itself the standard error is 0


class Estimate(NamedTuple):
    """A figure with its 95 % interval and the number of models behind it."""

    value: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.2f} to {self.high:.2f}, n = {self.n})"


def accuracy(right: Sequence[bool]) -> Estimate:
    """Share of right decisions, with Wilson's interval.

    Raises:
        ValueError: if there is none.
    """
    if not len(right):
        raise ValueError("the accuracy of no decision at all is not defined")
    good = int(np.sum(right))
    interval = stats.binomtest(good, len(right)).proportion_ci(method="wilson")
    return Estimate(good / len(right), float(interval.low), float(interval.high), len(right))


def mean(values: Sequence[float]) -> Estimate:
    """Mean of a figure over models, with Student's interval.

    Raises:
        ValueError: if there are fewer than two, of which no interval follows.
    """
    if len(values) < 2:
        raise ValueError(f"an interval needs at least two models, got {len(values)}")
    centre = float(np.mean(values))
    half = float(stats.t.ppf(0.975, len(values) - 1) * stats.sem(values))
    return Estimate(centre, centre - half, centre + half, len(values))


def shown(values: Sequence[float]) -> str:
    """The mean of a figure over models as tables show it: with its interval; of one model the value alone."""
    return f"{values[0]:.3f} (n = 1)" if len(values) == 1 else str(mean(values))


def auc(attacked: Sequence[bool], scores: Sequence[float]) -> Estimate:
    """Area under the ROC curve with the interval of Newcombe (2006), method 5.

    DeLong's interval and the bootstrap shrink to a point where all models are told apart, however few they are; this
    one does not.

    Args:
        attacked: whether each model is backdoored.
        scores: higher speaks for a backdoor.

    Raises:
        ValueError: if models of one kind are missing.
    """
    bad = int(np.sum(attacked))
    good = len(attacked) - bad
    if not bad or not good:
        raise ValueError(f"an AUC needs models of both kinds, got {bad} backdoored and {good} benign ones")
    area = float(roc_auc_score(attacked, scores))
    low = (
        0.0 if area == 0 else float(optimize.brentq(lambda t: _gap(t, area, bad, good) + _Z, 1e-9, min(area, _ALMOST)))
    )
    high = (
        1.0 if area == 1 else float(optimize.brentq(lambda t: _gap(t, area, bad, good) - _Z, max(area, 1e-9), _ALMOST))
    )
    return Estimate(area, low, high, len(attacked))


def mcnemar(one: Sequence[bool], other: Sequence[bool]) -> float:
    """Exact two-sided p value of the hypothesis that two methods are right equally often on the same models.

    Args:
        one: whether the first method was right on each model.
        other: the same for the second, models in the same order.

    Raises:
        ValueError: if they do not belong to the same models.
    """
    if len(one) != len(other):
        raise ValueError(f"a paired comparison needs the same models, got {len(one)} and {len(other)}")
    first, second = np.asarray(one, bool), np.asarray(other, bool)
    apart = int(np.sum(first != second))
    return 1.0 if not apart else float(stats.binomtest(int(np.sum(first & ~second)), apart).pvalue)


def _gap(true: float, seen: float, bad: int, good: int) -> float:
    """Distance of a true area from the seen one, in standard errors at the true one."""
    middle = (bad + good) / 2 - 1
    spread = 1 + middle * ((1 - true) / (2 - true) + true / (1 + true))
    return (true - seen) / np.sqrt(true * (1 - true) * spread / (bad * good))
