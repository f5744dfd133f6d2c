"""How well models are told apart: AUC and accuracy over scans of many models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from runs import statistics
from runs.statistics import Estimate


class Counts(NamedTuple):
    """Decisions: backdoored models found and missed, benign ones accused and cleared."""

    tp: int
    fp: int
    fn: int
    tn: int


def auc(scans: Sequence[dict[str, Any]], *, by_distance: bool = False) -> Estimate:
    """Area under the ROC curve.

    Args:
        scans: results of :class:`runs.jobs.ScanModel`, of models of both kinds.
        by_distance: order them by how much the found trigger changes images, as the paper does, and not by margin.
    """
    scores = [-scan["distance"] if by_distance else scan["margin"] for scan in scans]
    return statistics.auc([scan["attack"] is not None for scan in scans], scores)


def right(scans: Sequence[dict[str, Any]]) -> list[bool]:
    """Whether each decision is right."""
    return [(scan["verdict"] == "backdoored") == (scan["attack"] is not None) for scan in scans]


def right_at(scans: Sequence[dict[str, Any]], constant: float) -> list[bool]:
    """The same by the rule of DRMGuard's Sec. 3.4: backdoored if the found trigger changes images this little.

    Args:
        scans: as for :func:`auc`.
        constant: largest mean change, a share of the largest benign norm. A trigger that does not collapse the outputs
            (a margin of 0) is none, however small it is.
    """
    small = [scan["margin"] > 0 and scan["distance"] <= constant for scan in scans]
    return [guess == (scan["attack"] is not None) for guess, scan in zip(small, scans)]


def counts(scans: Sequence[dict[str, Any]]) -> Counts:
    """Decisions by kind."""
    pairs = [(scan["attack"] is not None, scan["verdict"] == "backdoored") for scan in scans]
    return Counts(*(pairs.count(kind) for kind in ((True, True), (False, True), (True, False), (False, False))))
