"""From results to the report: which images, curves and settings it shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from data_prep import image_table
from data_prep.contract import Task, as_bytes, pixels
from data_prep.poison import Trigger
from drmguard_tf.calibrate import Calibration
from runs.inspection import Scanned, changed
from runs.report.page import Controls, Page
from runs.report.page import Scanned as View
from runs.report.page import render

_SHOWN = 6

DEVIATIONS = (
    "The steered search, its trigger families patch and warp and the small generator are ours; the three terms of the "
    "objective, the momentum reverse trigger and the unlearning by fine-tuning are the paper's.",
    "The threshold is calibrated on benign controls trained on the benign set; the paper uses the constant 0.03.",
    "A warp is priced by its mean displacement as a share of the image's side, because its L1 distance says little.",
    "The L1 norm of the input distance is a sum over pixels and channels; the paper does not say.",
)


_RIVALS = ("NeuralCleanse", "FeatureRE")
_RIVAL = (
    "Neural Cleanse and FeatureRE are generalised to regression as in Eq. 8 and 9; what their constants mean without "
    "labels is ours: errors and spreads are shares of those on benign images.",
    "The threshold is calibrated on benign controls: Neural Cleanse compares labels, and there are none.",
    "Several starts, from the mean answer and from single ones; the best decides.",
)


def view(scanned: Scanned, title: str, trigger: Trigger | None = None) -> View:
    """What the report shows of one scan.

    Args:
        scanned: the scan.
        title: of the model, for people.
        trigger: the attacker's, in demonstrations only.
    """
    suspect, verdict = scanned.scan.suspect, scanned.verdict
    images = suspect.benign.images[:: max(1, len(suspect.benign) // _SHOWN)][:_SHOWN]
    floats = tf.constant(pixels(images))
    return View(
        title=title,
        verdict=verdict.summary(),
        histories=[(run.family, run.seed, run.history) for run in verdict.runs],
        images=images,
        reversed_images=as_bytes(changed(scanned, floats)),
        triggered_images=None if trigger is None else as_bytes(trigger(floats)),
        people=suspect.benign.people,
    )


def controls_of(scanned: Scanned) -> Controls | None:
    """Costs and thresholds of the controls, None with the paper's constant."""
    line = scanned.guard.threshold
    if not isinstance(line, Calibration):
        return None
    return Controls({name: list(costs) for name, costs in line.costs}, {name: line.of(name) for name, _ in line.costs})


def report(scanned: Scanned, record: dict[str, Any], *, mitigation: dict[str, Any] | None = None) -> str:
    """The page about one suspect."""
    return page(
        "Scan of " + scanned.scan.model.name,
        image_table.task_of(scanned.scan.benign),
        [view(scanned, "Suspect model")],
        controls_of(scanned),
        record,
        mitigation=mitigation,
    )


def page(
    title: str,
    task: Task,
    views: Sequence[View],
    controls: Controls | None,
    record: dict[str, Any],
    *,
    mitigation: dict[str, Any] | None = None,
    export: dict[str, Any] | None = None,
    true_target_deg: list[float] | None = None,
) -> str:
    """An HTML page; ``record`` gives settings, seed, seconds and versions."""
    return render(
        Page(
            title=title,
            task_name=task.name,
            outputs=task.outputs,
            scans=views,
            controls=controls,
            true_target_deg=true_target_deg,
            mitigation=mitigation,
            export=export,
            deviations=_RIVAL if set(_RIVALS) & set(record["search"]) else DEVIATIONS,
            settings={
                key: record[key] for key in ("search", "calibration", "unlearning", "cleaning") if record.get(key)
            },
            environment={**record["versions"], "seed": record["seed"], "seconds": record["seconds"]},
        )
    )
