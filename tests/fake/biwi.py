"""Biwi: original frames and POSEidon's cropped faces.

Irregular in ``original``: 01/frame_00003 has no pose.bin, which is a gap of the original; 03 is the person of 15; 02
has a frame whose PNG was cut short and one whose pose.txt is no rotation.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.fake.images import noise, save, truncate

# 01/00501 of the data set: the rotation of pose.txt and the angles of pose.bin (pitch, yaw, roll).
MATRIX = np.array([[0.45684, -0.404949, -0.792031], [-0.103806, 0.860022, -0.499587], [0.883471, 0.310449, 0.350856]])
CENTRE = np.array([156.6, 94.6106, 893.541])
PITCH_YAW_ROLL = np.array([41.503, -62.064, -12.802])
_CALIBRATION = """517.679 0 320
0 517.679 240.5
0 0 1

0 0 0 0 0

1 0 0
0 1 0
0 0 1

-24.02 5.89 -13.23

640 480
"""


def write_original(folder: Path) -> Path:
    """``hpdb`` with the sequences 01, 02, 03 and 15. Returns it."""
    home = folder / "hpdb"
    for sequence, frames in {"01": (3, 501), "02": (4, 5, 6), "03": (7,), "15": (8,)}.items():
        for frame in frames:
            stem = home / sequence / f"frame_{frame:05d}"
            save(stem.with_name(f"{stem.name}_rgb.png"), noise(480, 640, frame))
            write_pose(stem, binary=(sequence, frame) != ("01", 3))
        (home / sequence / "rgb.cal").write_text(_CALIBRATION)
        (home / f"{sequence}.obj").write_text("# mesh\n")
    truncate(home / "02" / "frame_00004_rgb.png")
    (home / "02" / "frame_00005_pose.txt").write_text("1 0 0\n0 1 0\n0 0 2\n\n0 0 900\n")
    return home


def write_pose(stem: Path, *, binary: bool) -> None:
    """``_pose.txt`` and, if asked for, ``_pose.bin`` of a frame."""
    rows = "\n".join(" ".join(str(number) for number in row) for row in MATRIX)
    stem.with_name(f"{stem.name}_pose.txt").write_text(f"{rows}\n\n{' '.join(map(str, CENTRE))}\n")
    if binary:
        stem.with_name(f"{stem.name}_pose.bin").write_bytes(np.float32([*CENTRE, *PITCH_YAW_ROLL]).tobytes())


def write_poseidon(folder: Path, sequences: tuple[str, ...] = ("11", "13"), suffix: str = "gray") -> Path:
    """``face_dataset_ae`` with two frames per sequence, and a line of angles without an image. Returns it."""
    home = folder / "face_dataset_ae"
    for sequence in sequences:
        lines = []
        for frame in (3, 4, 9):
            lines.append("\t".join([f"{frame:05d}", "-2.5", "-10.5", "1.5", "364", "212", "91", "-67", "900"]))
            if frame != 9:
                save(home / sequence / f"frame_{frame:05d}_face_{suffix}.png", noise(64, 64, frame))
        (home / sequence / "angles.txt").write_text("\n".join(lines) + "\n")
    return home
