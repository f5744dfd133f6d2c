"""Squares cut out of frames: around a known place, or around a face that is found first."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from data_prep.opencv import opencv
from data_prep.raw import BrokenSample

_SEARCHED = 640  # longer side of the image in which faces are searched, pixels
_SMALLEST = 0.08  # of that image's shorter side


class Square(NamedTuple):
    """A square in an image, in pixels: its centre and its side."""

    column: float
    row: float
    side: float


def cut(image: np.ndarray, square: Square) -> np.ndarray:
    """The pixels of a square, black where the image ends.

    Args:
        image: uint8 (H, W, 3).
        square: its side is rounded to an even number of pixels.

    Returns:
        uint8 (side, side, 3).

    Raises:
        BrokenSample: if the square lies outside the image altogether, or is larger than ten images.
    """
    half = max(1, round(square.side / 2))
    if half > 5 * max(image.shape[:2]):
        raise BrokenSample(
            f"a square of {2 * half} pixels is no crop of an image of {image.shape[1]} x {image.shape[0]}"
        )
    left, top = round(square.column) - half, round(square.row) - half
    part = image[max(top, 0) : max(top + 2 * half, 0), max(left, 0) : max(left + 2 * half, 0)]
    if not part.size:
        raise BrokenSample(f"the crop lies outside the image, around column {square.column:.0f}, row {square.row:.0f}")
    whole = np.zeros((2 * half, 2 * half, 3), np.uint8)
    whole[max(-top, 0) :, max(-left, 0) :][: part.shape[0], : part.shape[1]] = part
    return whole


def find_face(image: np.ndarray) -> Square:
    """The largest face, by OpenCV's cascades, which are part of its package: frontal, then either profile.

    Args:
        image: uint8 (H, W, 3), RGB.

    Returns:
        The detector's box, in pixels of ``image``.

    Raises:
        BrokenSample: if there is no face.
    """
    cv2 = opencv()
    shrink = max(1.0, max(image.shape[:2]) / _SEARCHED)
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, None, fx=1 / shrink, fy=1 / shrink, interpolation=cv2.INTER_AREA)
    for name, mirrored in (("frontalface_default", False), ("profileface", False), ("profileface", True)):
        view = small[:, ::-1] if mirrored else small
        side = round(_SMALLEST * min(small.shape))
        boxes = _cascade(name).detectMultiScale(np.ascontiguousarray(view), 1.1, 5, minSize=(side, side))
        if len(boxes):
            left, top, width, height = max(boxes, key=lambda box: (box[2] * box[3], *box))
            left = small.shape[1] - left - width if mirrored else left
            return Square((left + width / 2) * shrink, (top + height / 2) * shrink, max(width, height) * shrink)
    raise BrokenSample("no face was found in it")


@lru_cache(maxsize=None)
def _cascade(name: str) -> Any:
    cv2 = opencv()
    path = Path(cv2.data.haarcascades) / f"haarcascade_{name}.xml"
    found = cv2.CascadeClassifier(str(path))
    if found.empty():
        raise RuntimeError(f"OpenCV's package lacks its face detector {path}; install opencv-python-headless anew")
    return found
