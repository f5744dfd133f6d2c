"""Mode connectivity repair (MCR, Zhao et al. 2020): the middle of a trained curve through weight space.

As DHBE uses it (App. C (b)), both ends are the backdoored model, and the model in the middle is the repaired one. With
:class:`TunedEnd` the other end is a fine-tuned copy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import tensorflow as tf

from data_prep.contract import ClassSplit, pixels
from data_prep.journal import NO_JOURNAL, Journal
from data_prep.threat import ClassSuspect
from dhbe_tf import logits
from dhbe_tf.baselines.rival import check, with_weights_of
from dhbe_tf.baselines.tuning import Tuning
from dhbe_tf.optimizers import SGD


@dataclass(frozen=True)
class ModeConnectivity:
    """Options.

    Attributes:
        tuning: of the curve; its weight decay acts on the weights on the curve, not on those that bend it.
        place: on the curve, in [0, 1], of the model that is returned.
        batch: benign images a step when batch norm's statistics are estimated anew.
    """

    tuning: Tuning = field(default_factory=lambda: Tuning(epochs=200, batch=128, weight_decay=1e-4))
    place: float = 0.5  # "at its middle point"
    batch: int = 128

    def __post_init__(self) -> None:
        if not 0 <= self.place <= 1 or self.batch < 2:
            raise ValueError(f"the place lies in [0, 1] and the batch is 2 or more, got {self}")

    def total(self, suspect: ClassSuspect) -> int:
        """Steps of the curve's training, and of what goes before it."""
        return self.steps_before + self.tuning.total_steps

    def mitigate(
        self,
        suspect: ClassSuspect,
        *,
        seed: int,
        progress: Callable[[int], None] = lambda step: None,
        journals: Callable[[str], Journal] = lambda name: NO_JOURNAL,
    ) -> tf.keras.Model:
        """The model at ``place`` of the curve; see :class:`dhbe_tf.baselines.rival.Rival`."""
        check(suspect)
        work = logits.copy(suspect.model)
        start = _weights(work)

        def tuned(tuning: Tuning) -> list[np.ndarray]:
            copy = logits.copy(suspect.model)
            tuning.run(copy, suspect.benign, seed=seed, progress=progress, journal=journals("end"))
            return _weights(copy)

        curve, before = Curve(work, start, self.end_of(start, tuned), self.tuning, seed), self.steps_before
        self.tuning.follow(
            curve,
            suspect.benign,
            seed=seed,
            progress=lambda step: progress(before + step),
            journal=journals("curve"),
        )
        curve.write(tf.constant(self.place))
        renew_statistics(work, suspect.benign, self.batch)
        return with_weights_of(work, suspect)

    @property
    def steps_before(self) -> int:
        """Steps that go before the curve's training."""
        return 0

    def end_of(self, start: list[np.ndarray], tuned: Callable[[Tuning], list[np.ndarray]]) -> list[np.ndarray]:
        """The trainable weights at the curve's end.

        Args:
            start: those at its start, the suspect's.
            tuned: gives those of a copy of the suspect that was tuned.
        """
        return start


@dataclass(frozen=True)
class TunedEnd(ModeConnectivity):
    """MCR for one given model, as BackdoorBench has it: the curve ends in a fine-tuned copy of the suspect.

    Attributes:
        end: the fine-tuning.
    """

    end: Tuning = field(default_factory=Tuning)

    @property
    def steps_before(self) -> int:
        """Steps of the fine-tuning."""
        return self.end.total_steps

    def end_of(self, start: list[np.ndarray], tuned: Callable[[Tuning], list[np.ndarray]]) -> list[np.ndarray]:
        """Those of the fine-tuned copy; see :meth:`ModeConnectivity.end_of`."""
        return tuned(self.end)


def _weights(model: tf.keras.Model) -> list[np.ndarray]:
    return [variable.numpy() for variable in model.trainable_variables]


def bezier(start: tf.Tensor, middle: tf.Tensor, end: tf.Tensor, place: tf.Tensor) -> tf.Tensor:
    """A point of a quadratic Bezier curve: ``(1-t)**2 * start + 2*t*(1-t) * middle + t**2 * end``.

    Args:
        start, middle, end: of one shape.
        place: t, scalar in [0, 1].
    """
    return (1 - place) ** 2 * start + 2 * place * (1 - place) * middle + place**2 * end


class Curve(tf.Module):
    """A curve between two sets of weights, bent by a third one.

    Weights on the curve are written into the variables of a working copy, and gradients of those give the gradients of
    the third set by the chain rule; so any Keras model will do as it is.
    """

    def __init__(
        self,
        model: tf.keras.Model,
        start: Sequence[np.ndarray],
        end: Sequence[np.ndarray],
        options: Tuning,
        seed: int,
    ) -> None:
        """The middle weights begin half-way between the ends.

        Args:
            model: a working copy that returns logits; its weights change.
            start, end: values of its trainable variables at both ends.
            options: of the training.
            seed: of places on the curve and of the augmentation.
        """
        super().__init__()
        self.model, self.options = model, options
        self.start, self.end = ([tf.constant(value) for value in side] for side in (start, end))
        self.middle = [tf.Variable((one + other) / 2) for one, other in zip(self.start, self.end)]
        self.optimizer = SGD(
            self.middle, learning_rate=options.learning_rate, momentum=options.momentum, weight_decay=0.0
        )
        self.random = tf.random.Generator.from_seed(seed)

    @tf.function
    def write(self, place: tf.Tensor) -> None:
        """Write the weights at a place of the curve, a scalar in [0, 1], into the working copy."""
        for variable, start, middle, end in zip(self.model.trainable_variables, self.start, self.middle, self.end):
            variable.assign(bezier(start, middle, end, place))

    @tf.function
    def step(self, images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        """One step at a random place of the curve, on uint8 images (B, H, W, C), labels (B,). Returns the loss."""
        place = self.random.uniform(())
        self.write(place)
        seen = self.options.augmented(tf.cast(images, tf.float32) / 255, self.random)
        loss, slopes = self.slopes(seen, labels, place)
        self.optimizer.apply(slopes, self.middle)
        return loss

    def slopes(self, images: tf.Tensor, labels: tf.Tensor, place: tf.Tensor) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """Cross-entropy of the weights written last, and gradients by the middle weights.

        Of the loss with half the weight decay times the squared norm of the weights on the curve.
        """
        variables = self.model.trainable_variables
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(variables)
            answers = self.model(images, training=True)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, answers))
        share, decay = 2 * place * (1 - place), self.options.weight_decay
        found = tape.gradient(loss, variables)
        return loss, [share * (slope + decay * variable) for slope, variable in zip(found, variables)]


def renew_statistics(model: tf.keras.Model, benign: ClassSplit, batch: int) -> None:
    """Estimate all batch norms' statistics anew, as means over batches of benign images; changes the model.

    Args:
        model: with batch norm or without.
        benign: the defender's images.
        batch: images a step; a smaller rest is left out.
    """
    norms = [layer for layer in model.submodules if isinstance(layer, tf.keras.layers.BatchNormalization)]
    kept, size = [layer.momentum for layer in norms], min(batch, len(benign))
    for number, start in enumerate(range(0, len(benign) - size + 1, size)):
        for layer in norms:
            layer.momentum = number / (number + 1)  # so that all batches count alike
        model(tf.constant(pixels(benign.images[start : start + size])), training=True)
    for layer, momentum in zip(norms, kept):
        layer.momentum = momentum
