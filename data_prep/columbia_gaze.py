"""ColumbiaGaze (Smith et al. 2013): labels from file names.

Names read ``<subject>_<metres>m_<P>P_<V>V_<H>H.jpg``: P is the horizontal head pose, V and H are the vertical and the
horizontal gaze against the camera axis, in degrees. V > 0 looks up; H > 0 looks to image right, so yaw = -H in this
project's signs.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from data_prep.contract import Split

_NAME = re.compile(r"(\d{4})_\d+m_(-?\d+)P_(-?\d+)V_(-?\d+)H\.jpg")


def read(folder: Path, *, size: tuple[int, int], progress: Callable[[int], None] = lambda done: None) -> Split:
    """All images below a folder, resized whole; for eye strips and faces that are cropped already.

    Args:
        folder: with ``<subject>/<name>.jpg`` somewhere below; files with other names are not part of the data set.
        size: (H, W) of the result.
        progress: called with the number of images read.

    Returns:
        Gaze [pitch, yaw] in radians, groups = subject numbers.

    Raises:
        ValueError: if no file name matches, or an image cannot be read.
    """
    found = sorted((match, path) for path in folder.rglob("*.jpg") if (match := label(path.name)) is not None)
    if not found:
        raise ValueError(
            f"no ColumbiaGaze image below {folder}: names should read like 0001_2m_-15P_10V_-5H.jpg. "
            "Name the folder that holds the subjects' folders."
        )
    images = np.empty((len(found), *size, 3), np.uint8)
    for index, (_, path) in enumerate(found):
        images[index] = _resized(path, size)
        progress(index + 1)
    labels = [found_label for found_label, _ in found]
    targets = np.radians([[vertical, -horizontal] for _, _, vertical, horizontal in labels]).astype(np.float32)
    return Split(images, targets, np.array([subject for subject, *_ in labels]))


def label(name: str) -> tuple[int, int, int, int] | None:
    """(subject, head pose P, vertical V, horizontal H) of a file name, degrees; None for other files."""
    match = _NAME.fullmatch(name)
    return None if match is None else tuple(int(group) for group in match.groups())  # type: ignore[return-value]


def _resized(path: Path, size: tuple[int, int]) -> np.ndarray:
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB").resize(size[::-1], Image.Resampling.BOX))
    except OSError as error:
        raise ValueError(f"{path} is no readable image: {error}. Unpack the archive again.") from error
