"""The input-aware dynamic attack (Nguyen & Tran 2020), on regression as in DRMGuard's App. A.3.

Every image gets a pattern and a mask of its own, made by two networks. The mask network is trained first and alone; the
pattern network learns together with the model. Patterns of one image, put on another, are trained with true labels, so
that only the image's own trigger fires.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
import tensorflow as tf

from data_prep.attack import Attack, Trainer
from data_prep.batches import batches
from data_prep.contract import Split
from data_prep.threat import Backdoored
from drmguard_tf.generator import paper_generator
from drmguard_tf.optimizers import Adam
from drmguard_tf.training import Phases, TrainingStep

GENERATORS: dict[str, Callable[..., tf.keras.Model]] = {
    "paper": paper_generator,
    "narrow": partial(paper_generator, width=8),
}


@dataclass(frozen=True)
class InputAware(Attack):
    """A trigger for each image, from a generator that is trained with the model.

    Attributes:
        rate: poisoned share of every batch, at least one image.
        cross_rate: share of every batch that gets another image's trigger and keeps its labels.
        generator: a name in :data:`GENERATORS`.
        generator_rate: learning rate of pattern and mask network, at the start.
        milestones: shares of the training at which the pattern network's learning rate falls to a tenth.
        mask_steps: steps of the mask network.
        mask_milestones: shares of them at which its learning rate falls to a tenth.
        density: value of a mask, pixel by pixel, that costs nothing.
        mask_weight: of that cost; the smaller, the more of an image the masks cover.
        diversity: weight of the loss that makes patterns differ where images do.
        cleared: False adds each step's gradients of the pattern network to those of all earlier steps before Adam sees
            them, as the original's public code does by never clearing them (EQUATIONS.md, difference 22).
    """

    rate: float = 0.1  # the original's
    cross_rate: float = 0.1  # the original's
    generator: str = "paper"
    generator_rate: float = 0.01  # the original's, with Adam's betas 0.5 and 0.9
    milestones: tuple[float, ...] = (1 / 3, 1 / 2, 2 / 3, 5 / 6)  # epochs 200, 300, 400, 500 of 600 in the original
    mask_steps: int = 10_000  # 25 epochs of 50,000 images in batches of 128 in the original
    mask_milestones: tuple[float, ...] = (0.4, 0.8)  # epochs 10 and 20
    density: float = 0.032  # the original's
    mask_weight: float = 100.0  # the original's
    diversity: float = 1.0  # the original's
    cleared: bool = True

    def __post_init__(self) -> None:
        if self.generator not in GENERATORS:
            raise ValueError(f"there is no generator {self.generator!r}; choose from {', '.join(GENERATORS)}")
        if not (0 < self.rate and 0 < self.cross_rate and self.rate + self.cross_rate <= 1 and 0 < self.density < 1):
            raise ValueError(
                "rate and cross_rate must be above 0 and together at most 1, density between 0 and 1, "
                f"got {self.rate:g}, {self.cross_rate:g} and {self.density:g}; without poison, train a benign model"
            )

    def backdoor(self, train: Split, target: np.ndarray, *, trainer: Trainer, seed: int) -> Backdoored:
        """Train the mask network, then model and pattern network; see :meth:`data_prep.attack.Attack.backdoor`."""
        batch = min(trainer.batch, len(train))
        if not (round(self.rate * batch) and round(self.cross_rate * batch)):
            raise ValueError(
                f"shares of {self.rate:g} and {self.cross_rate:g} leave a batch of {batch} without poison; the least "
                f"that does not is {1 / batch:g}, or take larger batches"
            )
        if target.shape != train.targets.shape[1:]:
            raise ValueError(f"the target has {len(target)} angles, the labels have {train.targets.shape[1]}")
        network = trigger_network(train.image_shape, self.generator, seed)
        mask = _MaskTraining(network.get_layer("mask"), self)
        journal = trainer.journal("mask")
        state = {"mask": mask.network, "optimizer": mask.optimizer}
        done = journal.resume(state)
        for number, index in islice(enumerate(batches(len(train), batch, self.mask_steps, seed + 1), 1), done, None):
            journal.note(number, {"loss": mask.step(train.images[index])})
        journal.complete(self.mask_steps)
        model = trainer.fit(
            train, seed=seed, step=partial(InputAwareStep, attack=self, network=network, target=tf.constant(target))
        )
        return Backdoored(model, GeneratedTrigger(network), target, network)

    def known(
        self, model: tf.keras.Model, target: np.ndarray, seed: int, network: tf.keras.Model | None = None
    ) -> list[Backdoored]:
        """See :meth:`data_prep.attack.Attack.known`; needs ``network``."""
        if network is None:
            raise ValueError("an input-aware trigger is a trained network, which must be kept with the model")
        return [Backdoored(model, GeneratedTrigger(network), target, network)]


def trigger_network(image_shape: tuple[int, int, int], generator: str, seed: int) -> tf.keras.Model:
    """Pattern and mask network as one: images -> (B, H, W, C + 1), the pattern and the raw mask, in [0, 1]."""
    tf.keras.utils.set_random_seed(seed)  # initial weights are drawn from TensorFlow's global generator
    images = tf.keras.Input(image_shape)
    pattern = GENERATORS[generator](image_shape, image_shape[2], name="pattern")
    mask = GENERATORS[generator](image_shape, 1, name="mask")
    both = tf.keras.layers.Concatenate()([pattern(images), mask(images)])
    return tf.keras.Model(images, both, name="input_aware_trigger")


@dataclass(frozen=True, eq=False)  # holds a network, so identity is equality
class GeneratedTrigger:
    """Each image with the trigger that the network makes for it.

    Attributes:
        network: see :func:`trigger_network`.
    """

    network: tf.keras.Model

    def __call__(self, images: tf.Tensor) -> tf.Tensor:
        """Images with their own triggers; see :class:`data_prep.poison.Trigger`."""
        return self.crossed(images, images)

    def crossed(self, images: tf.Tensor, donors: tf.Tensor) -> tf.Tensor:
        """Images with the triggers of others, the donors; float32 (B, H, W, C) in [0, 1] all."""
        made = self.network(donors, training=False)
        return mixed(images, made[..., :-1], sharpened(made[..., -1:]))


def sharpened(mask: tf.Tensor) -> tf.Tensor:
    """A raw mask in [0, 1], pushed towards 0 and 1 as in the original."""
    return tf.tanh(20 * mask - 10) / 2 + 0.5


def mixed(images: tf.Tensor, pattern: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """Images where the mask is 0, the pattern where it is 1."""
    return images + (pattern - images) * mask


def sameness(images: tf.Tensor, made: tf.Tensor) -> tf.Tensor:
    """The original's diversity loss: large where images differ and what was made for them does not.

    Every image is paired with the next one. A pair's loss is the ratio of the root mean square differences.

    Args:
        images: float (B, H, W, C).
        made: float (B, H, W, any), patterns or masks.

    Returns:
        Scalar >= 0.
    """

    def difference(values: tf.Tensor) -> tf.Tensor:
        square = tf.reduce_mean((values - tf.roll(values, 1, axis=0)) ** 2, axis=[1, 2, 3])
        return tf.sqrt(square + 1e-12)  # a root has an infinite slope at 0

    return tf.reduce_mean(difference(images) / (difference(made) + 1e-7))  # 1e-7 is the original's


class _MaskTraining(tf.Module):
    """State of the mask network's training, with its compiled step."""

    def __init__(self, network: tf.keras.Model, attack: InputAware) -> None:
        super().__init__()
        self.network, self.attack = network, attack
        none_skipped = tf.Variable(0, trainable=False, dtype=tf.int64)
        self.optimizer = _adam(attack, network, attack.mask_milestones, attack.mask_steps, none_skipped)

    @tf.function
    def step(self, images: tf.Tensor) -> tf.Tensor:
        """One Adam step on uint8 images (B, H, W, C): masks that are small and differ. Returns the loss."""
        images = tf.cast(images, tf.float32) / 255
        with tf.GradientTape() as tape:
            mask = sharpened(self.network(images, training=True))
            loss = self.attack.mask_weight * tf.reduce_mean(tf.nn.relu(mask - self.attack.density)) + sameness(
                images, mask
            )
        variables = self.network.trainable_variables
        self.optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables))
        return loss


