"""Trigger families: the shapes in which the search looks for a trigger.

A family is a module whose call changes images and prices the change. The prices are shares, so they do not depend on
the image's size: L1 families pay summed absolute difference over the largest benign norm (the paper's score), warps
pay mean displacement over the image's side.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
import tensorflow as tf

from drmguard_tf import losses
from drmguard_tf.generator import coordinates, small_generator
from drmguard_tf.pixel_range import into_range
from drmguard_tf.probing import Square
from drmguard_tf.reference import Reference
from drmguard_tf.warping import upsampling, warp


class Change(NamedTuple):
    """What a family did to a batch.

    Attributes:
        images: float32 (B, H, W, C) in [0, 1].
        cost: scalar >= 0, mean price of the change.
    """

    images: tf.Tensor
    cost: tf.Tensor


class ReversedTrigger(Protocol):
    """What a search optimises; a tf.Module."""

    name: str
    variables: tuple[tf.Variable, ...]
    trainable_variables: tuple[tf.Variable, ...]

    def __call__(self, images: tf.Tensor, attention: tf.Tensor) -> Change:
        """Change float32 images (B, H, W, C) in [0, 1]; ``attention`` is A(x) of Eq. 7, (B, H, W, 1)."""

    def amplified(self, images: tf.Tensor, attention: tf.Tensor, strength: tf.Tensor) -> tf.Tensor:
        """Images (B, H, W, C) in [0, 1] with the change ``strength`` times, (B, 1, 1, 1), 1 or more."""


class Amplifiable(tf.Module):
    """A trigger that is amplified pixel by pixel, because nothing better is known of its kind."""

    def __call__(self, images: tf.Tensor, attention: tf.Tensor) -> Change:
        """See :class:`ReversedTrigger`."""
        raise NotImplementedError(f"{type(self).__name__} does not say what it changes")

    def amplified(self, images: tf.Tensor, attention: tf.Tensor, strength: tf.Tensor) -> tf.Tensor:
        """See :class:`ReversedTrigger`: every pixel moves ``strength`` times as far, within [0, 1]."""
        changed = self(images, attention).images
        return tf.clip_by_value(images + strength * (changed - images), 0, 1)


class Family(Protocol):
    """A kind of trigger for the steered search."""

    learning_rate: float

    def __call__(self, reference: Reference, seed: int) -> ReversedTrigger:
        """A trigger for a suspect before its first step."""


class UniversalPatch(Amplifiable):
    """One patch for all images, ``(1 - mask) * x + mask * pattern`` as in Neural Cleanse; ours in this search."""

    learning_rate = 0.1

    def __init__(self, reference: Reference, seed: int) -> None:
        super().__init__(name="patch")
        _, height, width, channels = reference.images.shape
        rng = np.random.default_rng(seed)
        self.largest_norm = reference.largest_norm
        self.mask = tf.Variable(rng.normal(-4, 1, (height, width, 1)).astype(np.float32), name="mask")
        self.pattern = tf.Variable(rng.normal(0, 1, (height, width, channels)).astype(np.float32), name="pattern")

    def __call__(self, images: tf.Tensor, attention: tf.Tensor) -> Change:
        """Blend the patch into float32 images (B, H, W, C) in [0, 1]; ``attention`` is not used."""
        changed = self._blended(images, tf.sigmoid(self.mask))
        return Change(changed, losses.input_distance(images, changed) / self.largest_norm)

    def amplified(self, images: tf.Tensor, attention: tf.Tensor, strength: tf.Tensor) -> tf.Tensor:
        """See :class:`ReversedTrigger`: the mask is more opaque, up to hiding what is below."""
        return self._blended(images, tf.minimum(strength * tf.sigmoid(self.mask), 1))

    def begin(self, square: Square) -> None:
        """Start as that square, all but opaque, and with next to nothing elsewhere."""
        rows, columns = (slice(corner, corner + square.side) for corner in (square.top, square.left))
        mask, pattern = np.full(self.mask.shape, -6.0, np.float32), self.pattern.numpy()
        mask[rows, columns], pattern[rows, columns] = 3.0, 6 * square.colour - 3
        self.mask.assign(mask)
        self.pattern.assign(pattern)

    def _blended(self, images: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
        return (1 - mask) * images + mask * tf.sigmoid(self.pattern)


class UniversalWarp(Amplifiable):
    """One smooth displacement for all images, a sum of grids from coarse to fine; ours.

    It starts on the coarsest grid alone, and finer ones move less for the same step. On one fine grid most searches for
    a strong warp stop where a part of the image fits by chance.
    """

    learning_rate = 0.1

    def __init__(self, reference: Reference, seed: int, spacings: tuple[int, ...] = (16, 8, 4)) -> None:
        """Before the first step.

        Args:
            reference: constants of the suspect.
            seed: of the start, displacements of about a pixel.
            spacings: of the grids' control points, pixels, the coarsest first. 4 follows a warp of WaNet's at its usual
                settings, whose cells are 8 pixels or more.
        """
        super().__init__(name="warp")
        _, height, width, _ = reference.images.shape
        self.side = float(max(height, width))
        self.grids = [_grid(height, width, spacing) for spacing in spacings]
        self.shares = [spacing / spacings[0] for spacing in spacings]
        start = np.random.default_rng(seed).normal(0, 1, self.grids[0].control.shape)
        self.grids[0].control.assign(start.astype(np.float32))

    def flow(self) -> tf.Tensor:
        """float32 (H, W, 2), (dy, dx) in pixels."""
        return tf.add_n(
            [
                share * tf.einsum("hi,wj,ijd->hwd", grid.rows, grid.columns, grid.control)
                for share, grid in zip(self.shares, self.grids)
            ]
        )

    def __call__(self, images: tf.Tensor, attention: tf.Tensor) -> Change:
        """Warp float32 images (B, H, W, C) in [0, 1]; ``attention`` is not used."""
        flow = self.flow()
        length = tf.sqrt(tf.reduce_sum(flow**2, axis=-1) + 1e-6)  # the norm has no slope at zero
        return Change(warp(images, flow), tf.reduce_mean(length) / self.side)

    def amplified(self, images: tf.Tensor, attention: tf.Tensor, strength: tf.Tensor) -> tf.Tensor:
        """See :class:`ReversedTrigger`: pixels move farther the same way."""
        return warp(images, strength * self.flow())


class _Grid(NamedTuple):
    """Control points and what takes them to pixels."""

    rows: tf.Tensor
    columns: tf.Tensor
    control: tf.Variable


def _grid(height: int, width: int, spacing: int) -> _Grid:
    """A grid of zeros with about ``spacing`` pixels between its points, at least two a side."""
    count = tuple(max(2, side // spacing + 1) for side in (height, width))
    rows, columns = (upsampling(points, side) for points, side in zip(count, (height, width)))
    return _Grid(rows, columns, tf.Variable(tf.zeros((*count, 2)), name=f"control-{spacing}"))


class Generated(Amplifiable):
    """A small generator (ours) behind the momentum reverse trigger (the paper's Eq. 7): one change per image."""

    learning_rate = 0.002

    def __init__(self, reference: Reference, seed: int) -> None:
        super().__init__(name="generator")
        self.largest_norm = reference.largest_norm
        shape = tuple(reference.images.shape[1:])
        tf.keras.utils.set_random_seed(seed)  # Keras draws initial weights from the global generator
        self.network = small_generator(shape)
        self.place = coordinates(*shape[:2])

    def __call__(self, images: tf.Tensor, attention: tf.Tensor) -> Change:
        """Regenerate float32 images (B, H, W, C) in [0, 1], keeping what ``attention`` (B, H, W, 1) protects."""
        place = tf.repeat(self.place, tf.shape(images)[0], axis=0)
        generated = into_range(images + self.network([images, place], training=True))
        changed = losses.momentum_reverse_trigger(images, generated, attention)
        return Change(changed, losses.input_distance(images, changed) / self.largest_norm)


FAMILIES: dict[str, Family] = {"patch": UniversalPatch, "warp": UniversalWarp, "generator": Generated}
