"""One search run: a trigger, its optimizer and the compiled step that all searches share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Optional, Protocol

import numpy as np
import tensorflow as tf

from data_prep.configuration import Configuration
from data_prep.journal import NO_JOURNAL, Journal
from drmguard_tf import losses
from drmguard_tf.families import ReversedTrigger
from drmguard_tf.optimizers import Adam
from drmguard_tf.reference import Reference


class Terms(NamedTuple):
    """The terms of DRMGuard's Eq. 5 on one batch, as ratios.

    Attributes:
        cost: price of the change, see :mod:`drmguard_tf.families`.
        rav: ratio of angle variance.
        spread: output variance over that of the benign images.
        outputs: float32 (B, K), what the model answers on the changed images.
        inside: what else :meth:`Reversal.look` returns.
    """

    cost: tf.Tensor
    rav: tf.Tensor
    spread: tf.Tensor
    outputs: tf.Tensor
    inside: Sequence[tf.Tensor] = ()

    def row(self) -> tf.Tensor:
        """A row of a history: float32 (3 + K,), cost, RAV, output variance ratio and mean output."""
        return tf.concat([tf.stack(self[:3]), tf.reduce_mean(self.outputs, axis=0)], axis=0)


class Run(NamedTuple):
    """The outcome of one search run.

    Attributes:
        family: which trigger family was searched.
        seed: of the run.
        cost: mean price over the last fifth of the steps.
        rav: mean ratio of angle variance over the same steps.
        met: whether the search's bounds were met; where they were not, ``cost`` is only a lower bound of the price.
        target_estimate: float32 (K,), mean output over the same steps, radians (App. A.5).
        history: float32 (steps, 3 + K): cost, RAV, output variance ratio, mean output.
        trigger: the found change.
        samples: float (n,), the costs that ``cost`` is the mean of; None takes those of the last fifth of the steps.
        woken: the compromised channel that it began with, for people; None where it began without.
        square: the square that it began as, for people; None where it did not.
        channel_share: what the model's channels tell, the same for all runs of a search
            (:attr:`drmguard_tf.stimulation.Channels.share`); None where they were not looked at.
        transfer: how far benign models follow the change to the same answer (:mod:`drmguard_tf.transfer`); None where
            there are none, or nobody asked them.
    """

    family: str
    seed: int
    cost: float
    rav: float
    met: bool
    target_estimate: np.ndarray
    history: np.ndarray
    trigger: ReversedTrigger
    samples: Optional[np.ndarray] = None
    woken: Optional[str] = None
    square: Optional[str] = None
    channel_share: Optional[float] = None
    transfer: Optional[float] = None


class Search(Configuration, Protocol):
    """How triggers are looked for: frozen options with a way to run them."""

    @property
    def families(self) -> tuple[str, ...]:
        """Names of the kinds of trigger; every run belongs to one."""

    @property
    def total_steps(self) -> int:
        """Steps over all runs; a run may end earlier."""

    def run(
        self,
        reference: Reference,
        *,
        seed: int,
        progress: Callable[[int], None] = lambda step: None,
        journals: Callable[[str], Journal] = lambda name: NO_JOURNAL,
    ) -> list[Run]:
        """All runs on one suspect.

        Args:
            reference: constants of the suspect.
            seed: of all runs.
            progress: called with the number of steps done over all runs.
            journals: gives each run, by its name, the journal where it goes on after an interruption.
        """


class Reversal(tf.Module):
    """State of one run; a search subclasses it and writes :meth:`objective`, and :meth:`steer` if it adapts."""

    def __init__(
        self,
        reference: Reference,
        trigger: ReversedTrigger,
        *,
        learning_rate: float,
        batch: int,
        seed: int,
        betas: tuple[float, float] = (0.9, 0.999),
    ) -> None:
        super().__init__()
        self.reference, self.trigger, self.batch = reference, trigger, batch
        self.optimizer = Adam(learning_rate, *betas)
        self.optimizer.prepare(trigger.trainable_variables)
        self.random = tf.random.Generator.from_seed(seed)

    def look(self, images: tf.Tensor) -> Sequence[tf.Tensor]:
        """The suspect on images (B, H, W, C): features, outputs, and what else a search wants to see of it."""
        return self.reference.sub.joint(images, training=False)

    def objective(self, terms: Terms) -> tf.Tensor:
        """What is minimised; a scalar."""
        raise NotImplementedError(f"{type(self).__name__} must say what it minimises")

    def steer(self, terms: Terms) -> None:
        """What adapts after a step; nothing by default."""

    def met(self, rav: float, spread: float) -> bool:
        """Whether mean RAV and mean output variance ratio of the last steps are what was sought; always by default."""
        return True

    @tf.function
    def step(self) -> tf.Tensor:
        """One Adam step on the trigger. Returns (3 + K,): cost, RAV, output variance ratio, mean output."""
        index = self.random.uniform((self.batch,), 0, len(self.reference.images), tf.int32)
        images, attention = (tf.gather(x, index) for x in (self.reference.images, self.reference.attention))
        with tf.GradientTape() as tape:
            changed, cost = self.trigger(images, attention)
            features, outputs, *inside = self.look(changed)
            angles = losses.head_angles(features, self.reference.sub.kernel)
            rav = losses.ratio_of_angle_variance(angles, self.reference.angle_variance)
            terms = Terms(cost, rav, losses.output_variance(outputs) / self.reference.output_variance, outputs, inside)
            loss = self.objective(terms)
        variables = self.trigger.trainable_variables
        self.optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables))
        self.steer(terms)
        return terms.row()

    def trace(self) -> None:
        """Trace the step now: steps may run beside each other later, and Keras traces one at a time."""
        self.step.get_concrete_function()

    def restart(self, start: ReversedTrigger, seed: int) -> None:
        """Everything as before the first step, from another start. The compiled step stays, which saves its tracing."""
        for mine, theirs in zip(self.trigger.variables, start.variables):
            mine.assign(theirs)
        for slot in self.optimizer.variables():
            slot.assign(tf.zeros_like(slot))
        self.random.reset_from_seed(seed)

    def state(self) -> dict[str, Any]:
        """All that changes from step to step, by name."""
        return {"trigger": self.trigger, "optimizer": self.optimizer, "random": self.random}

    def run(
        self,
        steps: int,
        start: ReversedTrigger,
        seed: int,
        progress: Callable[[int], None],
        journal: Journal = NO_JOURNAL,
    ) -> Run:
        """All steps of one run.

        Args:
            steps: how many.
            start: a trigger of the same family; holds what was found afterwards.
            seed: of the mini-batches.
            progress: called with the number of steps done.
            journal: where an interrupted run goes on.
        """
        self.restart(start, seed)
        history = np.empty((steps, 3 + self.reference.sub.kernel.shape[1]), np.float32)
        for step in range(journal.resume(self.state(), history), steps):
            history[step] = self.step().numpy()
            progress(step + 1)
            journal.note(step + 1, dict(zip(("cost", "rav", "spread"), history[step])))
        journal.complete(steps)
        for found, mine in zip(start.variables, self.trigger.variables):
            found.assign(mine)
        last = settled(history).mean(axis=0)
        cost, rav, spread = map(float, last[:3])
        return Run(start.name, seed, cost, rav, self.met(rav, spread), last[3:], history, start)


def settled(history: np.ndarray) -> np.ndarray:
    """The last fifth of a run's history, over which the run is judged."""
    return history[-max(1, len(history) // 5) :]
