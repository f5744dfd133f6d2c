"""DHBE's rivals by preset: ``paper`` as its appendices have them, ``cpu`` for two cores, ``smoke`` for tests."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from dhbe_tf.baselines.attention_distillation import AttentionDistillation
from dhbe_tf.baselines.fine_pruning import FinePruning
from dhbe_tf.baselines.fine_tuning import FineTuning
from dhbe_tf.baselines.inversion import Inversion, InvertedDistillation
from dhbe_tf.baselines.mode_connectivity import ModeConnectivity
from dhbe_tf.baselines.neural_cleanse import NeuralCleanse
from dhbe_tf.baselines.recipes import RECIPES, Recipe
from dhbe_tf.baselines.rival import Rival
from dhbe_tf.baselines.tuning import Tuning

NAMES = {
    "fine-tuning": "Fine-tuning",
    "fine-pruning": "Fine-pruning",
    "nad": "NAD",
    "mcr": "MCR",
    "neural-cleanse": "Neural Cleanse",
}


def rivals(preset: str, *, digits: bool) -> dict[str, Rival]:
    """All that clean with benign images, by their command line name.

    Args:
        preset: "paper", "cpu" or "smoke".
        digits: whether the images are digits, which are not mirrored and hardly shifted.
    """
    tuning, curve, search = _tuning(preset), ModeConnectivity(), NeuralCleanse()
    teacher = AttentionDistillation().teacher
    if preset == "paper":  # the paper's text has lost the curve's rate; why this one: EQUATIONS.md, 20
        curve = replace(curve, tuning=replace(curve.tuning, learning_rate=0.1))
    if preset == "cpu":
        curve = replace(curve, tuning=replace(curve.tuning, epochs=40))
        search = replace(search, steps=100, minibatches=4)
    if preset == "smoke":
        teacher, curve = tuning, ModeConnectivity(replace(tuning, weight_decay=1e-4), batch=16)
        search = NeuralCleanse(steps=2, minibatches=1, batch=8, tuning=tuning)
    kind = _as_digits if digits else _as_it_is
    return {
        "fine-tuning": FineTuning(kind(tuning)),
        "fine-pruning": FinePruning(tuning=kind(tuning)),
        "nad": AttentionDistillation(teacher=kind(teacher), student=kind(tuning)),
        "mcr": replace(curve, tuning=kind(curve.tuning)),
        "neural-cleanse": replace(search, tuning=kind(search.tuning)),
    }


def recipe(name: str, preset: str, *, digits: bool) -> Recipe:
    """A rival as its own authors have it, or whoever publishes settings for CIFAR-10; see :data:`RECIPES`.

    Args:
        name: on the command line.
        preset: "smoke" shortens everything; the others take it as it is.
        digits: see :func:`rivals`.
    """
    found = RECIPES[name]
    if preset == "smoke":
        return replace(found, rival=rivals(preset, digits=digits)[name])
    rival: Any = found.rival
    kind = _as_digits if digits else _as_it_is
    tunings = {part.name: getattr(rival, part.name) for part in fields(rival)}
    return replace(
        found,
        rival=replace(rival, **{part: kind(value) for part, value in tunings.items() if isinstance(value, Tuning)}),
    )


def at_rate(method: Rival, rate: float) -> Rival:
    """A method that tunes the suspect with another learning rate; of attention distillation the student has it."""
    tuned: Any = method
    part = "student" if isinstance(method, AttentionDistillation) else "tuning"
    return replace(tuned, **{part: replace(getattr(tuned, part), learning_rate=rate)})


def inversion(preset: str) -> InvertedDistillation:
    """Model inversion, and distillation on what it returns."""
    if preset == "paper":
        return InvertedDistillation()
    if preset == "cpu":
        student = Tuning(epochs=40, samples=512, batch=64, learning_rate=0.05, weight_decay=5e-4, crop=2, flip=False)
        return InvertedDistillation(Inversion(steps=300, batch=64), batches=4, tuning=student)
    student = Tuning(epochs=1, samples=16, batch=8, learning_rate=0.05, crop=1, flip=False)
    return InvertedDistillation(Inversion(steps=2, batch=10), batches=1, tuning=student)


def _tuning(preset: str) -> Tuning:
    return Tuning(epochs=1, samples=16, batch=8) if preset == "smoke" else Tuning()


def _as_digits(tuning: Tuning) -> Tuning:
    return replace(tuning, crop=1, flip=False)


def _as_it_is(tuning: Tuning) -> Tuning:
    return tuning
