"""Fine-pruning (Liu et al. 2018): features that benign images leave asleep are switched off, then fine-tuning."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import tensorflow as tf

from data_prep.contract import ClassSplit, pixels
from data_prep.journal import NO_JOURNAL, Journal
from data_prep.threat import ClassSuspect
from dhbe_tf import logits
from dhbe_tf.baselines.rival import check, with_weights_of
from dhbe_tf.baselines.tuning import Tuning

_BATCH = 256


@dataclass(frozen=True)
class FinePruning:
    """Options.

    Attributes:
        tolerance: pruning stops before the accuracy on held-out benign images has fallen by more than this.
        share: of the benign images, held out for that; afterwards all are tuned on.
        tuning: of the model that is left.
    """

    tolerance: float = 0.04
    share: float = 0.2
    tuning: Tuning = field(default_factory=Tuning)

    def __post_init__(self) -> None:
        if not 0 <= self.tolerance < 1 or not 0 < self.share < 1:
            raise ValueError(f"tolerance lies in [0, 1) and the held-out share in (0, 1), got {self}")

    def total(self, suspect: ClassSuspect) -> int:
        """Steps of the fine-tuning."""
        return self.tuning.total_steps

    def mitigate(
        self,
        suspect: ClassSuspect,
        *,
        seed: int,
        progress: Callable[[int], None] = lambda step: None,
        journals: Callable[[str], Journal] = lambda name: NO_JOURNAL,
    ) -> tf.keras.Model:
        """A pruned and tuned copy; see :class:`dhbe_tf.baselines.rival.Rival`. What is pruned stays so."""
        check(suspect)
        work = logits.copy(suspect.model)
        kernel = head(work).kernel
        keep = np.ones((kernel.shape[0], 1), np.float32)
        keep[self.prune(work, suspect.benign, seed)] = 0

        def silence() -> None:
            kernel.assign(kernel * keep)

        silence()
        benign, journal = suspect.benign, journals("tuning")
        self.tuning.run(work, benign, seed=seed, after=silence, progress=progress, journal=journal)
        return with_weights_of(work, suspect)

    def prune(self, model: tf.keras.Model, benign: ClassSplit, seed: int) -> np.ndarray:
        """Which inputs of the last layer are pruned.

        Args:
            model: returns logits.
            benign: ranks features, but for the held-out share, which says when to stop.
            seed: decides what is held out.

        Returns:
            int (P,), features, least active first; one always is left.

        Raises:
            ValueError: if there are fewer than two images.
        """
        if len(benign) < 2:
            raise ValueError("pruning needs two benign images at least: one ranks features, one says when to stop")
        order = np.random.default_rng(seed).permutation(len(benign))
        held, seen = np.split(order, [max(1, round(self.share * len(benign)))])
        features, layer = _features(model, benign.images), head(model)
        ranked = np.argsort(np.abs(features[seen]).mean(axis=0), kind="stable")
        bias = layer.bias.numpy() if layer.use_bias else np.float32(0)
        right = accuracies(features[held], layer.kernel.numpy(), bias, benign.labels[held], ranked)
        return ranked[: furthest(right, self.tolerance)]


def accuracies(
    features: np.ndarray, kernel: np.ndarray, bias: np.ndarray | np.float32, labels: np.ndarray, ranked: np.ndarray
) -> np.ndarray:
    """Accuracy of a linear layer with none, one, two ... of its inputs pruned, up to all but one.

    Args:
        features: float32 (N, D).
        kernel, bias: (D, K) and (K,) or a scalar.
        labels: int (N,).
        ranked: int (D,), the order of pruning.

    Returns:
        float64 (D,).
    """
    answers, found = features @ kernel + bias, []
    for unit in ranked:
        found.append(float(np.mean(answers.argmax(axis=1) == labels)))
        answers = answers - features[:, unit : unit + 1] * kernel[unit]
    return np.array(found)


def furthest(accuracy: np.ndarray, tolerance: float) -> int:
    """How many features go: as many as before the first that costs too much.

    Args:
        accuracy: (D,), see :func:`accuracies`.
        tolerance: accepted fall below the first value.
    """
    over = accuracy < accuracy[0] - tolerance - 1e-9  # a fall of exactly the tolerance is accepted
    return int(np.argmax(over)) - 1 if over.any() else len(accuracy) - 1


def head(model: tf.keras.Model) -> tf.keras.layers.Dense:
    """The dense layer that a model of logits ends in.

    Raises:
        ValueError: if it ends in another.
    """
    layer = model.outputs[0]._keras_history.layer
    if not isinstance(layer, tf.keras.layers.Dense):
        raise ValueError(
            f"fine-pruning switches off inputs of the last dense layer, and {model.name!r} ends in "
            f"{type(layer).__name__}. Use another method, such as fine-tuning."
        )
    return layer


def _features(model: tf.keras.Model, images: np.ndarray) -> np.ndarray:
    front = tf.keras.Model(model.inputs, head(model).input)
    step = tf.function(lambda batch: front(batch, training=False))
    parts = [tf.constant(pixels(images[start : start + _BATCH])) for start in range(0, len(images), _BATCH)]
    return np.concatenate([step(part).numpy() for part in parts])
