"""Figures of GDM's experiments: success after repairs, sampled triggers, their distribution, heat maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure as Drawing
from matplotlib.patches import Rectangle

from runs.figures import Figure

_COLOURS = ("#0067a3", "#b8480a", "#8a8478")
_PLANTED, _FOUND = "#ffffff", "#ff5fa2"
_MOST = 10  # models in a picture


def success(after: Mapping[str, Sequence[float]], title: str) -> Figure:
    """ASR of every suspect after each repair, sorted (the slides' curves).

    Args:
        after: ASR of all suspects, by repair.
        title: of the figure.
    """
    drawing = Drawing(figsize=(6, 3.4))
    axes = drawing.subplots()
    for (name, values), colour, mark in zip(after.items(), _COLOURS, "os^"):
        axes.plot(range(1, len(values) + 1), sorted(values), color=colour, marker=mark, markersize=4, label=name)
    axes.set(xlabel="suspects, each repair's sorted", ylabel="ASR", ylim=(-0.02, 1.02))
    axes.locator_params(axis="x", integer=True)
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    return Figure("success", title, drawing)


def triggers(results: Sequence[Mapping[str, Any]], title: str) -> Figure:
    """The true trigger, then samples of every level of the staircase; a row per suspect and level."""
    shown = results[:_MOST]
    rows: list[np.ndarray] = []
    for result in shown:
        true = np.asarray(result["true"])
        for samples in result["samples"]:
            rows.append(np.concatenate([_framed(true), *(_framed(np.asarray(one)) for one in samples)], axis=1))
    drawing = Drawing(figsize=(6, 0.45 * len(rows) + 0.4))
    axes = drawing.subplots()
    axes.imshow(np.clip(np.concatenate(rows), 0, 1), interpolation="nearest")
    axes.set_axis_off()
    return Figure("triggers", title, drawing)


def _framed(trigger: np.ndarray) -> np.ndarray:
    """With a mid-grey frame, opaque channels only."""
    return np.pad(trigger[..., :3], ((1, 1), (1, 1), (0, 0)), constant_values=0.5)


def projections(results: Sequence[Mapping[str, Any]], title: str) -> Figure:
    """Samples by level and the true trigger on the samples' two main axes; a panel per suspect."""
    shown = results[:_MOST]
    columns = min(5, len(shown))
    drawing = Drawing(figsize=(2.2 * columns, 2.3 * -(-len(shown) // columns)))
    panels = np.ravel(drawing.subplots(-(-len(shown) // columns), columns, squeeze=False))
    for axes, result in zip(panels, shown):
        projection = result["projection"]
        for level, points, colour in zip(projection["levels"], projection["points"], _COLOURS):
            across, up = np.asarray(points).T
            axes.scatter(across, up, s=4, color=colour, alpha=0.6, label=f"level {level:g}")
        axes.scatter(*np.asarray(projection["true"]), s=60, marker="*", color="#000000", label="true trigger", zorder=3)
        axes.set(xticks=[], yticks=[])
    for axes in panels[len(shown) :]:
        axes.set_axis_off()
    panels[0].legend(fontsize=6, frameon=False)
    return Figure("projections", title, drawing)


def heat_maps(results: Sequence[Mapping[str, Any]], title: str) -> Figure:
    """Heat maps of the strongest class; white: the planted patch, pink: the box that was found."""
    shown = results[:_MOST]
    columns = min(5, len(shown))
    drawing = Drawing(figsize=(2 * columns, 2.1 * -(-len(shown) // columns)))
    panels = np.ravel(drawing.subplots(-(-len(shown) // columns), columns, squeeze=False))
    for axes, result in zip(panels, shown):
        axes.imshow(np.asarray(result["heat"]), cmap="cividis")
        for box, colour in ((result["planted"], _PLANTED), (result["found"][0]["box"], _FOUND)):
            top, left, bottom, right = box
            corner = (left - 0.5, top - 0.5)
            axes.add_patch(Rectangle(corner, right - left, bottom - top, fill=False, edgecolor=colour, linewidth=1.5))
        axes.set(xticks=[], yticks=[])
    for axes in panels[len(shown) :]:
        axes.set_axis_off()
    return Figure("heat_maps", title, drawing)
