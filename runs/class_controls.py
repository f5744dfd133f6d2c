"""Benign controls of a classifier: copies of its architecture that the defender trains, kept beside the benign images.

As :mod:`runs.controls` for regression.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import tensorflow as tf

from data_prep import class_table
from data_prep.threat import ClassSuspect
from dhbe_tf.training import Classification
from drmguard_tf.calibrate import Calibration, Control
from drmguard_tf.classification import ClassifierGuard
from drmguard_tf.reversal import Search
from drmguard_tf.submodels import logits_of
from runs import parallel, safety, store
from runs.controls import architecture
from runs.data_folder import CONTROLS

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
class Job:
    """One control: what it copies, what it learns, where it is kept, how it is searched."""

    suspect: Path
    benign: Path
    folder: Path
    training: Classification
    search: Search
    seed: int


def calibrate(
    suspect: Path,
    benign: Path,
    controls: ClassControls,
    search: Search,
    *,
    workers: int,
    home: Path | None = None,
    progress: Callable[[int], None] = lambda done: None,
) -> Calibration:
    """Thresholds from controls of the suspect's architecture; what exists already is used.

    Args:
        benign: table of classes.
        suspect, controls, search, workers, home: as of :func:`runs.controls.calibrate`.
        progress: called with the number of controls finished.
    """
    data, network = class_table.read(benign), safety.load_model(suspect)
    made_by = (architecture(network), controls, store.digest_of_arrays(data.images, data.labels))
    folder = (home or benign / CONTROLS) / store.digest(made_by)
    training = controls.training.seeing(controls.seen, len(data))
    jobs = [Job(suspect, benign, folder, training, search, _FIRST + index) for index in range(controls.count)]
    found = []
    for control in parallel.spread(search_control, jobs, workers=workers):
        found.append(control)
        progress(len(found))
    return Calibration.of_controls(found)


def search_control(job: Job) -> Control:
    """What one control costs; trained and searched unless that was done before."""
    found = job.folder / f"control-{job.seed}-{store.digest(job.search)}.json"
    if found.is_file():
        return Control(**{name: store.read_json(found)[name] for name in Control._fields})
    benign, path = class_table.read(job.benign), job.folder / f"control-{job.seed}.h5"
    if path.is_file():
        model = safety.load_model(path)
    else:
        start = _fresh(safety.load_model(job.suspect), job.seed)
        model = job.training.fit(benign, seed=job.seed, start=start)
        store.write_file(path, lambda temporary: model.save(temporary, save_format="h5", include_optimizer=False))
    reference = ClassifierGuard(job.search).examine(ClassSuspect(model, benign))
    control = Control.of(job.search.run(reference, seed=job.seed))
    store.write_json(found, {**control._asdict(), "search": job.search, "training": job.training, "seed": job.seed})
    return control


def _fresh(suspect: tf.keras.Model, seed: int) -> tf.keras.Model:
    """The suspect up to its logits with new weights; what its layers know of the images' mean and spread is kept."""
    whole = logits_of(suspect)
    tf.keras.utils.set_random_seed(seed)  # initial weights are drawn from TensorFlow's global generator
    fresh = tf.keras.models.clone_model(whole)
    for old, new in zip(whole.layers, fresh.layers):
        if isinstance(old, tf.keras.layers.Normalization):
            new.set_weights(old.get_weights())
    return fresh
