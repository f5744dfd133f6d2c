"""Earth-mover distances: what a trigger costs, and how far classes lie apart (DHBE, Sec. 4.3.1, Tables 1 and 2).

Images are float32 in [0, 1] and distances sums over values, so a pixel turned from black to white counts 3 in RGB.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from data_prep.contract import ClassSplit, pixels
from data_prep.poison import Trigger


def trigger_cost(trigger: Trigger, images: np.ndarray) -> float:
    """Mean sum of the absolute changes that a trigger makes (Table 1).

    Args:
        trigger: the attacker's.
        images: uint8 (N, H, W, C).
    """
    floats = tf.constant(pixels(images))
    return float(tf.reduce_mean(tf.reduce_sum(tf.abs(trigger(floats) - floats), axis=[1, 2, 3])))


def class_distances(data: ClassSplit, *, projections: int, seed: int) -> np.ndarray:
    """Sliced Wasserstein distances between all classes (Table 2; Kolouri et al. 2019).

    Means over random directions of the distance between projected samples, scaled to an L1 cost: times the number of
    values and ``sqrt(pi / 2)``, which is right for two sets that differ by a shift of equal size in every value. The
    paper does not say how it scales.

    Args:
        data: images and labels; classes without an image are not a number.
        projections: directions.
        seed: of the directions.

    Returns:
        float64 (K, K), symmetric, zeros on the diagonal.
    """
    flat = pixels(data.images).reshape(len(data), -1)
    directions = np.random.default_rng(seed).normal(size=(flat.shape[1], projections)).astype(np.float32)
    shares = np.linspace(0, 1, 201)[1::2]  # the middles of 100 equal parts
    projected = flat @ (directions / np.linalg.norm(directions, axis=0))
    count = len(data.classes)
    quantiles = np.full((count, len(shares), projections), np.nan)
    for label in np.unique(data.labels):
        quantiles[label] = np.quantile(projected[data.labels == label], shares, axis=0)
    apart = np.abs(quantiles[:, None] - quantiles[None]).mean(axis=(2, 3))
    return apart * flat.shape[1] * np.sqrt(np.pi / 2)
