"""Angles, directions and rotations: one frame, one sign convention, written down once.

Frame: x right, y up, z from the scene to the camera, all as seen in the image. Angles are radians.

* Gaze is ``[pitch, yaw]``: pitch > 0 looks up, yaw > 0 looks towards image left.
* Head pose is ``[yaw, pitch, roll]``: the same yaw and pitch, roll > 0 turns the head anticlockwise in the image.

A rotation is ``Ry(yaw) Rx(pitch) Rz(roll)``, roll innermost, so the forward direction of a head is exactly the gaze
vector of its pitch and yaw.
"""

from __future__ import annotations

import numpy as np


def gaze_to_vector(gaze: np.ndarray) -> np.ndarray:
    """Unit vectors of gaze angles.

    Args:
        gaze: float (..., 2), [pitch, yaw] in radians.

    Returns:
        float (..., 3), (x, y, z) with z towards the camera; (0, 0, 1) for a gaze into the camera.
    """
    pitch, yaw = np.moveaxis(np.asarray(gaze), -1, 0)
    return np.stack([-np.sin(yaw) * np.cos(pitch), np.sin(pitch), np.cos(yaw) * np.cos(pitch)], axis=-1)


def vector_to_gaze(vectors: np.ndarray) -> np.ndarray:
    """Gaze angles of directions; the inverse of :func:`gaze_to_vector` for |pitch| < pi/2.

    Args:
        vectors: float (..., 3), of any length above zero.

    Returns:
        float (..., 2), [pitch, yaw] in radians, pitch in [-pi/2, pi/2], yaw in (-pi, pi].
    """
    x, y, z = np.moveaxis(np.asarray(vectors), -1, 0)
    return np.stack([np.arctan2(y, np.hypot(x, z)), np.arctan2(-x, z)], axis=-1)


def angular_error(predicted: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Angle between two gaze directions, per sample.

    DRMGuard, App. A.2.1. Computed as ``atan2(|u x v|, u . v)``, which stays exact near 0 and 180 degrees where acos
    loses half its digits. Independent of the signs of pitch and yaw.

    Args:
        predicted, expected: float (N, 2), [pitch, yaw] in radians; one may be (2,).

    Returns:
        float64 (N,), degrees in [0, 180].
    """
    u = gaze_to_vector(np.asarray(predicted, np.float64))
    v = gaze_to_vector(np.asarray(expected, np.float64))
    sine = np.linalg.norm(np.cross(u, v), axis=-1)
    cosine = np.sum(u * v, axis=-1)
    return np.degrees(np.arctan2(sine, cosine))


def rotation(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """Rotation matrix of a head pose, ``Ry(yaw) Rx(pitch) Rz(roll)``.

    Args:
        yaw, pitch, roll: radians, signs as in the module's docstring.

    Returns:
        float64 (3, 3); its columns are the head's own x, y and forward axes in the image frame.
    """
    cy, sy, cp, sp, cr, sr = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch), np.cos(roll), np.sin(roll)
    around_y = np.array([[cy, 0, -sy], [0, 1, 0], [sy, 0, cy]])
    around_x = np.array([[1, 0, 0], [0, cp, sp], [0, -sp, cp]])
    around_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return around_y @ around_x @ around_z


def head_pose_of(matrix: np.ndarray) -> np.ndarray:
    """Head pose of a rotation matrix; the inverse of :func:`rotation` for |pitch| < pi/2.

    Args:
        matrix: float (3, 3), a rotation.

    Returns:
        float64 (3,), [yaw, pitch, roll] in radians.
    """
    pitch, yaw = vector_to_gaze(matrix[:, 2])
    return np.array([yaw, pitch, np.arctan2(matrix[1, 0], matrix[1, 1])])
