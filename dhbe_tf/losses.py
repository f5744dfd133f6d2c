"""One function per term of DHBE's objective. Outputs are logits, or whatever a model answers before its softmax."""

from __future__ import annotations

import tensorflow as tf


def discrepancy(student: tf.Tensor, teacher: tf.Tensor) -> tf.Tensor:
    """How far the student is from the teacher on the same samples (DHBE, Eq. 2).

    Args:
        student, teacher: outputs (B, K).

    Returns:
        Scalar: the mean absolute difference over samples and outputs.
    """
    tf.debugging.assert_shapes([(student, ("B", "K")), (teacher, ("B", "K"))])
    return tf.reduce_mean(tf.abs(student - teacher))


def trigger_response(clean: tf.Tensor, patched: tf.Tensor) -> tf.Tensor:
    """How much generated triggers move the student's outputs (DHBE, Eq. 7).

    Args:
        clean, patched: outputs (B, K) for the same samples without and with triggers.

    Returns:
        Scalar: the mean absolute difference over samples and outputs.
    """
    tf.debugging.assert_shapes([(clean, ("B", "K")), (patched, ("B", "K"))])
    return tf.reduce_mean(tf.abs(patched - clean))


def deviation(student: tf.Tensor, teacher: tf.Tensor) -> tf.Tensor:
    """The discrepancy as a share of what a constant answer would have, the teacher's mean over the samples (ours).

    Args:
        student, teacher: outputs (B, K).

    Returns:
        Scalar: 0 for a student that answers like the teacher, 1 for one that might as well ignore its input.
    """
    constant = tf.reduce_mean(teacher, axis=0, keepdims=True) + tf.zeros_like(teacher)
    return discrepancy(student, teacher) / tf.maximum(discrepancy(constant, teacher), 1e-12)


def yielding(weight: float, deviation: tf.Tensor, tolerance: float) -> tf.Tensor:
    """A weight that gives way: whole up to a deviation of ``tolerance``, then in inverse proportion to it (ours).

    Both terms of Eq. 8 are mean absolute differences, so their gradients do not grow with them. Whole weights above 1
    let a student that has left its teacher go on leaving.

    Args:
        weight: 0 or more.
        deviation: scalar, 0 or more, of :func:`deviation`; gets no gradient.
        tolerance: above 0.

    Returns:
        Scalar in [0, weight].
    """
    return weight * tf.minimum(1.0, tolerance / tf.maximum(tf.stop_gradient(deviation), 1e-12))


def roughness(samples: tf.Tensor) -> tf.Tensor:
    """The smoothness prior on generated samples, which is in the authors' public code and not in the paper.

    Args:
        samples: normalised images (B, H, W, C).

    Returns:
        Scalar: the sum of four Euclidean norms, each over the whole batch, of the differences between neighbours to the
        right, below, and on both diagonals. It grows with ``sqrt(B * H * W)``.
    """
    right = samples[:, :, 1:] - samples[:, :, :-1]
    below = samples[:, 1:] - samples[:, :-1]
    falling = samples[:, 1:, 1:] - samples[:, :-1, :-1]
    rising = samples[:, 1:, :-1] - samples[:, :-1, 1:]
    return tf.add_n([tf.norm(difference) for difference in (right, below, falling, rising)])


def add_patches(pixels: tf.Tensor, patches: tf.Tensor, top: tf.Tensor, left: tf.Tensor) -> tf.Tensor:
    """Samples with a trigger added to each (DHBE, App. B.3): in pixel space, not clipped.

    Args:
        pixels: (B, H, W, C), [0, 1] and a little beyond.
        patches: (B, S, S, C) in (-1, 1).
        top, left: int (B,), where the first row and column of each patch go.
    """
    tf.debugging.assert_shapes(
        [(pixels, ("B", "H", "W", "C")), (patches, ("B", "S", "S", "C")), (top, ("B",)), (left, ("B",))]
    )
    size = tf.range(patches.shape[1])
    rows = tf.one_hot(top[:, None] + size, pixels.shape[1])  # (B, S, H)
    columns = tf.one_hot(left[:, None] + size, pixels.shape[2])
    return pixels + tf.einsum("bsh,bstc,btw->bhwc", rows, patches, columns)
