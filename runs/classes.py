"""Classifiers: their data, training and attacks by preset, and what they are measured by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, is_dataclass, replace
from pathlib import Path
from typing import Any, Optional, Union

import numpy as np
import tensorflow as tf

from data_prep import cifar, class_table, digits
from data_prep.contract import ClassSplit
from data_prep.journal import NO_JOURNAL, Journal
from data_prep.poison import Trigger
from data_prep.threat import Backdoored
from dhbe_tf import metrics
from dhbe_tf.attacks import triggers
from dhbe_tf.attacks.badnets import BadNets
from dhbe_tf.attacks.clean_label import CleanLabel
from dhbe_tf.attacks.trojaning import Trojaning
from dhbe_tf.dhbe import DHBE
from dhbe_tf.training import Classification

ClassAttack = Union[BadNets, CleanLabel, Trojaning]

DIGITS = "digits"
PHOTOGRAPHS = "photographs"  # and whatever else is given
_OF_A_DIGIT = 60  # of some 140 training digits of a class, clean-label poisons so many at most

# For the narrow ResNet18 and the network of the digits: 3 of their 128 units, as 10 of the 512 of ResNet18.
_NARROW = Trojaning(neurons=3, draws=6, trigger_steps=250, batch=64, share=0.05)


def _attacks(count: int, trojaning: Trojaning = Trojaning()) -> dict[str, ClassAttack]:
    return {
        "badnets": BadNets(count=count),
        "clean-label": CleanLabel(count=count),
        "trojaning": replace(trojaning, count=count),
        "watermark": BadNets(count=count, wide=triggers.Watermark()),
        "sig": BadNets(count=count, wide=triggers.Sinusoid()),
        "steganography": BadNets(count=count, wide=triggers.Steganography()),
    }


@dataclass(frozen=True)
class ClassPreset:
    """What classifiers and their erasing depend on at a machine.

    Attributes:
        training: of suspects on photographs.
        digits: of suspects on the embedded digits.
        attacks: on photographs, by their command line name.
        digits_attacks: on the embedded digits.
        erasing: the options of DHBE, on photographs and whatever else is given.
        digits_erasing: the same on the embedded digits.
        seen: images that a benign control of a scan sees in its training, half of what suspects on photographs do.
        digits_seen: the same on digits.
    """

    training: Classification
    digits: Classification
    attacks: dict[str, ClassAttack]
    digits_attacks: dict[str, ClassAttack]
    erasing: DHBE
    digits_erasing: DHBE
    seen: int = 350_000
    digits_seen: int = 36_000

    def trained(self, data: str) -> Classification:
        """How suspects on ``data`` (see :func:`read`) are trained."""
        return self.digits if data == DIGITS else self.training

    def attack(self, name: str, data: str) -> ClassAttack:
        """An attack on ``data`` by its command line name.

        Raises:
            ValueError: if there is none of that name.
        """
        attacks = self.digits_attacks if data == DIGITS else self.attacks
        if name not in attacks:
            raise ValueError(f"there is no attack {name!r} on classifiers; there are {', '.join(attacks)}")
        return attacks[name]

    def erased(self, data: str) -> DHBE:
        """How suspects on ``data`` are erased without any."""
        return self.digits_erasing if data == DIGITS else self.erasing

    def seen_by_controls(self, data: str) -> int:
        """Images of ``data`` that a benign control of a scan sees in its training."""
        return self.digits_seen if data == DIGITS else self.seen


# Ours, for two cores and hundreds of iterations instead of thousands; EQUATIONS.md of dhbe_tf, difference 6, also for
# what digits need.
_BRIEF = DHBE(
    epochs=8,
    iterations=20,
    batch=32,
    weight=2.0,
    placement="borders",
    copies=3,
    in_range=True,
    drawn=1.0,
    pool=1024,
    batch_statistics=False,
    latent=64,
    sample_width=8,
    trigger_width=16,
    learning_rate=0.002,
    generator_rate=1e-2,
    milestones=(0.6, 0.85),
)
_ERASING_DIGITS = replace(_BRIEF, epochs=12, tolerance=0.4, renewed=20)
_SHORTEST = replace(_BRIEF, epochs=2, iterations=2, student_steps=1, batch=8, pool=64)
_DIGITS = Classification("tiny-resnet", epochs=50, batch=64, crop=1, flip=False, contrast=True)


def _on_digits(count: int) -> dict[str, ClassAttack]:
    return {**_attacks(count, _NARROW), "clean-label": CleanLabel(count=min(count, _OF_A_DIGIT))}


PRESETS = {
    "paper": ClassPreset(
        Classification(),
        replace(_DIGITS, epochs=100),
        _attacks(300),
        _on_digits(300),
        DHBE(),
        DHBE(),
        seen=5_000_000,
        digits_seen=72_000,
    ),
    "cpu": ClassPreset(
        Classification("narrow-resnet18", epochs=14, batch=64, milestones=(), peak=0.25, crop=2),
        _DIGITS,
        _attacks(1500, _NARROW),  # a crop spares the corner in a third of the samples, and there are few epochs
        _on_digits(300),
        replace(_BRIEF, epochs=12, weight=0.5, learning_rate=2e-4),
        _ERASING_DIGITS,
    ),
    "smoke": ClassPreset(
        Classification("tiny-resnet", epochs=1),
        replace(_DIGITS, epochs=1),
        _attacks(20),
        _on_digits(20),
        _SHORTEST,
        replace(_SHORTEST, tolerance=0.4, renewed=2),
        seen=128,
        digits_seen=128,
    ),
}
_STRONG: dict[str, ClassAttack] = {"badnets": BadNets(count=500)}  # with 300, ASR is 97 to 100 %
DEMO = ClassPreset(_DIGITS, _DIGITS, _STRONG, _STRONG, _BRIEF, _ERASING_DIGITS)


def read(data: str) -> tuple[ClassSplit, ClassSplit]:
    """Training and test part of a data set.

    Args:
        data: "digits", a folder of CIFAR's python batches, or a table of classes with the parts train and test.

    Raises:
        ValueError, FileNotFoundError: if it is none of these.
    """
    if data == DIGITS:
        return digits.read("train"), digits.read("test")
    folder = Path(data)
    if (folder / class_table.CLASSES).is_file():
        return class_table.read(folder, part="train"), class_table.read(folder, part="test")
    return cifar.read(folder, "train"), cifar.read(folder, "test")


def read_test(data: str) -> ClassSplit:
    """The test part of a data set, or the whole of a table of classes that has no parts."""
    folder = Path(data)
    if data != DIGITS and (folder / class_table.CLASSES).is_file():
        if "part" not in class_table.load_table(folder).columns:
            return class_table.read(folder)
        return class_table.read(folder, part="test")
    return read(data)[1]


def train(
    training: Classification,
    data: str,
    attack: Optional[ClassAttack],
    target: Optional[int],
    seed: int,
    progress: Callable[[int], None] = lambda step: None,
    journals: Callable[[str], Journal] = lambda part: NO_JOURNAL,
    benign: Optional[Callable[[int], tf.keras.Model]] = None,
) -> tuple[Backdoored, ClassSplit, dict[str, Any]]:
    """Train a classifier.

    Args:
        training: how.
        data: see :func:`read`.
        attack: None for a benign model.
        target: the attacker's class; by default the last one, as in DHBE's experiments.
        seed: of the training and the attack.
        progress: called with the number of steps done.
        journals: where an interrupted piece of the training goes on, by its name.
        benign: gives a new copy of the benign model of a seed, for attacks that begin with one; None trains it.

    Returns:
        The model (a benign one has no trigger: ``None``), the test part, and its record with metrics. The
        record does not say where the data lies, so that it means the same on another machine.
    """
    train_part, test = read(data)
    wanted = len(train_part.classes) - 1 if target is None else target
    trainer = _Resuming(training, journals, benign)
    if attack is None:
        model = trainer.fit(train_part, seed=seed, progress=progress)
        known = Backdoored(model, None, np.array(-1))  # type: ignore[arg-type]  # there is no trigger
    else:
        known = attack.backdoor(train_part, wanted, trainer=trainer, seed=seed, progress=progress)
    record = {
        "task": "classification",
        "classes": list(train_part.classes),
        "training": asdict(training),
        "attack": None if attack is None else _plain(attack),
        "target_class": None if attack is None else wanted,
        "trigger": None if attack is None else _plain(known.trigger),
        "seed": seed,
        "metrics": measure(known.model, test, known if attack else None),
    }
    return known, test, record


class _Resuming:
    """A trainer that gives every training of an attack a journal of its own, and takes benign models that are there."""

    def __init__(
        self,
        training: Classification,
        journals: Callable[[str], Journal],
        benign: Optional[Callable[[int], tf.keras.Model]],
    ) -> None:
        self.training, self.journals, self.benign = training, journals, benign
        self.pieces = 0

    def fit(self, train: ClassSplit, *, seed: int, **options: Any) -> tf.keras.Model:
        """See :class:`dhbe_tf.attacks.attack.Trainer`."""
        self.pieces += 1
        if self.benign is not None and options.get("poisoning") is None and options.get("start") is None:
            return self.benign(seed)
        journal = self.journals(f"training-{self.pieces}")
        return self.training.fit(train, seed=seed, **options, journal=journal)

    def recoloured(self, images: tf.Tensor, random: tf.random.Generator) -> tf.Tensor:
        """See :class:`dhbe_tf.attacks.attack.Trainer`."""
        return self.training.recoloured(images, random)


def measure(model: tf.keras.Model, test: ClassSplit, known: Backdoored | None) -> dict[str, Any]:
    """ACC of a model in [0, 1] inputs; with a known attack also ASR, amplified ASR and how far the trigger reaches.

    Args:
        model: under test.
        test: images and labels.
        known: the backdoored model, which chooses the samples that ASR counts, with trigger and target.
    """
    before = metrics.Judged(known.model, test) if known is not None and known.model is not model else None
    judged = metrics.Judged(model, test, before=before)
    found: dict[str, Any] = {"acc": judged.accuracy(), "images": len(test)}
    if known is None:
        return found
    target = int(known.target)
    found.update(judged.success(known.trigger, target)._asdict())
    for name, places in (("asr_x4", triggers.FOUR), ("asr_x9", triggers.NINE)):
        if hasattr(known.trigger, "places"):
            amplified = replace(known.trigger, places=places)  # type: ignore[type-var]
            found[name] = judged.success(amplified, target).asr
    return {**found, **metrics.trigger_reach(model, known.trigger, test.images[:200])._asdict()}


def known_trigger(record: dict[str, Any]) -> tuple[Trigger, int]:
    """Trigger and target class that the record of a training describes, for evaluation only.

    Raises:
        ValueError: if it describes no attack on a classifier.
    """
    if not record.get("trigger") or record.get("target_class") is None:
        raise ValueError(
            "the record describes no attack on a classifier; it must be the train.json of a backdoored one"
        )
    ((name, settings),) = record["trigger"].items()
    kinds = {kind.__name__: kind for kind in (getattr(triggers, each) for each in _TRIGGERS)}
    if name not in kinds:
        raise ValueError(f"this version knows no trigger {name!r}; it knows {', '.join(kinds)}")
    if "places" in settings:
        settings = {**settings, "places": tuple(map(tuple, settings["places"]))}
    if "pattern" in settings:
        settings = {**settings, "pattern": np.float32(settings["pattern"])}
    return kinds[name](**settings), int(record["target_class"])


_TRIGGERS = ("Checkerboard", "Patch", "RandomSquare", "Watermark", "Sinusoid", "Steganography")


def _plain(value: Any) -> Any:
    """A dataclass as its name with plain settings."""
    if is_dataclass(value):
        return {type(value).__name__: {name: _plain(inner) for name, inner in vars(value).items()}}
    return value.tolist() if isinstance(value, np.ndarray) else value
