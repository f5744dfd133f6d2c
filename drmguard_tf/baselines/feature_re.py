"""FeatureRE (Wang et al. 2022) for regression: a change of images and a mask on features, DRMGuard's Eq. 9."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from data_prep.journal import NO_JOURNAL, Journal
from drmguard_tf.baselines.feature_trigger import FeatureTrigger, Held, measure, mixed
from drmguard_tf.optimizers import Adam
from drmguard_tf.reference import Reference
from drmguard_tf.reversal import Run

_AWAY, _HELD, _IDENTITY = 5.0, 10.0, 100.0  # weights of the authors' code: cosine, constraints, warm-up


@dataclass(frozen=True)
class FeatureRE:
    """Options of the search; defaults are those of the authors' code, where labels are classes.

    Attributes:
        restarts: runs, each from another network and target; the lowest score decides.
        warmup: epochs in which the network learns to keep images as they are, without the mask.
        epochs: epochs of the search.
        minibatches: steps that make an epoch; the weights of violated constraints change after each.
        batch: images a step.
        width: of the U-Net's first level.
        residual: whether the network adds to images, at first nothing, instead of making them anew.
        mask_steps: steps of the mask after each one of the network, on the same features.
        learning_rate, mask_rate: of Adam, for network and target, and for the mask.
        tolerance: error to the target that is accepted, as a share of that of the mean answer.
        distance: largest mean squared change of pixels, in variances of the benign pixels.
        spread: largest deviation of masked features, as a share of that of benign ones.
        share: largest mean of the mask.
    """

    restarts: int = 2
    warmup: int = 100
    epochs: int = 400
    minibatches: int = 2  # 500 samples in batches of 256
    batch: int = 256
    width: int = 32
    residual: bool = False
    mask_steps: int = 1
    learning_rate: float = 1e-3
    mask_rate: float = 0.1
    tolerance: float = 0.3
    distance: float = 0.15
    spread: float = 0.3
    share: float = 0.03

    def __post_init__(self) -> None:
        counts = (self.restarts, self.epochs, self.minibatches, self.width, self.mask_steps)
        if min(counts) < 1 or self.batch < 2 or self.warmup < 0:
            raise ValueError(f"a restart, an epoch, a mini-batch of 2 images, a channel are the least, got {self}")
        limits = (self.learning_rate, self.mask_rate, self.tolerance, self.distance, self.spread, self.share)
        if min(limits) <= 0:
            raise ValueError(f"rates and limits must be above 0, got {self}")

    @property
    def families(self) -> tuple[str, ...]:
        """The one kind of trigger."""
        return ("feature_re",)

    @property
    def total_steps(self) -> int:
        """Epochs over all runs."""
        return self.restarts * (self.warmup + self.epochs)

    def run(
        self,
        reference: Reference,
        *,
        seed: int,
        progress: Callable[[int], None] = lambda step: None,
        journals: Callable[[str], Journal] = lambda name: NO_JOURNAL,
    ) -> list[Run]:
        """One run per restart; see :class:`drmguard_tf.reversal.Search`."""
        inversion = _Inversion(reference, self, seed)
        runs = []
        for restart in range(self.restarts):
            start, done = self.start(reference, seed, restart), restart * (self.warmup + self.epochs)
            journal = journals(f"feature_re-{seed + restart}")
            runs.append(inversion.search(start, seed + restart, lambda step: progress(done + step), journal))
        return runs

    def start(self, reference: Reference, seed: int, restart: int) -> FeatureTrigger:
        """Where a run begins: another network and target for every restart."""
        return FeatureTrigger(reference, self.width, seed, restart, self.residual)


class _Inversion(tf.Module):
    """State of one run."""

    def __init__(self, reference: Reference, options: FeatureRE, seed: int) -> None:
        super().__init__()
        self.reference, self.options = reference, options
        self.trigger, self.best = (options.start(reference, seed, 0) for _ in range(2))
        self.learned = [*self.trigger.network.trainable_variables, self.trigger.target.offset]
        self.optimizer = Adam(options.learning_rate, 0.5, 0.9)
        self.mask_optimizer = Adam(options.mask_rate, 0.5, 0.9)
        self.optimizer.prepare(self.learned)
        self.mask_optimizer.prepare([self.trigger.raw_mask])
        self.random = tf.random.Generator.from_seed(seed)
        self.violations = tf.Variable(tf.zeros(3), name="violations")
        self.found, self.lowest = tf.Variable(0, name="found"), tf.Variable(np.inf, name="lowest")
        self.limits = np.array([options.tolerance, options.distance, options.spread], np.float32)

    def state(self) -> dict[str, Any]:
        """All that changes from epoch to epoch, by name."""
        names = "trigger", "best", "optimizer", "mask_optimizer", "random", "violations", "found", "lowest"
        return {name: getattr(self, name) for name in names}

    def restart(self, start: FeatureTrigger, seed: int) -> None:
        """Everything as before the first step, from another start."""
        _copy(start, self.trigger)
        for slot in (*self.optimizer.variables(), *self.mask_optimizer.variables(), self.violations, self.found):
            slot.assign(tf.zeros_like(slot))
        self.lowest.assign(np.inf)
        self.random.reset_from_seed(seed)

    def search(self, start: FeatureTrigger, seed: int, progress: Callable[[int], None], journal: Journal) -> Run:
        """Warm-up and search; the epoch with the lowest score counts."""
        options, epochs = self.options, self.options.warmup + self.options.epochs
        self.restart(start, seed)
        history = np.empty((epochs, 3 + self.reference.outputs.shape[1]), np.float32)
        for epoch in range(journal.resume(self.state(), history), epochs):
            step = self.warm_step if epoch < options.warmup else self.step
            measured = np.mean([step().numpy() for _ in range(options.minibatches)], axis=0)
            self.violations.assign(violations(measured[:3], self.limits))
            history[epoch] = measured[3:]
            if epoch >= options.warmup and history[epoch, 0] < float(self.lowest):
                self.lowest.assign(history[epoch, 0])
                self.found.assign(epoch)
                _copy(self.trigger, self.best)
            progress(epoch + 1)
            journal.note(epoch + 1, dict(zip(("error", "distance", "spread", "score"), measured)))
        journal.complete(epochs)
        _copy(self.best, start)
        row = history[int(self.found)]
        cost = float(row[0])
        return Run(start.name, seed, cost, float(row[1]), True, row[3:], history, start, np.array([cost]))

    @tf.function
    def warm_step(self) -> tf.Tensor:
        """One step of the warm-up: the target is sought, images stay near themselves. See :meth:`step`."""
        images, others = self._draw()
        with tf.GradientTape() as tape:
            held = self._measure(images, others, masked=False)
            loss = held.error + _IDENTITY * _beyond(held.distance, self.options.distance)
        self.optimizer.apply_gradients(zip(tape.gradient(loss, self.learned), self.learned))
        return held.row()

    @tf.function
    def step(self) -> tf.Tensor:
        """One step of the network under the constraints, then those of the mask.

        Returns:
            float32 (6 + K,): error, distance, spread, then a row of a history with the score as its cost.
        """
        images, others = self._draw()
        with tf.GradientTape() as tape:
            held = self._measure(images, others, masked=True)
            weights = 1 + self.violations
            loss = _AWAY * tf.nn.relu(held.cosine) + weights[0] * _beyond(held.error, self.options.tolerance)
            loss += _HELD * weights[1] * _beyond(held.distance, self.options.distance)
            loss += _HELD * weights[2] * _beyond(held.spread, self.options.spread)
        self.optimizer.apply_gradients(zip(tape.gradient(loss, self.learned), self.learned))
        for _ in range(self.options.mask_steps):
            self._press(held.features, others)
        return held.row()

    def _press(self, features: tf.Tensor, others: tf.Tensor) -> None:
        """One step of the mask: to the target, and below its share first."""
        with tf.GradientTape() as tape:
            mask = self.trigger.mask
            size = tf.reduce_sum(tf.abs(mask))
            loss = self.trigger.target.error(self.reference.sub.head(mixed(mask, features, others)))
            loss += tf.where(size > self.options.share * len(mask), size, 0.0)
        variables = [self.trigger.raw_mask]
        self.mask_optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables))

    def _draw(self) -> tuple[tf.Tensor, tf.Tensor]:
        """Images, and the features of as many other benign images."""
        count = len(self.reference.images)
        index = self.random.uniform((2, self.options.batch), 0, count, tf.int32)
        return tf.gather(self.reference.images, index[0]), tf.gather(self.reference.features, index[1])

    def _measure(self, images: tf.Tensor, others: tf.Tensor, *, masked: bool) -> Held:
        limits = self.options.distance, self.options.spread, self.options.share
        return measure(self.reference, self.trigger, images, others, limits=limits, masked=masked)


def violations(values: np.ndarray, limits: np.ndarray) -> np.ndarray:
    """What limits are exceeded by, as shares of them; 0 where they hold. A constraint is heavier by it for an epoch."""
    return np.maximum(values / limits - 1, 0)


def _beyond(value: tf.Tensor, limit: float) -> tf.Tensor:
    """A constraint as a loss: the value where it exceeds its limit, else nothing."""
    return tf.where(value > limit, value, 0.0)


def _copy(source: tf.Module, into: tf.Module) -> None:
    for theirs, mine in zip(source.variables, into.variables):
        mine.assign(theirs)
