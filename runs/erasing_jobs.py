"""Classifiers with backdoors, and their erasing by any method, as jobs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional, Union

import numpy as np
import tensorflow as tf

from data_prep.contract import ClassSplit
from data_prep.splits import random_share
from data_prep.threat import Backdoored, ClassSuspect, Suspect
from dhbe_tf import metrics
from dhbe_tf.attacks.clean_label import CleanLabel
from dhbe_tf.attacks.trojaning import Trojaning
from dhbe_tf.baselines.neural_cleanse import NeuralCleanse
from dhbe_tf.baselines.rival import Rival
from dhbe_tf.dhbe import DHBE
from dhbe_tf.gdm.defence import GDM
from dhbe_tf.training import Classification
from runs import classes
from runs.classes import ClassAttack
from runs.jobs import Desk, Job
from runs.spent import metered
from runs.trigger_models import BenignModel, keep, model_of

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)  # of activation differences, for boxes
_MOVED = 200  # test images that they are measured on

_BEGIN_BENIGN = (CleanLabel, Trojaning)  # with a model of their own seed


@dataclass(frozen=True)
class Told:
    """A targeted method that is told the attacked class, as the paper's are "for a fair comparison"; no defender is.

    Attributes:
        method: with its options.
    """

    method: Union[GDM, NeuralCleanse]


Method = Union[DHBE, GDM, Rival, Told]


@dataclass(frozen=True)
class Learned(BenignModel):
    """Train a benign classifier, for the attacks that begin with one.

    Attributes:
        data: see :func:`runs.classes.read`.
        training: of the model.
        seed: of the training.
    """

    data: str
    training: Classification
    seed: int

    def trained(self, desk: Desk) -> tuple[tf.keras.Model, dict[str, Any]]:
        """The model, and its record (:func:`runs.classes.train`)."""
        known, _, record = classes.train(self.training, self.data, None, None, self.seed, journals=desk.journal)
        return known.model, record


@dataclass(frozen=True)
class Implanted:
    """Train a backdoored classifier.

    Attributes:
        data: see :func:`runs.classes.read`.
        training: of the model.
        attack: the attacker's.
        target: his class; None takes the last one.
        seed: of the training and the attack.
    """

    data: str
    training: Classification
    attack: ClassAttack
    target: Optional[int]
    seed: int

    @property
    def name(self) -> str:
        """For people."""
        return f"train {type(self.attack).__name__.lower()}-{self.attack.size}-{self.seed}"

    @property
    def needs(self) -> tuple[Job, ...]:
        """The benign model, for attacks that begin with one."""
        return (self._benign(self.seed),) if isinstance(self.attack, _BEGIN_BENIGN) else ()

    def _benign(self, seed: int) -> Learned:
        return Learned(self.data, self.training, seed)

    def do(self, desk: Desk) -> dict[str, Any]:
        """Returns the training's record (:func:`runs.classes.train`) and the ``sha256`` of the model file."""
        known, _, record = classes.train(
            self.training,
            self.data,
            self.attack,
            self.target,
            self.seed,
            journals=desk.journal,
            benign=lambda seed: model_of(self._benign(seed), desk),
        )
        return {**record, **keep(known.model, self, desk.home)}


@dataclass(frozen=True)
class Erase:
    """Erase a backdoor by one method, and measure.

    Attributes:
        suspect: the model.
        method: with its options.
        share: of the training set that the defender holds; None for methods without data.
        seed: of these images and of the method.
    """

    suspect: Implanted
    method: Method
    share: Optional[float] = None
    seed: int = 0

    def __post_init__(self) -> None:
        if isinstance(self.method, DHBE) is not (self.share is None):
            raise ValueError(f"DHBE holds no images, every other method some; got a share of {self.share}")

    @property
    def name(self) -> str:
        """For people."""
        suspect = self.suspect.name.replace("train ", "")
        images = "" if self.share is None else f" with {100 * self.share:g} %"
        return f"{self._called}{images} on {suspect}"

    @property
    def _called(self) -> str:
        if self.alone:
            return "distillation alone"
        if isinstance(self.method, Told):
            return f"{type(self.method.method).__name__} told"
        return type(self.method).__name__

    @property
    def alone(self) -> bool:
        """Whether this is DHBE without triggers: distillation, and nothing that erases."""
        return isinstance(self.method, DHBE) and not self.method.weight

    @property
    def needs(self) -> tuple[Job, ...]:
        """The suspect."""
        return (self.suspect,)

    def do(self, desk: Desk) -> dict[str, Any]:
        """Returns ``before`` and ``after`` (as :func:`runs.classes.measure`), ``images`` (how many), and ``spent``.

        ``moved`` are :data:`QUANTILES` of the activation differences before and after.
        """
        record, model = desk.result(self.suspect), model_of(self.suspect, desk)
        train, test = classes.read(self.suspect.data)
        benign = None if self.share is None else random_share(train, self.share, seed=self.seed)
        trigger, target = classes.known_trigger(record)
        told = target if isinstance(self.method, Told) else None
        cleaned, spent = metered(lambda: self._cleaned(model, benign, told, desk), desk.clock)
        known = Backdoored(model, trigger, np.array(target))
        after = classes.measure(cleaned, test, known)
        images = 0 if benign is None else len(benign)
        moved = {name: _moved(each, known, test) for name, each in (("before", model), ("after", cleaned))}
        return {"before": record["metrics"], "after": after, "images": images, "spent": spent, "moved": moved}

    def _cleaned(
        self, model: tf.keras.Model, benign: Optional[ClassSplit], told: Optional[int], desk: Desk
    ) -> tf.keras.Model:
        method = self.method.method if isinstance(self.method, Told) else self.method
        if isinstance(method, DHBE):
            return method.mitigate(Suspect(model), seed=self.seed, journal=desk.journal("erasing"))
        assert benign is not None  # every other method has a share
        suspect = ClassSuspect(model, benign)
        if isinstance(method, GDM):
            return method.mitigate(suspect, seed=self.seed, target=told, journals=desk.journal).model
        if isinstance(method, NeuralCleanse):
            return method.mitigate(suspect, seed=self.seed, target=told, journals=desk.journal)
        return method.mitigate(suspect, seed=self.seed, journals=desk.journal)


@dataclass(frozen=True)
class Untouched:
    """What an attacker's trigger does to a benign model: what there is without any backdoor.

    Amplified triggers hide a good part of a small image, and lead somewhere by themselves.

    Attributes:
        suspect: whose trigger.
    """

    suspect: Implanted

    @property
    def name(self) -> str:
        """For people."""
        return f"trigger of {self.suspect.name.replace('train ', '')} on a benign model"

    @property
    def needs(self) -> tuple[Job, ...]:
        """The suspect, and the benign model of its training and seed."""
        return (self.suspect, self._benign)

    @property
    def _benign(self) -> Learned:
        return Learned(self.suspect.data, self.suspect.training, self.suspect.seed)

    def do(self, desk: Desk) -> dict[str, Any]:
        """Returns ``benign`` (as :func:`runs.classes.measure`); ASR counts what the benign model gets right."""
        model, (trigger, target) = model_of(self._benign, desk), classes.known_trigger(desk.result(self.suspect))
        _, test = classes.read(self.suspect.data)
        return {"benign": classes.measure(model, test, Backdoored(model, trigger, np.array(target)))}


def _moved(model: tf.keras.Model, known: Backdoored, test: ClassSplit) -> dict[str, np.ndarray]:
    differences = metrics.activation_differences(model, known.trigger, test.images[:_MOVED])
    return {name: np.quantile(norms, QUANTILES) for name, norms in differences.items()}
