"""Samples that nobody photographed or learned: random shapes and lines in random greys and colours.

Ours. A generator needs thousands of steps before its samples have anything of an image; these have flat grounds, edges
and strokes from the first step on. They come from random numbers alone, so the erasing stays data-free. That networks
learn much from such pictures is Baradad et al. 2021, "Learning to See by Looking at Noise".
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf

_PART = 256  # pictures at a time
_ROUNDS = 8  # so many times the pictures that are wanted are drawn at most
_CELLS = (4, 7)  # noise cells along a side: shapes of about a quarter and an eighth of the image
_CHROMA = 0.15  # colours are mostly greys, as in photographs
_GRAIN = 0.1


def draw(random: tf.random.Generator, count: int, shape: tuple[int, int, int]) -> tf.Tensor:
    """Pictures of one or two layers of shapes or lines on a ground of one colour, half of them with grain.

    Args:
        random: all that decides what is drawn.
        count: B.
        shape: (H, W, C), C 1 or 3.

    Returns:
        float32 (B, H, W, C) in [0, 1].
    """
    ground = tf.broadcast_to(_colours(random, count, shape[2]), (count, *shape))
    once = _layer(random, ground)
    twice = _layer(random, once)
    pictures = tf.where(_uniform(random, count) < 0.5, once, twice)
    grain = _GRAIN * tf.nn.relu(_uniform(random, count, -1, 1)) * random.normal((count, *shape))
    return tf.clip_by_value(pictures + grain, 0, 1)


def balanced(
    random: tf.random.Generator, count: int, shape: tuple[int, int, int], answer: Callable[[tf.Tensor], tf.Tensor]
) -> tf.Tensor:
    """Pictures of which every class has an equal share, as far as so many are found among a few times ``count``.

    What a model has never seen it often gives to one class, the attacker's target for one; then most pictures would
    teach nothing of the others.

    Args:
        random: all that decides what is drawn.
        count: of pictures in all, shared out evenly; every class may have at least one.
        shape: (H, W, C), C 1 or 3.
        answer: from pictures (B, H, W, C) to outputs (B, K); the largest one is the class.

    Returns:
        float32 (n, H, W, C) in [0, 1], class by class.
    """
    kept: list[list[np.ndarray]] = []

    @tf.function
    def part() -> tuple[tf.Tensor, tf.Tensor]:
        pictures = draw(random, _PART, shape)
        return pictures, answer(pictures)

    for _ in range(-(-_ROUNDS * count // _PART)):
        pictures, answers = (made.numpy() for made in part())
        kept = kept or [[] for _ in range(answers.shape[-1])]
        share = max(1, count // len(kept))
        for picture, label in zip(pictures, answers.argmax(axis=1)):
            if len(kept[label]) < share:
                kept[label].append(picture)
        if all(len(pictures) == share for pictures in kept):
            break
    return tf.constant(np.stack([picture for pictures in kept for picture in pictures]))


def in_parts(answer: Callable[[tf.Tensor], tf.Tensor], pictures: tf.Tensor) -> tf.Tensor:
    """What ``answer`` says of pictures (B, H, W, C), asked for a few at a time."""
    return tf.concat([answer(pictures[start : start + _PART]) for start in range(0, len(pictures), _PART)], axis=0)


def _layer(random: tf.random.Generator, pictures: tf.Tensor) -> tf.Tensor:
    """Pictures with one more colour where a smooth field is above a level (shapes) or near it (lines)."""
    count, *shape = pictures.shape
    coarse, fine = (_field(random, count, shape[0], shape[1], cells) for cells in _CELLS)
    height = tf.where(_uniform(random, count) < 0.5, coarse, fine) - _uniform(random, count, -1.5, 1.5)
    sharpness = tf.exp(_uniform(random, count, 0, 2.5))
    shapes = tf.sigmoid(2 * sharpness * height)
    lines = tf.sigmoid(3 * sharpness * (_uniform(random, count, 0.2, 0.7) - tf.abs(height)))
    opacity = tf.where(_uniform(random, count) < 0.5, shapes, lines)
    return pictures + (_colours(random, count, shape[2]) - pictures) * opacity


def _field(random: tf.random.Generator, count: int, height: int, width: int, cells: int) -> tf.Tensor:
    """A smooth random surface (B, H, W, 1) with a standard deviation of 1."""
    surface = tf.image.resize(random.normal((count, cells, cells, 1)), (height, width), method="bicubic")
    return surface / (tf.math.reduce_std(surface, axis=(1, 2), keepdims=True) + 1e-6)


def _colours(random: tf.random.Generator, count: int, channels: int) -> tf.Tensor:
    """One colour for each picture (B, 1, 1, C): a grey in [0, 1], and a tint if there is more than one channel."""
    grey = _uniform(random, count)
    if channels == 1:
        return grey
    return grey + _CHROMA * _uniform(random, count) * random.normal((count, 1, 1, channels))


def _uniform(random: tf.random.Generator, count: int, low: float = 0.0, high: float = 1.0) -> tf.Tensor:
    return random.uniform((count, 1, 1, 1), low, high)
