"""One scan, and its clean-up, as one HTML file that needs nothing else: no network, no script, no other file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from markupsafe import Markup

from runs.report import figures, formats, pictures, words
from runs.report.figures import Curve, Row
from runs.report.glossary import GLOSSARY
from runs.report.pictures import Residual, Strip
from runs.report.provenance import parts
from runs.report.templates import fill


@dataclass(frozen=True)
class Scanned:
    """The scan of one model.

    Attributes:
        title: what the model is called here, such as "Suspect model".
        verdict: of ``Verdict.summary()``.
        histories: (family, seed, float32 (steps, 3 + K)) of every run; columns are cost, RAV, output variance ratio and
            mean output in radians.
        images: uint8 (N, H, W, C), some benign images, about six.
        reversed_images: the same with the found change of the deciding family.
        triggered_images: the same with the attacker's own trigger; None when it is not known, as for real suspects.
        people: how many people the benign set shows.

    Raises:
        ValueError: if the parts do not fit each other.
    """

    title: str
    verdict: dict[str, Any]
    histories: Sequence[tuple[str, int, np.ndarray]]
    images: np.ndarray
    reversed_images: np.ndarray
    triggered_images: np.ndarray | None
    people: int

    def __post_init__(self) -> None:
        if self.verdict["verdict"] not in ("backdoored", "benign"):
            raise ValueError(
                f"a verdict is 'backdoored' or 'benign', got {self.verdict['verdict']!r} for {self.title!r}"
            )
        for name in ("images", "reversed_images", "triggered_images"):
            pixels = getattr(self, name)
            if pixels is not None and (
                pixels.dtype != np.uint8 or pixels.shape != self.images.shape or pixels.ndim != 4
            ):
                raise ValueError(
                    f"{name} of {self.title!r} must be uint8 (N, H, W, C) like its images {self.images.shape}, "
                    f"got {pixels.dtype} {pixels.shape}"
                )


@dataclass(frozen=True)
class Controls:
    """The benign controls that thresholds were made with.

    Attributes:
        costs: per family the cheapest cost of every control.
        thresholds: per family.
    """

    costs: dict[str, list[float]]
    thresholds: dict[str, float]


@dataclass(frozen=True)
class Page:
    """Everything that the page tells.

    Attributes:
        title: of the page.
        task_name: such as "gaze".
        outputs: names of the model's outputs.
        scans: one or more models.
        controls: None with the paper's constant threshold.
        true_target_deg: the attacker's target; known only in demonstrations.
        mitigation: {"re": {"before_deg", "after_deg"}, "ae": the same, "dae": the same, "fine_tuning": {"re_deg",
            "ae_deg", "dae_deg"}, "measured_on": "test set" or "benign set", "method"}, or None. All but "re" may be
            missing; the method is "drmguard" then.
        export: {"path", "max_abs_difference", "sha256"} or None.
        deviations: what is ours and not the paper's, a sentence each.
        settings: nested plain values.
        environment: versions, hardware, seed, date, seconds.
    """

    title: str
    task_name: str
    outputs: tuple[str, ...]
    scans: Sequence[Scanned]
    controls: Controls | None
    true_target_deg: list[float] | None
    mitigation: dict[str, Any] | None
    export: dict[str, Any] | None
    deviations: Sequence[str]
    settings: dict[str, Any]
    environment: dict[str, Any]


def render(page: Page) -> str:
    """The page as HTML."""
    families = list(dict.fromkeys(run["family"] for scan in page.scans for run in scan.verdict["runs"]))
    return fill(
        "page.html",
        page=page,
        cards=[_card(page, scan) for scan in page.scans],
        numbers=_numbers(page),
        evidence=[_evidence(page, family) for family in families],
        views=[_view(page, scan) for scan in page.scans],
        searches=[_search(page, scan) for scan in page.scans],
        glossary=GLOSSARY,
        scale=pictures.scale(),
        target=None if page.true_target_deg is None else formats.direction(page.true_target_deg, page.outputs),
        clean_up=None if page.mitigation is None else words.clean_up(page.mitigation),
        cleaning=None if page.mitigation is None else words.cleaning(page.mitigation),
        rival=next((words.family(name).name for name in families if name in words.RIVALS), None),
        parts=parts(families, calibrated=page.controls is not None, mitigated=page.mitigation is not None),
    )


class _Card(NamedTuple):
    title: str
    backdoored: bool
    headline: str
    sentences: list[str]
    missed: bool
    advice: str
    limits: list[str]


def _card(page: Page, scan: Scanned) -> _Card:
    verdict, controls = scan.verdict, _controls(page, scan)
    attacked = scan.triggered_images is not None
    return _Card(
        title=scan.title,
        backdoored=words.is_backdoored(verdict),
        headline=words.headline(verdict),
        sentences=[words.finding(verdict, page.outputs), words.comparison(verdict, controls)],
        missed=attacked and not words.is_backdoored(verdict),
        advice=words.advice(verdict, cleaned=page.mitigation is not None, attacked=attacked),
        limits=words.limits(verdict, controls, scan.people),
    )


class _Number(NamedTuple):
    measure: words.Measure
    readings: list[words.Reading]  # one per model


def _numbers(page: Page) -> list[_Number]:
    readings = [words.readings(scan.verdict, _controls(page, scan)) for scan in page.scans]
    measures = words.measures(calibrated=page.controls is not None)
    return [_Number(measure, list(row)) for measure, row in zip(measures, zip(*readings))]


def _controls(page: Page, scan: Scanned) -> list[float] | None:
    """Costs of the controls in the family that decides, None with the paper's constant."""
    return None if page.controls is None else page.controls.costs[scan.verdict["family"]]


