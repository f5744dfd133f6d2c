"""POSEidon's cropped faces (Borghi et al. 2017), a layout in which Biwi and Pandora are published.

``NN/frame_00003_face_gray.png`` (or ``_RGB``, ``_rgb``, ``_depth``) with ``NN/angles.txt``: frame, ROLL, PITCH, YAW in
degrees, head centre in pixels (x, y) and in mm (X, Y, Z), separated by tabs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data_prep.head_conventions import Angles
from data_prep.raw import Entry, Listing, Problem

_IMAGE = re.compile(r"frame_(\d+)_face_(?:gray|rgb|RGB|depth)\.png")


class Row(NamedTuple):
    """A line of ``angles.txt``.

    Attributes:
        angles: degrees, named as the file names them.
        centre: float64 (3,), mm; zeros where the file has none.
    """

    angles: Angles
    centre: np.ndarray


def read_angles(sequence: Path) -> dict[int, Row | str]:
    """Frame number -> its line, or what is wrong with it.

    Raises:
        ValueError: if not one line can be read.
    """
    path = sequence / "angles.txt"
    rows: dict[int, Row | str] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        fields = line.split()
        if fields and fields[0].isdigit():
            rows[int(fields[0])] = _row(fields)
    if not any(isinstance(row, Row) for row in rows.values()):
        raise ValueError(f"{path} has no line of frame, roll, pitch and yaw. Unpack the original archive again.")
    return rows


def _row(fields: list[str]) -> Row | str:
    try:
        numbers = np.array(fields[1:], np.float64)
    except ValueError as error:
        return f"its line in angles.txt holds no numbers: {error}"
    if len(numbers) < 3 or not np.isfinite(numbers).all() or np.abs(numbers[:3]).max() > 180:
        return f"its line in angles.txt holds no three angles: {' '.join(fields)}"
    roll, pitch, yaw = numbers[:3]
    return Row(Angles(yaw, pitch, roll), numbers[5:8] if len(numbers) >= 8 else np.zeros(3))


def listing(
    folder: Path,
    sequence: Path,
    rows: Mapping[int, Row | str],
    entry: Callable[[Row], tuple[int, str, tuple[float, ...]]],
) -> Listing:
    """The images of a sequence with their lines.

    Args:
        folder: of the data set.
        sequence: a folder below it.
        rows: from :func:`read_angles`.
        entry: subject, part and label that a line gives.
    """
    entries, problems = [], []
    images = sorted(
        (int(match.group(1)), path) for path in sequence.iterdir() if (match := _IMAGE.fullmatch(path.name))
    )
    for frame, path in images:
        source, row = path.relative_to(folder).as_posix(), rows.get(frame, "it has no line in angles.txt")
        if isinstance(row, str):
            problems.append(Problem(source, row))
        else:
            entries.append(Entry(source, *entry(row)))
    name = (sequence / "angles.txt").relative_to(folder).as_posix()
    lost = sorted(set(rows) - {frame for frame, _ in images})
    problems += [Problem(f"{name}: frame {frame}", "there is no image of this frame") for frame in lost]
    return Listing(entries, problems)
