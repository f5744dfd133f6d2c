"""What an erasing is judged by: accuracy, attack success with its denominator, and how far a trigger still reaches."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from data_prep.contract import ClassSplit, pixels
from data_prep.poison import Trigger

layers = tf.keras.layers

_BATCH = 256


def predict(model: tf.keras.Model, images: np.ndarray, trigger: Trigger | None = None) -> np.ndarray:
    """A model's outputs (N, K) for uint8 images (N, H, W, C), with a trigger if there is one."""
    stamp = trigger or (lambda batch: batch)
    parts = [images[start : start + _BATCH] for start in range(0, len(images), _BATCH)]
    return np.concatenate([model(stamp(tf.constant(pixels(part))), training=False).numpy() for part in parts])


class Success(NamedTuple):
    """How often a trigger leads to the target (ASR), over samples of other classes.

    Attributes:
        asr: over the samples that the backdoored model classifies correctly without the trigger (DHBE, Eq. 9).
        counted: how many samples that is; the same before and after an erasing.
        asr_own: over the samples that the model under test classifies correctly, as in the authors' public code; not a
            number if there are none.
        counted_own: how many samples that is.
    """

    asr: float
    counted: int
    asr_own: float
    counted_own: int


class Judged:
    """A model's classes for a test set without a trigger, predicted once for all that is measured.

    Args:
        model: under test.
        test: images and labels.
        before: the model before the erasing, judged on the same set. It chooses the samples that ASR counts; by
            default ``model`` does.
    """

    def __init__(self, model: tf.keras.Model, test: ClassSplit, *, before: Judged | None = None) -> None:
        self.model, self.test = model, test
        self._own = _classes(model, test.images)
        self._choosing = before or self

    def accuracy(self) -> float:
        """ACC: share of the samples that get their class (DHBE, Sec. 5.1.4a)."""
        return float(np.mean(self._own == self.test.labels))

    def success(self, trigger: Trigger, target: int) -> Success:
        """ASR of a trigger.

        Args:
            trigger: the attacker's.
            target: the attacker's class.

        Raises:
            ValueError: if no sample counts.
        """
        labels = self.test.labels
        counted, counted_own = ((one._own == labels) & (labels != target) for one in (self._choosing, self))
        if not counted.any():
            model = self._choosing.model.name
            raise ValueError(f"{model!r} classifies no sample of another class than {target} correctly")
        hit = _classes(self.model, self.test.images, trigger) == target
        own = float(hit[counted_own].mean()) if counted_own.any() else float("nan")
        return Success(float(hit[counted].mean()), int(counted.sum()), own, int(counted_own.sum()))


def accuracy(model: tf.keras.Model, test: ClassSplit) -> float:
    """ACC, for those who measure nothing else."""
    return Judged(model, test).accuracy()


def _classes(model: tf.keras.Model, images: np.ndarray, trigger: Trigger | None = None) -> np.ndarray:
    return predict(model, images, trigger).argmax(axis=1)


class Reach(NamedTuple):
    """How far a trigger moves activations, each a mean over images (DHBE, Fig. 7).

    Attributes:
        block_l1, block_l2: norms of the difference at the last block, over all its values.
        output_l1, output_l2: norms of the difference of the outputs.
    """

    block_l1: float
    block_l2: float
    output_l1: float
    output_l2: float


def activation_differences(model: tf.keras.Model, trigger: Trigger, images: np.ndarray) -> dict[str, np.ndarray]:
    """Norms of the differences of activations between each image with and without a trigger (DHBE, Fig. 7).

    Args:
        model: ends in pooling or flattening and a dense layer.
        trigger: the attacker's.
        images: uint8 (N, H, W, C).

    Returns:
        float64 (N,) under each name of :class:`Reach`, whose values are their means.
    """
    norms = []
    for activation in (last_block(model), model.outputs[0]):
        inner = tf.keras.Model(model.inputs, activation)
        moved = predict(inner, images, trigger) - predict(inner, images)
        flat = moved.reshape(len(images), -1).astype(float)
        norms += [np.abs(flat).sum(axis=1), np.sqrt((flat**2).sum(axis=1))]
    return dict(zip(Reach._fields, norms))


def trigger_reach(model: tf.keras.Model, trigger: Trigger, images: np.ndarray) -> Reach:
    """Means of :func:`activation_differences`, whose arguments it has."""
    return Reach(*(float(norms.mean()) for norms in activation_differences(model, trigger, images).values()))


def last_block(model: tf.keras.Model) -> tf.Tensor:
    """The last activation of a model that still is an image (B, H, W, D).

    Raises:
        ValueError: if there is none.
    """
    maps = [layer.output for layer in model.layers if len(getattr(layer.output, "shape", ())) == 4]
    if not maps:
        raise ValueError(f"{model.name!r} has no activation of the shape (B, H, W, D)")
    return maps[-1]
