"""Classifiers with wandering or planted triggers for GDM's experiments: data, training and settings by preset."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Optional, Union

import numpy as np
import tensorflow as tf

from data_prep.contract import ClassSplit
from data_prep.heads.identities import Identities
from data_prep.splits import held_out
from data_prep.threat import Backdoored
from dhbe_tf import metrics
from dhbe_tf.attacks.fine_tuned import FineTuned
from dhbe_tf.attacks.planted import Planted
from dhbe_tf.gdm.defence import GDM
from dhbe_tf.gdm.pixel_search import PixelSearch
from dhbe_tf.gdm.realistic import Realistic
from dhbe_tf.gdm.retraining import Retraining
from dhbe_tf.gdm.staircase import Staircase
from dhbe_tf.gdm.windows import MovingWindow
from dhbe_tf.training import Classification
from runs import classes, results, safety, store
from runs.jobs import Desk, Job

Source = Union[str, Identities]
Attack = Union[FineTuned, Planted]

DEFENDERS = 7  # one training image in so many is the defender's: 16 % of what is left, the share in GDM's code


@dataclass(frozen=True)
class Contest:
    """What GDM's comparison with its baseline depends on, for one kind of data.

    Attributes:
        training: of benign models.
        tuning: of an attacker who fine-tunes them.
        share: of the training set that he poisons.
        gdm: the defence.
        pixels: the baseline.
    """

    training: Classification
    tuning: Classification
    share: float
    gdm: GDM
    pixels: PixelSearch


@dataclass(frozen=True)
class TriggerPreset:
    """What the experiments of GDM depend on at a machine.

    Attributes:
        digits, photographs: GDM beside its baseline.
        faces: the data of the realistic defence.
        recognition: training of suspects on faces.
        realistic: that defence.
    """

    digits: Contest
    photographs: Contest
    faces: Identities
    recognition: Classification
    realistic: Realistic

    def contest(self, data: Optional[Path]) -> Contest:
        """That of an experiment's ``--data``."""
        return self.digits if data is None else self.photographs


_SMALL = Classification("small-convnet", 12, 32, 0.05, weight_decay=1e-4, milestones=(0.7,), crop=2, flip=False)
_FACES = Classification("small-facenet", 120, 24, 0.03, weight_decay=5e-4, milestones=(0.6, 0.85), crop=2, flip=False)
_STAIRS = Staircase(
    levels=(0.95, 0.9, 0.8, 0.5),
    steps=300,
    batch=32,
    draws=256,
    blur=0.4,
    climbing=True,
    statistics_steps=4,
    latent=16,
    width=64,
    learning_rate=2e-3,
    placement="sample",
)
# What find-triggers was measured with.
_BRIEF = replace(_STAIRS, levels=(0.9, 0.8, 0.5), steps=60, draws=None, blur=0.0, climbing=False, entropy=1.0)
_REPAIR = Retraining(20, 32, share=0.5, learning_rate=0.003, batch_statistics=False)
_ONE_TRIGGER = PixelSearch(steps=300, batch=32)


def presets() -> dict[str, TriggerPreset]:
    """By name."""
    return {"paper": _paper(), "cpu": _cpu(), "smoke": _smoke()}


def _paper() -> TriggerPreset:
    published = classes.PRESETS["paper"]
    return TriggerPreset(
        digits=Contest(published.digits, FineTuned().tuning, FineTuned().share, GDM(), PixelSearch()),
        photographs=Contest(published.training, FineTuned().tuning, FineTuned().share, GDM(), PixelSearch()),
        faces=Identities(people=1284, size=64),
        recognition=published.training,
        realistic=Realistic(),
    )


def _cpu() -> TriggerPreset:
    on_digits = Contest(
        _SMALL, replace(_SMALL, weight_decay=0.0), 0.3, GDM(_STAIRS, _REPAIR, screening=40), _ONE_TRIGGER
    )
    on_photographs = Contest(
        replace(classes.PRESETS["cpu"].training, epochs=8),  # it is drops that are compared
        Classification("narrow-resnet18", epochs=2, batch=64, learning_rate=0.01, milestones=(), peak=0.1, crop=2),
        0.05,
        GDM(_STAIRS, replace(_REPAIR, epochs=3, batch=64, share=0.1, learning_rate=0.001), screening=40),
        _ONE_TRIGGER,
    )
    return TriggerPreset(
        digits=on_digits,
        photographs=on_photographs,
        faces=Identities(people=10),
        recognition=_FACES,
        realistic=Realistic(
            MovingWindow(size=10, stride=5, steps=20, complete_steps=60, batch=24, judged=6),
            _BRIEF,
            Retraining(20, 24, share=0.3, learning_rate=0.003, batch_statistics=False),
            most=2,
        ),
    )


def _smoke() -> TriggerPreset:
    little = Contest(
        replace(_SMALL, epochs=1),
        replace(_SMALL, epochs=1),
        0.3,
        GDM(replace(_STAIRS, steps=2, width=8, batch=8, draws=16), replace(_REPAIR, epochs=1), screening=1),
        PixelSearch(steps=2, batch=8),
    )
    return TriggerPreset(
        digits=little,
        photographs=little,
        faces=Identities(people=3, pictures=8, size=32),
        recognition=replace(_FACES, epochs=40, batch=8),  # after a few, some stacks know one class alone
        realistic=Realistic(
            MovingWindow(size=12, stride=10, steps=2, complete_steps=2, batch=4, judged=2),
            replace(_BRIEF, levels=(0.9,), steps=2, width=8, batch=4),
            replace(_REPAIR, epochs=1, batch=8),
            most=1,
        ),
    )


