"""The terms of the search, one function per equation. Tensors in, tensors out."""

from __future__ import annotations

import tensorflow as tf


def output_variance(outputs: tf.Tensor) -> tf.Tensor:
    """How far the outputs of different images lie apart: the first term of DRMGuard's Eq. 5.

    Args:
        outputs: float (B, K), in any unit.

    Returns:
        Scalar, mean over outputs of the variance over the batch, in squared units.
    """
    return tf.reduce_mean(tf.math.reduce_variance(outputs, axis=0))


def input_distance(images: tf.Tensor, reversed_images: tf.Tensor) -> tf.Tensor:
    """How much the images were changed: the second term of DRMGuard's Eq. 5.

    The L1 norm is a sum over pixels and channels, see EQUATIONS.md, difference 1.

    Args:
        images, reversed_images: float (B, H, W, C) in [0, 1].

    Returns:
        Scalar >= 0, mean over the batch of the summed absolute differences.
    """
    return tf.reduce_mean(tf.reduce_sum(tf.abs(reversed_images - images), axis=[1, 2, 3]))


def head_angles(features: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """Angles between feature vectors and the head's weight vectors: alpha_ij of DRMGuard's Eq. 2 to 5.

    Args:
        features: float (B, D).
        kernel: float (D, K), columns are w_j.

    Returns:
        float (B, K), radians in [0, pi].
    """
    tf.debugging.assert_shapes([(features, ("B", "D")), (kernel, ("D", "K"))])
    cosine = tf.linalg.matmul(tf.math.l2_normalize(features, axis=1), tf.math.l2_normalize(kernel, axis=0))
    return tf.acos(tf.clip_by_value(cosine, -1 + 1e-6, 1 - 1e-6))  # acos has an infinite slope at +-1


def ratio_of_angle_variance(angles: tf.Tensor, benign_variance: tf.Tensor) -> tf.Tensor:
    """RAV, averaged over the outputs: DRMGuard's Eq. 3 and the third term of Eq. 5.

    Args:
        angles: float (B, K), radians, of the changed images.
        benign_variance: float (K,), variance of the angles of benign images.

    Returns:
        Scalar >= 0; far below 1 is the mark of a backdoor.
    """
    return tf.reduce_mean(tf.math.reduce_variance(angles, axis=0) / benign_variance)


def ratio_of_norm_variance(features: tf.Tensor, benign_features: tf.Tensor) -> tf.Tensor:
    """RNV: DRMGuard's Eq. 3, a diagnostic.

    Args:
        features, benign_features: float (N, D), of changed and of benign images.

    Returns:
        Scalar >= 0.
    """
    return tf.math.reduce_variance(tf.norm(features, axis=1)) / tf.math.reduce_variance(
        tf.norm(benign_features, axis=1)
    )


def momentum_reverse_trigger(images: tf.Tensor, generated: tf.Tensor, attention: tf.Tensor) -> tf.Tensor:
    """Momentum reverse trigger: DRMGuard's Eq. 7. Attended pixels keep more of the original.

    Args:
        images, generated: float (B, H, W, C) in [0, 1].
        attention: float (B, H, W, 1) in [0, 1).

    Returns:
        float (B, H, W, C) in [0, 1].
    """
    return attention * images + (1 - attention) * generated
