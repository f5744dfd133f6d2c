"""Pandora: original frames and the cropped release.

Irregular: ID 02's data.json is a dict whose values are JSON in strings; ID 03's is cut short; ID 04 has data.txt
instead; the Euler keys are named wrongly everywhere, as in the data set.
"""

from __future__ import annotations

import json
from pathlib import Path

from tests.fake.images import noise, save

# base_1_ID01, frame 145, as published: the key "pitch" is the roll, "roll" the yaw, "yaw" the pitch.
QUATERNION = [0.9401, -0.0713, -0.3322, -0.0236]
EULER = {"pitch": 0.169, "roll": -38.902, "yaw": -8.611}


def write_original(folder: Path) -> Path:
    """``Pandora`` with one sequence for each of four subjects. Returns it."""
    home = folder / "Pandora"
    for subject in range(1, 5):
        sequence = home / f"{subject:02d}" / f"base_1_ID{subject:02d}"
        for frame in (145, 146):
            save(sequence / "RGB" / f"{frame:06d}_RGB.png", noise(108, 192, frame))
        (sequence / "DEPTH").mkdir()
        records = [_record(frame) for frame in (145, 146)]
        if subject == 2:
            (sequence / "data.json").write_text(json.dumps({str(r["frame_num"]): json.dumps(r) for r in records}))
        elif subject == 3:
            (sequence / "data.json").write_text(json.dumps(records)[:-40])
        elif subject == 4:
            (sequence / "data.txt").write_text("x 145 0.5 -8 -30\nx 146 0.6 -9 -31\n")
        else:
            (sequence / "data.json").write_text(json.dumps(records))
    return home


def write_cropped(folder: Path) -> Path:
    """``face_dataset_RGB`` with the folders 048 (frames of bad crops) and 042. Returns it."""
    home = folder / "face_dataset_RGB"
    for sequence in ("042", "048"):
        lines = []
        for frame in (139, 140, 200):
            save(home / sequence / f"frame_{frame:06d}_face_rgb.png", noise(90 + frame % 7, 95, frame))
            lines.append(f"{frame:06d}\t1.5\t-8.5\t20.5")
        (home / sequence / "angles.txt").write_text("\n".join(lines) + "\n")
    return home


def _record(frame: int) -> dict[str, object]:
    joints = [[96.0, 54.0]] * 17
    places = [[0.0, 0.1, 1.2]] * 17
    orientation = {"euler": EULER, "quaternion": QUATERNION}
    return {
        "frame_num": frame,
        "orientation": orientation,
        "jointsRGB": joints,
        "joints3D": places,
        "joints_vis": [1] * 17,
    }