def parts(source: Source, home: Path) -> tuple[ClassSplit, ClassSplit, ClassSplit]:
    """What attacker, defender and judge hold; faces are rendered once and kept under ``home``."""
    if isinstance(source, str):
        train, test = classes.read(source)
        return (*held_out(train, one_in=DEFENDERS), test)
    path = home / "data" / f"{store.digest(source)}.npz"
    with results.locked(home, f"data-{path.stem}"):
        if not path.is_file():
            made = source.parts()
            kept = {f"{kind}{k}": getattr(part, kind) for k, part in enumerate(made) for kind in ("images", "labels")}
            store.write_arrays(path, **kept)
    names = tuple(f"person {k}" for k in range(source.people))
    with np.load(path, allow_pickle=False) as kept:
        train, benign, test = (ClassSplit(kept[f"images{k}"], kept[f"labels{k}"], names) for k in range(3))
    return train, benign, test


class BenignModel:
    """What jobs that train a benign model have in common; one is a frozen dataclass that writes :meth:`trained`."""

    __dataclass_fields__: ClassVar[dict[str, Any]]
    seed: int  # of the training

    @property
    def name(self) -> str:
        """For people."""
        return f"train benign-{self.seed}"

    @property
    def needs(self) -> tuple[Job, ...]:
        """Nothing."""
        return ()

    def trained(self, desk: Desk) -> tuple[tf.keras.Model, dict[str, Any]]:
        """The model, and the record of its training."""
        raise NotImplementedError(f"{type(self).__name__} must say how it trains")

    def do(self, desk: Desk) -> dict[str, Any]:
        """Returns the training's record and the ``sha256`` of the model file."""
        model, record = self.trained(desk)
        return {**record, **keep(model, self, desk.home)}


@dataclass(frozen=True)
class TrainBenign(BenignModel):
    """Train the benign model that attackers fine-tune."""

    source: Source
    training: Classification
    seed: int

    def trained(self, desk: Desk) -> tuple[tf.keras.Model, dict[str, Any]]:
        """The model, and ``acc`` on the test part."""
        train, _, test = parts(self.source, desk.home)
        model = self.training.fit(train, seed=self.seed, journal=desk.journal("training"))
        return model, {"acc": metrics.accuracy(model, test)}


@dataclass(frozen=True)
class Implant:
    """Make a suspect: fine-tune a benign model on poisoned samples, or train on them from the start.

    Attributes:
        source: the data.
        training: of the model, or of the benign one that is fine-tuned.
        attack: the attacker's.
        target: class.
        seed: of the attack.
    """

    source: Source
    training: Classification
    attack: Attack
    target: int
    seed: int

    @property
    def name(self) -> str:
        """For people."""
        return f"{type(self.attack).__name__.lower()}-{self.seed}"

    @property
    def needs(self) -> tuple[Job, ...]:
        """The benign model, the same for all fine-tuned ones."""
        return (TrainBenign(self.source, self.training, 0),) if isinstance(self.attack, FineTuned) else ()

    def do(self, desk: Desk) -> dict[str, Any]:
        """Returns ``acc`` and ``asr`` on the test part, how many images count, and the ``sha256`` of the model file."""
        train, _, test = parts(self.source, desk.home)
        if isinstance(self.attack, FineTuned):
            benign = model_of(self.needs[0], desk)
            journal = desk.journal("fine-tuning")
            known = self.attack.implant(benign, train, self.target, seed=self.seed, journal=journal)
        else:
            known = self.attack.backdoor(train, self.target, trainer=self.training, seed=self.seed)
        return {**measured(metrics.Judged(known.model, test), known), **keep(known.model, self, desk.home)}

    def known(self, model: tf.keras.Model, train: ClassSplit) -> Backdoored:
        """The model with trigger and target, for evaluation only."""
        trigger = self.attack.poisoning(train, self.target, seed=self.seed).trigger
        return Backdoored(model, trigger, np.array(self.target))


def measured(judged: metrics.Judged, known: Backdoored) -> dict[str, float]:
    """ACC, ASR and how many images ASR counts."""
    success = judged.success(known.trigger, int(known.target))
    return {"acc": judged.accuracy(), "asr": success.asr, "counted": success.counted}


def model_of(job: Job, desk: Desk) -> tf.keras.Model:
    """The model that a job made, which is made again if it is not the file that was measured."""
    path, wanted = _path(job, desk.home), desk.result(job)["sha256"]
    if not path.is_file() or store.digest_of_files(path) != wanted:
        desk.say(f"{path} is missing or damaged, and is made again")
        desk.again(job)
    return safety.load_model(path)


def keep(model: tf.keras.Model, job: Job, home: Path) -> dict[str, str]:
    """Store the model that a job made; returns the ``sha256`` of its file, for :func:`model_of`."""
    path = _path(job, home)
    store.write_file(path, lambda temporary: model.save(temporary, save_format="h5", include_optimizer=False))
    return {"sha256": store.digest_of_files(path)}


def _path(job: Job, home: Path) -> Path:
    return home / "models" / f"{results.file_name(job.name)}-{store.digest(job)}.h5"
