"""The angles in which head poses are published, converted exactly through the rotation that they name.

A rotation ``matrix`` here is Biwi's: from the head's frame to the camera's, both x right, y down, z away from the
camera, for a face that looks into the camera. Angles are degrees, because the published ones are.

* ``biwi``: pose.bin, POSEidon, headposeplus' "pyr" up to signs: ``Rz(roll) Ry(yaw) Rx(pitch)``; pitch < 0 looks up.
* ``hopenet``: Hopenet, FSA-Net, WHENet: the factors of the transposed matrix, yaw and roll negated; pitch > 0 looks up.
* ``pandora``: Pandora, ``Ry(yaw) Rz(roll) Rx(pitch)``; its axes are taken to be Biwi's, which no image has confirmed.
* ``project``: :mod:`data_prep.geometry`.

Near the frontal pose they differ in signs only; far from it no sign turns one into another.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from data_prep.geometry import head_pose_of, rotation

CONVENTIONS = ("project", "biwi", "hopenet", "pandora")
TO_OURS = np.diag([1.0, -1.0, -1.0])  # y and z of the two frames point in opposite directions


class Angles(NamedTuple):
    """A head pose in degrees, in one of the conventions."""

    yaw: float
    pitch: float
    roll: float


def to_angles(matrix: np.ndarray, convention: str) -> Angles:
    """The angles of a rotation.

    Args:
        matrix: float64 (3, 3).
        convention: one of :data:`CONVENTIONS`.

    Returns:
        Degrees; pitch and roll in (-180, 180], yaw in [-90, 90] ("project": the other way round for pitch and yaw).
    """
    if convention == "project":
        return Angles(*np.degrees(head_pose_of(TO_OURS @ matrix @ TO_OURS)))
    if convention == "biwi":
        return Angles(*_factors(matrix))
    if convention == "hopenet":
        yaw, pitch, roll = _factors(matrix.T)
        return Angles(-yaw, pitch, -roll)
    if convention == "pandora":
        yaw, roll, pitch = (
            np.arctan2(-matrix[2, 0], matrix[0, 0]),
            matrix[1, 0],
            np.arctan2(-matrix[1, 2], matrix[1, 1]),
        )
        return Angles(*np.degrees([yaw, pitch, np.arcsin(np.clip(roll, -1, 1))]))
    raise ValueError(f"there is no convention {convention!r}; there are {', '.join(CONVENTIONS)}")


def to_matrix(angles: Angles, convention: str) -> np.ndarray:
    """The rotation that angles name; the inverse of :func:`to_angles`.

    Args:
        angles: degrees.
        convention: one of :data:`CONVENTIONS`.

    Returns:
        float64 (3, 3).
    """
    if convention == "project":
        return TO_OURS @ rotation(*np.radians(angles)) @ TO_OURS
    if convention == "biwi":
        return _product(*np.radians(angles))
    if convention == "hopenet":
        yaw, pitch, roll = np.radians(angles)
        return _product(-yaw, pitch, -roll).T
    if convention == "pandora":
        yaw, pitch, roll = np.radians(angles)
        return _product(yaw, 0, 0) @ _product(0, 0, roll) @ _product(0, pitch, 0)
    raise ValueError(f"there is no convention {convention!r}; there are {', '.join(CONVENTIONS)}")


def _product(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """``Rz(roll) Ry(yaw) Rx(pitch)``, right-handed rotations."""
    cy, sy, cp, sp, cr, sr = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch), np.cos(roll), np.sin(roll)
    around_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    around_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    around_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    return around_z @ around_y @ around_x


def _factors(matrix: np.ndarray) -> np.ndarray:
    """(yaw, pitch, roll) in degrees of :func:`_product`."""
    yaw = np.arctan2(-matrix[2, 0], np.hypot(matrix[2, 1], matrix[2, 2]))
    pitch = np.arctan2(matrix[2, 1], matrix[2, 2])
    roll = np.arctan2(matrix[1, 0], matrix[0, 0])
    return np.degrees([yaw, pitch, roll])
