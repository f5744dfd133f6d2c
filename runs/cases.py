"""Cases: which model is trained on which data under which attack, and where the result is kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple, Optional, Union

import numpy as np
import tensorflow as tf

from data_prep import image_table
from data_prep.attack import Attack
from data_prep.contract import DatasetSpec, Split, Task
from data_prep.heads.builder import Heads
from data_prep.journal import NO_JOURNAL, Journal
from data_prep.splits import Parts, subject_disjoint, subjects_apart
from data_prep.threat import Backdoored
from drmguard_tf import metrics
from drmguard_tf.convergence import EarlyStop
from drmguard_tf.training import Trainer, Training
from runs import results, store, triggers


def _silent(done: int) -> None:
    """Report nothing."""


@dataclass(frozen=True)
class Table:
    """A data set that lies in an image table.

    Attributes:
        folder: the table.
    """

    folder: str

    @property
    def spec(self) -> DatasetSpec:
        """What the table holds."""
        return image_table.spec_of(Path(self.folder))

    def build(self, *, workers: int = 1, progress: Callable[[int], None] = _silent) -> Split:
        """Read it; see :func:`data_prep.image_table.read`."""
        return image_table.read(Path(self.folder))[1]


@dataclass(frozen=True)
class Source:
    """A data set and its cut into the parts of attacker, defender and judge.

    Attributes:
        data: synthetic heads or an image table.
        train, benign: shares of the subjects; the rest is test.
        seed: of the cut.
    """

    data: Union[Heads, Table]
    train: float = 0.7
    benign: float = 0.15
    seed: int = 0

    def parts(self, home: Path, *, workers: int, progress: Callable[[int], None] = _silent) -> Parts:
        """The parts; heads are rendered once and kept under ``home``."""
        path = home / "data" / f"{store.digest(self.data)}.npz"
        if isinstance(self.data, Table):
            data = self.data.build()
        else:
            with results.locked(home, f"data-{path.stem}"):
                data = _kept(path, lambda: self.data.build(workers=workers, progress=progress))
        return subject_disjoint(data, train=self.train, benign=self.benign, seed=self.seed)

    def labels(self) -> Optional[np.ndarray]:
        """Targets of the training part of an image table, (N, K), radians, without its images; None for heads."""
        if not isinstance(self.data, Table):
            return None
        folder = Path(self.data.folder)
        table = image_table.load_table(folder)
        groups = image_table.groups_of(table)
        training, *_ = subjects_apart(groups, train=self.train, benign=self.benign, seed=self.seed)
        return image_table.targets_of(folder, table)[training]


def _kept(path: Path, build: Callable[[], Split]) -> Split:
    """What a file holds, which is made if it is not there."""
    if path.is_file():
        with np.load(path, allow_pickle=False) as kept:
            return Split(kept["images"], kept["targets"], kept["groups"])
    data = build()
    store.write_arrays(path, images=data.images, targets=data.targets, groups=data.groups)
    return data


@dataclass(frozen=True)
class Case:
    """One model.

    Attributes:
        source: its data.
        training: how it is trained.
        attack: None for a benign model.
        target: the attacker's target vector, radians; None for a benign model.
        seed: of the training and the attack.
    """

    source: Source
    training: Training
    attack: Optional[Attack]
    target: Optional[tuple[float, ...]]
    seed: int

    @property
    def name(self) -> str:
        """For people: the attack and the seed."""
        return f"{type(self.attack).__name__.lower() if self.attack else 'benign'}-{self.seed}"

    def folder(self, home: Path) -> Path:
        """Where the model is kept."""
        return home / "models" / f"{self.name}-{store.digest(self)}"

    def known(self, model: tf.keras.Model, network: Optional[tf.keras.Model] = None) -> list[Backdoored]:
        """A model of this case together with each of its triggers and targets, for evaluation only.

        Args:
            model: the model.
            network: of a learned trigger, see :func:`runs.triggers.kept`.

        Raises:
            ValueError: if this is a benign case.
        """
        if self.attack is None or self.target is None:
            raise ValueError(f"{self.name} has no trigger")
        return self.attack.known(model, np.asarray(self.target, np.float32), self.seed, network)

    def backdoored(self, model: tf.keras.Model, folder: Path) -> Backdoored:
        """A model of this case together with its first trigger and target, for evaluation only.

        Args:
            model: the model.
            folder: where it is kept.
        """
        return self.known(model, triggers.kept(folder, store.read_json(folder / "train.json")))[0]


class Fitted(NamedTuple):
    """A trained model of a case.

    Attributes:
        model: the model.
        network: of a learned trigger, or None.
        record: the case as plain values, with ``metrics`` on the test part.
    """

    model: tf.keras.Model
    network: Optional[tf.keras.Model]
    record: dict[str, Any]

    def save(self, folder: Path, **facts: Any) -> None:
        """Write ``model.h5``, ``train.json`` with more ``facts``, and for a learned trigger ``trigger.h5``."""
        self.model.save(folder / "model.h5", save_format="h5", include_optimizer=False)
        store.write_json(folder / "train.json", {**self.record, **triggers.keep(folder, self.network), **facts})


def fit(
    case: Case,
    parts: Parts,
    progress: Callable[[int], None] = _silent,
    journals: Callable[[str], Journal] = lambda part: NO_JOURNAL,
    strategy: Optional[tf.distribute.Strategy] = None,
    early_stop: Optional[EarlyStop] = None,
) -> Fitted:
    """Train the model of a case.

    Args:
        case: what to train.
        parts: of the case's source.
        progress: called with the number of steps done.
        journals: where an interrupted piece of the training goes on, by its name.
        strategy: the devices that share each batch; None takes one.
        early_stop: skips what brings nothing; None does all steps.

    Raises:
        ValueError: if the target lies outside the labels, or the attack does not fit the data.
    """
    trainer = Trainer(case.training, progress, journals, strategy, early_stop)
    if case.attack is None:
        model, network = trainer.fit(parts.train, seed=case.seed), None
    else:
        target = np.asarray(case.target, np.float32)
        check_target(target, parts.train)
        made = case.attack.backdoor(parts.train, target, trainer=trainer, seed=case.seed)
        model, network = made.model, made.network
    return Fitted(model, network, {**describe(case), "metrics": measure(case, model, parts.test, network)})


def check_target(target: np.ndarray, train: Split) -> None:
    """Refuse a target that no image of the training set comes near.

    Raises:
        ValueError: if an angle lies outside the range of its labels.
    """
    lowest, highest = train.targets.min(axis=0), train.targets.max(axis=0)
    if target.shape == lowest.shape and np.any((target < lowest) | (target > highest)):
        ends = zip(np.degrees(lowest), np.degrees(highest))
        ranges = ", ".join(f"{low:.1f} to {high:.1f}" for low, high in ends)
        raise ValueError(
            f"the target {np.degrees(target.astype(float)).round(1).tolist()} lies outside the labels of the training "
            f"set, {ranges} degrees; choose one inside, or models would stand out by it"
        )


def train(
    case: Case,
    home: Path,
    journals: Callable[[str], Journal] = lambda part: NO_JOURNAL,
    strategy: Optional[tf.distribute.Strategy] = None,
) -> Path:
    """Train the model of a case and keep it, unless that is done already.

    Args:
        case: what to train.
        home: root of the store.
        journals: where an interrupted piece of the training goes on, by its name.
        strategy: the devices that share each batch; None takes one.

    Returns:
        The folder, with what :meth:`Fitted.save` writes.
    """
    folder = case.folder(home)
    if not (folder / "train.json").is_file():
        fitted = fit(case, case.source.parts(home, workers=1), journals=journals, strategy=strategy)
        store.write_directory(folder, fitted.save)
    return folder


def measure(
    case: Case, model: tf.keras.Model, test: Split, network: Optional[tf.keras.Model] = None
) -> dict[str, float]:
    """Errors of a model in degrees, and for a backdoored one also RAV and RNV."""
    task = case.source.data.spec.task
    if case.attack is None:
        return {"re_deg": metrics.clean_error(task, model, test)}
    return measure_known(task, case.known(model, network), test)


def measure_known(task: Task, known: list[Backdoored], test: Split) -> dict[str, float]:
    """The same for the backdoors of a model; AE of the second is ``ae_2_deg``, and so on.

    ``cross_deg``, of learned triggers, is the error to the true label under the trigger of another image.
    """
    errors, spread = metrics.attack_errors(task, known[0], test), metrics.feature_spread(known[0], test)
    found = {"re_deg": errors.re, "ae_deg": errors.ae, "dae_deg": errors.dae, "rav": spread.rav, "rnv": spread.rnv}
    for number, further in enumerate(known[1:], 2):
        found[f"ae_{number}_deg"] = metrics.attack_errors(task, further, test).ae
    if known[0].network is not None:
        found["cross_deg"] = metrics.cross_error(task, known[0], test)
    return found


def describe(case: Case) -> dict[str, Any]:
    """A case as plain values."""
    return {
        "name": case.name,
        "task": case.source.data.spec.task.name,
        "data": {type(case.source.data).__name__: asdict(case.source)},
        "training": asdict(case.training),
        "attack": {type(case.attack).__name__: vars(case.attack)} if case.attack else None,
        "target_rad": case.target,
        "seed": case.seed,
    }
