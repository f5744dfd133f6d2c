"""Jobs: the pieces of work that experiments are made of. What a job needs of others it gets from the desk."""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Optional, Protocol, Union

import numpy as np
import tensorflow as tf

from data_prep import image_table
from data_prep.configuration import Configuration
from data_prep.journal import Journal
from drmguard_tf import calibrate, metrics
from drmguard_tf.baselines.mitigation import Mitigation
from drmguard_tf.calibrate import Calibration, PaperThreshold
from drmguard_tf.reversal import Search
from drmguard_tf.steered import SteeredSearch
from drmguard_tf.unlearning import Unlearning
from runs import cases, controls, inspection, judging, kept_controls, results, safety, store, triggers
from runs.cases import Case, Source
from runs.controls import Controls
from runs.data_folder import DataFolder
from runs.inspection import Scan
from runs.spent import Clock, metered


class Job(Configuration, Protocol):
    """A piece of work: a frozen dataclass whose fields are all that its result depends on."""

    @property
    def name(self) -> str:
        """For people; need not be unique."""

    @property
    def needs(self) -> tuple[Job, ...]:
        """Jobs whose results it reads."""

    def do(self, desk: Desk) -> dict[str, Any]:
        """The work itself; returns plain values."""


class Desk(Protocol):
    """What a job finds when it is done: the store, other jobs' results, and journals of its own."""

    home: Path
    strategy: Optional[tf.distribute.Strategy]

    @property
    def clock(self) -> Clock:
        """Of what the journals keep."""

    def result(self, job: Job) -> dict[str, Any]:
        """What another job found; it is done first if need be."""

    def again(self, job: Job) -> dict[str, Any]:
        """Do a job whose kept result proved wrong once more."""

    def journal(self, name: str) -> Journal:
        """Where one optimisation of this job goes on after an interruption."""

    def say(self, text: str) -> None:
        """A line for people."""


@dataclass(frozen=True)
class Train:
    """Train the model of a case."""

    case: Case

    @property
    def name(self) -> str:
        """For people."""
        return f"train {self.case.name}"

    @property
    def needs(self) -> tuple[Job, ...]:
        """Nothing."""
        return ()

    def do(self, desk: Desk) -> dict[str, Any]:
        """Returns ``metrics`` on the test part and the ``sha256`` of the model file.

        A model that is there already is measured anew; if it does not do what its record says, it is trained again.
        """
        folder = self.case.folder(desk.home)
        if (folder / "train.json").is_file() and not self._as_recorded(folder, desk):
            desk.say(f"{folder} is not what its record says, and is made again")
            shutil.rmtree(folder)
        cases.train(self.case, desk.home, desk.journal, desk.strategy)
        record = store.read_json(folder / "train.json")
        return {"metrics": record["metrics"], "sha256": store.digest_of_files(folder / "model.h5")}

    def _as_recorded(self, folder: Path, desk: Desk) -> bool:
        try:
            record = store.read_json(folder / "train.json")
            recorded = record["metrics"]
            model, network = safety.load_model(folder / "model.h5"), triggers.kept(folder, record)
            found = cases.measure(self.case, model, self.case.source.parts(desk.home, workers=1).test, network)
        except (OSError, ValueError, KeyError):
            return False
        return found.keys() == recorded.keys() and bool(
            np.allclose([found[name] for name in recorded], list(recorded.values()), rtol=1e-3, atol=1e-4)
        )


@dataclass(frozen=True)
class TrainControl:
    """Train one benign control of a model's architecture.

    Attributes:
        case: the model.
        controls: how controls are trained.
        index: which of them.
        share: of the benign set that the defender holds.
    """

    case: Case
    controls: Controls
    index: int
    share: float = 1.0

    @property
    def name(self) -> str:
        """For people."""
        return f"train control {self.index}"

    @property
    def needs(self) -> tuple[Job, ...]:
        """The model whose architecture is copied."""
        return (Train(self.case),)

    def do(self, desk: Desk) -> dict[str, Any]:
        """Returns the file's ``sha256``."""
        benign = benign_table(self.case.source, desk.home, self.share)
        job = controls.job(model_of(self.case, desk), benign, self.controls, None, self.index)
        return {"sha256": kept_controls.train_control(job, desk.journal("training"))}


