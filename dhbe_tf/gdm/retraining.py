"""Repair: the model is trained on with triggers on some of the benign images, whose labels stay (GDM, Sec. 4.3)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from data_prep.batches import batches
from data_prep.contract import ClassSplit, pixels
from data_prep.diverged import watch
from data_prep.journal import NO_JOURNAL, Journal
from data_prep.threat import ClassSuspect
from dhbe_tf import logits
from dhbe_tf.gdm.stamping import random_places, stamp
from dhbe_tf.optimizers import SGD
from dhbe_tf.training import shifted


class Stamped(NamedTuple):
    """Triggers and where they go.

    Attributes:
        triggers: float32 (n, S, S, C or C + 1) in [0, 1].
        place: (top, left) for all of them; None draws a place for every image.
    """

    triggers: np.ndarray
    place: tuple[int, int] | None = None


@dataclass(frozen=True)
class Retraining:
    """How a model is repaired; defaults are those of the authors' code.

    Attributes:
        epochs, batch: passes over the benign images, and images a step.
        share: of the images that get a trigger.
        learning_rate, momentum: of SGD, without weight decay.
        batch_statistics: whether batch norm uses and moves its statistics; if not, it keeps the suspect's.
        shift: pixels by which images are moved at random first, zeros coming in; 0 for none.
    """

    epochs: int = 10
    batch: int = 128
    share: float = 0.01
    learning_rate: float = 1e-3
    momentum: float = 0.9
    batch_statistics: bool = True
    shift: int = 0

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch < 2 or self.shift < 0:
            raise ValueError(f"epochs must be 1 or more, batch 2 or more and shift 0 or more, got {self}")
        if not 0 <= self.share <= 1 or self.learning_rate <= 0:
            raise ValueError(f"share lies in [0, 1] and the learning rate above 0, got {self}")

    def steps(self, count: int) -> int:
        """Steps for ``count`` benign images."""
        return self.epochs * max(1, count // self.batch)

    def repair(
        self,
        suspect: ClassSuspect,
        draw: Callable[[int, int], list[Stamped]],
        *,
        seed: int,
        progress: Callable[[int], None] = lambda step: None,
        journal: Journal = NO_JOURNAL,
    ) -> tf.keras.Model:
        """A repaired copy of the suspect, which stays as it is.

        Args:
            suspect: the model and the defender's benign images.
            draw: gives new triggers for an epoch, one for every image: called with the epoch and how many are wanted of
                each kind. Kinds take turns over the images.
            seed: of the order, the choice of images and all places.
            progress: called with the number of steps done.
            journal: where an interrupted repair goes on.

        Raises:
            Diverged: if it does.
        """
        work = _Repair(self, suspect, seed)
        total = self.steps(len(suspect.benign))
        done = journal.resume({"model": work.model, "optimizer": work.optimizer, "random": work.random})
        for step, (images, labels, kinds) in enumerate(self._batches(suspect.benign, draw, seed, done), done + 1):
            loss = work.step(images, labels, *work.placed(images, kinds))
            watch(loss, step, total, "repair")
            journal.note(step, {"loss": loss})
            progress(step)
        journal.complete(total)
        cleaned = tf.keras.models.clone_model(suspect.model)
        cleaned.set_weights(work.model.get_weights())
        return cleaned

    def _batches(
        self, data: ClassSplit, draw: Callable[[int, int], list[Stamped]], seed: int, done: int
    ) -> Iterator[tuple[np.ndarray, np.ndarray, list[Stamped]]]:
        """Images, labels, and new triggers for every image, of the steps that are not done."""
        each, kinds, batch = max(1, len(data) // self.batch), [], min(self.batch, len(data))
        for step, index in enumerate(batches(len(data), self.batch, self.steps(len(data)), seed)):
            if step < done:
                continue
            epoch, turn = divmod(step, each)
            if turn == 0 or step == done:
                kinds = draw(epoch, each * batch)
            mine = [kind._replace(triggers=kind.triggers[turn * batch : (turn + 1) * batch]) for kind in kinds]
            yield pixels(data.images[index]), data.labels[index], mine


class _Repair(tf.Module):
    """State of one repair."""

    def __init__(self, options: Retraining, suspect: ClassSuspect, seed: int) -> None:
        super().__init__()
        self.options, self.model = options, logits.copy(suspect.model)
        variables = self.model.trainable_variables
        self.optimizer = SGD(
            variables, learning_rate=options.learning_rate, momentum=options.momentum, weight_decay=0.0
        )
        self.random = tf.random.Generator.from_seed(seed)

    def placed(self, images: np.ndarray, kinds: list[Stamped]) -> tuple[tf.Tensor, tf.Tensor]:
        """Images with a trigger each, and which of them are to be used: those chosen by the share."""
        stamped, (height, width) = tf.constant(images), images.shape[1:3]
        turn = self.random.uniform((len(images),), 0, max(1, len(kinds)), tf.int32)
        for number, kind in enumerate(kinds):
            size, mine = kind.triggers.shape[1], turn == number
            if kind.place is None:
                top, left = random_places(self.random, len(images), (height, width), size, shared=False)
            else:
                top, left = (tf.fill([len(images)], side) for side in kind.place)
            new = stamp(tf.constant(images), tf.constant(kind.triggers), top, left)
            stamped = tf.where(mine[:, None, None, None], new, stamped)
        return stamped, self.random.uniform((len(images),)) < self.options.share

    @tf.function
    def step(self, images: tf.Tensor, labels: tf.Tensor, stamped: tf.Tensor, chosen: tf.Tensor) -> tf.Tensor:
        """One step; the chosen images are the stamped ones. Returns the loss."""
        seen = tf.where(chosen[:, None, None, None], stamped, images)
        seen = shifted(seen, self.options.shift, self.random) if self.options.shift else seen
        with tf.GradientTape() as tape:
            answers = self.model(seen, training=self.options.batch_statistics)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, answers))
        variables = self.model.trainable_variables
        self.optimizer.apply(tape.gradient(loss, variables), variables)
        return loss
