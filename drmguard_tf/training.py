"""Training of regression models, benign or poisoned, by one compiled step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from itertools import islice
from typing import Any, Optional

import numpy as np
import tensorflow as tf

from data_prep.augmentation import Augmentation
from data_prep.batches import batches
from data_prep.contract import Split
from data_prep.diverged import watch
from data_prep.journal import NO_JOURNAL, Journal
from data_prep.poison import CLEAN, CROSS, FURTHER, POISONED, Poisoning, Trigger
from drmguard_tf.convergence import EarlyStop, Plateau
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
        augmentation: how images are changed before they are learned, and before an attacker's trigger is put on; None
            takes them as they are.
    """

    architecture: str = "resnet18"
    steps: int = 10_000  # "for 10,000 training steps" (App. A.2.2, MPIIFaceGaze)
    batch: int = 50  # the paper's batch for gaze in the search (App. A.10); that of training is not recoverable
    learning_rate: float = 0.001  # not recoverable
    milestones: tuple[float, ...] = ()  # ColumbiaGaze: (0.5, 0.9), Pandora: (0.5,) (App. A.2.2)
    augmentation: Optional[Augmentation] = None

    def __repr__(self) -> str:
        """Without an augmentation as before there was any: models in stores are named by it."""
        shown = [field for field in fields(self) if field.name != "augmentation" or self.augmentation is not None]
        return f"Training({', '.join(f'{field.name}={getattr(self, field.name)!r}' for field in shown)})"

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
        step: Callable[..., TrainingStep] | None = None,
        like: tf.keras.Model | None = None,
        progress: Callable[[int], None] = lambda step: None,
        journal: Journal = NO_JOURNAL,
        strategy: tf.distribute.Strategy | None = None,
        early_stop: EarlyStop | None = None,
    ) -> tf.keras.Model:
        """Train a new model.

        Args:
            train: images and targets; a set smaller than a batch is used whole.
            seed: of the weights, the order of the data and whatever is random in the poisoning.
            poisoning: what an attacker does to the set, None for a benign model.
            step: makes a :class:`TrainingStep` of another kind, for an attacker who controls training.
            like: a model whose architecture is used, with fresh weights, instead of ``architecture``.
            progress: called with the number of steps done or skipped.
            journal: where an interrupted training goes on; an early stop begins to watch the loss anew there.
            strategy: the devices that share each batch; None takes one.
            early_stop: skips what is left of a learning rate once the loss no longer falls; None does all steps.

        Returns:
            A model from float32 images (B, H, W, C) in [0, 1] to angles (B, K) in radians.

        Raises:
            Diverged: if the loss does.
        """
        roles = _roles(train, poisoning, seed)
        tf.keras.utils.set_random_seed(seed)  # initial weights are drawn from TensorFlow's global generator
        if like is not None:
            model = tf.keras.models.clone_model(like)
        else:
            model = ARCHITECTURES[self.architecture](train.image_shape, train.targets.shape[1])
        strategy = strategy or tf.distribute.get_strategy()
        shared = across(strategy, model)
        with strategy.scope():
            fit = (step or TrainingStep)(shared, self, poisoning, seed, strategy)
        done = journal.resume(fit.state)
        plateau = Plateau(early_stop) if early_stop is not None else None
        for number, index in islice(enumerate(batches(len(train), self.batch, self.steps, seed), 1), done, None):
            images, targets = _images(train, index, poisoning), train.targets[index]
            if self.augmentation is not None:
                images, targets = self.augmentation.apply(images, targets, np.random.default_rng((seed, number)))
            loss = fit.step(*share_out(strategy, (images, targets, roles[index])))
            if plateau is not None and plateau.reached(loss):
                fit.skip_phase(number)
                plateau = Plateau(plateau.options)
            here = number + fit.steps_skipped
            watch(loss, here, self.steps)
            progress(min(here, self.steps))
            journal.note(number, {"loss": loss})
            if here >= self.steps:
                break
        model.set_weights(shared.get_weights())
        return model


@dataclass(frozen=True)
class Trainer:
    """Training as an attack sees it (:class:`data_prep.attack.Trainer`): options, devices, and who is told.

    Attributes:
        training: how every model is trained.
        progress: called with the number of steps done of the backdoored model.
        journals: where a part of the work goes on after an interruption, by its name.
        strategy: the devices that share each batch; None takes one.
        early_stop: of every training; None does all steps.
    """

    training: Training
    progress: Callable[[int], None] = lambda step: None
    journals: Callable[[str], Journal] = lambda part: NO_JOURNAL
    strategy: Optional[tf.distribute.Strategy] = None
    early_stop: Optional[EarlyStop] = None

    @property
    def batch(self) -> int:
        """Images a step."""
        return self.training.batch

    def fit(
        self,
        train: Split,
        *,
        seed: int,
        poisoning: Poisoning | None = None,
        step: Callable[..., TrainingStep] | None = None,
        part: str = "training",
    ) -> tf.keras.Model:
        """See :meth:`data_prep.attack.Trainer.fit`; a finished part is kept until all of the attack is."""
        journal, last = self.journal(part), part == "training"
        model = self.training.fit(
            train,
            seed=seed,
            poisoning=poisoning,
            step=step,
            progress=self.progress if last else _silent,
            journal=journal,
            strategy=self.strategy,
            early_stop=self.early_stop,
        )
        if not last:
            journal.complete(self.training.steps)
        return model

    def journal(self, part: str) -> Journal:
        """See :meth:`data_prep.attack.Trainer.journal`."""
        return self.journals(part)


def _silent(step: int) -> None:
    """Report nothing."""


