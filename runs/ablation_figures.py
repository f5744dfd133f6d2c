"""Figures of DHBE's ablations: one setting varied, activation differences by method, trigger against patch size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure as Drawing

from runs.figures import Figure

_ACC, _ASR, _MOVED, _RULE = "#0067a3", "#b8480a", "#3f7d20", "#8a8478"
_SHARES = {"acc": ("ACC", _ACC, "o"), "asr": ("ASR", _ASR, "s")}


def sweep(results: Mapping[str, Sequence[Mapping[str, Any]]], across: str, title: str) -> Figure:
    """ACC and ASR, and how far triggers move the last block, over one setting; dashed is the suspects' own mean.

    Args:
        results: of erasings, by the setting's value; small marks are suspects, lines go through means. Those that
            diverged are told below the value.
        across: what the setting is.
        title: of the figure.
    """
    drawing = Drawing(figsize=(8.4, 3.3), layout="constrained")
    shares, reach = drawing.subplots(1, 2)
    for key, (name, colour, mark) in _SHARES.items():
        _line(shares, results, key, 100, colour=colour, mark=mark, name=name)
    _line(reach, results, "block_l1", 1, colour=_MOVED, mark="o", name="after erasing")
    shares.set(ylabel="%", ylim=(-3, 103))
    reach.set_ylabel("last block moved by the trigger, L1", fontsize=9)
    reach.set_ylim(0, 1.05 * reach.get_ylim()[1])
    for axes in (shares, reach):
        axes.plot([], [], color=_RULE, linewidth=1, linestyle="--", label="before erasing")
        axes.legend(
            frameon=False, fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3
        )  # hides no points
        axes.set_xticks(range(len(results)), [_told(value, each) for value, each in results.items()], fontsize=8)
        axes.set_xlabel(across)
        axes.spines[["top", "right"]].set_visible(False)
    return Figure("sweep", title, drawing)


def _line(
    axes: Any,
    results: Mapping[str, Sequence[Mapping[str, Any]]],
    key: str,
    scale: float,
    *,
    colour: str,
    mark: str,
    name: str,
) -> None:
    means, before = [], []
    for place, each in enumerate(results.values()):
        values = [scale * one["after"][key] for one in each if "after" in one]
        before += [scale * one["before"][key] for one in each if "after" in one]
        axes.scatter([place] * len(values), values, s=14, color=colour, marker=mark, alpha=0.5, linewidths=0)
        means.append(np.mean(values) if values else np.nan)
    axes.plot(range(len(means)), means, color=colour, marker=mark, markersize=5, label=name)
    if before:
        axes.axhline(np.mean(before), color=colour, linewidth=1, linestyle="--", alpha=0.6)


def _told(value: str, results: Sequence[Mapping[str, Any]]) -> str:
    lost = sum("after" not in one for one in results)
    return f"{value}\n({lost} diverged)" if lost else value


def boxes(
    panels: Mapping[str, Mapping[str, Mapping[str, Sequence[float]]]], names: Mapping[str, str], title: str
) -> Figure:
    """Boxes of quantiles, a row of panels per suspect, a panel per measure, a lane per method.

    Args:
        panels: by suspect and method, five quantiles of every measure: whiskers, box and median between them.
        names: of the measures, by their key.
        title: of the figure.
    """
    lanes = len(next(iter(panels.values())))
    size = (2.3 * len(names) + 1, (0.26 * lanes + 0.75) * len(panels))
    drawing = Drawing(figsize=size, layout="constrained")
    grid = drawing.subplots(len(panels), len(names), squeeze=False, sharey=True)
    for line, (suspect, methods) in zip(grid, panels.items()):
        for axes, (key, name) in zip(line, names.items()):
            for lane, quantiles in enumerate(methods.values()):
                _box(axes, lane, quantiles[key], _RULE if lane == 0 else _ACC)
            axes.set_title(f"{suspect}: {name}", fontsize=8)
            axes.set_xlim(left=0)
            axes.tick_params(labelsize=8)
            axes.spines[["top", "right"]].set_visible(False)
        line[0].set_yticks(range(lanes), list(methods))
    grid[0, 0].invert_yaxis()
    return Figure("boxes", title, drawing)


def _box(axes: Any, lane: int, quantiles: Sequence[float], colour: str) -> None:
    low, left, middle, right, high = quantiles
    axes.hlines(lane, low, high, color=colour, linewidth=1)
    axes.barh(lane, right - left, left=left, height=0.55, color=colour, alpha=0.45)
    axes.vlines(middle, lane - 0.275, lane + 0.275, color=colour, linewidth=2)


def grids(panels: Mapping[str, Mapping[tuple[int, int], float]], rows: str, columns: str, title: str) -> Figure:
    """Numbers over two sizes, a panel per measure; darker is more.

    Args:
        panels: by measure, values in % by row and column.
        rows, columns: what these are.
        title: of the figure.
    """
    drawing = Drawing(figsize=(3.8 * len(panels), 3.2), layout="constrained")
    for axes, (name, values) in zip(drawing.subplots(1, len(panels), squeeze=False)[0], panels.items()):
        down, right = (sorted({key[place] for key in values}) for place in (0, 1))
        shown = np.array([[values.get((row, column), np.nan) for column in right] for row in down])
        axes.imshow(shown, cmap="Oranges", vmin=0, vmax=100, aspect="auto")
        for place, value in np.ndenumerate(shown):
            text = "–" if np.isnan(value) else f"{value:.1f}"
            axes.text(place[1], place[0], text, ha="center", va="center", color="#ffffff" if value > 60 else "#000000")
        axes.set_xticks(range(len(right)), right)
        axes.set_yticks(range(len(down)), down)
        axes.set(xlabel=columns, ylabel=rows, title=name)
        axes.spines[:].set_visible(False)
    return Figure("grids", title, drawing)