class _Evidence(NamedTuple):
    words: words.Family
    figure: Markup


def _evidence(page: Page, family: str) -> _Evidence:
    rows = []
    for scan in page.scans:
        verdict = scan.verdict
        score = words.price(words.deciding_run(verdict)) if verdict["family"] == family else None
        runs = [run for run in verdict["runs"] if run["family"] == family]
        rows.append(Row(scan.title, words.is_backdoored(verdict), runs, score))
    if page.controls is None:
        costs, threshold = [], page.scans[0].verdict["threshold"]  # a constant is the same for every family
    else:
        judged = [scan.verdict["threshold"] for scan in page.scans if scan.verdict["family"] == family]
        costs, threshold = page.controls.costs[family], max(judged, default=page.controls.thresholds[family])
    return _Evidence(words.family(family), figures.evidence(words.family(family).name, costs, threshold, rows))


class _View(NamedTuple):
    title: str
    backdoored: bool
    change: str
    clean: Strip
    reversed: Strip
    reversed_map: Residual
    triggered: Strip | None
    triggered_map: Residual | None


def _view(page: Page, scan: Scanned) -> _View:
    triggered = scan.triggered_images
    return _View(
        title=scan.title,
        backdoored=words.is_backdoored(scan.verdict),
        change=words.family(scan.verdict["family"]).change.rstrip(","),
        clean=pictures.strip(scan.images),
        reversed=pictures.strip(scan.reversed_images),
        reversed_map=pictures.residual(scan.images, scan.reversed_images),
        triggered=None if triggered is None else pictures.strip(triggered),
        triggered_map=None if triggered is None else pictures.residual(scan.images, triggered),
    )


class _Search(NamedTuple):
    title: str
    backdoored: bool
    family: words.Family
    runs: int
    miss: str | None
    answers: Markup | None
    estimates: Markup
    costs: Markup
    angle_variance: Markup


def _search(page: Page, scan: Scanned) -> _Search | None:
    verdict = scan.verdict
    curves = _curves(scan)
    if not curves:
        return None
    backdoored = words.is_backdoored(verdict)
    attacked = backdoored or scan.triggered_images is not None
    truth = page.true_target_deg if attacked else None
    flat = {"pitch", "yaw"} <= set(page.outputs)
    return _Search(
        title=scan.title,
        backdoored=backdoored,
        family=words.family(verdict["family"]),
        runs=len(curves),
        miss=None if truth is None else formats.angle(_apart(truth, verdict["target_estimate_deg"])),
        answers=figures.answers(verdict, page.outputs, truth) if flat else None,
        estimates=figures.estimates(curves, page.outputs, truth),
        costs=figures.costs(curves, verdict["threshold"], backdoored=backdoored),
        angle_variance=figures.angle_variance(curves, backdoored=backdoored),
    )


def _curves(scan: Scanned) -> list[Curve]:
    """The runs of the deciding family, the deciding one last so that it is drawn on top."""
    decider = words.deciding_run(scan.verdict)
    mine = [(seed, history) for family, seed, history in scan.histories if family == scan.verdict["family"]]
    return sorted((Curve(history, seed == decider["seed"]) for seed, history in mine), key=lambda curve: curve.decides)


def _apart(first: Sequence[float], second: Sequence[float]) -> float:
    return float(np.linalg.norm(np.subtract(first, second)))
