"""Figures of GDM's experiments: success after repairs, sampled triggers, their distribution, heat maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure as Drawing
from matplotlib.patches import Rectangle

from runs.figures import Figure

_COLOURS = ("#0067a3", "#b8480a", "#8a8478", "#3f7d20")
_LEVELS = colormaps["plasma"]  # dark where a level asks for most
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
    for (name, values), colour, mark in zip(after.items(), _COLOURS, "os^D"):
        axes.plot(range(1, len(values) + 1), sorted(values), color=colour, marker=mark, markersize=4, label=name)
    axes.set(xlabel="suspects, each repair's sorted", ylabel="ASR", ylim=(-0.02, 1.02))
    axes.locator_params(axis="x", integer=True)
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    return Figure("success", title, drawing)


def triggers(results: Sequence[Mapping[str, Any]], title: str) -> Figure:
    """The true trigger, then samples of every level of the staircase; a row per suspect and level."""
    shown = results[:_MOST]
    rows, names = [], []
    for result in shown:
        true = np.asarray(result["true"])
        for level, samples in zip(result["projection"]["levels"], result["samples"]):
            rows.append(np.concatenate([_framed(true), *(_framed(np.asarray(one)) for one in samples)], axis=1))
            names.append(f"{_modelled(result)}, {level:g}")
    drawing = Drawing(figsize=(6, 0.45 * len(rows) + 0.4))
    axes = drawing.subplots()
    axes.imshow(np.clip(np.concatenate(rows), 0, 1), interpolation="nearest")
    side = len(rows[0])
    axes.set_yticks((np.arange(len(rows)) + 0.5) * side - 0.5, names, fontsize=6)
    axes.set_xticks([0.5 * side - 0.5, 1.5 * side - 0.5], ["true", "sampled"], fontsize=6)
    axes.tick_params(length=0, top=False, labeltop=True, bottom=False, labelbottom=False)
    axes.spines[:].set_visible(False)
    return Figure("triggers", title, drawing)


def _modelled(result: Mapping[str, Any]) -> str:
    """The class whose triggers are shown: the attacked one if it was found, else the strongest."""
    target, strongest = result["target"], result["chosen"][0]
    return f"class {target}" if target in result["chosen"] else f"class {strongest} (missed: {target})"


def _framed(trigger: np.ndarray) -> np.ndarray:
    """With a mid-grey frame, opaque channels only."""
    return np.pad(trigger[..., :3], ((1, 1), (1, 1), (0, 0)), constant_values=0.5)


def projections(results: Sequence[Mapping[str, Any]], title: str) -> Figure:
    """Samples by level and the true trigger on the samples' two main axes; a panel per suspect."""
    shown = results[:_MOST]
    columns = min(5, len(shown))
    lines = -(-len(shown) // columns)
    drawing = Drawing(figsize=(2.2 * columns, 2.3 * lines + 0.5), layout="constrained")
    panels = np.ravel(drawing.subplots(lines, columns, squeeze=False))
    for axes, result in zip(panels, shown):
        projection = result["projection"]
        colours = _LEVELS(np.linspace(0, 0.85, len(projection["levels"])))
        for level, points, colour in zip(projection["levels"], projection["points"], colours):
            across, up = np.asarray(points).T
            axes.scatter(across, up, s=5, color=colour, alpha=0.7, label=f"level {level:g}")
        axes.scatter(*np.asarray(projection["true"]), s=60, marker="*", color="#000000", label="true trigger", zorder=3)
        axes.set(xticks=[], yticks=[])
        axes.set_title(_modelled(result), fontsize=7)
    for axes in panels[len(shown) :]:
        axes.set_axis_off()
    drawing.legend(
        *panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=6, fontsize=6, frameon=False
    )
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
