"""One erasing as one HTML file that needs nothing else: no network, no script, no other file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from runs.report import pictures

_WIDTH, _HEIGHT = 600, 160  # of a curve's drawing

_CURVES = (
    ("Student and teacher differ by, on generated samples", 0),
    ("The student's outputs move by, under generated triggers", 1),
    ("What the sample generator reaches", 2),
    ("What the trigger generator reaches", 3),
)


class Row(NamedTuple):
    """A line of the table of results."""

    name: str
    before: str
    after: str


@dataclass(frozen=True)
class ErasingPage:
    """Everything that the page tells.

    Attributes:
        title: of the page.
        samples: uint8 (N, H, W, C), generated samples.
        patches: uint8 (N, S, S, C), generated triggers; mid-grey changes nothing.
        history: float32 (iterations, 4), the columns of :class:`dhbe_tf.dhbe.Losses`.
        rows: results; none without test data.
        record: settings, seed, seconds, versions.
    """

    title: str
    samples: np.ndarray
    patches: np.ndarray
    history: np.ndarray
    rows: Sequence[Row]
    record: dict[str, Any]


class _Curve(NamedTuple):
    name: str
    points: str
    largest: str


def render(page: ErasingPage) -> str:
    """The page as HTML."""
    environment = Environment(
        loader=PackageLoader("runs", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("erasing.html").render(
        page=page,
        samples=pictures.strip(page.samples),
        patches=pictures.strip(page.patches),
        curves=[_curve(name, page.history[:, column]) for name, column in _CURVES],
        width=_WIDTH,
        height=_HEIGHT,
    )


def _curve(name: str, values: np.ndarray) -> _Curve:
    """A curve over the iterations, from 0 up to its largest value."""
    largest = max(float(values.max()), 1e-9)
    across = np.linspace(0, _WIDTH, len(values))
    down = _HEIGHT * (1 - values / largest)
    return _Curve(name, " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(across, down)), f"{largest:.3g}")
