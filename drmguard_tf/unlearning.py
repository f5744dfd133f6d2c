"""Backdoor mitigation: fine-tuning on benign and reversed images, all with their true labels (DRMGuard, Sec. 3.4)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from data_prep.batches import batches
from data_prep.diverged import watch
from data_prep.threat import Suspect
from drmguard_tf.families import ReversedTrigger
from drmguard_tf.optimizers import Adam
from drmguard_tf.reference import Reference


@dataclass(frozen=True)
class Unlearning:
    """Options of the fine-tuning. The paper names no figure for any of them; these are ours.

    Attributes:
        steps: Adam steps.
        batch: images a step.
        share: of them that is reversed. The paper's two sets of the same size make it a half, at which the clean error
            grows where a trigger resembles what tells the labels, as a warp does.
        learning_rate: of Adam; falls to a tenth for the last 40 % of the steps.
        strength: reversed images carry the found change up to this many times, log-uniformly from once. The search
            finds the weakest change that fires; the attacker's own is stronger.
    """

    steps: int = 200
    batch: int = 100
    share: float = 1 / 3
    learning_rate: float = 1e-3
    strength: float = 10.0

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch < 2 or self.learning_rate <= 0 or self.strength < 1:
            raise ValueError(f"steps and strength must be 1 or more, batch 2 or more, the rate above 0, got {self}")
        if not 0 < self.share < 1:
            raise ValueError(f"the share of reversed images must be between 0 and 1, got {self.share}")

    def run(
        self,
        suspect: Suspect,
        reference: Reference,
        triggers: Sequence[ReversedTrigger],
        *,
        seed: int,
        progress: Callable[[int], None] = lambda step: None,
        after: Callable[[tf.keras.Model], None] = lambda model: None,
    ) -> tf.keras.Model:
        """A cleaned copy of the suspect; the suspect itself stays as it is.

        Args:
            suspect: model and benign set.
            reference: its constants.
            triggers: what the search found; each changes an equal share of the reversed images. Without any this is
                plain fine-tuning, the control that every mitigation is compared with.
            seed: of the order of the images and the strength of the changes.
            progress: called with the number of steps done.
            after: called with the copy in every compiled step, after the weights moved: what must hold all along.

        Raises:
            ValueError: if a batch has no reversed image for each of the triggers.
            Diverged: if the loss does.
        """
        model = tf.keras.models.clone_model(suspect.model)
        model.set_weights(suspect.model.get_weights())
        state = _Unlearning(model, reference, tf.constant(suspect.benign.targets), triggers, self, seed, after)
        for step, index in enumerate(batches(len(suspect.benign), self.batch, self.steps, seed), 1):
            watch(state.step(tf.constant(index)), step, self.steps, "unlearning")
            progress(step)
        return model


class _Unlearning(tf.Module):
    def __init__(
        self, model, reference: Reference, targets: tf.Tensor, triggers, options, seed, after=lambda model: None
    ):
        super().__init__()
        self.model, self.reference, self.targets, self.triggers = model, reference, targets, triggers
        self.after = after
        self.each = round(options.share * options.batch) // max(len(triggers), 1)
        if triggers and not self.each:
            raise ValueError(
                f"{options.share:.2f} of {options.batch} images are fewer than the {len(triggers)} triggers that were "
                "found: give a larger batch or share"
            )
        self.strongest, self.random = float(np.log(options.strength)), tf.random.Generator.from_seed(seed)
        drop = [int(0.6 * options.steps)]
        rates = [options.learning_rate, 0.1 * options.learning_rate]
        self.optimizer = Adam(tf.keras.optimizers.schedules.PiecewiseConstantDecay(drop, rates))

    @tf.function
    def step(self, index: tf.Tensor) -> tf.Tensor:
        """One Adam step; index (B,) into the benign set. Returns the loss.

        Batch norm keeps its statistics: benign sets are small.
        """
        images = self._reverse_some(tf.gather(self.reference.images, index), index)
        targets = tf.gather(self.targets, index)
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.abs(self.model(images, training=False) - targets))
        variables = self.model.trainable_variables
        self.optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables))
        self.after(self.model)
        return loss

    def _reverse_some(self, images: tf.Tensor, index: tf.Tensor) -> tf.Tensor:
        attention = tf.gather(self.reference.attention, index)
        parts = [slice(k * self.each, (k + 1) * self.each) for k in range(len(self.triggers))]
        changed = [
            trigger.amplified(images[part], attention[part], self._strength(self.each))
            for trigger, part in zip(self.triggers, parts)
        ]
        return tf.concat([*changed, images[self.each * len(self.triggers) :]], axis=0)

    def _strength(self, count: int) -> tf.Tensor:
        return tf.exp(self.random.uniform((count, 1, 1, 1), 0.0, self.strongest))
