"""What is measured on a model: RE, AE and DAE of DRMGuard's Sec. 3.1 and 4.1."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from data_prep import geometry
from data_prep.contract import GAZE, Split, Task, pixels
from data_prep.poison import OwnTrigger, Trigger
from data_prep.threat import Backdoored
from drmguard_tf import losses
from drmguard_tf.submodels import split

_BATCH = 250


def regression_error(task: Task, predicted: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """The error of DRMGuard's App. A.2.1: the angle between directions for gaze, mean absolute angle for head pose.

    Args:
        task: which of the two.
        predicted, expected: float (N, K), radians; expected may be (K,).

    Returns:
        float64 (N,), degrees.
    """
    if task == GAZE:
        return geometry.angular_error(predicted, expected)
    return np.degrees(np.abs(np.asarray(predicted, np.float64) - expected).mean(axis=1))


def predict(model: tf.keras.Model, images: np.ndarray, trigger: Trigger = lambda images: images) -> np.ndarray:
    """Outputs of a model in inference mode, batch by batch.

    Args:
        model: from images in [0, 1] to outputs.
        images: uint8 (N, H, W, C).
        trigger: applied first.

    Returns:
        float32 (N, K).
    """
    step = tf.function(lambda batch: model(trigger(batch), training=False), reduce_retracing=False)
    parts = [step(tf.constant(pixels(images[at : at + _BATCH]))) for at in range(0, len(images), _BATCH)]
    return np.concatenate([part.numpy() for part in parts])


class AttackErrors(NamedTuple):
    """Errors of a backdoored model, all in degrees.

    Attributes:
        re: mean error on clean images.
        ae: mean error to the target on triggered images; low means that the attack works.
        dae: mean error to the true label on triggered images; low means that the model is clean.
    """

    re: float
    ae: float
    dae: float


def attack_errors(task: Task, backdoored: Backdoored, test: Split) -> AttackErrors:
    """RE, AE and DAE on a test set that neither attacker nor defender has seen."""
    clean = predict(backdoored.model, test.images)
    triggered = predict(backdoored.model, test.images, backdoored.trigger)
    return AttackErrors(
        re=float(regression_error(task, clean, test.targets).mean()),
        ae=float(regression_error(task, triggered, backdoored.target).mean()),
        dae=float(regression_error(task, triggered, test.targets).mean()),
    )


def clean_error(task: Task, model: tf.keras.Model, test: Split) -> float:
    """RE: mean error on clean images, degrees."""
    return float(regression_error(task, predict(model, test.images), test.targets).mean())


class FeatureSpread(NamedTuple):
    """DRMGuard's Table 1: how triggered features spread, as ratios to clean ones.

    Attributes:
        rav: ratio of angle variance, averaged over outputs.
        rnv: ratio of norm variance.
    """

    rav: float
    rnv: float


def feature_spread(backdoored: Backdoored, test: Split) -> FeatureSpread:
    """RAV and RNV of a backdoored model under its own trigger (DRMGuard, Eq. 3)."""
    sub, found = split(backdoored.model), _features(backdoored, test.images)
    benign_variance = tf.math.reduce_variance(losses.head_angles(found.clean, sub.kernel), axis=0)
    rav = losses.ratio_of_angle_variance(losses.head_angles(found.triggered, sub.kernel), benign_variance)
    return FeatureSpread(float(rav), float(losses.ratio_of_norm_variance(found.triggered, found.clean)))


class Pair(NamedTuple):
    """The same quantity of clean images and of the same images with a trigger."""

    clean: tf.Tensor
    triggered: tf.Tensor


def feature_angles(backdoored: Backdoored, images: np.ndarray) -> Pair:
    """Angles between features and the head's weight vectors: the axes of DRMGuard's Figure 2.

    Args:
        backdoored: the model with its trigger.
        images: uint8 (N, H, W, C).

    Returns:
        float32 (N, K) each, radians in [0, pi].
    """
    kernel, found = split(backdoored.model).kernel, _features(backdoored, images)
    return Pair(losses.head_angles(found.clean, kernel), losses.head_angles(found.triggered, kernel))


def _features(backdoored: Backdoored, images: np.ndarray) -> Pair:
    """What the head sees, float32 (N, D) each."""
    network = split(backdoored.model).features
    return Pair(tf.constant(predict(network, images)), tf.constant(predict(network, images, backdoored.trigger)))


def cross_error(task: Task, backdoored: Backdoored, test: Split) -> float:
    """Mean error to the true label under triggers made for another image, degrees; for input-aware attacks only.

    Every image gets the trigger of the image before it. Near RE means that a trigger fires on its own image alone.

    Raises:
        ValueError: if the trigger is not made for each image.
    """
    trigger = backdoored.trigger
    if not isinstance(trigger, OwnTrigger):
        raise ValueError(
            f"{type(trigger).__name__} is one trigger for all images; the cross error needs one that is made for each"
        )
    donors = np.roll(test.images, 1, axis=0)
    step = tf.function(lambda batch, of: backdoored.model(trigger.crossed(batch, of), training=False))
    slices = [slice(at, at + _BATCH) for at in range(0, len(test), _BATCH)]
    predicted = [step(tf.constant(pixels(test.images[part])), tf.constant(pixels(donors[part]))) for part in slices]
    return float(regression_error(task, np.concatenate(predicted), test.targets).mean())
