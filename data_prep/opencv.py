"""OpenCV, asked for only where a raw data set needs it: it is no part of the base install."""

from __future__ import annotations

from types import ModuleType


def opencv() -> ModuleType:
    """The module ``cv2``.

    Raises:
        RuntimeError: if it is not installed.
    """
    try:
        import cv2
    except ImportError as error:
        raise RuntimeError(
            f"this data set needs OpenCV, which is not installed ({error}): pip install 'drmguard-tf[datasets]'"
        ) from error
    return cv2
