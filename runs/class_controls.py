"""Benign controls of a classifier."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import tensorflow as tf

from data_prep import class_table
from data_prep.journal import Journal
from data_prep.threat import ClassSuspect
from dhbe_tf.training import Classification
from drmguard_tf.calibrate import Calibration
from drmguard_tf.classification import LEVEL, ClassifierGuard
from drmguard_tf.lanes import Progress
from drmguard_tf.reference import Reference
from drmguard_tf.reversal import Search
from drmguard_tf.submodels import logits_of
from runs import kept_controls, safety, store
from runs.data_folder import CONTROLS
from runs.kept_controls import KeptControl

_FIRST = 1000  # seed; other than those of suspects


@dataclass(frozen=True)
class ClassControls:
    """How many controls there are and how they learn.

    Attributes:
        count: 2 or more; the fewer, the lower the line lies below their prices.
        training: how, but for the epochs; the architecture is the suspect's.
        seen: images that a control sees in all, however few there are.
    """

    count: int
    training: Classification
    seen: int


@dataclass(frozen=True)
class Job(KeptControl):
    """One control of these."""

    search: Search
    training: Classification

    def learn(self, journal: Journal) -> tf.keras.Model:
        """See :class:`runs.kept_controls.KeptControl`."""
        start = _fresh(safety.load_model(self.suspect), self.seed)
        return self.training.fit(class_table.read(self.benign), seed=self.seed, start=start, journal=journal)

    def examine(self, model: tf.keras.Model) -> Reference:
        """See :class:`runs.kept_controls.KeptControl`."""
        return ClassifierGuard(self.search).examine(ClassSuspect(model, class_table.read(self.benign)))

    @property
    def made_by(self) -> dict[str, Any]:
        """See :class:`runs.kept_controls.KeptControl`."""
        return {"training": self.training}


def calibrate(
    suspect: Path,
    benign: Path,
    controls: ClassControls,
    search: Search,
    *,
    workers: int,
    home: Path | None = None,
    progress: Progress = lambda done: None,
) -> Calibration:
    """Thresholds from controls of the suspect's architecture, at the level of classifiers; what exists is used.

    Args:
        benign: table of classes.
        suspect, controls, search, workers, home, progress: as of :func:`runs.controls.calibrate`.
    """
    data, network = class_table.read(benign), safety.load_model(suspect)
    made_by = (kept_controls.architecture(network), controls, store.digest_of_arrays(data.images, data.labels))
    folder = (home or benign / CONTROLS) / store.digest(made_by)
    training = controls.training.seeing(controls.seen, len(data))
    jobs = [Job(suspect, benign, folder, _FIRST + index, search, training) for index in range(controls.count)]
    return replace(kept_controls.calibrate(jobs, workers=workers, progress=progress), level=LEVEL)


def _fresh(suspect: tf.keras.Model, seed: int) -> tf.keras.Model:
    """The suspect up to its logits with new weights; what its layers know of the images' mean and spread is kept."""
    whole = logits_of(suspect)
    tf.keras.utils.set_random_seed(seed)  # initial weights are drawn from TensorFlow's global generator
    fresh = tf.keras.models.clone_model(whole)
    for old, new in zip(whole.layers, fresh.layers):
        if isinstance(old, tf.keras.layers.Normalization):
            new.set_weights(old.get_weights())
    return fresh
