"""Adversarial neuron pruning (Wu & Wang 2021): prune the channels that react most to small changes of their weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Optional

import numpy as np
import tensorflow as tf

from data_prep.batches import batches
from data_prep.contract import pixels
from data_prep.diverged import watch
from data_prep.threat import Suspect
from drmguard_tf.baselines.held_out import clean_loss, copy_of, held_out
from drmguard_tf.reference import check_fit

layers = tf.keras.layers
_LARGEST = 0.9  # masks above it are never pruned; where the authors' thresholds end
_STAGES = 100  # pruning goes by hundredths of the channels for as long as the held-out error bears it, then one by one


@dataclass(frozen=True)
class ANP:
    """Options; defaults are those of the authors' code.

    Attributes:
        steps: of the mask.
        batch: images a step.
        epsilon: size of the adversarial change of a weight or bias, as a share of it.
        ascent: signed steps in which it is found.
        clean_weight: alpha, of the loss without that change; the loss with it has the rest.
        learning_rate, momentum: of SGD on the masks.
        tolerance: pruning stops before the held-out clean error has risen by this share.
        share: of the benign subjects, kept back to measure that.
    """

    steps: int = 2000
    batch: int = 128
    epsilon: float = 0.4
    ascent: int = 1
    clean_weight: float = 0.2
    learning_rate: float = 0.2
    momentum: float = 0.9
    tolerance: float = 0.1
    share: float = 0.2

    def __post_init__(self) -> None:
        if min(self.steps, self.ascent, self.batch) < 1 or self.epsilon <= 0 or self.learning_rate <= 0:
            raise ValueError(f"steps, ascent, batch, epsilon and the rate must be above 0, got {self}")
        if not 0 <= self.clean_weight <= 1 or self.tolerance < 0 or not 0 < self.share < 1:
            raise ValueError(f"weights and shares lie between 0 and 1, got {self}")

    @property
    def total_steps(self) -> int:
        """Steps of the mask."""
        return self.steps

    def mitigate(
        self, suspect: Suspect, *, seed: int, progress: Callable[[int], None] = lambda step: None
    ) -> tf.keras.Model:
        """A pruned copy of the suspect.

        Args:
            suspect: model and benign set; the model's weights are left alone.
            seed: of the held-out subjects, the order of the images and the noise.
            progress: called with the number of steps done.

        Raises:
            ValueError: if model and benign set do not fit each other, or the model has neither batch norm nor a
                convolution.
            Diverged: if the search for masks does.
        """
        check_fit(suspect)
        seen, held = held_out(suspect.benign, self.share, seed)
        images, targets = tf.constant(pixels(seen.images)), tf.constant(seen.targets)
        search = MaskSearch(copy_of(suspect), images, targets, self, seed)
        for step, index in enumerate(batches(len(seen), self.batch, self.steps, seed), 1):
            watch(search.step(tf.constant(index)), step, self.steps, "search for masks")
            progress(step)
        return self.prune(suspect, [mask.numpy() for mask in search.masks], pixels(held.images), held.targets)

    def prune(self, suspect: Suspect, masks: list[np.ndarray], held: np.ndarray, targets: np.ndarray) -> tf.keras.Model:
        """Zero the weights of channels, the smallest mask first, for as long as the held-out images bear it.

        Args:
            suspect: the model.
            masks: float32 (channels,) in [0, 1] for each of :func:`channels_of` the model.
            held: float32 (M, H, W, C) in [0, 1].
            targets: float32 (M, K).
        """
        model = copy_of(suspect)
        parts = channels_of(model)
        whole = [channels.weight.numpy() for channels in parts]
        ranks = _ranks(masks)
        most = sum(int((mask <= _LARGEST).sum()) for mask in masks)
        answer = tf.function(lambda images: model(images, training=False))

        def cut(count: int) -> float:
            for channels, weight, rank in zip(parts, whole, ranks):
                channels.weight.assign(weight * (rank >= count).astype(np.float32))
            return clean_loss(answer, held, targets)

        bearable, pruned = (1 + self.tolerance) * cut(0), 0
        for stride in (max(1, sum(map(len, masks)) // _STAGES), 1):
            while pruned + stride <= most and cut(pruned + stride) <= bearable:
                pruned += stride
        cut(pruned)
        return model


def _ranks(masks: list[np.ndarray]) -> list[np.ndarray]:
    """The place of every channel in the order of all masks, smallest first, like the masks in shape."""
    order = np.argsort(np.argsort(np.concatenate(masks), kind="stable"), kind="stable")
    return np.split(order, np.cumsum([len(mask) for mask in masks])[:-1])


class Channels(NamedTuple):
    """A layer whose channels can be masked.

    Attributes:
        weight: gamma of a batch norm, or the kernel of a convolution; the channel is its last axis.
        bias: beta, or the bias; None where there is none.
    """

    weight: tf.Variable
    bias: Optional[tf.Variable]


def channels_of(model: tf.keras.Model) -> list[Channels]:
    """All batch norm layers with a scale; in a model without any, all convolutions (depthwise ones excepted).

    Raises:
        ValueError: if there is neither.
    """
    norms = [x for x in model.layers if isinstance(x, layers.BatchNormalization) and x.scale]
    if norms:
        return [Channels(norm.gamma, norm.beta if norm.center else None) for norm in norms]
    convolutions = [x for x in model.layers if type(x) is layers.Conv2D]
    if not convolutions:
        raise ValueError(
            f"ANP masks channels of batch norm or convolution layers, and {model.name!r} has neither at its top level. "
            "Use another method, such as fine-tuning."
        )
    return [Channels(layer.kernel, layer.bias if layer.use_bias else None) for layer in convolutions]


class MaskSearch(tf.Module):
    """Masks and the adversarial noise against them.

    Weights are used as ``w * (mask + noise)``, biases as ``b * (1 + noise)``. They are written into the layers of a
    working copy, and gradients of its variables give those of masks and noise by the chain rule; so any Keras model
    will do as it is.
    """

    def __init__(self, model: tf.keras.Model, images: tf.Tensor, targets: tf.Tensor, options: ANP, seed: int) -> None:
        """Masks begin at 1.

        Args:
            model: a working copy, whose weights change.
            images: float32 (N, H, W, C) in [0, 1].
            targets: float32 (N, K), radians.
            options: of the method.
            seed: of the noise.
        """
        super().__init__()
        self.model, self.images, self.targets, self.options = model, images, targets, options
        self.channels = channels_of(model)
        self.weights = [tf.constant(c.weight) for c in self.channels]
        self.biases = [tf.constant(c.bias) for c in self.channels if c.bias is not None]
        self.masks = [tf.Variable(tf.ones(w.shape[-1]), constraint=_unit) for w in self.weights]
        self.random = tf.random.Generator.from_seed(seed)
        self.optimizer = _sgd(options.learning_rate, options.momentum)
        guess = tf.reduce_mean(targets, axis=0)
        self.deviation = float(tf.reduce_mean(tf.abs(targets - guess)))

    @tf.function
    def step(self, index: tf.Tensor) -> tf.Tensor:
        """One step of noise and masks on the images at ``index`` (B,). Returns the loss, a scalar."""
        images, targets, alpha = (
            tf.gather(self.images, index),
            tf.gather(self.targets, index),
            self.options.clean_weight,
        )
        noise = self._worst(images, targets)
        noisy, by_noisy = self._gradients(images, targets, *noise)
        clean, by_clean = self._gradients(images, targets, *self.silence())
        ascent = [alpha * c + (1 - alpha) * n for c, n in zip(by_clean[0], by_noisy[0])]
        self.optimizer.apply_gradients(zip(ascent, self.masks))
        return alpha * clean + (1 - alpha) * noisy

    def silence(self) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
        """No noise: zeros for every mask and every bias."""
        return [tf.zeros_like(mask) for mask in self.masks], [tf.zeros_like(bias) for bias in self.biases]

    def _worst(self, images: tf.Tensor, targets: tf.Tensor) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
        """Noise drawn from (-epsilon, epsilon), then signed steps that add up to epsilon, as in the authors' code."""
        epsilon, ascent = self.options.epsilon, self.options.ascent
        weights, biases = ([self.random.uniform(x.shape, -epsilon, epsilon) for x in part] for part in self.silence())
        for _ in range(ascent):
            _, (by_weight, by_bias) = self._gradients(images, targets, weights, biases)
            weights = [n + epsilon / ascent * tf.sign(g) for n, g in zip(weights, by_weight)]
            biases = [n + epsilon / ascent * tf.sign(g) for n, g in zip(biases, by_bias)]
        return weights, biases

    def _gradients(
        self, images: tf.Tensor, targets: tf.Tensor, by_weight: list[tf.Tensor], by_bias: list[tf.Tensor]
    ) -> tuple[tf.Tensor, tuple[list[tf.Tensor], list[tf.Tensor]]]:
        """The loss under some noise, and its gradients by masks (those by noise on weights are the same) and biases."""
        weights = [channels.weight for channels in self.channels]
        biases = [channels.bias for channels in self.channels if channels.bias is not None]
        for variable, weight, mask, change in zip(weights, self.weights, self.masks, by_weight):
            variable.assign(weight * (mask + change))
        for variable, bias, change in zip(biases, self.biases, by_bias):
            variable.assign(bias * (1 + change))
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([*weights, *biases])
            outputs = self.model(images, training=True)
            loss = tf.reduce_mean(tf.abs(outputs - targets)) / self.deviation
        slopes = tape.gradient(loss, [*weights, *biases])
        of_weights = [
            tf.reduce_sum(tf.reshape(slope * weight, (-1, weight.shape[-1])), axis=0)
            for slope, weight in zip(slopes, self.weights)
        ]
        of_biases = [slope * bias for slope, bias in zip(slopes[len(weights) :], self.biases)]
        return loss, (of_weights, of_biases)


def _unit(mask: tf.Tensor) -> tf.Tensor:
    return tf.clip_by_value(mask, 0.0, 1.0)


def _sgd(learning_rate: float, momentum: float) -> tf.keras.optimizers.Optimizer:
    """SGD as Keras 2.9 has it; see :mod:`drmguard_tf.optimizers`."""
    return getattr(tf.keras.optimizers, "legacy", tf.keras.optimizers).SGD(learning_rate, momentum=momentum)
