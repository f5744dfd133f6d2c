"""The page's drawings: small panels as SVG that take fonts and colours from the page, so that they follow dark mode."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from runs.report.formats import percent
from runs.report.words import AGREE_DEG, price

# Colours of the light page, safe for colour-blind readers (after Okabe & Ito); page.css holds those of the dark one.
INK, SOFT, RULE, ZONE, SHADE, CARD = "#26241f", "#6b665c", "#ddd7ca", "#fbeee6", "#f2efe7", "#fffefb"
BAD, GOOD = "#b8480a", "#0067a3"
OUTPUTS = ("#007a5a", "#9c3f8b", "#8f6400")
_VARIABLES = {
    INK: "ink",
    SOFT: "soft",
    RULE: "rule",
    ZONE: "zone",
    SHADE: "shade",
    CARD: "card",
    BAD: "bad",
    GOOD: "good",
}
_VARIABLES.update({colour: f"output-{k}" for k, colour in enumerate(OUTPUTS)})
_DASHES = (0, (4, 3))
_REACH = 30  # how many times beyond the values an axis goes to show a threshold
_POINTS = 160  # most points that a curve is drawn with
_style = matplotlib.rc_context({"font.size": 11, "svg.fonttype": "none", "svg.hashsalt": "drmguard"})


class Row(NamedTuple):
    """One model in one family, for :func:`evidence`.

    Attributes:
        title: of the model.
        backdoored: the verdict on it.
        runs: of the family, as in ``Verdict.summary()``.
        score: the cost that decided, None if another family did.
    """

    title: str
    backdoored: bool
    runs: Sequence[Mapping[str, Any]]
    score: float | None


class Curve(NamedTuple):
    """One run, for the panels that follow a search.

    Attributes:
        history: float (steps, 3 + K), as in :class:`drmguard_tf.reversal.Run`.
        decides: whether it is the run that decided.
    """

    history: np.ndarray
    decides: bool


@_style
def evidence(family: str, controls: Sequence[float], threshold: float | None, rows: Sequence[Row]) -> Markup:
    """What it costs to make answers collapse, for controls and models; the suspicious side is shaded.

    Args:
        family: its name.
        controls: cost of each benign control; may be empty.
        threshold: of the family, None where it is not known.
        rows: the models.
    """
    lanes = len(rows) + bool(controls)
    figure, axes = _panel(width=290, height=40 * lanes + 54, left=8, right=8, top=22)
    costs = [*controls, *(price(run) for row in rows for run in row.runs)]
    axes.set(xscale="log", xlim=_log_limits(costs, threshold), ylim=(-lanes, 0), yticks=[])
    _log_ticks(axes.xaxis, percent)
    if threshold is not None:
        _threshold_zone(axes, threshold)
    if controls:
        _lane(axes, 0, f"{len(controls)} benign controls", SOFT)
        axes.scatter(controls, np.full(len(controls), -0.66), s=34, c=SOFT, alpha=0.8, linewidths=0, zorder=3)
    for lane, row in enumerate(rows, start=bool(controls)):
        _model(axes, lane, row)
    return _svg(figure, f"Cost in the {family} family, controls and models, on a logarithmic axis")


def _threshold_zone(axes: Axes, threshold: float) -> None:
    left, right = axes.get_xlim()
    axes.axvspan(left, np.clip(threshold, left, right), color=ZONE, linewidth=0, zorder=0)
    if left < threshold < right:
        axes.axvline(threshold, color=INK, linewidth=1.2, linestyle=_DASHES, zorder=2)
    share = float(np.clip(np.log(threshold / left) / np.log(right / left), 0, 1))
    anchor = "left" if share < 0.25 else "right" if share > 0.75 else "center"
    arrows = "← " if share == 0 else "", " →" if share == 1 else ""
    axes.annotate(
        f"{arrows[0]}threshold {percent(threshold)}{arrows[1]}",
        (share, 1),
        xycoords="axes fraction",
        xytext=(0, 6),
        textcoords="offset points",
        ha=anchor,
        color=INK,
    )


def _lane(axes: Axes, lane: int, text: str, colour: str) -> None:
    axes.axhline(-lane - 0.66, color=RULE, linewidth=0.8, zorder=1)
    axes.text(0.012, -lane - 0.27, _plain(text), transform=axes.get_yaxis_transform(), va="center", color=colour)


def _model(axes: Axes, lane: int, row: Row) -> None:
    colour, marker = (BAD, "D") if row.backdoored else (GOOD, "s")
    title = row.title if len(row.title) <= 36 else f"{row.title[:35]}…"
    _lane(axes, lane, title if row.score is None else f"{title} · {percent(row.score)}", colour)
    for run in row.runs:
        face = colour if run["met"] else CARD
        place = [price(run)], [-lane - 0.66]
        axes.scatter(*place, s=40, marker=marker, c=[face], edgecolors=[colour], linewidths=1.4, zorder=4)
        if price(run) == row.score:
            axes.scatter(*place, s=190, marker="o", facecolors="none", edgecolors=[colour], linewidths=1.2, zorder=3)


@_style
def answers(verdict: Mapping[str, Any], outputs: Sequence[str], truth_deg: Sequence[float] | None) -> Markup:
    """Where the runs made the answers end, in the plane of yaw and pitch, as one sees it in the image.

    Args:
        verdict: its summary.
        outputs: names of the outputs, "yaw" and "pitch" among them.
        truth_deg: the attacker's target, None where it is not known.
    """
    colour = BAD if verdict["verdict"] == "backdoored" else GOOD
    figure, axes = _panel(height=250)
    for run in verdict["runs"]:
        yaw, pitch = _place(run["target_estimate_deg"], outputs)
        face = colour if run["met"] else CARD
        axes.scatter(yaw, pitch, s=40, c=[face], edgecolors=[colour], linewidths=1.4, zorder=4)
    centre = _place(verdict["target_estimate_deg"], outputs)
    axes.add_patch(Circle(centre, AGREE_DEG, facecolor="none", edgecolor=colour, linewidth=1.1, linestyle=_DASHES))
    points = [_place(run["target_estimate_deg"], outputs) for run in verdict["runs"]]
    if truth_deg is not None:
        yaw, pitch = _place(truth_deg, outputs)
        axes.scatter(yaw, pitch, s=90, marker="+", c=[INK], linewidths=1.6, zorder=5)
        points.append((yaw, pitch))
    around = np.add(centre, [[AGREE_DEG, 0], [-AGREE_DEG, 0], [0, AGREE_DEG], [0, -AGREE_DEG]])
    _square(figure, axes, np.vstack([points, around]))
    axes.set_xlabel("image left  ←  yaw, degrees  →  image right")
    axes.set_ylabel("pitch, degrees")
    return _svg(figure, "Answers at the end of every run, pitch over yaw")


def _place(angles: Sequence[float], outputs: Sequence[str]) -> tuple[float, float]:
    """Yaw and pitch."""
    return angles[outputs.index("yaw")], angles[outputs.index("pitch")]


def _square(figure: Figure, axes: Axes, points: np.ndarray) -> None:
    """Equal scales, with room around the points; yaw grows towards image left."""
    middle = (points.max(axis=0) + points.min(axis=0)) / 2
    half = max(np.ptp(points, axis=0).max() / 2 + 2, 2 * AGREE_DEG)
    box = axes.get_position()
    aspect = (box.width * figure.get_figwidth()) / (box.height * figure.get_figheight())
    axes.set(xlim=(middle[0] + aspect * half, middle[0] - aspect * half), ylim=(middle[1] - half, middle[1] + half))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(6, integer=True))
    axes.axhline(0, color=RULE, linewidth=0.8, zorder=1)
    axes.axvline(0, color=RULE, linewidth=0.8, zorder=1)


@_style
def estimates(curves: Sequence[Curve], outputs: Sequence[str], truth_deg: Sequence[float] | None) -> Markup:
    """Mean output at every step, in degrees, one colour per output.

    Args:
        curves: the runs.
        outputs: names of the outputs.
        truth_deg: the attacker's target, None where it is not known.
    """
    figure, axes = _panel(height=250, right=44)
    _settled(axes, curves)
    ends = []
    for k, name in enumerate(outputs):
        colour = OUTPUTS[k % len(OUTPUTS)]
        for curve in curves:
            _line(axes, curve, np.degrees(curve.history[:, 3 + k]), colour)
            if curve.decides:
                ends.append((float(np.degrees(curve.history[-1, 3 + k])), name, colour))
        if truth_deg is not None:
            axes.axhline(truth_deg[k], color=colour, linewidth=1.2, linestyle=_DASHES, zorder=2)
    _end_labels(axes, ends)
    axes.set_xlabel("search step")
    axes.set_ylabel("mean answer, degrees")
    return _svg(figure, f"Mean answer during the search: {', '.join(outputs)} in degrees")


def _end_labels(axes: Axes, ends: Sequence[tuple[float, str, str]]) -> None:
    """Names at the right ends of lines, pushed apart where they would touch."""
    low, high = axes.get_ylim()
    least, at = 0.065 * (high - low), -np.inf
    for value, name, colour in sorted(ends):
        at = max(value, at + least)
        axes.annotate(
            name,
            (1, at),
            xycoords=axes.get_yaxis_transform(),
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            color=colour,
        )


@_style
def costs(curves: Sequence[Curve], threshold: float, *, backdoored: bool) -> Markup:
    """Cost at every step, with the threshold as a line."""
    figure, axes = _panel(height=220, left=62)
    axes.set_yscale("log")
    _settled(axes, curves)
    for curve in curves:
        _line(axes, curve, curve.history[:, 0], BAD if backdoored else GOOD)
    axes.set_ylim(*_log_limits([value for curve in curves for value in curve.history[:, 0]], threshold))
    if threshold > axes.get_ylim()[0]:
        axes.axhline(threshold, color=INK, linewidth=1.2, linestyle=_DASHES, zorder=2)
    else:
        axes.text(0.02, 0.03, f"↓ threshold {percent(threshold)}", transform=axes.transAxes, color=INK)
    _log_ticks(axes.yaxis, percent)
    axes.set_xlabel("search step")
    axes.set_ylabel("cost")
    return _svg(figure, f"Cost of the change during the search; threshold {percent(threshold)}")


@_style
def angle_variance(curves: Sequence[Curve], *, backdoored: bool) -> Markup:
    """RAV at every step."""
    figure, axes = _panel(height=220, left=62)
    axes.set_yscale("log")
    _settled(axes, curves)
    for curve in curves:
        _line(axes, curve, curve.history[:, 1], BAD if backdoored else GOOD)
    axes.axhline(1, color=SOFT, linewidth=1.0, linestyle=(0, (1, 2)), zorder=2)
    axes.set_ylim(*_log_limits([value for curve in curves for value in curve.history[:, 1]], 1.0))
    _log_ticks(axes.yaxis, lambda value: f"{value:g}")
    axes.set_xlabel("search step")
    axes.set_ylabel("RAV")
    return _svg(figure, "Ratio of angle variance during the search; 1 on unchanged images")


def _line(axes: Axes, curve: Curve, values: np.ndarray, colour: str) -> None:
    stride = -(-len(values) // _POINTS)
    steps = np.arange(len(values)) + 1
    whole = len(values) // stride * stride
    steps, values = (x[:whole].reshape(-1, stride).mean(axis=1) for x in (steps, values))
    width, alpha = (1.8, None) if curve.decides else (1.0, 0.6)
    axes.plot(steps, values, color=colour, zorder=3, linewidth=width, alpha=alpha)


def _settled(axes: Axes, curves: Sequence[Curve]) -> None:
    """Shade the last fifth, over which a run is judged."""
    steps = max(len(curve.history) for curve in curves)
    axes.axvspan(steps - steps // 5, steps, color=SHADE, linewidth=0, zorder=0)
    axes.set_xlim(0, steps)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))


def _panel(
    *, height: float, width: float = 330, left: float = 46, right: float = 10, top: float = 10, bottom: float = 34
) -> tuple[Figure, Axes]:
    """An empty panel; lengths in points. About as wide as a phone, so that text keeps its size there."""
    figure = Figure(figsize=(width / 72, height / 72))
    inside = (left / width, bottom / height, 1 - (left + right) / width, 1 - (top + bottom) / height)
    axes = figure.add_axes(inside)
    axes.set_facecolor("none")
    axes.tick_params(colors=SOFT, length=3)
    for name, spine in axes.spines.items():
        spine.set_visible(name in ("bottom", "left") and (name == "bottom" or left > 20))
        spine.set_color(SOFT)
    for axis in (axes.xaxis, axes.yaxis):
        axis.label.set_color(SOFT)
    return figure, axes


def _log_limits(values: Sequence[float], line: float | None) -> tuple[float, float]:
    """Limits with room on both sides, four-fold apart at least so that there are ticks.

    The line is included unless that would squeeze the values into a corner.
    """
    low, high = min(values) / 1.4, max(values) * 1.4
    if line is not None:
        low, high = min(low, max(line / 1.4, low / _REACH)), max(high, min(line * 1.4, high * _REACH))
    widen = max(1.0, np.sqrt(4 * low / high))
    return float(low / widen), float(high * widen)


def _log_ticks(axis: Axis, write: Callable[[float], str]) -> None:
    low, high = axis.get_view_interval()
    decades = np.log10(high / low)
    steps = (1.0, 2.0, 5.0) if decades < 1.3 else (1.0, 3.0) if decades < 2.6 else (1.0,)
    axis.set_major_locator(LogLocator(subs=steps, numticks=20))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: write(value)))


def _plain(text: str) -> str:
    """Keep dollars from starting mathematics."""
    return text.replace("$", r"\$")


def _svg(figure: Figure, label: str) -> Markup:
    """The figure as an SVG element without matplotlib's fonts and metadata, coloured by the page's variables."""
    file = io.BytesIO()
    figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    text = file.getvalue().decode()
    body = text[text.index("<g") : text.rindex("</svg>")]
    body = re.sub(r"<style.*?</style>|<!--.*?-->", "", body, flags=re.S)
    body = re.sub(r' id="[a-zA-Z]\w*_\d+"|font-family: [^;"]*;? ?', "", body)  # names of groups repeat in every figure
    body = re.sub(r"<[^>]*>", lambda tag: re.sub(r"(\d\.\d\d)\d+", r"\1", tag.group()), body)  # not in the labels
    body = re.sub(r"\s*\n\s*", " ", body)
    for colour, variable in _VARIABLES.items():
        body = body.replace(colour, f"var(--{variable})")
    own = f"f{hashlib.sha256(body.encode()).hexdigest()[:8]}-"
    body = re.sub(r'(id="|url\(#)', rf"\g<1>{own}", body).replace('xlink:href="#', f'href="#{own}')
    box = f"0 0 {figure.get_figwidth() * 72:g} {figure.get_figheight() * 72:g}"
    return Markup(f'<svg class="panel" role="img" aria-label="{escape(label)}" viewBox="{box}">{body}</svg>')
