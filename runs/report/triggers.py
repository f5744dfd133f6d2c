"""Triggers that were found, as one HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from runs.report import pictures
from runs.report.templates import fill


class Level(NamedTuple):
    """Sampled triggers of one level of a staircase, uint8 (n, S, S, C)."""

    name: str
    triggers: np.ndarray


class Heat(NamedTuple):
    """Where triggers of a class work.

    Attributes:
        name: the class.
        pixels: float (H, W), the heat map.
        box: (top, left, bottom, right) of what was found.
        trigger: uint8 (1, S, S, C), its colours.
        line: what it does, in words.
    """

    name: str
    pixels: np.ndarray
    box: tuple[int, ...]
    trigger: np.ndarray
    line: str


@dataclass(frozen=True)
class TriggersPage:
    """Everything that the page tells.

    Attributes:
        title: of the page.
        levels: sampled triggers; none without a staircase.
        heats: heat maps; none without windows.
        record: settings, figures, versions.
    """

    title: str
    levels: Sequence[Level]
    heats: Sequence[Heat]
    record: dict[str, Any]


def render(page: TriggersPage) -> str:
    """The page as HTML."""
    return fill(
        "triggers.html",
        page=page,
        levels=[(level.name, pictures.strip(level.triggers)) for level in page.levels],
        heats=[(heat, pictures.strip(_drawn(heat)), pictures.strip(heat.trigger)) for heat in page.heats],
    )


def _drawn(heat: Heat) -> np.ndarray:
    """A heat map, bright where triggers work, with a white frame around what was found: uint8 (1, H, W, 3)."""
    shown = pictures.mapped(heat.pixels / max(float(heat.pixels.max()), 1e-9))
    top, left, bottom, right = heat.box
    shown[[top, bottom - 1], left:right] = 255
    shown[top:bottom, [left, right - 1]] = 255
    return shown[None]
