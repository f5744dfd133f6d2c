"""What a rival of DHBE is: its options are its fields, and it returns a cleaned copy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import tensorflow as tf

from data_prep.configuration import Configuration
from data_prep.journal import NO_JOURNAL, Journal
from data_prep.threat import ClassSuspect
from dhbe_tf import logits


class Rival(Configuration, Protocol):
    """A frozen dataclass that cleans a classifier with benign images."""

    def total(self, suspect: ClassSuspect) -> int:
        """Steps in all, at most."""

    def mitigate(
        self,
        suspect: ClassSuspect,
        *,
        seed: int,
        progress: Callable[[int], None] = lambda step: None,
        journals: Callable[[str], Journal] = lambda name: NO_JOURNAL,
    ) -> tf.keras.Model:
        """A cleaned copy of the suspect, with its softmax if it has one.

        Args:
            suspect: model and benign images; the model's weights are left alone.
            seed: of everything random.
            progress: called with the number of steps done.
            journals: where each optimisation of the method goes on after an interruption, by its name.

        Raises:
            ValueError: if model and images do not fit each other or the method.
            Diverged: if it does.
        """


def check(suspect: ClassSuspect) -> None:
    """Refuse a model and benign images that do not belong together.

    Raises:
        ValueError: saying what is expected.
    """
    logits.check(suspect.model)
    if suspect.benign is None:
        raise ValueError("this method learns from benign images of the defender's own, and there are none")
    shape, outputs, data = suspect.model.input_shape[1:], suspect.model.output_shape[-1], suspect.benign
    if data.image_shape != shape or len(data.classes) != outputs:
        raise ValueError(
            f"the model maps {shape} to {outputs} classes, the benign images are {data.image_shape} of "
            f"{len(data.classes)} classes"
        )


def with_weights_of(work: tf.keras.Model, suspect: ClassSuspect) -> tf.keras.Model:
    """A model of the suspect's layers, its softmax included, with the weights of a copy that returns logits."""
    cleaned = tf.keras.models.clone_model(suspect.model)
    cleaned.set_weights(work.get_weights())
    return cleaned
