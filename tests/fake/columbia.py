"""ColumbiaGaze: photographs with a synthetic head, which the face detector finds, and the original's stray files."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np

from data_prep.heads.builder import Heads, sample
from tests.fake.images import save, truncate

NAMES = ("0001/0001_2m_0P_0V_0H.jpg", "0001/0001_2m_-15P_10V_-5H.jpg", "0002/0002_2m_30P_-10V_15H.jpg")


def write(folder: Path) -> Path:
    """``Columbia Gaze Data Set`` with three photographs of two subjects. Returns it.

    The third cannot be read to its end. Beside them lie a portrait of another name, Thumbs.db and a table of eye
    corners.
    """
    home = folder / "Columbia Gaze Data Set"
    for name, head in zip(NAMES, _heads()):
        photograph = np.full((400, 600, 3), 90, np.uint8)
        photograph[100:300, 200:400] = head
        save(home / name, photograph)
    truncate(home / NAMES[2])
    save(home / "0001" / "portrait.jpg", np.full((20, 30, 3), 90, np.uint8))
    (home / "0001" / "Thumbs.db").write_bytes(b"x")
    (home / "eye_corners.csv").write_text("IMAGE,RIGHT_EYE_IN_X\n")
    return home


@lru_cache(maxsize=1)
def _heads() -> list[np.ndarray]:
    """Three heads that the detector finds, uint8 (200, 200, 3)."""
    return [sample(Heads(count=20, subjects=10, size=200), index)[0] for index in (7, 11, 17)]
