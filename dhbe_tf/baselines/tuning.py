"""The fine-tuning that the rivals have in common (DHBE, App. C (a) and D (a))."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from data_prep.batches import batches
from data_prep.contract import ClassSplit
from data_prep.diverged import watch
from data_prep.journal import NO_JOURNAL, Journal
from dhbe_tf.optimizers import SGD
from dhbe_tf.training import shifted

Objective = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


@dataclass(frozen=True)
class Tuning:
    """How a model is trained on.

    Attributes:
        epochs: passes.
        samples: images that a pass loads; fewer benign images are repeated.
        batch: images a step.
        learning_rate, momentum, weight_decay: of SGD.
        milestones: shares of the steps at which the rate falls to a tenth.
        crop, flip: see :class:`dhbe_tf.training.Classification`.
    """

    epochs: int = 20  # "fully finetuned by 20 epochs and 2000 samples are loaded for each epoch with batch size of 64"
    samples: int = 2000
    batch: int = 64
    learning_rate: float = 0.01  # "initial learning rate of 0.01, momentum of 0.9"; no decay is named
    momentum: float = 0.9
    weight_decay: float = 0.0
    milestones: tuple[float, ...] = (0.5, 0.75)  # "at epoch 10 and epoch 15"
    crop: int = 4  # "randomized preprocessing" (App. B.1), that of the suspect's training
    flip: bool = True

    def __post_init__(self) -> None:
        if min(self.epochs, self.samples) < 1 or self.batch < 2 or self.crop < 0:
            raise ValueError(f"epochs and samples must be 1 or more, batch 2 or more, crop 0 or more; got {self}")
        if self.learning_rate <= 0 or self.weight_decay < 0:
            raise ValueError(f"the learning rate must be above 0 and the weight decay not negative, got {self}")

    @property
    def total_steps(self) -> int:
        """Steps in all."""
        return self.epochs * max(1, self.samples // self.batch)

    def rate(self, step: int) -> float:
        """The learning rate of a step, counted from 0."""
        return self.learning_rate * 0.1 ** sum(step >= round(share * self.total_steps) for share in self.milestones)

    def optimizer(self, variables: Sequence[tf.Variable]) -> SGD:
        """Of a training of these."""
        return SGD(variables, learning_rate=self.learning_rate, momentum=self.momentum, weight_decay=self.weight_decay)

    def loaded(self, benign: ClassSplit) -> ClassSplit:
        """The benign images, repeated in turn until there are ``samples`` of them, or as they are if there are more."""
        return benign.take(np.resize(np.arange(len(benign)), max(self.samples, len(benign))))

    def augmented(self, images: tf.Tensor, random: tf.random.Generator) -> tf.Tensor:
        """Images (B, H, W, C) mirrored and shifted at random."""
        if self.flip:
            mirrored = random.uniform((images.shape[0], 1, 1, 1)) < 0.5
            images = tf.where(mirrored, tf.reverse(images, [2]), images)
        return shifted(images, self.crop, random) if self.crop else images

    def run(
        self,
        model: tf.keras.Model,
        benign: ClassSplit,
        *,
        seed: int,
        objective: Callable[[tf.keras.Model], Objective] | None = None,
        after: Callable[[], None] = lambda: None,
        progress: Callable[[int], None] = lambda step: None,
        journal: Journal = NO_JOURNAL,
    ) -> None:
        """Train a working copy on; its weights change.

        Args:
            model: returns logits.
            benign: what it learns from.
            seed: of the order and the augmentation.
            objective: makes, from the model, the loss of images (B, H, W, C) and labels (B,); by default the
                cross-entropy.
            after: called after every step.
            progress: called with the number of steps done.
            journal: where an interrupted training goes on.

        Raises:
            Diverged: if it does.
        """
        loss = (objective or cross_entropy)(model)
        self.follow(_Tuned(self, model, loss, seed), benign, seed=seed, after=after, progress=progress, journal=journal)

    def follow(
        self,
        work: Any,
        benign: ClassSplit,
        *,
        seed: int,
        after: Callable[[], None] = lambda: None,
        progress: Callable[[int], None] = lambda step: None,
        journal: Journal = NO_JOURNAL,
    ) -> None:
        """The loop around the steps of a ``tf.Module`` that has ``optimizer``, and ``step`` as :class:`_Tuned` has."""
        data, total = self.loaded(benign), self.total_steps
        done = journal.resume({"work": work})
        for step, index in enumerate(batches(len(data), self.batch, total, seed)):
            if step < done:
                continue
            work.optimizer.learning_rate.assign(self.rate(step))
            loss = work.step(data.images[index], data.labels[index])
            watch(loss, step + 1, total)
            after()
            journal.note(step + 1, {"loss": loss})
            progress(step + 1)
        journal.complete(total)


@dataclass(frozen=True)
class Annealed(Tuning):
    """A tuning whose rate falls as other authors' codes have it.

    Attributes:
        annealing: "cosine", to 0 over all epochs; "line", as it is for half of them, then in a line to a hundredth at
            nine tenths; or "milestones", as a plain tuning.
        nesterov: the form of the momentum.
    """

    annealing: str = "cosine"
    nesterov: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.annealing not in ("cosine", "line", "milestones"):
            raise ValueError(f"the annealing is cosine, line or milestones, got {self.annealing!r}")

    def rate(self, step: int) -> float:
        """The learning rate of a step, counted from 0; it changes from epoch to epoch."""
        epoch = step * self.epochs // self.total_steps
        if self.annealing == "cosine":
            return self.learning_rate * (1 + math.cos(math.pi * epoch / self.epochs)) / 2
        if self.annealing == "line":
            fallen = min(max((epoch + 1) / self.epochs - 0.5, 0) / 0.4, 1)  # MCR's code counts epochs from 1
            return self.learning_rate * (1 - 0.99 * fallen)
        return super().rate(step)

    def optimizer(self, variables: Sequence[tf.Variable]) -> SGD:
        """Of a training of these."""
        found = super().optimizer(variables)
        found.nesterov = self.nesterov
        return found


def cross_entropy(model: tf.keras.Model) -> Objective:
    """Cross-entropy of a model's logits in training mode."""

    def loss(images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        answers = model(images, training=True)
        return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, answers))

    return loss


class _Tuned(tf.Module):
    """State of one training."""

    def __init__(self, options: Tuning, model: tf.keras.Model, objective: Objective, seed: int) -> None:
        super().__init__()
        self.options, self.model, self.objective = options, model, objective
        self.optimizer = options.optimizer(model.trainable_variables)
        self.random = tf.random.Generator.from_seed(seed)

    @tf.function
    def step(self, images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        """One step on uint8 images (B, H, W, C) and labels (B,). Returns the loss."""
        seen = self.options.augmented(tf.cast(images, tf.float32) / 255, self.random)
        variables = self.model.trainable_variables
        with tf.GradientTape() as tape:
            loss = self.objective(seen, labels)
        self.optimizer.apply(tape.gradient(loss, variables), variables)
        return loss
