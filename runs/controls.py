"""Benign controls of a regression model, which every search result is shown to as well: do they follow the change?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import tensorflow as tf

from data_prep import image_table
from data_prep.augmentation import Augmentation
from data_prep.contract import Task
from data_prep.journal import Journal
from data_prep.threat import Suspect
from drmguard_tf.calibrate import Calibration
from drmguard_tf.lanes import Progress
from drmguard_tf.reference import Reference, examine
from drmguard_tf.reversal import Search
from drmguard_tf.steered import SteeredSearch
from drmguard_tf.training import Training
from runs import kept_controls, safety, store
from runs.data_folder import CONTROLS
from runs.kept_controls import KeptControl


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
class Job(KeptControl):
    """One control of these; the others are its witnesses."""

    controls: Controls

    def learn(self, journal: Journal) -> tf.keras.Model:
        """See :class:`runs.kept_controls.KeptControl`."""
        like = safety.load_model(self.suspect)
        return self.training.fit(image_table.read(self.benign)[1], seed=self.seed, like=like, journal=journal)

    def examine(self, model: tf.keras.Model) -> Reference:
        """See :class:`runs.kept_controls.KeptControl`."""
        reference = examine(Suspect(model, image_table.read(self.benign)[1]))
        return reference._replace(witnesses=witnesses(self.others))

    @property
    def made_by(self) -> dict[str, Any]:
        """See :class:`runs.kept_controls.KeptControl`."""
        return {"controls": self.controls.count, "training": self.training}

    @property
    def judged_by(self) -> tuple[Any, ...]:
        """See :class:`runs.kept_controls.KeptControl`."""
        return self.search, self.controls.count

    @property
    def training(self) -> Training:
        """How it is trained."""
        return self.controls.training_for(image_table.task_of(self.benign))

    @property
    def others(self) -> list[Job]:
        """The other controls."""
        seeds = range(self.controls.seed, self.controls.seed + self.controls.count)
        return [replace(self, seed=seed) for seed in seeds if seed != self.seed]


def calibrate(
    suspect: Path,
    benign: Path,
    controls: Controls,
    search: Search,
    *,
    workers: int,
    home: Path | None = None,
    progress: Progress = lambda done: None,
) -> Calibration:
    """Thresholds from controls of the suspect's architecture; what exists already is used.

    Args:
        suspect: model file whose architecture the controls copy; scanned before it is opened.
        benign: image table of the benign set.
        controls: how many and how trained.
        search: the search that will judge the suspect.
        workers: processes.
        home: where controls are kept, by default ``controls`` inside the benign set's folder.
        progress: as of :func:`runs.kept_controls.calibrate`.
    """
    jobs = all_jobs(suspect, benign, controls, search, home)
    return kept_controls.calibrate(jobs, workers=workers, progress=progress)


def witnesses(jobs: Sequence[Job]) -> list[tf.keras.Model]:
    """The controls of these jobs, to be shown what a search found; none for a search that shows nobody."""
    return [each.model() for each in jobs if isinstance(each.search, SteeredSearch)]


def all_jobs(suspect: Path, benign: Path, controls: Controls, search: Search, home: Path | None = None) -> list[Job]:
    """Every control of :func:`calibrate`; arguments as there."""
    first = job(suspect, benign, controls, search, 0, home)
    return [first, *first.others]


def job(
    suspect: Path, benign: Path, controls: Controls, search: Search | None, index: int, home: Path | None = None
) -> Job:
    """One control of :func:`calibrate`, for :func:`runs.kept_controls.search_control`."""
    data = image_table.read(benign)[1]
    training = controls.training_for(image_table.task_of(benign))
    made_by = (kept_controls.architecture(safety.load_model(suspect)), training)
    folder = (home or benign / CONTROLS) / store.digest((*made_by, store.digest_of_arrays(data.images, data.targets)))
    return Job(suspect, benign, folder, controls.seed + index, search, controls)
