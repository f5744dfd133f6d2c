"""Training of classifiers, benign or poisoned, by one compiled step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Optional

import numpy as np
import tensorflow as tf

from data_prep.batches import batches
from data_prep.contract import ClassSplit, pixels
from data_prep.diverged import watch
from data_prep.journal import NO_JOURNAL, Journal
from data_prep.label_poison import LabelPoisoning
from data_prep.poison import CLEAN, POISONED
from dhbe_tf.models import ARCHITECTURES, build
from dhbe_tf.optimizers import SGD


@dataclass(frozen=True)
class Classification:
    """How a classifier is trained.

    Attributes:
        architecture: a name in :data:`dhbe_tf.models.ARCHITECTURES`.
        epochs: passes over the training set.
        batch: images a step; what is left of an epoch is dropped.
        learning_rate, momentum, weight_decay: of SGD.
        milestones: shares of the steps at which the rate falls to a tenth.
        peak: share of the steps in which the rate rises from nothing to ``learning_rate``; in the others it falls back,
            both in a straight line (one cycle, Smith and Topin 2018). None keeps to the milestones, of which there are
            none otherwise.
        crop: pixels of zero padding before a random crop; 0 for none.
        flip: whether images are mirrored at random; not for digits.
        contrast: whether black and white become random greys, and change places, image by image. For pictures on an
            empty ground, such as digits: otherwise anything on the ground is as good as the trigger.
    """

    architecture: str = "resnet18"
    epochs: int = 200  # "for 200 epochs" (App. A)
    batch: int = 128  # the code
    learning_rate: float = 0.1  # "initial learning rate of 0.1, momentum of 0.9, and weight decay of 5e-4" (App. A)
    momentum: float = 0.9
    weight_decay: float = 5e-4
    milestones: tuple[float, ...] = (0.5, 0.75)  # "at epoch 100 and epoch 150" (App. A)
    peak: Optional[float] = None
    crop: int = 4  # the code
    flip: bool = True
    contrast: bool = False

    def __post_init__(self) -> None:
        if self.architecture not in ARCHITECTURES:
            raise ValueError(f"unknown architecture {self.architecture!r}; there are {', '.join(ARCHITECTURES)}")
        if self.epochs < 1 or self.batch < 2 or self.crop < 0:
            raise ValueError(f"epochs must be 1 or more, batch 2 or more and crop 0 or more, got {self}")
        if self.peak is not None and (self.milestones or not 0 < self.peak < 1):
            raise ValueError(f"peak must be above 0 and below 1, and excludes milestones; got {self}")

    def steps(self, count: int) -> int:
        """Steps for a training set of ``count`` samples."""
        return self.epochs * max(1, count // self.batch)

    def seeing(self, images: int, count: int) -> Classification:
        """This training with as many epochs as it takes to see ``images`` images of a set of ``count``, 1 or more."""
        return replace(self, epochs=max(1, round(images / count)))

    def fit(
        self,
        train: ClassSplit,
        *,
        seed: int,
        poisoning: LabelPoisoning | None = None,
        start: tf.keras.Model | None = None,
        progress: Callable[[int], None] = lambda step: None,
        journal: Journal = NO_JOURNAL,
    ) -> tf.keras.Model:
        """Train a classifier.

        Args:
            train: images and labels; a set smaller than a batch is used whole.
            seed: of the weights, the order of the data, the augmentation and the choice of poisoned samples.
            poisoning: what an attacker does to the set, None for a benign model.
            start: a model that is trained on, as a copy; None takes a new one.
            progress: called with the number of steps done.
            journal: where an interrupted training goes on.

        Returns:
            A model from float32 images (B, H, W, C) in [0, 1] to logits (B, K).

        Raises:
            Diverged: if the loss does.
        """
        roles = poisoning.roles(train, seed) if poisoning else np.full(len(train), CLEAN, np.int8)
        model = self._new(train, seed) if start is None else _copy(start)
        fit = _Fit(model, self, poisoning, seed)
        total = self.steps(len(train))
        done = journal.resume({"model": model, "optimizer": fit.optimizer, "random": fit.random})
        for step, index in enumerate(batches(len(train), self.batch, total, seed)):
            if step < done:
                continue
            fit.optimizer.learning_rate.assign(self.rate(step, total))
            images = _replaced(train.images[index], index, poisoning)
            loss = fit.step(images, train.labels[index], roles[index])
            watch(loss, step + 1, total)
            journal.note(step + 1, {"loss": loss})
            progress(step + 1)
        journal.complete(total)
        return model

    def recoloured(self, images: tf.Tensor, random: tf.random.Generator) -> tf.Tensor:
        """Images as a step shows them before trigger and shifts: with ``contrast`` in random greys, else as they are.

        Args:
            images: float32 (B, H, W, C) in [0, 1]; black becomes the ground, white the ink.
            random: draws the greys: one of 0 to 0.4, the other of 0.6 to 1, either may be the ground.
        """
        if not self.contrast:
            return images
        dark, bright = (random.uniform((images.shape[0], 1, 1, 1), low, low + 0.4) for low in (0.0, 0.6))
        swapped = random.uniform((images.shape[0], 1, 1, 1)) < 0.5
        ground, ink = tf.where(swapped, bright, dark), tf.where(swapped, dark, bright)
        return ground + (ink - ground) * images

    def _new(self, train: ClassSplit, seed: int) -> tf.keras.Model:
        tf.keras.utils.set_random_seed(seed)  # initial weights are drawn from TensorFlow's global generator
        mean, std = channel_statistics(train.images, 0.5 if self.contrast else None)
        return build(self.architecture, _shape(train), len(train.classes), mean=mean, std=std)

    def rate(self, step: int, total: int) -> float:
        """The learning rate of a step, counted from 0."""
        if self.peak is not None:
            done = (step + 0.5) / total
            return self.learning_rate * min(done / self.peak, (1 - done) / (1 - self.peak))
        return self.learning_rate * 0.1 ** sum(step >= round(share * total) for share in self.milestones)


def _copy(model: tf.keras.Model) -> tf.keras.Model:
    copy = tf.keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    return copy


def _shape(train: ClassSplit) -> tuple[int, int, int]:
    _, height, width, channels = train.images.shape
    return height, width, channels


class _Fit(tf.Module):
    """State of one training: model, optimizer, random numbers, and the compiled step."""

    def __init__(
        self, model: tf.keras.Model, options: Classification, poisoning: LabelPoisoning | None, seed: int
    ) -> None:
        super().__init__()
        self.model, self.options, self.poisoning = model, options, poisoning
        self.optimizer = SGD(
            model.trainable_variables,
            learning_rate=options.learning_rate,
            momentum=options.momentum,
            weight_decay=options.weight_decay,
        )
        self.random = tf.random.Generator.from_seed(seed)

    @tf.function
    def step(self, images: tf.Tensor, labels: tf.Tensor, roles: tf.Tensor) -> tf.Tensor:
        """One step on uint8 images (B, H, W, C), labels (B,), roles (B,): trigger, then shifts. Returns the loss."""
        images = self.options.recoloured(tf.cast(images, tf.float32) / 255, self.random)
        if self.poisoning is not None:
            chosen = tf.where(roles == POISONED)
            triggered = self.poisoning.stamped(tf.gather_nd(images, chosen), self.random)
            images = tf.tensor_scatter_nd_update(images, chosen, triggered)
            labels = tf.where(roles == POISONED, tf.cast(self.poisoning.target, labels.dtype), labels)
        images = self._augmented(images)
        with tf.GradientTape() as tape:
            answers = self.model(images, training=True)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, answers))
        variables = self.model.trainable_variables
        self.optimizer.apply(tape.gradient(loss, variables), variables)
        return loss

    def _augmented(self, images: tf.Tensor) -> tf.Tensor:
        if self.options.flip:
            mirrored = self.random.uniform((images.shape[0], 1, 1, 1)) < 0.5
            images = tf.where(mirrored, tf.reverse(images, [2]), images)
        images = shifted(images, self.options.crop, self.random) if self.options.crop else images
        return images


def shifted(images: tf.Tensor, most: int, random: tf.random.Generator) -> tf.Tensor:
    """Each image moved by up to ``most`` pixels along both axes, zeros coming in: a random crop after padding."""
    count, height, width = images.shape[:3]
    padded = tf.pad(images, [[0, 0], [most, most], [most, most], [0, 0]])
    top, left = (random.uniform((count, 1), 0, 2 * most + 1, tf.int32) for _ in range(2))
    rows = tf.gather(padded, top + tf.range(height), axis=1, batch_dims=1)
    columns = tf.transpose(rows, [0, 2, 1, 3])
    return tf.transpose(tf.gather(columns, left + tf.range(width), axis=1, batch_dims=1), [0, 2, 1, 3])


def channel_statistics(images: np.ndarray, mean: float | None = None) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation per channel, in units of white.

    Args:
        images: uint8 (N, H, W, C).
        mean: taken instead of the images' own, for images that will be recoloured around it.

    Returns:
        C means and C standard deviations; that of a flat channel is 1.
    """
    counts = [np.bincount(images[..., channel].ravel(), minlength=256) for channel in range(images.shape[-1])]
    levels = pixels(np.arange(256, dtype=np.uint8)).astype(float)
    means = [float(levels @ count / count.sum()) if mean is None else mean for count in counts]
    variance = [float((levels - m) ** 2 @ count / count.sum()) for m, count in zip(means, counts)]
    return tuple(means), tuple(v**0.5 or 1.0 for v in variance)


def _replaced(images: np.ndarray, index: np.ndarray, poisoning: LabelPoisoning | None) -> np.ndarray:
    """A batch in which images that the attacker has changed take the place of the originals."""
    if poisoning is None or not poisoning.replaced:
        return images
    images = images.copy()
    for place, sample in enumerate(index.tolist()):
        if sample in poisoning.replaced:
            images[place] = poisoning.replaced[sample]
    return images
