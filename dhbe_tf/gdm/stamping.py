"""Putting triggers on images: where they go, and how much shines through."""

from __future__ import annotations

import tensorflow as tf


def stamp(images: tf.Tensor, triggers: tf.Tensor, top: tf.Tensor, left: tf.Tensor) -> tf.Tensor:
    """Images with a trigger each: ``(1 - opacity) * before + opacity * trigger`` (GDM's slides, realistic defence).

    Args:
        images: (B, H, W, C).
        triggers: (B, S, S, C), opaque; or (B, S, S, C + 1), whose last channel is the opacity in [0, 1].
        top, left: int (B,), where the first row and column of each trigger go.

    Returns:
        (B, H, W, C).
    """
    tf.debugging.assert_shapes(
        [(images, ("B", "H", "W", "C")), (triggers, ("B", "S", "S", "D")), (top, ("B",)), (left, ("B",))]
    )
    channels, size = images.shape[-1], tf.range(triggers.shape[1])
    colours = triggers[..., :channels]
    opacity = triggers[..., channels:] if triggers.shape[-1] > channels else tf.ones_like(triggers[..., :1])
    rows = tf.one_hot(top[:, None] + size, images.shape[1])  # (B, S, H)
    columns = tf.one_hot(left[:, None] + size, images.shape[2])
    layer = tf.concat([colours * opacity, opacity], axis=-1)
    placed = tf.einsum("bsh,bstc,btw->bhwc", rows, layer, columns)
    return images * (1 - placed[..., -1:]) + placed[..., :-1]


def random_places(
    random: tf.random.Generator, count: int, sides: tuple[int, int], size: int, *, shared: bool
) -> tuple[tf.Tensor, tf.Tensor]:
    """Where triggers of ``size`` go on images of ``sides``: uniform over all places that fit, int32 (count,) each.

    Args:
        random: draws them.
        count: images in the batch.
        sides: (H, W).
        size: side of the triggers.
        shared: whether all images of the batch get the same place.
    """
    drawn = [random.uniform((1 if shared else count,), 0, side - size + 1, tf.int32) for side in sides]
    top, left = (tf.broadcast_to(place, (count,)) for place in drawn)
    return top, left
