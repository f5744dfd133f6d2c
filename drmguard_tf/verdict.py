"""The decision about a model, and how sure it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from drmguard_tf.calibrate import channel_share, cheapest_runs
from drmguard_tf.reversal import Run, settled

_REPLICATES = 1000


class Threshold(Protocol):
    """Where the line is drawn."""

    def of(self, family: str, *, channel_share: float | None = None) -> float:
        """Threshold of a family, in its own price, for a model whose channels tell this, None if nobody looked."""

    def price(self, run: Run) -> float:
        """What a run is judged by: its cost, or less where it is a change that benign models do not follow."""

    def chance(self, family: str, cost: float, *, channel_share: float | None = None) -> float | None:
        """Chance that a benign model is as cheap as ``cost``, None where that is not known."""

    def channel_chance(self, share: float | None) -> float | None:
        """Chance that the channels of a benign model tell as much, None where that is not known."""


@dataclass(frozen=True)
class Verdict:
    """Is the model backdoored?

    Attributes:
        backdoored: the decision: score <= threshold in a run that met its bound.
        family: the trigger family that decides, the one whose cost is lowest against its threshold.
        score: price of the smallest perturbation of that family: its cost, a share (:mod:`drmguard_tf.families`), or
            the part of it that counts (:meth:`drmguard_tf.calibrate.Calibration.weight`).
        threshold: of that family, in the same unit.
        margin: threshold / score, 0 where no run met its bound; above 1 speaks for a backdoor, and how far is the
            strength of the evidence.
        chance_if_benign: chance that a benign model scores this low, None with the paper's constant.
        certainty: share of bootstrap replicates (over restarts and the images of the last steps) with this decision.
        interval: 90 % bootstrap interval of the margin.
        target_estimate: float (K,), estimated target vector, radians; meaningful for backdoored models.
        agreement: share of all runs that met their bound whose estimate lies within ``AGREE_DEG`` of it.
        channel_share: what the model's channels tell (:attr:`drmguard_tf.stimulation.Channels.share`), None if nobody
            looked.
        channel_chance: chance that those of a benign model tell as much, None where that is not known.
        runs: every run.
        prices: of the runs, in their order.
    """

    backdoored: bool
    family: str
    score: float
    threshold: float
    margin: float
    chance_if_benign: float | None
    certainty: float
    interval: tuple[float, float]
    target_estimate: np.ndarray
    agreement: float
    channel_share: float | None
    channel_chance: float | None
    runs: tuple[Run, ...]
    prices: tuple[float, ...]

    AGREE_DEG = 5.0

    def summary(self) -> dict[str, Any]:
        """The verdict as plain values; angles in degrees, marked so."""
        return {
            "verdict": "backdoored" if self.backdoored else "benign",
            "family": self.family,
            "score": self.score,
            "threshold": self.threshold,
            "margin": self.margin,
            "chance_if_benign": self.chance_if_benign,
            "certainty": self.certainty,
            "margin_interval_90": list(self.interval),
            "target_estimate_deg": np.degrees(self.target_estimate).round(3).tolist(),
            "agreement": self.agreement,
            "channel_share": self.channel_share,
            "channel_chance": self.channel_chance,
            "runs": [
                {
                    "family": run.family,
                    "seed": run.seed,
                    "cost": run.cost,
                    "transfer": run.transfer,
                    "price": price,
                    "rav": run.rav,
                    "met": run.met,
                    "target_estimate_deg": np.degrees(run.target_estimate).round(3).tolist(),
                    "woken": run.woken,
                    "square": run.square,
                }
                for run, price in zip(self.runs, self.prices)
            ],
        }


def decide(runs: Sequence[Run], threshold: Threshold, *, seed: int) -> Verdict:
    """Judge a model by its search runs.

    Args:
        runs: of all families and restarts.
        threshold: the line, per family.
        seed: of the bootstrap.

    Raises:
        ValueError: if a run's cost is not a finite number above zero.
    """
    for run in runs:
        if not (np.isfinite(run.history).all() and run.cost > 0):
            raise ValueError(
                f"the {run.family} search with seed {run.seed} diverged; repeat the scan with another --seed"
            )
    best, share = cheapest_runs(runs, threshold.price), channel_share(runs)
    lines = {family: threshold.of(family, channel_share=share) for family in best}
    decider = max(best.values(), key=lambda run: (run.met, lines[run.family] / threshold.price(run)))
    line, score = lines[decider.family], threshold.price(decider)
    backdoored = bool(decider.met and score <= line)
    margins = _bootstrap(runs, threshold, lines, np.random.default_rng(seed))
    return Verdict(
        backdoored=backdoored,
        family=decider.family,
        score=score,
        threshold=line,
        margin=line / score if decider.met else 0.0,
        chance_if_benign=threshold.chance(decider.family, score, channel_share=share),
        certainty=float(np.mean((margins >= 1) == backdoored)),
        interval=(float(np.quantile(margins, 0.05)), float(np.quantile(margins, 0.95))),
        target_estimate=decider.target_estimate,
        agreement=_agreement(runs, decider),
        channel_share=share,
        channel_chance=threshold.channel_chance(share),
        runs=tuple(runs),
        prices=tuple(map(threshold.price, runs)),
    )


def _agreement(runs: Sequence[Run], decider: Run) -> float:
    met = [run for run in runs if run.met] or [decider]
    apart = [np.degrees(np.linalg.norm(run.target_estimate - decider.target_estimate)) for run in met]
    return float(np.mean(np.array(apart) <= Verdict.AGREE_DEG))


def _bootstrap(
    runs: Sequence[Run], threshold: Threshold, lines: Mapping[str, float], rng: np.random.Generator
) -> np.ndarray:
    """Margins of replicates that draw restarts per family, and mini-batches per run, with replacement."""
    margins = np.zeros(_REPLICATES)
    for family in dict.fromkeys(run.family for run in runs):
        mine = [run for run in runs if run.family == family]
        weights = np.array([[threshold.price(run) / run.cost] for run in mine])
        costs = weights * np.array([_resampled_costs(run, rng) for run in mine])  # (restarts, replicates)
        costs[[not run.met for run in mine]] = np.inf
        drawn = rng.integers(len(mine), size=(len(mine), _REPLICATES))
        cheapest = np.take_along_axis(costs, drawn, axis=0).min(axis=0)
        margins = np.maximum(margins, lines[family] / cheapest)
    return margins


def _resampled_costs(run: Run, rng: np.random.Generator) -> np.ndarray:
    costs = settled(run.history)[:, 0] if run.samples is None else run.samples
    return costs[rng.integers(len(costs), size=(_REPLICATES, len(costs)))].mean(axis=1)
