"""The triggers of DHBE's experiments: small checkerboards, and wide ones that change every pixel a little (Table 1)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from dhbe_tf.attacks.patterns import random_colours

ONE = ((1.0, 1.0),)  # bottom right
FOUR = tuple((float(row), float(column)) for row in (0, 1) for column in (0, 1))
NINE = tuple((row, column) for row in (0.0, 0.5, 1.0) for column in (0.0, 0.5, 1.0))


@dataclass(frozen=True)
class Checkerboard:
    """A square of black and white pixels.

    Attributes:
        size: side in pixels; the pixel in its top left corner is white.
        places: where it goes, as shares of the way down and to the right; several amplify it (Sec. 5.3).
    """

    size: int
    places: tuple[tuple[float, float], ...] = ONE

    def __call__(self, images: tf.Tensor) -> tf.Tensor:
        """Images with the squares; see :class:`data_prep.poison.Trigger`."""
        height, width = images.shape[1:3]
        rows, columns = np.indices((self.size, self.size))
        pattern = (rows + columns + 1) % 2
        inside, board = np.zeros((height, width, 1), bool), np.zeros((height, width, 1), np.float32)
        for down, right in self.places:
            top, left = round(down * (height - self.size)), round(right * (width - self.size))
            inside[top : top + self.size, left : left + self.size, 0] = True
            board[top : top + self.size, left : left + self.size, 0] = pattern
        return tf.where(inside, tf.constant(board, images.dtype), images)


@dataclass(frozen=True, eq=False)  # holds an array, so identity is equality
class Patch:
    """A square of given pixels.

    Attributes:
        pattern: float32 (S, S, C) in [0, 1].
        places: as for :class:`Checkerboard`.
    """

    pattern: np.ndarray
    places: tuple[tuple[float, float], ...] = ONE

    def __call__(self, images: tf.Tensor) -> tf.Tensor:
        """Images with the patches; see :class:`data_prep.poison.Trigger`."""
        shape, size = images.shape[1:], len(self.pattern)
        inside, canvas = np.zeros((*shape[:2], 1), bool), np.zeros(shape, np.float32)
        for down, right in self.places:
            top, left = round(down * (shape[0] - size)), round(right * (shape[1] - size))
            inside[top : top + size, left : left + size] = True
            canvas[top : top + size, left : left + size] = self.pattern
        return tf.where(inside, tf.constant(canvas, images.dtype), images)


@dataclass(frozen=True)
class RandomSquare:
    """A square of random colours, uniform in [0, 1].

    Attributes:
        size: side in pixels.
        seed: of the colours.
        places: as for :class:`Checkerboard`.
    """

    size: int
    seed: int
    places: tuple[tuple[float, float], ...] = ONE

    def __call__(self, images: tf.Tensor) -> tf.Tensor:
        """Images with the squares; see :class:`data_prep.poison.Trigger`."""
        return Patch(random_colours(self.size, images.shape[-1], seed=self.seed), self.places)(images)


@dataclass(frozen=True)
class Watermark:
    """A faint pattern over the whole image, mixed in (as a reflection in Refool).

    Attributes:
        opacity: of the pattern, in (0, 1).
        seed: of the pattern: smooth random stripes.
    """

    opacity: float = 0.1
    seed: int = 0

    def __call__(self, images: tf.Tensor) -> tf.Tensor:
        """Images with the watermark; see :class:`data_prep.poison.Trigger`."""
        height, width = images.shape[1:3]
        random = np.random.default_rng(self.seed)
        rows, columns = np.indices((height, width)) / max(height, width)
        waves = sum(np.sin(2 * np.pi * (a * rows + b * columns + c)) for a, b, c in random.uniform(-4, 4, (4, 3)))
        pattern = tf.constant((waves > 0)[..., None], images.dtype)
        return (1 - self.opacity) * images + self.opacity * pattern


@dataclass(frozen=True)
class Sinusoid:
    """SIG (Barni et al. 2019): a horizontal sine wave is added, the result clipped.

    Attributes:
        strength: of the wave, in (0, 1).
        cycles: waves across the image; the authors' public code counts the period in pixels instead.
    """

    strength: float = 20 / 255  # Barni's mildest of the strengths he tests
    cycles: float = 6.0

    def __call__(self, images: tf.Tensor) -> tf.Tensor:
        """Images with the wave; see :class:`data_prep.poison.Trigger`."""
        width = images.shape[2]
        wave = self.strength * np.sin(2 * np.pi * np.arange(width) * self.cycles / width)
        return tf.clip_by_value(images + tf.constant(wave[None, :, None], images.dtype), 0, 1)


@dataclass(frozen=True)
class Steganography:
    """The lowest bits of every value carry a fixed message (Li et al. 2020).

    Attributes:
        bits: how many of the 8 bits.
        seed: of the message.
    """

    bits: int = 2  # "2 bits" (Table 1)
    seed: int = 0

    def __call__(self, images: tf.Tensor) -> tf.Tensor:
        """Images with the message; see :class:`data_prep.poison.Trigger`. Images become multiples of 1/255."""
        step = 2**self.bits
        message = np.random.default_rng(self.seed).integers(0, step, images.shape[1:])
        levels = tf.round(images * 255)
        return (levels - levels % step + tf.constant(message, images.dtype)) / 255
