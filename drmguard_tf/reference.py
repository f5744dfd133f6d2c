"""What a search needs to know of a suspect and its benign set, computed once and constant from then on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from data_prep.contract import pixels
from data_prep.threat import Suspect
from drmguard_tf import losses
from drmguard_tf.submodels import SubModels, split

_BATCH = 250


class Reference(NamedTuple):
    """Constants of every search on one suspect.

    Attributes:
        sub: F, H and their joint pass.
        images: float32 (N, H, W, C) in [0, 1], the benign images.
        attention: float32 (N, H, W, 1) in [0, 1), A(x) of Eq. 7.
        angle_variance: float32 (K,), variance of the benign images' head angles, radians squared.
        output_variance: float32 scalar, variance of the benign images' outputs, radians squared.
        largest_norm: float, L1 norm of the benign image with the largest, the yardstick of Sec. 3.4.
        features: float32 (N, D), of the benign images.
        outputs: float32 (N, K), radians, what the model answers on them.
        witnesses: benign models of the same task, to whom the steered search shows what it found
            (:mod:`drmguard_tf.transfer`); none where there are no controls.
    """

    sub: SubModels
    images: tf.Tensor
    attention: tf.Tensor
    angle_variance: tf.Tensor
    output_variance: tf.Tensor
    largest_norm: float
    features: tf.Tensor
    outputs: tf.Tensor
    witnesses: Sequence[tf.keras.Model] = ()


def examine(suspect: Suspect) -> Reference:
    """Compute the constants of a suspect.

    Raises:
        ValueError: if the model cannot be split, or if model and benign set do not fit each other.
    """
    check_fit(suspect)
    return constants(split(suspect.model), tf.constant(pixels(suspect.benign.images)))


def constants(sub: SubModels, images: tf.Tensor) -> Reference:
    """The constants of a split model on benign images, float32 (N, H, W, C) in [0, 1]."""

    @tf.function
    def look(batch: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        features, outputs = sub.joint(batch, training=False)
        return features, outputs, attention_map(sub, batch)

    parts = [look(images[at : at + _BATCH]) for at in range(0, len(images), _BATCH)]
    features, outputs, attention = (tf.concat(part, axis=0) for part in zip(*parts))
    return Reference(
        sub=sub,
        images=images,
        attention=attention,
        angle_variance=tf.math.reduce_variance(losses.head_angles(features, sub.kernel), axis=0),
        output_variance=losses.output_variance(outputs),
        largest_norm=float(tf.reduce_max(tf.reduce_sum(images, axis=[1, 2, 3]))),
        features=features,
        outputs=outputs,
    )


def attention_map(sub: SubModels, images: tf.Tensor) -> tf.Tensor:
    """Attention map A(x) of DRMGuard's App. A.1: input gradient magnitude, scaled into [0, 1) image by image.

    The paper does not say how outputs and channels are joined; here the magnitudes are summed over outputs and the
    largest channel counts (EQUATIONS.md, difference 4).

    Args:
        sub: the split model.
        images: float32 (B, H, W, C) in [0, 1].

    Returns:
        float32 (B, H, W, 1) in [0, 1), without gradient.
    """
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(images)
        _, outputs = sub.joint(images, training=False)
        each = tf.unstack(outputs, axis=1)
    magnitude = tf.add_n([tf.abs(tape.gradient(output, images)) for output in each])
    magnitude = tf.reduce_max(magnitude, axis=3, keepdims=True)
    largest = tf.reduce_max(magnitude, axis=[1, 2, 3], keepdims=True)
    return tf.stop_gradient(magnitude / (largest * 1.001 + 1e-12))  # "a number that is larger than the maximum"


def check_fit(suspect: Suspect) -> None:
    """Refuse a model and a benign set that do not belong together.

    Raises:
        ValueError: if there is no benign set, if image shape or number of outputs differ, or if the outputs are no
            finite angles.
    """
    if suspect.benign is None:
        raise ValueError(
            "DRMGuard needs a benign set, images with right labels, and this suspect comes without one. Give a set, or "
            "erase without data by dhbe_tf.dhbe.DHBE."
        )
    wanted, given = suspect.model.input_shape[1:], suspect.benign.images.shape[1:]
    if wanted[-1] != given[-1]:
        raise ValueError(
            f"the model takes images of {wanted[-1]} channels, the benign images have {given[-1]} (RGB); "
            "only models of colour images can be judged"
        )
    if any(w not in (None, g) for w, g in zip(wanted, given)) or len(wanted) != len(given):
        raise ValueError(
            f"the model takes images of {wanted} (H, W, C), the benign images are {given}; resize them first"
        )
    outputs = suspect.model.output_shape[-1]
    if outputs != suspect.benign.targets.shape[1]:
        raise ValueError(
            f"the model has {outputs} outputs, the benign labels have {suspect.benign.targets.shape[1]} columns; "
            "declare the task that the model was trained for"
        )
    sample = suspect.model(tf.constant(pixels(suspect.benign.images[:8])), training=False).numpy()
    if not np.isfinite(sample).all():
        raise ValueError("the model returns values that are not finite on benign images; it cannot be judged")
