"""One erasing as one HTML file that needs nothing else: no network, no script, no other file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from runs.report import pictures
from runs.report.templates import fill

_WIDTH, _HEIGHT = 600, 160  # of a curve's drawing


class Row(NamedTuple):
    """A line of the table of results."""

    name: str
    before: str
    after: str


class Pictures(NamedTuple):
    """A row of pictures, uint8 (N, H, W, C), with what it shows."""

    caption: str
    images: np.ndarray


@dataclass(frozen=True)
class ErasingPage:
    """Everything that the page tells.

    Attributes:
        title: of the page.
        lede: what the method does, in words.
        rows: results; none without test data.
        shown: pictures.
        curves: (steps,) each, by what they are; none for methods that keep no history.
        settings: options, seed, seconds, versions.
    """

    title: str
    lede: str
    rows: Sequence[Row]
    shown: Sequence[Pictures]
    curves: Mapping[str, np.ndarray]
    settings: Mapping[str, Any]


class _Curve(NamedTuple):
    name: str
    points: str
    largest: str


def render(page: ErasingPage) -> str:
    """The page as HTML."""
    return fill(
        "erasing.html",
        page=page,
        shown=[(each.caption, pictures.strip(each.images)) for each in page.shown],
        curves=[_curve(name, values) for name, values in page.curves.items()],
        width=_WIDTH,
        height=_HEIGHT,
    )


def _curve(name: str, values: np.ndarray) -> _Curve:
    """A curve over the steps, from 0 up to its largest value."""
    largest = max(float(values.max()), 1e-9)
    across = np.linspace(0, _WIDTH, len(values))
    down = _HEIGHT * (1 - values / largest)
    return _Curve(name, " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(across, down)), f"{largest:.3g}")
