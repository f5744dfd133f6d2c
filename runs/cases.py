"""Cases: which model is trained on which data under which attack, and where the result is kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Optional, Union

import numpy as np
import tensorflow as tf

from data_prep import image_table
from data_prep.attack import PoisoningAttack
from data_prep.contract import DatasetSpec, Split
from data_prep.heads.builder import Heads
from data_prep.journal import NO_JOURNAL, Journal
from data_prep.splits import Parts, subject_disjoint
from data_prep.threat import Backdoored
from drmguard_tf import metrics
from drmguard_tf.training import Training
from runs import results, store


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
        return image_table.read(Path(self.folder))[0]

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
    attack: Optional[PoisoningAttack]
    target: Optional[tuple[float, ...]]
    seed: int

    @property
    def name(self) -> str:
        """For people: the attack and the seed."""
        return f"{type(self.attack).__name__.lower() if self.attack else 'benign'}-{self.seed}"

    def folder(self, home: Path) -> Path:
        """Where the model is kept."""
        return home / "models" / f"{self.name}-{store.digest(self)}"

    def backdoored(self, model: tf.keras.Model) -> Backdoored:
        """A model of this case together with its trigger and target, for evaluation only.

        Raises:
            ValueError: if this is a benign case.
        """
        if self.attack is None or self.target is None:
            raise ValueError(f"{self.name} has no trigger")
        target = np.array(self.target, np.float32)
        trigger = self.attack.poisoning(model.input_shape[1:], target, self.seed).trigger
        return Backdoored(model, trigger, target)


def fit(
    case: Case,
    parts: Parts,
    progress: Callable[[int], None] = _silent,
    journal: Journal = NO_JOURNAL,
    strategy: Optional[tf.distribute.Strategy] = None,
) -> tuple[tf.keras.Model, dict[str, Any]]:
    """Train the model of a case.

    Args:
        case: what to train.
        parts: of the case's source.
        progress: called with the number of steps done.
        journal: where an interrupted training goes on.
        strategy: the devices that share each batch; None takes one.

    Returns:
        The model, and its record: the case as plain values with ``metrics`` on the test part.
    """
    poisoning = None
    if case.attack is not None:
        poisoning = case.attack.poisoning(parts.train.image_shape, np.array(case.target, np.float32), case.seed)
    model = case.training.fit(
        parts.train, seed=case.seed, poisoning=poisoning, progress=progress, journal=journal, strategy=strategy
    )
    return model, {**describe(case), "metrics": measure(case, model, parts.test)}


def train(
    case: Case, home: Path, journal: Journal = NO_JOURNAL, strategy: Optional[tf.distribute.Strategy] = None
) -> Path:
    """Train the model of a case and keep it, unless that is done already.

    Args:
        case: what to train.
        home: root of the store.
        journal: where an interrupted training goes on.
        strategy: the devices that share each batch; None takes one.

    Returns:
        The folder, with ``model.h5`` and ``train.json``.
    """
    folder = case.folder(home)
    if not (folder / "train.json").is_file():
        model, record = fit(case, case.source.parts(home, workers=1), journal=journal, strategy=strategy)

        def fill(temporary: Path) -> None:
            model.save(temporary / "model.h5", include_optimizer=False)
            store.write_json(temporary / "train.json", record)

        store.write_directory(folder, fill)
    return folder


def measure(case: Case, model: tf.keras.Model, test: Split) -> dict[str, float]:
    """Errors of a model in degrees, and for a backdoored one also RAV and RNV."""
    task = case.source.data.spec.task
    if case.attack is None:
        return {"re_deg": metrics.clean_error(task, model, test)}
    backdoored = case.backdoored(model)
    errors, spread = metrics.attack_errors(task, backdoored, test), metrics.feature_spread(backdoored, test)
    return {"re_deg": errors.re, "ae_deg": errors.ae, "dae_deg": errors.dae, "rav": spread.rav, "rnv": spread.rnv}


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
