"""Training of regression models, benign or poisoned, by one compiled step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
import tensorflow as tf

from data_prep.contract import Split
from data_prep.journal import NO_JOURNAL, Journal
from data_prep.poison import CLEAN, CROSS, POISONED, Poisoning
from drmguard_tf.distribution import across, share_out
from drmguard_tf.models import ARCHITECTURES
from drmguard_tf.optimizers import Adam


@dataclass(frozen=True)
class Training:
    """How a regression model is trained.

    Attributes:
        architecture: a name in :data:`drmguard_tf.models.ARCHITECTURES`.
        steps: Adam steps.
        batch: images a step.
        learning_rate: of Adam, at the start.
        milestones: shares of ``steps`` at which the learning rate falls to a tenth.
    """

    architecture: str = "resnet18"
    steps: int = 10_000  # "for 10,000 training steps" (App. A.2.2, MPIIFaceGaze)
    batch: int = 50  # the paper's batch for gaze in the search (App. A.10); that of training is not recoverable
    learning_rate: float = 0.001  # not recoverable
    milestones: tuple[float, ...] = ()  # ColumbiaGaze: (0.5, 0.9), Pandora: (0.5,) (App. A.2.2)

    def __post_init__(self) -> None:
        if self.architecture not in ARCHITECTURES:
            raise ValueError(f"unknown architecture {self.architecture!r}; there are {', '.join(ARCHITECTURES)}")
        if self.steps < 1 or self.batch < 2:
            raise ValueError(f"steps must be 1 or more and batch 2 or more, got {self.steps} and {self.batch}")

    def fit(
        self,
        train: Split,
        *,
        seed: int,
        poisoning: Poisoning | None = None,
        like: tf.keras.Model | None = None,
        progress: Callable[[int], None] = lambda step: None,
        journal: Journal = NO_JOURNAL,
        strategy: tf.distribute.Strategy | None = None,
    ) -> tf.keras.Model:
        """Train a new model.

        Args:
            train: images and targets; a set smaller than a batch is used whole.
            seed: of the weights, the order of the data and whatever is random in the poisoning.
            poisoning: what an attacker does to the set, None for a benign model.
            like: a model whose architecture is used, with fresh weights, instead of ``architecture``.
            progress: called with the number of steps done.
            journal: where an interrupted training goes on.
            strategy: the devices that share each batch; None takes one.

        Returns:
            A model from float32 images (B, H, W, C) in [0, 1] to angles (B, K) in radians.
        """
        if poisoning is not None and poisoning.target.shape != train.targets.shape[1:]:
            raise ValueError(f"the target has {len(poisoning.target)} angles, the labels have {train.targets.shape[1]}")
        tf.keras.utils.set_random_seed(seed)  # initial weights are drawn from TensorFlow's global generator
        if like is not None:
            model = tf.keras.models.clone_model(like)
        else:
            model = ARCHITECTURES[self.architecture](train.images.shape[1:], train.targets.shape[1])
        strategy = strategy or tf.distribute.get_strategy()
        shared = across(strategy, model)
        with strategy.scope():
            fit = _Fit(shared, self, poisoning, seed, strategy)
        roles = poisoning.roles(len(train), seed) if poisoning else np.full(len(train), CLEAN, np.int8)
        done = journal.resume({"model": shared, "optimizer": fit.optimizer, "random": fit.random})
        for step, index in islice(enumerate(batches(len(train), self.batch, self.steps, seed), 1), done, None):
            loss = fit.step(*share_out(strategy, (train.images[index], train.targets[index], roles[index])))
            progress(step)
            journal.note(step, {"loss": loss})
        model.set_weights(shared.get_weights())
        return model


class _Fit(tf.Module):
    """State of one training: model, optimizer, random numbers, and the compiled step."""

    def __init__(
        self,
        model: tf.keras.Model,
        options: Training,
        poisoning: Poisoning | None,
        seed: int,
        strategy: tf.distribute.Strategy,
    ) -> None:
        super().__init__()
        self.model, self.strategy = model, strategy
        boundaries = [int(share * options.steps) for share in options.milestones]
        rates = [options.learning_rate * 0.1**k for k in range(len(boundaries) + 1)]
        schedule = tf.keras.optimizers.schedules.PiecewiseConstantDecay(boundaries, rates) if boundaries else rates[0]
        self.optimizer = Adam(schedule)
        self.optimizer.prepare(model.trainable_variables)
        self.random = tf.random.Generator.from_seed(seed)
        self.poisoning = poisoning

    @tf.function
    def step(self, images: tf.Tensor, targets: tf.Tensor, roles: tf.Tensor) -> tf.Tensor:
        """One Adam step on a batch: uint8 images (B, H, W, C), targets (B, K), roles (B,). Returns the loss."""
        losses = self.strategy.run(self._update, args=(images, targets, roles))
        return self.strategy.reduce(tf.distribute.ReduceOp.SUM, losses, axis=None)

    def _update(self, images: tf.Tensor, targets: tf.Tensor, roles: tf.Tensor) -> tf.Tensor:
        """One device's part of a step; the optimizer sums the gradients of all devices."""
        images = tf.cast(images, tf.float32) / 255
        if self.poisoning is not None:
            images, targets = self._poison(self.poisoning, images, targets, roles)
        with tf.GradientTape() as tape:
            predicted = self.model(images, training=True)
            loss = tf.reduce_mean(tf.abs(predicted - targets))  # the L1 loss of DRMGuard's App. A.4
            loss += tf.add_n(self.model.losses) if self.model.losses else 0.0
            loss /= self.strategy.num_replicas_in_sync
        variables = self.model.trainable_variables
        self.optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables))
        return loss

    def _poison(self, poisoning: Poisoning, images, targets, roles):
        """The batch as the attacker changed it; only samples with a role are computed."""
        chosen = tf.where(roles == POISONED)
        images = tf.tensor_scatter_nd_update(images, chosen, poisoning.trigger(tf.gather_nd(images, chosen)))
        targets = tf.where((roles == POISONED)[:, None], tf.constant(poisoning.target), targets)
        if poisoning.cross is not None:
            chosen = tf.where(roles == CROSS)
            near_misses = poisoning.cross(tf.gather_nd(images, chosen), self.random)
            images = tf.tensor_scatter_nd_update(images, chosen, near_misses)
        return images, targets


def batches(count: int, size: int, steps: int, seed: int) -> Iterator[np.ndarray]:
    """Indices of ``steps`` batches, epoch by epoch without replacement, the same for the same seed.

    Args:
        count: samples in the set.
        size: of a batch; smaller sets give batches of ``count``.
    """
    size = min(size, count)
    done, epoch = 0, 0
    while done < steps:
        order = np.random.default_rng([seed, epoch]).permutation(count)
        for start in range(0, count - size + 1, size):
            if done == steps:
                return
            yield order[start : start + size]
            done += 1
        epoch += 1
