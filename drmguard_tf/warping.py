"""Bilinear sampling of images along a displacement field, with a zero border.

Pixel centres are the grid points (what other libraries call ``align_corners=True``).
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf


def warp(images: tf.Tensor, flow: tf.Tensor) -> tf.Tensor:
    """Images read at displaced places. Differentiable in both arguments.

    Args:
        images: float (B, H, W, C).
        flow: float (H, W, 2) for all images or (B, H, W, 2), (dy, dx) in pixels: output pixel (i, j) shows the image
            at (i + dy, j + dx).

    Returns:
        float (B, H, W, C); what lies outside the image counts as zero.
    """
    shape = tf.shape(images)
    height, width = shape[1], shape[2]
    rows = tf.cast(tf.range(height), flow.dtype)[:, None] + flow[..., 0]
    columns = tf.cast(tf.range(width), flow.dtype)[None, :] + flow[..., 1]
    top, left = tf.floor(rows), tf.floor(columns)
    down, right = rows - top, columns - left
    top, left = tf.cast(top, tf.int32), tf.cast(left, tf.int32)
    read = _common_reader(images) if flow.shape.rank == 3 else _single_reader(images)

    def corner(row: tf.Tensor, column: tf.Tensor, weight: tf.Tensor) -> tf.Tensor:
        inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
        index = tf.clip_by_value(row, 0, height - 1) * width + tf.clip_by_value(column, 0, width - 1)
        return read(index, tf.where(inside, weight, 0.0))

    mixed = (
        corner(top, left, (1 - down) * (1 - right))
        + corner(top, left + 1, (1 - down) * right)
        + corner(top + 1, left, down * (1 - right))
        + corner(top + 1, left + 1, down * right)
    )
    if flow.shape.rank == 3:
        return tf.transpose(tf.reshape(mixed, [height, width, shape[0], shape[3]]), [2, 0, 1, 3])
    return tf.reshape(mixed, shape)


def _common_reader(images: tf.Tensor) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """Reads one place for all images: pixels first, so that each read copies a whole row of the batch."""
    shape = tf.shape(images)
    pixels = tf.reshape(tf.transpose(images, [1, 2, 0, 3]), [shape[1] * shape[2], shape[0] * shape[3]])
    return lambda index, weight: tf.gather(pixels, tf.reshape(index, [-1])) * tf.reshape(weight, [-1, 1])


def _single_reader(images: tf.Tensor) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """Reads another place for each image."""
    shape = tf.shape(images)
    pixels = tf.reshape(images, [shape[0], shape[1] * shape[2], shape[3]])
    return lambda index, weight: tf.gather(
        pixels, tf.reshape(index, [shape[0], -1]), axis=1, batch_dims=1
    ) * tf.reshape(weight, [shape[0], -1, 1])


def upsampling(points: int, size: int) -> tf.Tensor:
    """Matrix that takes ``points`` control values to ``size`` pixels by cubic interpolation, ends on ends.

    Keys' cubic with a = -0.75 and repeated end points, as in torch's bicubic ``interpolate``.

    Args:
        points: control values along one side, 2 or more.
        size: pixels along that side.

    Returns:
        float32 (size, points); each row sums to 1.
    """
    if points < 2:
        raise ValueError(f"a control grid needs at least 2 points a side, got {points}")
    at = tf.linspace(0.0, points - 1.0, size)
    base = tf.floor(at)
    matrix = tf.zeros([size, points])
    for offset in (-1, 0, 1, 2):
        index = tf.clip_by_value(tf.cast(base, tf.int32) + offset, 0, points - 1)
        matrix += _cubic(tf.abs(at - base - offset))[:, None] * tf.one_hot(index, points)
    return matrix


def _cubic(distance: tf.Tensor) -> tf.Tensor:
    a = -0.75
    near = ((a + 2) * distance - (a + 3)) * distance**2 + 1
    far = ((distance - 5) * distance + 8) * distance * a - 4 * a
    return tf.where(distance <= 1, near, tf.where(distance < 2, far, 0.0))