@dataclass(frozen=True)
class Control:
    """Search one benign control of a model's architecture; what a steered search finds is shown to the others."""

    case: Case
    controls: Controls
    search: Search
    index: int

    def benign(self, desk: Desk) -> Path:
        """The benign set as the defender holds it."""
        return benign_table(self.case.source, desk.home)

    @property
    def name(self) -> str:
        """For people."""
        return f"control {self.index}"

    @property
    def needs(self) -> tuple[Job, ...]:
        """The model whose architecture is copied, and the trained control; all of them where they are witnesses."""
        shown = isinstance(self.search, SteeredSearch)
        return (Train(self.case), *map(self.trained, range(self.controls.count) if shown else [self.index]))

    def trained(self, index: int) -> TrainControl:
        """One of the controls, trained."""
        return TrainControl(self.case, self.controls, index)

    def do(self, desk: Desk) -> dict[str, Any]:
        """Returns the fields of :class:`drmguard_tf.calibrate.Control`."""
        model, benign = model_of(self.case, desk), self.benign(desk)
        control = controls.job(model, benign, self.controls, self.search, self.index)
        return dict(kept_controls.search_control(control, desk.journal)._asdict())


@dataclass(frozen=True)
class ScanModel:
    """Scan a model; where a backdoor is found, remove it and measure, if ``unlearning`` says how.

    Attributes:
        case: the model under examination.
        template: a benign case, the same for all scans that are compared: the controls copy its architecture, and its
            model shows what a trigger does where there is no backdoor.
        search: how a trigger is looked for.
        controls: how it is judged; None takes the paper's constant.
        unlearning: None scans only.
        seed: of the search.
    """

    case: Case
    template: Case
    search: Search
    controls: Optional[Controls]
    unlearning: Optional[Unlearning] = None
    seed: int = 0

    @property
    def name(self) -> str:
        """For people."""
        by = "" if type(self.search) is SteeredSearch else f" by {type(self.search).__name__}"
        return f"scan{by} {self.case.name}"

    @property
    def needs(self) -> tuple[Job, ...]:
        """The model, the benign one and the controls."""
        return (Train(self.case), Train(self.template), *self._controls)

    @property
    def _controls(self) -> tuple[Control, ...]:
        return tuple(self.control(self.controls, k) for k in range(self.controls.count)) if self.controls else ()

    def control(self, controls: Controls, index: int) -> Control:
        """One of the controls."""
        return Control(self.template, controls, self.search, index)

    def benign(self, desk: Desk) -> Path:
        """The benign set as the defender holds it."""
        return benign_table(self.case.source, desk.home)

    def question(self, desk: Desk) -> tuple[Scan, Union[Calibration, PaperThreshold]]:
        """What is asked about the model, and the line that it is judged by."""
        model, benign = model_of(self.case, desk), self.benign(desk)
        found = [calibrate.Control(**desk.result(control)) for control in self._controls]
        line = Calibration.of_controls(found) if found else PaperThreshold()
        return Scan(model, benign, self.search, self.controls, self.seed), line

    def do(self, desk: Desk) -> dict[str, Any]:
        """Returns the verdict's summary, the model's ``metrics`` and, after an unlearning, ``mitigation``.

        ``distance`` is the mean change of the benign images by the deciding trigger: L1 over the largest benign norm,
        whatever the search's own price is; ``spent`` are seconds and memory of the scan. ``never_attacked``, for
        backdoored models that are to be unlearned, are the errors of the benign model on the same test images with and
        without the trigger: a trigger that hides or bends what the answer depends on costs every model something.
        """
        scan, line = self.question(desk)
        scanned, spent = metered(lambda: inspection.scan_model(scan, line, journals=desk.journal), desk.clock)
        found = {
            "attack": type(self.case.attack).__name__ if self.case.attack else None,
            "target_deg": np.degrees(self.case.target).round(3).tolist() if self.case.target else None,
            "metrics": desk.result(Train(self.case))["metrics"],
            **scanned.verdict.summary(),
            "distance": inspection.distance(scanned),
            "spent": spent,
        }
        unlearning = self.unlearning
        if unlearning is None or self.case.attack is None:
            return found
        known = self.case.backdoored(scan.suspect.model, scan.model.parent)
        task, test = self.case.source.data.spec.task, self.case.source.parts(desk.home, workers=1).test
        benign = safety.load_model(model_of(self.template, desk))
        found["never_attacked"] = _degrees(metrics.attack_errors(task, replace(known, model=benign), test))
        if not scanned.verdict.backdoored:
            return found
        cleaned, cleaning = metered(lambda: inspection.clean(scanned, unlearning))
        tuned = inspection.fine_tune(scanned, unlearning)
        judged = judging.judge(task, known, cleaned, tuned, test)
        return {**found, "mitigation": {**judged, "spent": cleaning}}


