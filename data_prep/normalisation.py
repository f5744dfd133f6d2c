"""Normalisation of faces for gaze (Zhang, Sugano, Bulling 2018): a virtual camera that looks straight at the face.

Camera frame here: x right, y down, z from the camera to the scene, millimetres. The virtual camera stands 600 mm from
the centre of the face and is turned so that the face's own x axis lies level; a face of any place and any tilt looks
alike then. Angles leave this module in the frame of :mod:`data_prep.geometry`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from data_prep.geometry import vector_to_gaze
from data_prep.opencv import opencv

FOCAL = 960.0  # pixels, at 224 pixels; twice as many pixels, twice the focal length
DISTANCE = 600.0  # mm
_FOCAL_SIZE = 224

# The mean face of the authors' code: outer and inner corner of the right eye, inner and outer corner of the left eye,
# corners of the mouth (right, left), in mm around their centre; right is the subject's, so image left.
FACE_MODEL = np.array(
    [
        [-45.096768, -0.483773, 2.397030],
        [-21.312858, 0.483773, -2.397030],
        [21.312858, 0.483773, -2.397030],
        [45.096768, -0.483773, 2.397030],
        [-26.299577, 68.595035, 0.0],
        [26.299577, 68.595035, 0.0],
    ]
)


class Camera(NamedTuple):
    """A calibrated camera.

    Attributes:
        matrix: float64 (3, 3), pixels.
        distortion: float64 (5,), OpenCV's k1, k2, p1, p2, k3.
    """

    matrix: np.ndarray
    distortion: np.ndarray


class Face(NamedTuple):
    """Where a face is.

    Attributes:
        rotation: float64 (3, 3), from the frame of the face model to the camera's.
        centre: float64 (3,), mm, mean of the six landmarks in space.
    """

    rotation: np.ndarray
    centre: np.ndarray


def locate(landmarks: np.ndarray, camera: Camera) -> Face:
    """The pose of the face model that fits six landmarks: EPnP, refined by least squares.

    Args:
        landmarks: float64 (6, 2), pixels, in the order of :data:`FACE_MODEL`.
        camera: that took the image.

    Raises:
        ValueError: if no pose fits.
    """
    cv2 = opencv()
    points = np.ascontiguousarray(landmarks, np.float64).reshape(-1, 1, 2)
    arguments = (FACE_MODEL, points, camera.matrix, camera.distortion)
    found, turn, shift = cv2.solvePnP(*arguments, flags=cv2.SOLVEPNP_EPNP)
    if found:
        found, turn, shift = cv2.solvePnP(*arguments, turn, shift, True)
    if not found or not np.isfinite([turn, shift]).all():
        raise ValueError(f"no pose of the face model fits the landmarks {landmarks.tolist()}")
    return face_of(turn.ravel(), shift.ravel())


def face_of(turn: np.ndarray, shift: np.ndarray) -> Face:
    """A face from its rotation vector (Rodrigues) and its translation in mm, both float64 (3,)."""
    rotation = opencv().Rodrigues(np.asarray(turn, np.float64))[0]
    return Face(rotation, (FACE_MODEL @ rotation.T + shift).mean(axis=0))


def virtual_rotation(face: Face) -> np.ndarray:
    """The rotation into the virtual camera's frame, float64 (3, 3).

    Its z axis goes through the centre of the face; its x axis is level with the face's.
    """
    z = face.centre / np.linalg.norm(face.centre)
    y = np.cross(z, face.rotation[:, 0])
    y /= np.linalg.norm(y)
    return np.stack([np.cross(y, z), y, z])


def normalised_image(image: np.ndarray, face: Face, camera: Camera, size: int) -> np.ndarray:
    """The face as the virtual camera sees it.

    Undistortion and warp are one map, so every pixel is interpolated once (bilinear) and only pixels of the result are
    computed.

    Args:
        image: uint8 (H, W, 3), from ``camera``; a camera without distortion leaves it as it is.
        face: where the face is.
        camera: that took the image.
        size: side of the result in pixels.

    Returns:
        uint8 (size, size, 3); black where the image ends.
    """
    cv2 = opencv()
    focal = FOCAL * size / _FOCAL_SIZE
    virtual = np.array([[focal, 0, size / 2], [0, focal, size / 2], [0, 0, 1]])
    turn = np.diag([1, 1, _scale(face)]) @ virtual_rotation(face)
    maps = cv2.initUndistortRectifyMap(camera.matrix, camera.distortion, turn, virtual, (size, size), cv2.CV_32FC1)
    return cv2.remap(image, *maps, cv2.INTER_LINEAR)


def normalised_gaze(face: Face, target: np.ndarray, *, scaled: bool = False) -> np.ndarray:
    """Gaze as the virtual camera sees it.

    Args:
        face: where the face is.
        target: float64 (3,), the point looked at, mm in the real camera's frame.
        scaled: also apply the scaling of the image to the gaze, as GazeHub's script for MPIIFaceGaze does. That shrinks
            angles (0.278 becomes 0.202 rad) and is no rotation; for comparison with labels made that way only.

    Returns:
        float64 (2,), [pitch, yaw] in radians.
    """
    x, y, z = virtual_rotation(face) @ (target - face.centre)
    return vector_to_gaze(np.array([x, -y, -z * (_scale(face) if scaled else 1.0)]))


def _scale(face: Face) -> float:
    return float(DISTANCE / np.linalg.norm(face.centre))
