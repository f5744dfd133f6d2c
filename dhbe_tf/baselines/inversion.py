"""Model inversion (DeepInversion, Yin et al. 2020): images out of a model alone, and distillation on them.

DHBE compares itself with it in Sec. 5.4.4 and Fig. 12: inverted images show what the training data looked like, which
generated samples do not, and a student that is distilled on them may inherit the backdoor.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from data_prep.contract import ClassSplit
from data_prep.diverged import watch
from data_prep.journal import NO_JOURNAL, Journal
from dhbe_tf import logits
from dhbe_tf.baselines.tuning import Objective, Tuning
from dhbe_tf.domain import Domain
from dhbe_tf.losses import roughness
from dhbe_tf.optimizers import Adam

_TINY = 1e-12  # the root of 0 has no slope


class Inverted(NamedTuple):
    """What came out of a model.

    Attributes:
        images: float32 (B, H, W, C) in [0, 1].
        labels: int64 (B,), the classes that were asked for.
        loss: the smallest, that of these images.
    """

    images: np.ndarray
    labels: np.ndarray
    loss: float


@dataclass(frozen=True)
class Inversion:
    """Options; the defaults are those that the authors' code names as the paper's for CIFAR-10.

    Attributes:
        steps, batch: of the descent, on the values of ``batch`` images.
        learning_rate: of Adam.
        statistics: weight of :func:`statistics_gap`.
        smoothness: weight of :func:`dhbe_tf.losses.roughness`.
        jitter: images are rolled by up to so many pixels before every step.
    """

    steps: int = 2000
    batch: int = 256
    learning_rate: float = 0.05
    statistics: float = 10.0
    smoothness: float = 2.5e-5
    jitter: int = 2

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch < 2 or self.jitter < 0 or self.learning_rate <= 0:
            raise ValueError(
                f"steps must be 1 or more, batch 2 or more, jitter 0 or more, the rate above 0; got {self}"
            )
        if min(self.statistics, self.smoothness) < 0:
            raise ValueError(f"weights must not be negative, got {self}")

    def invert(
        self,
        model: tf.keras.Model,
        *,
        domain: Domain,
        seed: int,
        progress: Callable[[int], None] = lambda step: None,
    ) -> Inverted:
        """Images that the model knows as its classes in turn, with the statistics that its batch norms remember.

        Args:
            model: functional, with batch norm on feature maps; it stays as it is.
            domain: what it takes.
            seed: of the first images and the jitter.
            progress: called with the number of steps done.

        Raises:
            ValueError: if the model has no such batch norm.
            Diverged: if the descent does.
        """
        descent = _Descent(self, model, domain, seed)
        for step in range(1, self.steps + 1):
            watch(descent.step(), step, self.steps, "inversion")
            progress(step)
        images = np.clip(domain.pixels(descent.best).numpy(), 0, 1)
        return Inverted(images, descent.labels.numpy(), float(descent.lowest))


def statistics_gap(
    inputs: Sequence[tf.Tensor], means: Sequence[tf.Tensor], variances: Sequence[tf.Tensor]
) -> tf.Tensor:
    """How far a batch is from what batch norms remember: the sum of the norms of both differences, over all layers.

    Args:
        inputs: of every batch norm (B, H, W, C).
        means, variances: what each remembers (C,).
    """
    total = tf.constant(0.0)
    for maps, mean, variance in zip(inputs, means, variances):
        tf.debugging.assert_shapes([(maps, ("B", "H", "W", "C")), (mean, ("C",)), (variance, ("C",))])
        own_mean, own_variance = tf.nn.moments(maps, axes=(0, 1, 2))
        total += _norm(own_mean - mean) + _norm(own_variance - variance)
    return total


def _norm(vector: tf.Tensor) -> tf.Tensor:
    return tf.sqrt(tf.reduce_sum(vector**2) + _TINY)


class _Descent(tf.Module):
    """State of one inversion."""

    def __init__(self, options: Inversion, model: tf.keras.Model, domain: Domain, seed: int) -> None:
        super().__init__()
        self.options, self.domain = options, domain
        self.model = logits.copy(model)
        norms = [layer for layer in self.model.layers if isinstance(layer, tf.keras.layers.BatchNormalization)]
        norms = [layer for layer in norms if len(layer.input.shape) == 4]
        if not norms:
            raise ValueError(
                f"an inversion asks what batch norms remember of feature maps, and {model.name!r} has none at its top "
                "level."
            )
        self.inside = tf.keras.Model(self.model.inputs, [self.model.outputs[0], *(layer.input for layer in norms)])
        self.means = [tf.constant(layer.moving_mean) for layer in norms]
        self.variances = [tf.constant(layer.moving_variance) for layer in norms]
        self.random = tf.random.Generator.from_seed(seed)
        self.samples = tf.Variable(self.random.normal((options.batch, *model.input_shape[1:])))
        self.best, self.lowest = tf.Variable(self.samples), tf.Variable(np.float32(np.inf))
        self.labels = tf.constant(np.arange(options.batch) % model.output_shape[-1])
        self.optimizer = Adam([self.samples], learning_rate=options.learning_rate)

    @tf.function
    def step(self) -> tf.Tensor:
        """One step, on all images rolled alike. Returns the loss before it; the images of the smallest are kept."""
        most, options = self.options.jitter, self.options
        shift = self.random.uniform((2,), -most, most + 1, tf.int32)
        with tf.GradientTape() as tape:
            rolled = tf.roll(self.samples, shift, axis=(1, 2))
            inputs = self.domain.inputs(self.domain.pixels(rolled))
            answers, *maps = self.inside(inputs, training=False)
            entropy = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(self.labels, answers))
            gap = statistics_gap(maps, self.means, self.variances)
            loss = entropy + options.statistics * gap + options.smoothness * roughness(rolled)
        if loss < self.lowest:
            self.lowest.assign(loss)
            self.best.assign(self.samples)
        self.optimizer.apply([tape.gradient(loss, self.samples)], [self.samples])
        return loss


@dataclass(frozen=True)
class InvertedDistillation:
    """Distillation into a fresh student, on images inverted from the suspect; no data is used.

    Attributes:
        inversion: of a batch.
        batches: how many are inverted.
        temperature: both answers are divided by it before they are compared.
        tuning: of the student.
    """

    inversion: Inversion = field(default_factory=Inversion)
    batches: int = 8
    temperature: float = 3.0
    tuning: Tuning = field(default_factory=lambda: Tuning(epochs=200, batch=128, learning_rate=0.1, weight_decay=5e-4))

    def __post_init__(self) -> None:
        if self.batches < 1 or self.temperature <= 0:
            raise ValueError(f"batches must be 1 or more and the temperature above 0, got {self}")

    def pool(
        self,
        model: tf.keras.Model,
        *,
        domain: Domain,
        seed: int,
        progress: Callable[[int], None] = lambda step: None,
    ) -> ClassSplit:
        """All inverted images, with the classes that were asked for.

        Args:
            model: the suspect; it stays as it is.
            domain: what it takes.
            seed: of the inversions.
            progress: called with the number of steps done, of all batches.

        Raises:
            ValueError: if the model has no batch norm on feature maps.
            Diverged: if an inversion does.
        """
        each, made = self.inversion.steps, []
        for number in range(self.batches):
            before = number * each
            made.append(
                self.inversion.invert(
                    model, domain=domain, seed=seed + number, progress=lambda step: progress(before + step)
                )
            )
        images = np.round(np.concatenate([one.images for one in made]) * 255).astype(np.uint8)
        names = tuple(str(number) for number in range(model.output_shape[-1]))
        return ClassSplit(images, np.concatenate([one.labels for one in made]), names)

    def distil(
        self,
        model: tf.keras.Model,
        pool: ClassSplit,
        *,
        seed: int,
        progress: Callable[[int], None] = lambda step: None,
        journal: Journal = NO_JOURNAL,
    ) -> tf.keras.Model:
        """A student of the same architecture that begins with new weights.

        Args:
            model: the suspect, which takes images in [0, 1]; it stays as it is.
            pool: what the student is shown.
            seed: of the student's weights and its training.
            progress: called with the number of steps done.
            journal: where an interrupted training of the student goes on.

        Raises:
            Diverged: if the training does.
        """
        teacher = logits.copy(model)
        tf.keras.utils.set_random_seed(seed)  # initial weights are drawn from TensorFlow's global generator
        fresh = tf.keras.models.clone_model(model)
        student = logits.copy(fresh)

        def objective(network: tf.keras.Model) -> Objective:
            def loss(seen: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
                return divergence(network(seen, training=True), teacher(seen, training=False), self.temperature)

            return loss

        self.tuning.run(student, pool, seed=seed, objective=objective, progress=progress, journal=journal)
        fresh.set_weights(student.get_weights())
        return fresh


def divergence(student: tf.Tensor, teacher: tf.Tensor, temperature: float) -> tf.Tensor:
    """Mean Kullback-Leibler divergence of the softened answers, times the temperature squared (Hinton et al. 2015).

    Args:
        student, teacher: logits (B, K).
        temperature: both are divided by it.
    """
    tf.debugging.assert_shapes([(student, ("B", "K")), (teacher, ("B", "K"))])
    mine, theirs = (tf.nn.log_softmax(answers / temperature) for answers in (student, teacher))
    return temperature**2 * tf.reduce_mean(tf.reduce_sum(tf.exp(theirs) * (theirs - mine), axis=1))
