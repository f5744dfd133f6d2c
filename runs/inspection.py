"""The defender's work on one model file: load it safely, calibrate, scan, clean."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Optional, Union

import numpy as np
import tensorflow as tf

from data_prep import image_table
from data_prep.contract import DatasetSpec, pixels
from data_prep.journal import NO_JOURNAL, Journal
from data_prep.threat import Suspect
from drmguard_tf import losses
from drmguard_tf.ablations import heeded
from drmguard_tf.baselines.mitigation import Mitigation
from drmguard_tf.calibrate import Calibration, PaperThreshold
from drmguard_tf.detection import Detection
from drmguard_tf.drmguard import DRMGuard
from drmguard_tf.lanes import Progress
from drmguard_tf.paper import PaperSearch
from drmguard_tf.reference import attention_map, check_fit
from drmguard_tf.reversal import Run, Search
from drmguard_tf.submodels import split
from drmguard_tf.unlearning import Unlearning
from drmguard_tf.verdict import Verdict
from runs import controls, safety, store
from runs.data_folder import CONTROLS

_LEAST_SIDE, _LEAST_COUNT, _SAMPLE = 16, 16, 250


def _silent(done: int) -> None:
    """Report nothing."""


@dataclass(frozen=True)
class Scan:
    """What is asked about one model.

    Attributes:
        model: the file under examination.
        benign: image table of the benign set.
        search: DRMGuard's printed search or the steered one, or that of a rival.
        controls: how to calibrate; None judges by the paper's constant.
        seed: of the search.
        home: where controls are kept, by default inside the benign set's folder.
    """

    model: Path
    benign: Path
    search: Search
    controls: Optional[controls.Controls]
    seed: int = 0
    home: Optional[Path] = None

    @functools.cached_property
    def suspect(self) -> Suspect:
        """The loaded model with the benign set, read once; both are checked."""
        return load_suspect(self.model, self.benign)[1]


@dataclass(frozen=True)
class Scanned:
    """The answer to a scan.

    Attributes:
        scan: the question.
        verdict: the decision.
        guard: the defence as it was configured, threshold included.
        seconds: of the scan alone: reading, examining and searching; controls and pre-training are not in it.
    """

    scan: Scan
    verdict: Verdict
    guard: Detection
    seconds: float


def load_suspect(model: Path, benign: Path) -> tuple[DatasetSpec, Suspect]:
    """Model and benign set, refused before any work starts if they are bad or do not belong together.

    Raises:
        ValueError: if the model file is unsafe, unreadable or no regression model that ends in a Dense layer, or if the
            benign set is malformed or does not fit the model.
        FileNotFoundError: if either is missing.
    """
    loaded = safety.load_model(model)
    split(loaded)  # before the images are read: a classifier is refused whatever the labels look like
    height, width = loaded.input_shape[1:3]
    spec, data = image_table.read(benign, size=(height, width) if height and width else None)
    suspect = Suspect(loaded, data)
    check_fit(suspect)
    return spec, suspect


def check_judgeable(suspect: Suspect) -> None:
    """Refuse what no search can judge, before controls are trained for it.

    Raises:
        ValueError: if there are too few or too small images, or if the model answers all of them alike.
    """
    count, height, width = suspect.benign.images.shape[:3]
    if min(height, width) < _LEAST_SIDE or count < _LEAST_COUNT:
        raise ValueError(
            f"{count} benign images of {width} x {height} pixels are too little to judge a model by: at least "
            f"{_LEAST_COUNT} are needed, {_LEAST_SIDE} pixels high and wide"
        )
    answers = suspect.model(tf.constant(pixels(suspect.benign.images[:_SAMPLE])), training=False).numpy()
    if not (np.ptp(answers, axis=0) > 0).all():
        raise ValueError(
            f"the model gives one and the same answer for {len(answers)} benign images, so there is nothing left that "
            "a trigger could collapse. Check pixel range and channel order, or train the model."
        )


def threshold(scan: Scan, *, workers: int, progress: Progress = _silent) -> Union[Calibration, PaperThreshold]:
    """The line that a scan is judged by; trains and searches the controls where they do not exist yet."""
    if scan.controls is None:
        return PaperThreshold()
    if isinstance(scan.search, PaperSearch):
        raise ValueError("the printed search is judged by the paper's constant; controls belong to the others")
    return controls.calibrate(
        scan.model, scan.benign, scan.controls, scan.search, workers=workers, home=scan.home, progress=progress
    )


def scan_model(
    scan: Scan,
    line: Union[Calibration, PaperThreshold],
    progress: Progress = _silent,
    journals: Callable[[str], Journal] = lambda name: NO_JOURNAL,
) -> Scanned:
    """Search for a trigger and decide.

    Args:
        scan: the question.
        line: of :func:`threshold`.
        progress: called with the number of search steps done.
        journals: gives each search run, by its name, the journal where it goes on after an interruption.
    """
    guard = Detection(scan.search, line)
    extra = {"generator": pretrained(scan, journals=journals)} if isinstance(scan.search, PaperSearch) else {}
    started = time.perf_counter()
    verdict = guard.detect(
        scan.suspect, seed=scan.seed, witnesses=_witnesses(scan), progress=progress, journals=journals, **extra
    )
    return Scanned(scan, verdict, guard, time.perf_counter() - started)


def _witnesses(scan: Scan) -> list[tf.keras.Model]:
    """The controls themselves, who are shown what is found."""
    if scan.controls is None:
        return []
    return controls.witnesses(controls.all_jobs(scan.model, scan.benign, scan.controls, scan.search, scan.home))


def pretrained(
    scan: Scan,
    progress: Progress = _silent,
    journals: Callable[[str], Journal] = lambda name: NO_JOURNAL,
) -> tf.keras.Model:
    """The identity generator of a benign set; the same for every suspect, so kept with the controls.

    Args:
        scan: by the printed search.
        progress: called with the number of steps done.
        journals: where an interrupted pre-training goes on.
    """
    assert isinstance(scan.search, PaperSearch)
    images = scan.suspect.benign.images
    key = store.digest((store.digest_of_arrays(images), scan.search.pretraining, scan.search.learning_rate, scan.seed))
    path = (scan.home or scan.benign / CONTROLS) / f"generator-{key}.h5"
    if path.is_file():
        return safety.load_model(path)
    journal = journals("pretraining")
    generator = scan.search.pretrain(pixels(images), seed=scan.seed, progress=progress, journal=journal)
    store.write_file(path, lambda temporary: generator.save(temporary, save_format="h5", include_optimizer=False))
    return generator


def changed(scanned: Scanned, images: tf.Tensor) -> tf.Tensor:
    """Images with the trigger that decided the scan.

    Args:
        scanned: the scan.
        images: float32 (N, H, W, C) in [0, 1].
    """
    attention = heeded(scanned.scan.search, attention_map(split(scanned.scan.suspect.model), images))
    return decider(scanned.verdict).trigger(images, attention).images


def decider(verdict: Verdict) -> Run:
    """The run that decided."""
    priced = zip(verdict.runs, verdict.prices)
    return next(run for run, price in priced if run.family == verdict.family and price == verdict.score)


def distance(scanned: Scanned) -> float:
    """How much the deciding trigger changes benign images: mean L1 change over the largest benign norm.

    This is what the paper compares all methods by (Sec. 4.1), whatever price a search has of its own.
    """
    images = pixels(scanned.scan.suspect.benign.images)
    parts = [tf.constant(images[at : at + _SAMPLE]) for at in range(0, len(images), _SAMPLE)]
    change = [float(losses.input_distance(part, changed(scanned, part))) * len(part) for part in parts]
    return sum(change) / len(images) / float(images.sum(axis=(1, 2, 3)).max())


def clean(scanned: Scanned, options: Unlearning, progress: Progress = _silent) -> tf.keras.Model:
    """Unlearn what a scan found."""
    guard = DRMGuard(scanned.guard.search, scanned.guard.threshold, options)
    return guard.mitigate(scanned.scan.suspect, scanned.verdict, seed=scanned.scan.seed, progress=progress)


def clean_by(scanned: Scanned, method: Mitigation, progress: Progress = _silent) -> tf.keras.Model:
    """Clean a scanned model by a method that does not ask what was found."""
    return method.mitigate(scanned.scan.suspect, seed=scanned.scan.seed, progress=progress)


def fine_tune(scanned: Scanned, options: Unlearning) -> tf.keras.Model:
    """The control of every mitigation: the same budget on benign images alone."""
    return DRMGuard(unlearning=options).fine_tune(scanned.scan.suspect, seed=scanned.scan.seed)
