"""Figures of searches: where the estimate of a target goes, and what was changed in images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure as Drawing

from runs.figures import Figure

_PATH, _TARGET, _REACHED = "#0067a3", "#b8480a", "#1a1a1a"


def paths(results: Mapping[str, Mapping[str, Any]], outputs: tuple[str, ...], title: str) -> Figure:
    """The mean answer to reversed images from the first step to the last, a panel per model.

    Args:
        results: of :class:`runs.reversing.Reverse`, by model.
        outputs: names of the model's answers; yaw is drawn to the right and pitch up.
        title: of the figure.
    """
    across, up = outputs.index("yaw"), outputs.index("pitch")
    columns = min(2, len(results))
    drawing = Drawing(figsize=(3.6 * columns, 3.4 * -(-len(results) // columns)), layout="constrained")
    places = list(np.ravel(drawing.subplots(-(-len(results) // columns), columns, squeeze=False)))
    for axes, (name, result) in zip(places, results.items()):
        points = np.asarray(result["path_deg"])
        axes.plot(points[:, across], points[:, up], color=_PATH, linewidth=0.8, alpha=0.35)
        shades = 0.15 + 0.85 * np.arange(len(points)) / max(1, len(points) - 1)
        axes.scatter(points[:, across], points[:, up], s=10, color=_PATH, alpha=shades)
        axes.scatter([], [], s=20, color=_PATH, label="estimate, the darker the later")
        for key, colour, mark, what in (
            ("target_deg", _TARGET, "x", "attacker's target"),
            ("reached_deg", _REACHED, "+", "mean answer to triggered images"),
        ):
            place = np.asarray(result[key])
            axes.scatter(place[across], place[up], s=90, color=colour, marker=mark, linewidth=2, label=what, zorder=3)
        axes.set_title(f"{name}: {result['family']}", fontsize=9)
        axes.set_aspect("equal", adjustable="datalim")
        axes.margins(0.12)
        axes.spines[["top", "right"]].set_visible(False)
    for axes in places[len(results) :]:
        axes.set_visible(False)
    handles, labels = places[0].get_legend_handles_labels()
    drawing.legend(handles, labels, loc="outside upper center", ncols=3, frameon=False, fontsize=8)
    drawing.supxlabel("yaw, degrees", fontsize=9)
    drawing.supylabel("pitch, degrees", fontsize=9)
    return Figure("estimates", title, drawing)


def residual(clean: np.ndarray, changed: np.ndarray) -> np.ndarray:
    """Where an image was changed: black as it was, white where most; uint8 (H, W, 3), as are both images."""
    largest = np.abs(changed.astype(int) - clean).max(axis=-1)
    grey = np.round(255 * largest / max(1, largest.max())).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=-1)