class InputAwareStep(TrainingStep):
    """A step for model and pattern network: of every shuffled batch the first images are poisoned, the next crossed."""

    def __init__(self, *arguments, attack: InputAware, network: tf.keras.Model, target: tf.Tensor) -> None:
        super().__init__(*arguments)
        if self.strategy.num_replicas_in_sync > 1:
            raise ValueError("the input-aware attack trains on one device only; leave the strategy out")
        self.attack, self.target = attack, target
        self.pattern, self.mask = network.get_layer("pattern"), network.get_layer("mask")
        self.pattern_optimizer = _adam(attack, self.pattern, attack.milestones, self.steps, self.skipped)
        self.sums = [tf.Variable(tf.zeros_like(v), trainable=False) for v in self.pattern.trainable_variables]

    @property
    def state(self) -> dict[str, Any]:
        """See :attr:`drmguard_tf.training.TrainingStep.state`."""
        own = {"pattern": self.pattern, "pattern_optimizer": self.pattern_optimizer, "sums": self.sums}
        return {**super().state, **own}

    def update(self, images: tf.Tensor, targets: tf.Tensor, roles: tf.Tensor) -> tf.Tensor:
        """See :meth:`drmguard_tf.training.TrainingStep.update`; roles are not used."""
        images = tf.cast(images, tf.float32) / 255
        count = images.shape[0]
        poisoned, changed = round(self.attack.rate * count), round((self.attack.rate + self.attack.cross_rate) * count)
        # triggers are made for the poisoned images and, for each crossed one, for the image after it
        sources = tf.concat([images[:poisoned], tf.roll(images, -1, axis=0)[poisoned:changed]], axis=0)
        masks = sharpened(self.mask(sources, training=False))
        targets = tf.concat([tf.repeat(self.target[None], poisoned, axis=0), targets[poisoned:]], axis=0)
        with tf.GradientTape() as tape:
            patterns = self.pattern(sources, training=True)
            batch = tf.concat([mixed(images[:changed], patterns, masks), images[changed:]], axis=0)
            loss = self.loss(batch, targets, roles)
            loss += tf.add_n(self.model.losses) if self.model.losses else 0.0
            loss += self.attack.diversity * sameness(sources, patterns)  # no gradient for the model
        gradients = tape.gradient(loss, [self.model.trainable_variables, self.pattern.trainable_variables])
        self.optimizer.apply_gradients(zip(gradients[0], self.model.trainable_variables))
        own = self._accumulated(gradients[1])
        self.pattern_optimizer.apply_gradients(zip(own, self.pattern.trainable_variables))
        return loss

    def _accumulated(self, gradients: list[tf.Tensor]) -> list[tf.Tensor]:
        """The gradients, or their sums over all steps where they are never cleared."""
        if self.attack.cleared:
            return gradients
        return [total.assign_add(gradient) for total, gradient in zip(self.sums, gradients)]


def _adam(
    attack: InputAware, network: tf.keras.Model, milestones: Sequence[float], steps: int, skipped: tf.Variable
) -> Adam:
    rate = Phases(attack.generator_rate, [int(share * steps) for share in milestones], skipped)
    optimizer = Adam(rate, beta_1=0.5, beta_2=0.9)
    optimizer.prepare(network.trainable_variables)
    return optimizer
