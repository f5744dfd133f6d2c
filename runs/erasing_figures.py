"""Figures of DHBE's experiments: what a method costs in accuracy for what it erases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure as Drawing
from scipy.optimize import minimize

from runs.figures import Figure

_COLOURS = ("#0067a3", "#b8480a", "#3f7d20", "#7a3b8f", "#8a8478")
_RIDGE = 1e-4  # keeps the slope finite where points can be told apart exactly
_LEAST = 3  # points under a curve


class Logistic(NamedTuple):
    """``asr = 1 / (1 + exp(-(offset + slope * acc)))``."""

    offset: float
    slope: float

    def __call__(self, acc: np.ndarray) -> np.ndarray:
        """ASR in (0, 1) expected at each accuracy in [0, 1]."""
        return 1 / (1 + np.exp(-(self.offset + self.slope * np.asarray(acc))))


def logistic(acc: Sequence[float], asr: Sequence[float]) -> Logistic:
    """The logistic curve under which shares ``asr`` are most likely, given ``acc`` (DHBE, Fig. 3 and 4).

    Args:
        acc, asr: in [0, 1], as many of each.
    """
    across, share = np.asarray(acc, float), np.asarray(asr, float)
    centre, spread = across.mean(), across.std() or 1.0
    scaled = (across - centre) / spread

    def loss(weights: np.ndarray) -> float:
        exponent = weights[0] + weights[1] * scaled
        return float(np.mean(np.logaddexp(0, exponent) - share * exponent) + _RIDGE * weights[1] ** 2)

    offset, slope = minimize(loss, np.zeros(2)).x
    return Logistic(float(offset - slope * centre / spread), float(slope / spread))


class Cloud(NamedTuple):
    """Runs of one method with one amount of data.

    Attributes:
        acc, asr: of every run, in [0, 1].
        hollow: whether its points are; for the smaller amount of data.
    """

    acc: Sequence[float]
    asr: Sequence[float]
    hollow: bool


def trade_off(
    panels: Mapping[str, Mapping[str, Sequence[Cloud]]], stars: Mapping[str, tuple[float, float]], title: str
) -> Figure:
    """ACC across, ASR up, a panel per suspect; points are runs, lines logistic fits, the star is DHBE.

    Args:
        panels: by suspect, the clouds of every method.
        stars: by suspect, ACC and ASR of DHBE.
        title: of the figure.
    """
    drawing = Drawing(figsize=(3.6 * len(panels), 3.4), layout="constrained")
    places = drawing.subplots(1, len(panels), squeeze=False)[0]
    for axes, (suspect, methods) in zip(places, panels.items()):
        for (name, clouds), colour in zip(methods.items(), _COLOURS):
            for cloud in clouds:
                filled = "none" if cloud.hollow else colour
                axes.scatter(cloud.acc, cloud.asr, s=16, edgecolors=colour, facecolors=filled, alpha=0.7)
                if len(cloud.acc) >= _LEAST:
                    across = np.linspace(min(cloud.acc), max(cloud.acc), 50)
                    style = "--" if cloud.hollow else "-"
                    axes.plot(across, logistic(cloud.acc, cloud.asr)(across), color=colour, linestyle=style)
            axes.plot([], [], color=colour, marker="o", markersize=4, label=name)
        if any(cloud.hollow for clouds in methods.values() for cloud in clouds):
            axes.plot([], [], "--o", color=_COLOURS[-1], markersize=4, markerfacecolor="none", label="less data")
        if suspect in stars:
            axes.scatter(*stars[suspect], s=90, marker="*", color="#000000", zorder=3, label="DHBE")
        axes.set(title=suspect, xlabel="ACC", ylabel="ASR", ylim=(-0.03, 1.03))
        axes.spines[["top", "right"]].set_visible(False)
    places[0].legend(frameon=False, fontsize=7)
    return Figure("trade_off", title, drawing)
