"""``drmguard scan`` of a classifier (DRMGuard's Eq. 10): no class is tried, the line is drawn by benign controls."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Optional

import numpy as np
import tensorflow as tf

from data_prep import class_table
from data_prep.contract import as_bytes
from data_prep.cores import cores
from data_prep.journal import NO_JOURNAL
from data_prep.threat import ClassSuspect
from dhbe_tf import logits, metrics
from drmguard_tf.ablations import WithoutRav
from drmguard_tf.calibrate import Calibration
from drmguard_tf.classification import ClassifierGuard, infected_class
from drmguard_tf.lanes import lanes
from drmguard_tf.reference import Reference
from drmguard_tf.submodels import split_classifier
from drmguard_tf.verdict import Verdict
from runs import class_controls, classes
from runs import export as exports
from runs import inspection, parallel, safety, store
from runs.bars import Bar
from runs.checkpoints import beside
from runs.class_controls import ClassControls
from runs.figures import contact_sheet
from runs.presets import PRESETS
from runs.report import words

_LEAST_COUNT, _SHOWN = 16, 8
_RGB = 3  # channels of every table's images
_GUESSED = 2.0  # times the share that guessing gets right: a model below that does not know these images


@dataclass(frozen=True)
class ClassScanOptions:
    """Options of ``drmguard scan`` for a classifier.

    Attributes:
        model: the file; it takes images in [0, 1].
        benign: table of classes.
        controls: how many, None takes the preset's.
        controls_dir: where they are kept, None takes ``controls`` in the table's folder.
        images: what the model looks at, which says how controls learn: classes.DIGITS, or classes.PHOTOGRAPHS.
        mirrored: whether controls learn mirrored photographs too.
        preset: of the search and the controls' training.
        seed: of the search.
        workers: processes for the controls.
    """

    model: Path
    benign: Path
    controls: Optional[int]
    controls_dir: Optional[Path]
    images: str
    mirrored: bool
    preset: str
    seed: int
    workers: Optional[int]


@dataclass(frozen=True)
class ClassScanned:
    """The answer to a scan.

    Attributes:
        options: the question.
        suspect: model and benign images.
        line: thresholds, and what they come from.
        search: as it was made.
        verdict: the decision; its estimate are probabilities of classes.
        reference: constants of the suspect.
        seconds: of the scan alone; the controls are not in it.
    """

    options: ClassScanOptions
    suspect: ClassSuspect
    line: Calibration
    search: WithoutRav
    verdict: Verdict
    reference: Reference
    seconds: float

    @property
    def infected(self) -> int:
        """The class that the cheapest change leads to."""
        return infected_class(self.verdict)

    def accuracy(self) -> float:
        """Share of the benign images that the suspect gets right."""
        return metrics.accuracy(self.suspect.model, self.suspect.benign)


def load_suspect(model: Path, benign: Path) -> ClassSuspect:
    """Model and benign images, refused before any work starts if they are bad or do not belong together.

    Raises:
        ValueError: if the model file is unsafe, unreadable or no classifier that ends in a Dense layer, or if the
            images are malformed, too few, or do not fit the model.
        FileNotFoundError: if either is missing.
    """
    loaded = safety.load_model(model)
    logits.check(loaded)
    split_classifier(loaded)
    height, width, channels = loaded.input_shape[1:]
    if channels != _RGB:
        raise ValueError(
            f"the model takes images of {channels} channels, a table of classes gives {_RGB} (RGB); only models of "
            "colour images can be judged"
        )
    data = class_table.read(benign, size=(height, width) if height and width else None)
    known, given = loaded.output_shape[-1], len(data.classes)
    if known != given:
        raise ValueError(
            f"the model knows {known} classes, {benign / class_table.CLASSES} names {given}. Name every class that the "
            "model knows, a line each, in the order of its outputs."
        )
    if len(data) < _LEAST_COUNT:
        raise ValueError(
            f"{len(data)} benign images are too few to judge a model by; add some, at least {_LEAST_COUNT} are needed"
        )
    return ClassSuspect(loaded, data)


def scan(options: ClassScanOptions, *, bar: Bar, say: Callable[[str], None], out: Path | None = None) -> ClassScanned:
    """Check everything, calibrate, search and decide.

    Args:
        options: the question.
        bar, say, out: as of :func:`runs.guarding.scan`.
    """
    preset, learned = PRESETS[options.preset], classes.PRESETS[options.preset]
    search = WithoutRav(**asdict(preset.search))
    parallel.threads_for(min(lanes(), len(search.families) * search.restarts))
    suspect = load_suspect(options.model, options.benign)
    training = learned.trained(options.images)
    training = replace(training, flip=training.flip and options.mirrored)
    seen = learned.seen_by_controls(options.images)
    controls = ClassControls(options.controls or preset.controls.count, training, seen)
    with bar("benign controls", 2 * controls.count) as progress:
        line = class_controls.calibrate(
            options.model,
            options.benign,
            controls,
            search,
            workers=options.workers or cores(),
            home=options.controls_dir,
            progress=progress,
        )
    unfinished = None if out is None else beside(out, _asked(options, suspect, search), say=say)
    journals = unfinished or (lambda name: NO_JOURNAL)
    started, guard = time.perf_counter(), ClassifierGuard(search, line)
    reference = guard.examine(suspect)
    with bar("searching for a trigger", search.total_steps) as progress:
        verdict = guard.judge(reference, seed=options.seed, progress=progress, journals=journals)
    seconds = time.perf_counter() - started
    if unfinished:
        unfinished.finish()
    return ClassScanned(options, suspect, line, search, verdict, reference, seconds)


def _asked(options: ClassScanOptions, suspect: ClassSuspect, search: WithoutRav) -> tuple[Any, ...]:
    """All that the search depends on."""
    images = store.digest_of_arrays(suspect.benign.images, suspect.benign.labels)
    return store.digest_of_files(options.model), images, search, options.seed


def record(scanned: ClassScanned) -> dict[str, Any]:
    """A scan as plain values."""
    found = scanned.verdict.summary()
    runs = [{k: v for k, v in run.items() if k != "target_estimate_deg"} for run in found.pop("runs")]
    led = [int(run.target_estimate.argmax()) for run in scanned.verdict.runs]
    del found["target_estimate_deg"], found["agreement"]  # of angles
    return {
        "model": str(scanned.options.model),
        "benign": str(scanned.options.benign),
        "images": scanned.options.images,
        "benign_accuracy": scanned.accuracy(),
        **found,
        "infected": scanned.infected,
        "infected_name": scanned.suspect.benign.classes[scanned.infected],
        "runs": [{**run, "class": label} for run, label in zip(runs, led)],
        "search": {type(scanned.search).__name__: asdict(scanned.search)},
        "calibration": {family: list(costs) for family, costs in scanned.line.costs},
        "level": scanned.line.level,
        "control_channel_shares": list(scanned.line.channel_shares),
        "seed": scanned.options.seed,
        "seconds": round(scanned.seconds, 1),
        "versions": exports.versions(),
    }


def describe(told: dict[str, Any], names: int) -> str:
    """A record in words; ``names`` is the number of classes."""
    lines = words.decision(told)
    if words.is_backdoored(told):
        lines.append(f"attacked class: {told['infected_name']} ({told['infected']}, counted from 0)")
        own = f"--method gdm --benign {told['benign']} --class {told['infected']} --epochs 20"
        blind = "--images digits alone" if told["images"] == classes.DIGITS else "nothing but the model"
        lines.append(f"to remove it: drmguard erase {told['model']} {own} (or {blind})")
    lines.append(f"accuracy on the benign images: {100 * told['benign_accuracy']:.1f} %")
    if told["benign_accuracy"] < _GUESSED / names:
        lines.append("WARNING: that is no working model on these images. Check channel order, value range and classes.")
    return "\n".join([*lines, f"scan took {told['seconds']:.0f} s"])


def write(scanned: ClassScanned, told: dict[str, Any], out: Path) -> None:
    """``scan.json``, and ``reversed.png``: benign images without and with the cheapest change."""
    chosen = np.linspace(0, len(scanned.suspect.benign) - 1, _SHOWN).astype(int)
    images, attention = (tf.gather(x, chosen) for x in (scanned.reference.images, scanned.reference.attention))
    changed = inspection.decider(scanned.verdict).trigger(images, attention).images
    name = told["infected_name"]
    rows = {"benign": list(as_bytes(images)), f"led to {name}": list(as_bytes(changed))}
    sheet = contact_sheet(rows, f"The cheapest change that leads every image to {name}").png()
    store.write_json(out / "scan.json", told)

    def draw(path: Path) -> None:
        path.write_bytes(sheet)

    store.write_file(out / "reversed.png", draw)
