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


def accuracy(model: tf.keras.Model, test: ClassSplit) -> float:
    """ACC: share of the samples that get their class (DHBE, Sec. 5.1.4a)."""
    return float(np.mean(predict(model, test.images).argmax(axis=1) == test.labels))


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


def attack_success(
    model: tf.keras.Model, trigger: Trigger, target: int, test: ClassSplit, *, backdoored: tf.keras.Model
) -> Success:
    """ASR of a trigger on a model.

    Args:
        model: under test.
        trigger: the attacker's.
        target: the attacker's class.
        test: images and labels.
        backdoored: the model before the erasing; chooses the samples that count.

    Raises:
        ValueError: if no sample counts.
    """
    success = predict(model, test.images, trigger).argmax(axis=1) == target
    shares = []
    for judge in (backdoored, model):
        correct = predict(judge, test.images).argmax(axis=1) == test.labels
        counts = correct & (test.labels != target)
        if judge is backdoored and not counts.any():
            raise ValueError(f"{judge.name!r} classifies no sample of another class than {target} correctly")
        shares += [float(success[counts].mean()) if counts.any() else float("nan"), int(counts.sum())]
    return Success(*shares)  # type: ignore[arg-type]  # alternating shares and counts


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