@dataclass(frozen=True)
class ControlWithFewer(Control):
    """A control of a defender who holds only a share of the benign images."""

    share: float = 0.5

    def trained(self, index: int) -> TrainControl:
        """One of the controls, trained on as few images."""
        return TrainControl(self.case, self.controls, index, self.share)

    def benign(self, desk: Desk) -> Path:
        """A share of the benign set."""
        return benign_table(self.case.source, desk.home, self.share)


@dataclass(frozen=True)
class ScanWithFewer(ScanModel):
    """A scan by a defender who holds only a share of the benign images."""

    share: float = 0.5

    def control(self, controls: Controls, index: int) -> Control:
        """One of the controls, trained on as few images."""
        return ControlWithFewer(self.template, controls, self.search, index, self.share)

    def benign(self, desk: Desk) -> Path:
        """A share of the benign set."""
        return benign_table(self.case.source, desk.home, self.share)


@dataclass(frozen=True)
class CleanModel:
    """Clean a backdoored model by a method that does not ask which trigger it has, and measure.

    Attributes:
        case: the model.
        method: the mitigation.
        seed: of the mitigation.
    """

    case: Case
    method: Mitigation
    seed: int = 0

    @property
    def name(self) -> str:
        """For people."""
        return f"{type(self.method).__name__} on {self.case.name}"

    @property
    def needs(self) -> tuple[Job, ...]:
        """The model."""
        return (Train(self.case),)

    def do(self, desk: Desk) -> dict[str, Any]:
        """Returns ``after``, errors of the cleaned model on the test part, the model's ``metrics``, and ``spent``."""
        model, benign = model_of(self.case, desk), benign_table(self.case.source, desk.home)
        _, suspect = inspection.load_suspect(model, benign)
        cleaned, spent = metered(lambda: self.method.mitigate(suspect, seed=self.seed))
        task, test = self.case.source.data.spec.task, self.case.source.parts(desk.home, workers=1).test
        errors = metrics.attack_errors(task, self.case.backdoored(cleaned, model.parent), test)
        return {
            "attack": type(self.case.attack).__name__,
            "metrics": desk.result(Train(self.case))["metrics"],
            "after": _degrees(errors),
            "spent": spent,
        }


def _degrees(errors: metrics.AttackErrors) -> dict[str, float]:
    return {f"{name}_deg": value for name, value in errors._asdict().items()}


def key(job: Job) -> str:
    """The name of a job's result: readable, and different for every setting."""
    return f"{results.file_name(job.name)}-{store.digest(job)}"


def settings(job: Job) -> dict[str, Any]:
    """Every setting of a job, as plain values; data sets by name and content."""
    return {"kind": type(job).__name__, **store.plain(_named(asdict(job)))}


def _named(value: Any) -> Any:
    """A setting with folders of data by their name and content, not by the place where they lie on this machine."""
    if isinstance(value, DataFolder):
        return {"folder": Path(value).name, "content": value.content}
    if isinstance(value, dict):
        return {key: _named(each) for key, each in value.items()}
    return type(value)(map(_named, value)) if type(value) in (list, tuple) else value


def in_order(jobs: list[Job]) -> list[Job]:
    """Jobs and all that they need, each once and after what it needs."""
    ordered: dict[Job, None] = {}

    def visit(job: Job) -> None:
        if job not in ordered:
            for need in job.needs:
                visit(need)
            ordered[job] = None

    for job in jobs:
        visit(job)
    return list(ordered)


def model_of(case: Case, desk: Desk) -> Path:
    """The model file of a case, which is trained again if it is not the file that was measured."""
    path, wanted = case.folder(desk.home) / "model.h5", desk.result(Train(case))["sha256"]
    if not path.is_file() or store.digest_of_files(path) != wanted:
        desk.say(f"{path} is missing or damaged, and is made again")
        shutil.rmtree(path.parent, ignore_errors=True)
        desk.again(Train(case))
    return path


def benign_table(source: Source, home: Path, share: float = 1.0) -> Path:
    """The benign part, or every so many of its images, as an image table: as a defender holds it. Written once."""
    name = store.digest(source) if share == 1 else store.digest((source, share))
    folder = home / "benign" / name
    with results.locked(home, f"benign-{name}"):
        if not folder.is_dir():
            benign = source.parts(home, workers=1).benign
            benign = benign.take(np.arange(0, len(benign), 1 / share).astype(int))
            store.write_directory(folder, lambda temporary: image_table.write(temporary, source.data.spec.task, benign))
    return folder
