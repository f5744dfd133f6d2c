"""ColumbiaGaze (Smith et al. 2013): labels from file names.

Names read ``<subject>_<metres>m_<P>P_<V>V_<H>H.jpg``: P is the horizontal head pose, V and H are the vertical and the
horizontal gaze against the camera axis, in degrees. V > 0 looks up; H > 0 looks to image right, so yaw = -H in this
project's signs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from PIL import Image

from data_prep.contract import GAZE, Task
from data_prep.crops import Square, cut, find_face
from data_prep.raw import BrokenSample, Entry, Listing, Problem, Sample, read_image, resized

_NAME = re.compile(r"(\d{4})_\d+m_(-?\d+)P_(-?\d+)V_(-?\d+)H\.jpg")


_PER_SUBJECT = 105  # 5 head poses x 3 vertical x 7 horizontal gazes
_MARGIN = 1.2  # side of the crop, in sides of the detector's box; whole faces, little hair
_ENOUGH = 1500  # pixels of the longer side that are decoded for faces; originals have 5184


@dataclass(frozen=True)
class ColumbiaGaze:
    """ColumbiaGaze: the original photographs, or images that are cropped already.

    Attributes:
        size: (H, W) of the images in pixels.
        crop: "none" (the image, stretched: eye strips, cropped faces) or "face" (found by a detector).
    """

    size: tuple[int, int] = (64, 128)
    crop: str = "none"
    name: ClassVar[str] = "columbia_gaze"
    source: ClassVar[str] = "ColumbiaGaze (Smith et al. 2013)"
    task: ClassVar[Task] = GAZE

    def __post_init__(self) -> None:
        if self.crop not in ("none", "face"):
            raise ValueError(f"crop is 'none' or 'face', not {self.crop!r}")

    def entries(self, folder: Path) -> Listing:
        """See :meth:`data_prep.raw.RawData.entries`; files with other names are excluded."""
        found = sorted(
            (path.relative_to(folder).as_posix(), label(path.name)) for path in folder.rglob("*.[jJ][pP]*[gG]")
        )
        entries = [Entry(source, known[0], "", tuple(map(float, known[1:]))) for source, known in found if known]
        if not entries:
            raise ValueError(
                f"no ColumbiaGaze image below {folder}: names should read like 0001_2m_-15P_10V_-5H.jpg. "
                "Name the folder that holds the subjects' folders."
            )
        stray = [Problem(source, "its name is none of the data set") for source, known in found if known is None]
        return Listing(entries, _missing(entries), stray)

    def sample(self, folder: Path, entry: Entry) -> Sample:
        """See :meth:`data_prep.raw.RawData.sample`."""
        _, vertical, horizontal = entry.label
        path = folder / entry.source
        image = read_image(path) if self.crop == "none" else _face(path)
        return Sample(resized(image, self.size), np.radians([vertical, 0.0 - horizontal]).astype(np.float32))


def label(name: str) -> tuple[int, int, int, int] | None:
    """(subject, head pose P, vertical V, horizontal H) of a file name, degrees; None for other files."""
    match = _NAME.fullmatch(name)
    return None if match is None else tuple(int(group) for group in match.groups())  # type: ignore[return-value]


def _missing(entries: list[Entry]) -> list[Problem]:
    """Subjects that have fewer images than the data set gives each."""
    counts = {subject: 0 for subject in sorted({entry.subject for entry in entries})}
    for entry in entries:
        counts[entry.subject] += 1
    return [
        Problem(f"subject {subject:04d}", f"it has {count} of {_PER_SUBJECT} images")
        for subject, count in counts.items()
        if count < _PER_SUBJECT
    ]


def _face(path: Path) -> np.ndarray:
    """The face of a photograph; large ones are decoded at half or a quarter of their size, which is enough."""
    try:
        with Image.open(path) as image:
            image.draft("RGB", (_ENOUGH, _ENOUGH * image.height // image.width))
            photograph = np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError, ValueError) as error:
        raise BrokenSample(f"it is no readable image: {error}") from error
    face = find_face(photograph)
    return cut(photograph, Square(face.column, face.row, face.side * _MARGIN))
