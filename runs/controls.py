"""Benign controls: models that the defender trains on the benign set, kept beside it, to see what benign models cost
and whether they follow a change that was found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Optional

import tensorflow as tf

from data_prep import image_table
from data_prep.augmentation import Augmentation
from data_prep.contract import Task
from data_prep.journal import NO_JOURNAL, Journal
from data_prep.threat import Suspect
from drmguard_tf.calibrate import Calibration, Control
from drmguard_tf.reference import examine
from drmguard_tf.reversal import Search
from drmguard_tf.steered import SteeredSearch
from drmguard_tf.training import Training
from runs import parallel, safety, store
from runs.data_folder import CONTROLS


@dataclass(frozen=True)
class Controls:
    """How many controls there are and how they are trained.

    A benign set is small, and a control that knows its pictures by heart is costlier to collapse than a well-trained
    model, so it would draw the line too high. Therefore controls see every image changed at random.

    Attributes:
        count: of controls, 2 or more; the fewer, the lower the line lies below their prices.
        training: their training; the architecture is the suspect's, and the augmentation is added.
        seed: of the first; the others follow.
    """

    count: int = 6
    training: Training = Training(steps=3000, learning_rate=0.01, milestones=(0.8, 0.95))
    seed: int = 1000

    def training_for(self, task: Task) -> Training:
        """How a control of a task is trained."""
        return replace(self.training, augmentation=Augmentation.of(task))


@dataclass(frozen=True)
class Job:
    """One control: what it copies, what it learns, where it is kept; None searches nothing."""

    suspect: Path
    benign: Path
    folder: Path
    controls: Controls
    index: int
    search: Optional[Search] = None

    @property
    def training(self) -> Training:
        """How the control is trained."""
        return self.controls.training_for(image_table.task_of(self.benign))

    @property
    def path(self) -> Path:
        """Where the trained control is kept."""
        return self.folder / f"control-{self.seed}.h5"

    @property
    def seed(self) -> int:
        """Of its training and its search."""
        return self.controls.seed + self.index

    @property
    def others(self) -> list[Job]:
        """The other controls, who are its witnesses."""
        return [replace(self, index=index) for index in range(self.controls.count) if index != self.index]


def calibrate(
    suspect: Path,
    benign: Path,
    controls: Controls,
    search: Search,
    *,
    workers: int,
    home: Path | None = None,
    progress: Callable[[int], None] = lambda done: None,
) -> Calibration:
    """Thresholds from controls of the suspect's architecture; what exists already is used.

    Args:
        suspect: model file whose architecture the controls copy; scanned before it is opened.
        benign: image table of the benign set.
        controls: how many and how trained.
        search: the search that will judge the suspect.
        workers: processes.
        home: where controls are kept, by default ``controls`` inside the benign set's folder.
        progress: called with the number of controls trained and searched, twice as many as there are at the end.
    """
    jobs = all_jobs(suspect, benign, controls, search, home)
    for trained, _ in enumerate(parallel.spread(train_control, jobs, workers=workers), 1):
        progress(trained)
    found = []
    for control in parallel.spread(search_control, jobs, workers=workers):
        found.append(control)
        progress(len(jobs) + len(found))
    return Calibration.of_controls(found)


def witnesses(jobs: Sequence[Job]) -> list[tf.keras.Model]:
    """The controls of these jobs, to be shown what a search found; none for a search that shows nobody."""
    return [_trained(each) for each in jobs if isinstance(each.search, SteeredSearch)]


def all_jobs(suspect: Path, benign: Path, controls: Controls, search: Search, home: Path | None = None) -> list[Job]:
    """Every control of :func:`calibrate`; arguments as there."""
    first = job(suspect, benign, controls, search, 0, home)
    return [replace(first, index=index) for index in range(controls.count)]


def job(
    suspect: Path, benign: Path, controls: Controls, search: Search | None, index: int, home: Path | None = None
) -> Job:
    """One control of :func:`calibrate`, for :func:`search_control`."""
    data = image_table.read(benign)[1]
    training = controls.training_for(image_table.task_of(benign))
    made_by = (architecture(safety.load_model(suspect)), training)
    folder = (home or benign / CONTROLS) / store.digest((*made_by, store.digest_of_arrays(data.images, data.targets)))
    return Job(suspect, benign, folder, controls, index, search)


def search_control(job: Job, journal: Callable[[str], Journal] = lambda name: NO_JOURNAL) -> Control:
    """What one control costs; trained and searched unless that was done before."""
    found = job.folder / f"control-{job.seed}-{store.digest((job.search, job.controls.count))}.json"
    kept = store.read_json(found) if found.is_file() else {}
    if kept.keys() >= set(Control._fields):  # those of an earlier version tell less
        return Control(**{name: kept[name] for name in Control._fields})
    assert job.search is not None
    data = image_table.read(job.benign)[1]
    reference = examine(Suspect(_trained(job, journal("training")), data))
    reference = reference._replace(witnesses=witnesses(job.others))
    control = Control.of(job.search.run(reference, seed=job.seed, journals=journal))
    made_by = {"search": job.search, "controls": job.controls.count, "training": job.training, "seed": job.seed}
    store.write_json(found, {**control._asdict(), **made_by})
    return control


def train_control(job: Job, journal: Journal = NO_JOURNAL) -> str:
    """Train a control unless that was done before. Returns the hash of its file."""
    _trained(job, journal)
    return store.digest_of_files(job.path)


def _trained(job: Job, journal: Journal = NO_JOURNAL) -> tf.keras.Model:
    """The control itself."""
    if job.path.is_file():
        return safety.load_model(job.path)
    data = image_table.read(job.benign)[1]
    model = job.training.fit(data, seed=job.seed, like=safety.load_model(job.suspect), journal=journal)
    store.write_file(job.path, lambda temporary: model.save(temporary, save_format="h5", include_optimizer=False))
    return model


def architecture(model: tf.keras.Model) -> str:
    """The layers and their settings, without names."""
    layers = [
        (type(layer).__name__, {k: v for k, v in layer.get_config().items() if k != "name"}) for layer in model.layers
    ]
    return repr(layers)
