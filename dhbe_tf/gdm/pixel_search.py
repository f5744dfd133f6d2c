"""The baseline of GDM's slides: one trigger, found by descent of the attacker's loss in pixel space."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from data_prep.batches import batches
from data_prep.diverged import watch
from data_prep.journal import NO_JOURNAL, Journal
from dhbe_tf import logits
from dhbe_tf.gdm.staircase import Search
from dhbe_tf.gdm.stamping import random_places, stamp
from dhbe_tf.optimizers import Adam


@dataclass(frozen=True)
class PixelSearch:
    """How one trigger is searched for: Adam on the cross-entropy to the target class.

    Attributes:
        steps, batch, learning_rate: of the descent.
    """

    steps: int = 620
    batch: int = 128
    learning_rate: float = 0.05

    def find(self, search: Search, target: int, *, seed: int, journal: Journal = NO_JOURNAL) -> np.ndarray:
        """One trigger, float32 (S, S, C) in (0, 1), of the size and on the images of ``search``.

        Args:
            search: says what is searched, and where.
            target: the class.
            seed: of the start, the places and the order of the images.
            journal: where an interrupted search goes on.

        Raises:
            ValueError: if there is no such class.
            Diverged: if the search does.
        """
        logits.check_class(search.suspect.model, target)
        state = _Pixels(search, self.learning_rate, seed)
        done = journal.resume({"raw": state.raw, "optimizer": state.optimizer, "random": state.random})
        for step, index in enumerate(batches(len(search.searched), self.batch, self.steps, seed), 1):
            if step <= done:
                continue
            loss = state.step(search.searched[index], target)
            watch(loss, step, self.steps, f"search for a trigger of class {target}")
            journal.note(step, {"loss": loss})
        journal.complete(self.steps)
        return state.trigger().numpy()


class _Pixels(tf.Module):
    """State of one descent."""

    def __init__(self, search: Search, learning_rate: float, seed: int) -> None:
        super().__init__()
        self.model, self.random = search.model, tf.random.Generator.from_seed(seed)
        size, channels = search.options.size, search.suspect.model.input_shape[-1]
        self.raw = tf.Variable(self.random.normal((size, size, channels)))
        self.optimizer = Adam([self.raw], learning_rate=learning_rate)

    def trigger(self) -> tf.Tensor:
        """The trigger as it is now."""
        return tf.sigmoid(self.raw)

    @tf.function
    def step(self, images: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
        """One step down the loss, which is returned; every image has a random place."""
        count, size = images.shape[0], self.raw.shape[0]
        top, left = random_places(self.random, count, images.shape[1:3], size, shared=False)
        with tf.GradientTape() as tape:
            triggers = tf.repeat(self.trigger()[None], count, axis=0)
            answers = self.model(stamp(images, triggers, top, left), training=False)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(tf.fill([count], target), answers))
        self.optimizer.apply([tape.gradient(loss, self.raw)], [self.raw])
        return loss
