"""Where a patch can begin: the small square of one colour that collapses the outputs most.

The outputs of a network that was trained on little data move with many small changes all over an image, and a search
that begins with those ends at one of them, past a patch of a few pixels that does far more. Trying squares takes
forward passes alone.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple, Optional

import numpy as np
import tensorflow as tf

from drmguard_tf import losses
from drmguard_tf.reference import Reference

_IMAGES = 8  # benign ones that are looked at
_SIDE = 0.1  # of a square, as a share of the image's shorter side
_COLOURS = np.array(list(itertools.product((0.0, 1.0), repeat=3)), np.float32)


class Square(NamedTuple):
    """A square of one colour and what it does.

    Attributes:
        top, left, side: pixels.
        colour: float32 (3,), 0 or 1 each.
        spread: output variance with the square on all images, as a share of that of benign images.
    """

    top: int
    left: int
    side: int
    colour: np.ndarray
    spread: float

    def __str__(self) -> str:
        return f"{self.side} x {self.side} pixels at row {self.top}, column {self.left}"


def collapsing_square(reference: Reference, bound: float) -> Optional[Square]:
    """Try squares in eight colours side by side all over the image, the last ones at the right and bottom edge.

    Args:
        reference: constants of the suspect; its images have three channels, or no square is tried.
        bound: on the output variance that is left, as a share of that of benign images.

    Returns:
        The square with the smallest output variance; None if none keeps the bound.
    """
    count, height, width, channels = reference.images.shape
    if channels != _COLOURS.shape[1]:
        return None
    images = tf.gather(reference.images, np.linspace(0, count - 1, min(_IMAGES, count)).astype(int))
    side = max(2, round(_SIDE * min(height, width)))
    tops, lefts = (sorted({*range(0, length - side + 1, side), length - side}) for length in (height, width))

    colours = tf.constant(_COLOURS)[:, None, None, None]

    @tf.function
    def variances(corner: tf.Tensor) -> tf.Tensor:
        """Output variance under the square at a corner (2,), one for each colour."""
        rows, columns = (
            tf.logical_and(first <= tf.range(length), tf.range(length) < first + side)
            for first, length in zip(tf.unstack(corner), (height, width))
        )
        marked = tf.where(tf.logical_and(rows[:, None], columns)[..., None], colours, images)
        _, outputs = reference.sub.joint(tf.reshape(marked, (-1, height, width, channels)), training=False)
        return tf.vectorized_map(losses.output_variance, tf.reshape(outputs, (len(_COLOURS), len(images), -1)))

    benign = losses.output_variance(reference.sub.joint(images, training=False)[1])
    tried: list[Square] = []
    for corner in itertools.product(tops, lefts):
        spreads = variances(tf.constant(corner)) / benign
        tried += (Square(*corner, side, colour, float(spread)) for colour, spread in zip(_COLOURS, spreads))
    best = min(tried, key=lambda square: square.spread)
    return best if best.spread <= bound else None
