"""Small MATLAB files with a camera in them, read with bounds.

MATLAB 5 files hold compressed parts, and a small file could unpack to more than the memory. A camera's has about five
kilobytes, so larger ones are refused before they are opened: 64 KiB cannot unpack to more than 64 MiB.
"""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import scipy.io

from data_prep.normalisation import Camera

LARGEST = 64 * 2**10  # bytes
_UNREADABLE = (scipy.io.matlab.MatReadError, zlib.error)


def read_camera(path: Path) -> Camera:
    """A camera from MPIIFaceGaze's ``Camera.mat``.

    Raises:
        ValueError: if the file is too large, no MATLAB file, or holds no camera.
        FileNotFoundError: if there is none.
    """
    if path.stat().st_size > LARGEST:
        raise ValueError(
            f"{path} has {path.stat().st_size:,} bytes; a camera needs about 5,000, and more than {LARGEST:,} are not "
            "opened. Unpack the original archive again."
        )
    try:
        found = scipy.io.loadmat(path, variable_names=["cameraMatrix", "distCoeffs"])
        matrix = np.asarray(found["cameraMatrix"], np.float64).reshape(3, 3)
        distortion = np.asarray(found["distCoeffs"], np.float64).reshape(5)
    except (*_UNREADABLE, ValueError, KeyError, TypeError, NotImplementedError, OSError, EOFError) as error:
        raise ValueError(
            f"{path} holds no camera (cameraMatrix 3 x 3, distCoeffs 1 x 5): {error}. Unpack the original archive "
            "again."
        ) from error
    if not (np.isfinite(matrix).all() and np.isfinite(distortion).all() and matrix[0, 0] > 0 and matrix[1, 1] > 0):
        raise ValueError(f"{path} holds an impossible camera: {matrix.tolist()}, {distortion.tolist()}")
    return Camera(matrix, distortion)
