"""DRMGuard on classifiers (App. A.9, Eq. 10) as jobs: controls, scans, and pictures of what was reversed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Optional, Union

import numpy as np
import tensorflow as tf

from data_prep.contract import ClassSplit, pixels
from data_prep.splits import random_share
from data_prep.threat import ClassSuspect
from dhbe_tf.training import Classification
from drmguard_tf import losses
from drmguard_tf.calibrate import Calibration, Control, PaperThreshold
from drmguard_tf.classification import LEVEL, ClassifierGuard, infected_class
from drmguard_tf.reference import Reference
from drmguard_tf.reversal import ReversedTrigger, Search
from drmguard_tf.verdict import Threshold, Verdict
from runs import classes, inspection
from runs.erasing_jobs import Implanted, Learned
from runs.jobs import Desk, Job
from runs.looks import png
from runs.spent import metered
from runs.trigger_models import model_of

_FIRST_CONTROL = 1000  # seed; other than those of suspects
_BATCH = 250


@dataclass(frozen=True)
class Defender:
    """What the defender of a classifier holds, and how the line is drawn.

    Attributes:
        data: see :func:`runs.classes.read`.
        training: of the suspects; controls see half as many images in theirs.
        share: of the training set that the defender holds; suspects know these images, and so do the controls.
        search: how triggers are looked for: one without the feature-space term.
        controls: how many benign classifiers are trained on that share.
        confidence: see :class:`drmguard_tf.classification.ClassifierGuard`.
    """

    data: str
    training: Classification
    share: float
    search: Search
    controls: int
    confidence: float = ClassifierGuard.confidence

    def guard(self, line: Threshold) -> ClassifierGuard:
        """The defence with this line."""
        return ClassifierGuard(self.search, line, confidence=self.confidence)

    def benign(self) -> ClassSplit:
        """The defender's images, the same for all suspects."""
        return random_share(classes.read(self.data)[0], self.share, seed=0)

    @property
    def of_controls(self) -> Classification:
        """How a control is trained: fewer images, seen more often."""
        return replace(self.training, epochs=max(1, round(self.training.epochs / (2 * self.share))))


@dataclass(frozen=True)
class ClassControl:
    """Train and search one benign classifier on the defender's images."""

    defender: Defender
    index: int

    @property
    def name(self) -> str:
        """For people."""
        return f"control {self.index}"

    @property
    def needs(self) -> tuple[Job, ...]:
        """Nothing: the architecture is known."""
        return ()

    def do(self, desk: Desk) -> dict[str, Any]:
        """Returns ``costs`` and ``channel_share`` (:class:`drmguard_tf.calibrate.Control`)."""
        benign, search, seed = self.defender.benign(), self.defender.search, _FIRST_CONTROL + self.index
        model = self.defender.of_controls.fit(benign, seed=seed, journal=desk.journal("training"))
        reference = self.defender.guard(PaperThreshold()).examine(ClassSuspect(model, benign))
        runs = search.run(reference, seed=seed, journals=desk.journal)
        return dict(Control.of(runs)._asdict())


@dataclass(frozen=True)
class ScanClassifier:
    """Scan a classifier without going through its classes.

    Attributes:
        suspect: the model, benign or backdoored.
        defender: who scans.
        images: how many pictures are kept.
        seed: of the search.
        level: chance that a benign model is flagged, as far as controls tell.
    """

    suspect: Union[Learned, Implanted]
    defender: Defender
    images: int = 6
    seed: int = 0
    level: float = LEVEL

    @property
    def name(self) -> str:
        """For people."""
        return self.suspect.name.replace("train", "scan", 1)

    @property
    def needs(self) -> tuple[Job, ...]:
        """The model and the controls."""
        return (self.suspect, *self._controls)

    @property
    def _controls(self) -> tuple[ClassControl, ...]:
        return tuple(ClassControl(self.defender, index) for index in range(self.defender.controls))

    def do(self, desk: Desk) -> dict[str, Any]:
        """Returns the decision as :class:`runs.jobs.ScanModel` does, with ``target`` and ``infected`` as classes.

        ``clean``, ``triggered`` (none of a benign model) and ``reversed`` are some images, a PNG in base64 each, none
        of them of the attacked class; ``answers`` the classes that the model gives to the reversed ones.
        """
        model, record = model_of(self.suspect, desk), desk.result(self.suspect)
        line = Calibration.of_controls([Control(**desk.result(control)) for control in self._controls], self.level)
        guard, benign = self.defender.guard(line), self.defender.benign()

        def scan() -> tuple[Reference, Verdict]:
            reference = guard.examine(ClassSuspect(model, benign))
            return reference, guard.judge(reference, seed=self.seed, journals=desk.journal)

        (reference, verdict), spent = metered(scan, desk.clock)
        trigger = inspection.decider(verdict).trigger
        known = classes.known_trigger(record) if isinstance(self.suspect, Implanted) else None
        chosen = self._chosen(benign.labels, known[1] if known else None)
        clean = pixels(benign.images[chosen])
        changed = _changed(reference, trigger)
        reversed_images = changed[chosen]
        triggered = known[0](tf.constant(clean)).numpy() if known else ()
        return {
            "attack": type(self.suspect.attack).__name__ if isinstance(self.suspect, Implanted) else None,
            "metrics": record["metrics"],
            "verdict": "backdoored" if verdict.backdoored else "benign",
            "family": verdict.family,
            "score": verdict.score,
            "threshold": verdict.threshold,
            "margin": verdict.margin,
            "certainty": verdict.certainty,
            "distance": _distance(reference, changed),
            "target": known[1] if known else None,
            "infected": infected_class(verdict),
            "met": sum(run.met for run in verdict.runs),
            "runs": len(verdict.runs),
            "spent": spent,
            "clean": [png(image) for image in clean],
            "triggered": [png(image) for image in triggered],
            "reversed": [png(image) for image in reversed_images],
            "answers": np.argmax(model(tf.constant(reversed_images), training=False), axis=1),
        }

    def _chosen(self, labels: np.ndarray, target: Optional[int]) -> np.ndarray:
        """Places of some images of other classes than the target, the same for all models with that target."""
        order = np.random.default_rng(0).permutation(len(labels))
        return order[labels[order] != target][: self.images]


def _changed(reference: Reference, trigger: ReversedTrigger) -> np.ndarray:
    """All benign images with a found trigger, float32 (N, H, W, C)."""
    images, attention = reference.images, reference.attention
    parts = [slice(at, at + _BATCH) for at in range(0, len(images), _BATCH)]
    return np.concatenate([trigger(images[part], attention[part]).images for part in parts])


def _distance(reference: Reference, changed: np.ndarray) -> float:
    """Mean L1 change of the benign images over their largest norm: the score of DRMGuard's Sec. 3.4."""
    return float(losses.input_distance(reference.images, changed)) / reference.largest_norm
