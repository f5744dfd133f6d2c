"""Figures of experiments: drawn from results, written as PNG and SVG."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure as Drawing
from sklearn.metrics import roc_auc_score, roc_curve

_BENIGN, _BAD, _RULE = "#0067a3", "#b8480a", "#8a8478"
_MARKS = "os^Dv"
_JITTER = 0.16  # of a lane


@dataclass(frozen=True)
class Figure:
    """A figure of an experiment.

    Attributes:
        name: file name without extension.
        title: in a sentence, for the page and for those who cannot see it.
        drawing: what is shown.
    """

    name: str
    title: str
    drawing: Drawing

    def png(self) -> bytes:
        """For documents; 150 dots per inch."""
        return self._as("png", dpi=150, metadata={"Software": None})

    def svg(self) -> bytes:
        """For print; the same bytes whenever it is drawn."""
        return self._as("svg", metadata={"Date": None, "Creator": None})

    def _as(self, form: str, **options: Any) -> bytes:
        file = io.BytesIO()
        with matplotlib.rc_context({"svg.hashsalt": self.name, "svg.fonttype": "path"}):
            self.drawing.savefig(file, format=form, bbox_inches="tight", **options)
        return file.getvalue()


def identification(kinds: Mapping[str, Sequence[float]], title: str) -> Figure:
    """Margins of every model, kind by kind, and the ROC curves that follow from them.

    Args:
        kinds: margins by kind of model; the first kind is the benign one.
        title: of the figure.
    """
    benign, *attacks = kinds
    drawing = Drawing(figsize=(9, 3.6))
    lanes, curves = drawing.subplots(1, 2, width_ratios=(1.6, 1))
    for lane, (kind, margins) in enumerate(kinds.items()):
        spread = np.linspace(-_JITTER, _JITTER, len(margins)) if len(margins) > 1 else [0.0]
        shown = np.maximum(margins, 0.05)  # a margin of 0, where no run met its bound, lies at the left edge
        colour = _BENIGN if kind == benign else _BAD
        lanes.scatter(
            shown, lane + np.asarray(spread), marker=_MARKS[lane % len(_MARKS)], s=28, color=colour, alpha=0.85
        )
    lanes.axvline(1, color=_RULE, linewidth=1, linestyle="--")
    lanes.set_xscale("log")
    lanes.xaxis.set_major_formatter("{x:g}")
    lanes.set_yticks(range(len(kinds)), list(kinds))
    lanes.invert_yaxis()
    lanes.set_xlabel("margin: threshold / score; right of the line counts as backdoored")
    for number, kind in enumerate(attacks):
        truth, margins = [False] * len(kinds[benign]) + [True] * len(kinds[kind]), [*kinds[benign], *kinds[kind]]
        false, true, _ = roc_curve(truth, margins)
        width = 1 + 1.2 * (len(attacks) - 1 - number)  # the wide ones below: curves often coincide
        label = f"{kind}, AUC {roc_auc_score(truth, margins):.2f}"
        curves.plot(false, true, linewidth=width, label=label)
    curves.plot([0, 1], [0, 1], color=_RULE, linewidth=0.8)
    curves.set(
        xlabel="false positive rate", ylabel="true positive rate", xlim=(-0.02, 1), ylim=(0, 1.02), aspect="equal"
    )
    curves.legend(loc="lower right", frameon=False, handlelength=3)
    for axes in (lanes, curves):
        axes.spines[["top", "right"]].set_visible(False)
    return Figure("identification", title, drawing)


def angles(panels: Mapping[str, tuple[np.ndarray, np.ndarray]], title: str) -> Figure:
    """Where features point, a panel per model: clean images scattered, triggered ones in one place or not.

    Args:
        panels: by model, the angles of clean and of triggered images to the first two outputs' weight vectors; (N, 2+)
            each, degrees.
        title: of the figure.
    """
    columns = min(4, len(panels))
    rows = -(-len(panels) // columns)
    drawing = Drawing(figsize=(2.6 * columns, 2.7 * rows), layout="constrained")
    places = list(drawing.subplots(rows, columns, squeeze=False).flat)
    for axes, (name, (clean, triggered)) in zip(places, panels.items()):
        axes.scatter(clean[:, 0], clean[:, 1], s=4, color=_BENIGN, alpha=0.5, label="clean")
        axes.scatter(triggered[:, 0], triggered[:, 1], s=4, color=_BAD, alpha=0.5, marker="x", label="triggered")
        axes.set_title(name, fontsize=9)
        axes.spines[["top", "right"]].set_visible(False)
    for axes in places[len(panels) :]:
        axes.set_visible(False)
    named = places[0].get_legend_handles_labels()
    drawing.legend(*named, loc="outside upper center", ncols=2, frameon=False, fontsize=8, markerscale=3)
    drawing.supxlabel("angle to the first output's weight vector, degrees", fontsize=9)
    drawing.supylabel("angle to the second's, degrees", fontsize=9)
    return Figure("angles", title, drawing)


def contact_sheet(rows: Mapping[str, Sequence[np.ndarray]], title: str) -> Figure:
    """Rows of pictures with a name before each.

    Args:
        rows: uint8 (H, W, 3) pictures by name, the same number in every row.
        title: of the figure.
    """
    columns = len(next(iter(rows.values())))
    drawing = Drawing(figsize=(1.1 * columns + 1.2, 1.1 * len(rows)), layout="constrained")
    grid = drawing.subplots(len(rows), columns, squeeze=False)
    for line, (name, images) in zip(grid, rows.items()):
        for axes, image in zip(line, images):
            axes.imshow(image, interpolation="nearest")
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
        line[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=9)
    return Figure("pictures", title, drawing)