def _roles(train: Split, poisoning: Poisoning | None, seed: int) -> np.ndarray:
    """The role of every sample, int8 (N,); refuses targets that are no labels of the set."""
    if poisoning is None:
        return np.full(len(train), CLEAN, np.int8)
    for target in (poisoning.target, *(implant.target for implant in poisoning.further)):
        if target.shape != train.targets.shape[1:]:
            raise ValueError(f"the target has {len(target)} angles, the labels have {train.targets.shape[1]}")
    return poisoning.roles(len(train), seed)


def _images(train: Split, index: np.ndarray, poisoning: Poisoning | None) -> np.ndarray:
    """The images of a batch, uint8 (B, H, W, C), with those that an attacker has put in the place of others."""
    images = train.images[index]  # a copy
    if poisoning is not None and poisoning.replaced:
        for place, sample in enumerate(index.tolist()):
            if sample in poisoning.replaced:
                images[place] = poisoning.replaced[sample]
    return images


class TrainingStep(tf.Module):
    """State of one training: model, optimizer, random numbers, and the compiled step.

    An attacker who controls training overrides :meth:`loss`, or :meth:`update` and :attr:`state`.
    """

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
        self.boundaries = [int(share * options.steps) for share in options.milestones]
        self.steps = options.steps
        self.skipped = tf.Variable(0, trainable=False, dtype=tf.int64)
        self.optimizer = Adam(Phases(options.learning_rate, self.boundaries, self.skipped))
        self.optimizer.prepare(model.trainable_variables)
        self.random = tf.random.Generator.from_seed(seed)
        self.poisoning = poisoning

    @property
    def state(self) -> dict[str, Any]:
        """All that changes, by name, as :meth:`data_prep.journal.Journal.resume` takes it."""
        return {"model": self.model, "optimizer": self.optimizer, "random": self.random, "skipped": self.skipped}

    @property
    def steps_skipped(self) -> int:
        """Steps that an early stop has left out so far."""
        return int(tf.identity(self.skipped))  # on several devices a variable is no number by itself

    def skip_phase(self, done: int) -> None:
        """Go on with the next learning rate, or to the end, after ``done`` steps."""
        here = done + self.steps_skipped
        ahead = [boundary + 1 for boundary in self.boundaries if boundary + 1 > here]
        self.skipped.assign_add(min([*ahead, self.steps]) - here)

    @tf.function
    def step(self, images: tf.Tensor, targets: tf.Tensor, roles: tf.Tensor) -> tf.Tensor:
        """One Adam step on a batch: uint8 images (B, H, W, C), targets (B, K), roles (B,). Returns the loss."""
        losses = self.strategy.run(self.update, args=(images, targets, roles))
        return self.strategy.reduce(tf.distribute.ReduceOp.SUM, losses, axis=None)

    def update(self, images: tf.Tensor, targets: tf.Tensor, roles: tf.Tensor) -> tf.Tensor:
        """One device's part of a step; the optimizer sums the gradients of all devices."""
        images = tf.cast(images, tf.float32) / 255
        if self.poisoning is not None:
            images, targets = self._poison(self.poisoning, images, targets, roles)
        with tf.GradientTape() as tape:
            loss = self.loss(images, targets, roles)
            loss += tf.add_n(self.model.losses) if self.model.losses else 0.0
            loss /= self.strategy.num_replicas_in_sync
        variables = self.model.trainable_variables
        self.optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables))
        return loss

    def loss(self, images: tf.Tensor, targets: tf.Tensor, roles: tf.Tensor) -> tf.Tensor:
        """What is minimised beside the model's own penalties: the L1 loss of DRMGuard's App. A.4.

        Args:
            images: float32 (B, H, W, C) in [0, 1], as the attacker changed them.
            targets: float32 (B, K), radians, likewise.
            roles: int8 (B,), see :meth:`data_prep.poison.Poisoning.roles`.
        """
        return tf.reduce_mean(tf.abs(self.model(images, training=True) - targets))

    def _poison(self, poisoning: Poisoning, images, targets, roles):
        """The batch as the attacker changed it; only samples with a role are computed."""
        images, targets = _implant(images, targets, roles == POISONED, poisoning.trigger, poisoning.target)
        for k, implant in enumerate(poisoning.further):
            images, targets = _implant(images, targets, roles == FURTHER + k, implant.trigger, implant.target)
        if poisoning.cross is not None:
            chosen = tf.where(roles == CROSS)
            near_misses = poisoning.cross(tf.gather_nd(images, chosen), self.random)
            images = tf.tensor_scatter_nd_update(images, chosen, near_misses)
        return images, targets


class Phases(tf.keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate that falls to a tenth after each boundary, counted in steps done or skipped."""

    def __init__(self, rate: float, boundaries: list[int], skipped: tf.Variable) -> None:
        self.rates = [rate * 0.1**k for k in range(len(boundaries) + 1)]
        self.boundaries, self.skipped = boundaries, skipped

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        """The rate of the step that follows ``step`` others."""
        here = tf.cast(step, tf.int64) + self.skipped
        phase = sum(tf.cast(here > boundary, tf.int32) for boundary in self.boundaries) if self.boundaries else 0
        return tf.gather(tf.constant(self.rates), phase)


def _implant(images: tf.Tensor, targets: tf.Tensor, where: tf.Tensor, trigger: Trigger, target: np.ndarray):
    """Stamp a trigger on some samples of a batch and give them the target."""
    chosen = tf.where(where)
    images = tf.tensor_scatter_nd_update(images, chosen, trigger(tf.gather_nd(images, chosen)))
    return images, tf.where(where[:, None], tf.constant(target), targets)
