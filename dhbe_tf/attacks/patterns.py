"""The triggers of GDM's experiments: the 51 black-white 3x3 patterns, random colours, and patches at random places."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import tensorflow as tf

SIDE = 3
_LARGE = 2**31 - 1


@lru_cache(maxsize=1)
def canonical() -> np.ndarray:
    """Every black-white 3x3 pattern, up to rotation, reflection and inversion (GDM, Sec. 5).

    Returns:
        float32 (51, 3, 3), 0 black and 1 white; read row by row as a binary number, each is the smallest of its kind.
    """
    codes = sorted({min(_code(alike) for alike in _alike(_bits(code))) for code in range(2 ** (SIDE * SIDE))})
    return np.stack([_bits(code) for code in codes]).astype(np.float32)


def black_white(number: int, channels: int) -> np.ndarray:
    """A canonical pattern as pixels.

    Args:
        number: 0 to 50, its place in :func:`canonical`.
        channels: C.

    Returns:
        float32 (3, 3, C) in [0, 1].

    Raises:
        ValueError: if there is no such pattern.
    """
    if not 0 <= number < len(canonical()):
        raise ValueError(f"black-white patterns are numbered from 0 to {len(canonical()) - 1}, got {number}")
    return np.repeat(canonical()[number][..., None], channels, axis=-1)


def random_colours(size: int, channels: int, *, seed: int) -> np.ndarray:
    """A square of random pixels, uniform in [0, 1]: float32 (size, size, channels)."""
    return np.random.default_rng(seed).random((size, size, channels)).astype(np.float32)


@dataclass(frozen=True, eq=False)  # holds an array, so identity is equality
class Wandering:
    """A patch at a random place, another for every image.

    The place follows from the image's own pixels, so a trigger that is asked twice answers twice the same, whatever
    else is in the batch. Over images it is uniform over all places that fit.

    Attributes:
        pattern: float32 (S, S, C) in [0, 1].
        seed: other places for the same images.
    """

    pattern: np.ndarray
    seed: int = 0

    def __call__(self, images: tf.Tensor) -> tf.Tensor:
        """Images with the patch; see :class:`data_prep.poison.Trigger`."""
        return self._at(images, _numbers(images, self.seed))

    def redrawn(self, images: tf.Tensor, random: tf.random.Generator) -> tf.Tensor:
        """The same at places that ``random`` draws; see :class:`data_prep.poison.CrossTrigger`."""
        return self._at(images, random.uniform((tf.shape(images)[0],), 0, _LARGE, tf.int64))

    def _at(self, images: tf.Tensor, numbers: tf.Tensor) -> tf.Tensor:
        """Places are counted row by row; a number beyond the last one starts anew."""
        height, width = images.shape[1:3]
        size = len(self.pattern)
        if size > min(height, width):
            raise ValueError(f"a patch of {size} px does not fit into images of {height} x {width}")
        columns = width - size + 1
        numbers = numbers % ((height - size + 1) * columns)
        down = tf.range(height)[None] - tf.cast(numbers // columns, tf.int32)[:, None]  # (B, H), 0 at the patch's top
        right = tf.range(width)[None] - tf.cast(numbers % columns, tf.int32)[:, None]
        inside = ((down >= 0) & (down < size))[:, :, None] & ((right >= 0) & (right < size))[:, None, :]
        rows, across = (tf.clip_by_value(away, 0, size - 1) for away in (down, right))
        flat = tf.constant(self.pattern.reshape(size * size, -1), images.dtype)
        return tf.where(inside[..., None], tf.gather(flat, rows[:, :, None] * size + across[:, None, :]), images)


def _numbers(images: tf.Tensor, seed: int) -> tf.Tensor:
    """A number from 0 to 2**31 - 2 for each image (B,), which follows from its 8-bit pixels.

    Random weights add up to less than 2**63, so nothing overflows, and integers add up alike on every device.
    """
    values = np.prod(images.shape[1:])
    weights = np.random.default_rng(seed).integers(1, _LARGE, values)
    levels = tf.cast(tf.round(tf.reshape(images, [-1, values]) * 255), tf.int64)
    return tf.reduce_sum((levels + 1) * tf.constant(weights), axis=1) % _LARGE


def _bits(code: int) -> np.ndarray:
    return np.array([code >> shift & 1 for shift in reversed(range(SIDE * SIDE))]).reshape(SIDE, SIDE)


def _code(pattern: np.ndarray) -> int:
    return int("".join(map(str, pattern.ravel())), 2)


def _alike(pattern: np.ndarray) -> Iterator[np.ndarray]:
    """A pattern's eight turns and reflections, and the inverse of each."""
    for turns in range(4):
        for flipped in (np.rot90(pattern, turns), np.rot90(pattern, turns).T):
            yield flipped
            yield 1 - flipped
