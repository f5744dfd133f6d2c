"""Thresholds: how cheap a perturbation must be before a model is called backdoored."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import special, stats

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

_CHANNELS = Usual(0.2)  # of channel shares, likewise (difference 28)
_SUPPORTED = "generator"  # the family that channels speak for: its triggers are made to wake them
_DEAR = 0.95  # share of benign models whose generator is cheaper: beyond that it is no trigger, whatever channels tell

_FOLLOWED = 0.4  # benign models that are led this far by a change follow it; how much farther makes no difference
_OWN = 0.2  # part of its cost that counts of a change which they do not follow at all

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

    def of(self, family: str, *, channel_share: float | None = None) -> float:
        """The threshold of a family, in its own price; channels do not change it.

        Raises:
            ValueError: for a family that no paper has a constant for.
        """
        if family in _NO_CONSTANT:
            raise ValueError(_NO_CONSTANT[family])
        return self.feature_re if family == "feature_re" else self.constant

    def price(self, run: Run) -> float:
        """What a run is judged by: its cost."""
        return run.cost

    def chance(self, family: str, cost: float, *, channel_share: float | None = None) -> float | None:
        """Not known for a constant."""
        return None

    def channel_chance(self, share: float | None) -> float | None:
        """Not known either."""
        return None


class Control(NamedTuple):
    """What a search finds in a benign control.

    Attributes:
        costs: per family the cheapest.
        channel_share: what its channels tell (:attr:`drmguard_tf.stimulation.Channels.share`), None if the search does
            not look at them.
        transfers: per family how far the other controls follow its cheapest change, None if they were not asked.
    """

    costs: Mapping[str, float]
    channel_share: float | None
    transfers: Mapping[str, float] | None = None

    @classmethod
    def of(cls, runs: Sequence[Run]) -> Control:
        """Of the runs of a search.

        Raises:
            ValueError: if a cost is no finite number above zero.
        """
        best = cheapest_runs(runs)
        costs = {family: run.cost for family, run in best.items()}
        transfers = {family: run.transfer for family, run in best.items() if run.transfer is not None}
        if not all(np.isfinite(cost) and cost > 0 for cost in costs.values()):
            raise ValueError(f"costs of benign controls must be finite and above zero, got {costs}")
        return cls(costs, channel_share(runs), transfers if len(transfers) == len(costs) else None)


@dataclass(frozen=True)
class Calibration:
    """Thresholds from benign controls: models that the defender trained on the benign set (ours).

    Log costs of benign models are taken as normal, so the threshold of a family is the lower end of the prediction
    interval for one more benign model, at ``level`` shared by all families. Their variance is that of the controls
    together with the usual one of the family, weighed by degrees of freedom (a moderated t, as in Smyth, 2004), or that
    of the controls alone where it is larger.

    What the channels of a model tell is evidence of its own, for a generator. Half of the generators' share of the
    level is for the price alone. The other half is for the product of two chances, that a benign model is as cheap and
    that its channels tell as much; for two independent ones ``P(product <= c) = c * (1 - ln c)`` (Fisher). Where the
    channels are clear enough, any price counts that is not above nearly all of benign models.

    What a control's cheapest change does to the other controls is kept too. A change that leads them less far than any
    of these did is the suspect's own, and is judged by a part of its cost (:meth:`weight`). Controls themselves count
    in full, so the lines stay where they are, and where the controls' own changes do not lead the others far it makes
    no difference.

    Attributes:
        costs: per family the cheapest cost of every control, two controls or more.
        level: chance that a benign model is flagged, over all families together.
        channel_shares: what the channels of the controls tell; none where the search does not look at them.
        transfers: per family how far the other controls follow each control's cheapest change; none where they were not
            asked.
    """

    costs: tuple[tuple[str, tuple[float, ...]], ...]
    level: float = 0.05
    channel_shares: tuple[float, ...] = ()
    transfers: tuple[tuple[str, tuple[float, ...]], ...] = ()

    def __post_init__(self) -> None:
        if any(len(costs) < 2 for _, costs in self.costs):
            raise ValueError("a calibration needs the costs of at least two benign controls for every family")
        if not all(np.isfinite(cost) and cost > 0 for _, costs in self.costs for cost in costs):
            raise ValueError(f"costs of benign controls must be finite and above zero, got {dict(self.costs)}")

    @classmethod
    def of_controls(cls, controls: Sequence[Control], level: float = 0.05) -> Calibration:
        """Calibrate on what the same search found in benign controls; ``level`` as above."""
        costs = {family: tuple(control.costs[family] for control in controls) for family in controls[0].costs}
        shares = [control.channel_share for control in controls if control.channel_share is not None]
        told = [control.transfers for control in controls if control.transfers is not None]
        asked = costs if len(told) == len(controls) else ()
        transfers = tuple((family, tuple(each[family] for each in told)) for family in asked)
        return cls(tuple(costs.items()), level, tuple(shares) if len(shares) == len(controls) else (), transfers)

    def price(self, run: Run) -> float:
        """What a run is judged by: its cost, or the part of it that :meth:`weight` says."""
        return run.cost * self.weight(run.family, run.transfer)

    def weight(self, family: str, transfer: float | None) -> float:
        """What part of its cost counts of a change that leads the controls so far.

        Args:
            family: of the change.
            transfer: share of the way (:func:`drmguard_tf.transfer.way_led`), None if they were not asked.

        Returns:
            1 where they follow it as far as the least of their own or 0.4 of the way, less in proportion to what is
            missing, 0.2 where they follow their own and do not follow this at all.
        """
        own = dict(self.transfers).get(family)
        if transfer is None or own is None:
            return 1.0
        missing = max(0.0, min(_FOLLOWED, *own) - max(transfer, 0.0))
        return 1 - (1 - _OWN) * missing / _FOLLOWED

    def of(self, family: str, *, channel_share: float | None = None) -> float:
        """Threshold of a family, in its own price.

        Args:
            family: its name.
            channel_share: what the channels of the model under examination tell, None if nobody looked.
        """
        logs, spread, degrees = _fit(dict(self.costs)[family], _USUAL.get(family))
        chance = self.level / self._tests(family)
        channels = self.channel_chance(channel_share)
        if family == _SUPPORTED and channels is not None:
            chance = max(chance, min(largest_product(chance) / channels, _DEAR))
        return float(np.exp(logs.mean() + stats.t.ppf(chance, degrees) * spread))

    def chance(self, family: str, cost: float, *, channel_share: float | None = None) -> float:
        """Bound on the chance that any family would be as cheap as this if the model were benign (Bonferroni)."""
        alone = _below(cost, dict(self.costs)[family], _USUAL.get(family))
        channels = self.channel_chance(channel_share)
        if family == _SUPPORTED and channels is not None:
            product = alone * channels
            alone = min(alone, product * (1 - np.log(product)))
        return float(min(1.0, self._tests(family) * alone))

    def channel_chance(self, share: float | None) -> float | None:
        """Chance that the channels of a benign model tell as much, None where they were not looked at."""
        return None if share is None or not self.channel_shares else _below(share, self.channel_shares, _CHANNELS)

    def _tests(self, family: str) -> int:
        """Among how many tests the level is shared, for this family."""
        return len(self.costs) * (2 if family == _SUPPORTED and self.channel_shares else 1)


def largest_product(chance: float) -> float:
    """The c for which the product of two independent chances is c or less with this chance: ``c * (1 - ln c)``."""
    return float(np.exp(1 + special.lambertw(-chance / np.e, -1).real))


def _below(value: float, found: Sequence[float], usual: Usual | None) -> float:
    """Chance that a benign model has this value or less, by those of controls."""
    logs, spread, degrees = _fit(found, usual)
    return float(stats.t.cdf((np.log(value) - logs.mean()) / spread, degrees))


def _fit(found: Sequence[float], usual: Usual | None) -> tuple[np.ndarray, float, int]:
    """Logs, and spread and degrees of freedom of the prediction for one more model."""
    logs = np.log(found)
    spread, degrees = moderated(logs, usual)
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


def _cost(run: Run) -> float:
    return run.cost


def cheapest_runs(runs: Sequence[Run], price: Callable[[Run], float] = _cost) -> dict[str, Run]:
    """The run that speaks for each family: the cheapest that met its bound, else the cheapest at all.

    Args:
        runs: of a search.
        price: what they are compared by.
    """
    best: dict[str, Run] = {}
    for run in runs:
        rival = best.get(run.family)
        if rival is None or (not run.met, price(run)) < (not rival.met, price(rival)):
            best[run.family] = run
    return best


def channel_share(runs: Sequence[Run]) -> float | None:
    """What the channels of the searched model tell, None if the search did not look at them."""
    return next((run.channel_share for run in runs if run.channel_share is not None), None)
