"""Pandora (Borghi et al. 2017): heads of people in a mock-up car, original frames or POSEidon's cropped faces.

* ``original``: ``01/base_1_ID01/RGB/000145_RGB.png`` with ``data.json`` (or ``data.txt``). In data.json the Euler keys
  are named wrongly ("pitch" is the roll, "roll" the yaw, "yaw" the pitch), so angles are taken from the quaternion, as
  ``Ry(yaw) Rz(roll) Rx(pitch)``. Some sequences hold a dict of frames whose values are JSON in strings.
* ``poseidon``: ``001/frame_000145_face_rgb.png`` with ``angles.txt``; five folders per subject.

Angles keep the signs in which they are published: no image was at hand to check them on. Look at the contact sheet.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Optional

import numpy as np

from data_prep import poseidon
from data_prep.contract import HEAD_POSE, Task
from data_prep.crops import Square, cut
from data_prep.head_conventions import Angles, to_angles
from data_prep.raw import BrokenSample, Entry, Listing, Problem, Sample, read_image, resized

VAL_SUBJECTS, TEST_SUBJECTS = (8, 17, 20, 21), (9, 13, 15, 19)  # POSEidon's, counted from 0
PER_SUBJECT = 5  # folders of the cropped release: base_1, base_2, free_1, free_2, free_3

# Cropped release: folder -> frames (first, last) in which the crop misses the face.
BAD_CROPS: Mapping[int, tuple[tuple[int, int], ...]] = {
    48: ((140, 319), (764, 809)),
    49: ((0, 1420),),
    66: ((623, 674), (810, 822)),
    69: ((0, 1403),),
    70: ((1623, 1641), (1698, 1709), (2010, 2020)),
    80: ((710, 730), (932, 980)),
    96: ((396, 426), (1416, 1437), (1817, 1859), (1896, 1935)),
    97: ((39, 57), (113, 139), (173, 206), (809, 837), (1102, 1127)),
    98: ((112, 140), (319, 350), (386, 423), (512, 551), (687, 712), (836, 861), (1434, 1484), (1527, 1605)),
    100: (
        *((18, 44), (260, 315), (386, 424), (593, 602), (1006, 1042), (1096, 1121), (1287, 1371)),
        (1822, 1845),
    ),
}
_FOCAL = 1064.0  # pixels of Kinect 2's colour camera, 1920 wide with 84.1 degrees; it sets the size of crops only
_HEAD = 3  # of Kinect's joints, in their order
_METRES = 20.0  # a head's distance below this is in metres, above in millimetres
_SEQUENCE = re.compile(r"(?:base|free)_\d_ID(\d\d)")
_FRAME = re.compile(r"(\d{6})_RGB\.png")


@dataclass(frozen=True)
class Pandora:
    """Pandora, in whichever layout the folder has.

    Attributes:
        size: (H, W) of the images in pixels.
        crop: "head" (a square around the head joint) or "none" (the whole frame, stretched); cropped releases are taken
            as they are.
        head_mm: side of that square in space.
        bad_crops: "skip" leaves out the frames of the cropped release that miss the face, "keep" takes them.
    """

    size: tuple[int, int] = (100, 100)
    crop: str = "head"
    head_mm: float = 300.0
    bad_crops: str = "skip"
    name: ClassVar[str] = "pandora"
    source: ClassVar[str] = "Pandora (Borghi et al. 2017)"
    task: ClassVar[Task] = HEAD_POSE
    convention: ClassVar[str] = "pandora"

    def __post_init__(self) -> None:
        if self.crop not in ("head", "none") or self.bad_crops not in ("skip", "keep"):
            raise ValueError(
                f"crop is 'head' or 'none' and bad_crops 'skip' or 'keep', not {self.crop!r} and {self.bad_crops!r}"
            )

    def entries(self, folder: Path) -> Listing:
        """See :meth:`data_prep.raw.RawData.entries`."""
        cropped = sorted(path.parent for path in folder.glob("**/[0-9][0-9][0-9]/angles.txt"))
        frames = sorted(path for path in folder.glob("**/*_ID[0-9][0-9]") if _SEQUENCE.fullmatch(path.name))
        if not cropped and not frames:
            raise ValueError(
                f"{folder} holds no sequence of Pandora: folders like 01/base_1_ID01 (original), or 001 to 110 with "
                "angles.txt (cropped faces). Name the folder that holds them."
            )
        listings = [_cropped(folder, sequence, self.bad_crops == "skip") for sequence in cropped]
        listings += [_original(folder, sequence) for sequence in frames]
        entries, problems, excluded = (
            [item for listing in listings for item in getattr(listing, name)]
            for name in ("entries", "problems", "excluded")
        )
        return Listing(entries, problems, excluded)

    def sample(self, folder: Path, entry: Entry) -> Sample:
        """See :meth:`data_prep.raw.RawData.sample`."""
        image = read_image(folder / entry.source)
        column, row, distance = entry.label[3:]
        if self.crop == "head" and _FRAME.fullmatch(Path(entry.source).name):
            if not distance > 0:
                raise BrokenSample("its annotation does not say where the head is; take whole frames (--crop none)")
            image = cut(image, Square(column, row, _FOCAL * self.head_mm / distance))
        return Sample(resized(image, self.size), np.radians(entry.label[:3]).astype(np.float32))


def part(subject: int) -> str:
    """POSEidon's part of a subject, counted from 0."""
    return "val" if subject in VAL_SUBJECTS else "test" if subject in TEST_SUBJECTS else "train"


def angles_of(quaternion: np.ndarray) -> Angles:
    """Degrees of a quaternion (w, x, y, z): ``Ry(yaw) Rz(roll) Rx(pitch)``.

    Raises:
        ValueError: if its length is not one.
    """
    length = float(np.linalg.norm(quaternion))
    if not abs(length - 1) < 0.01:
        raise ValueError(f"the quaternion {np.asarray(quaternion).tolist()} has length {length:.3f}, expected 1")
    w, x, y, z = np.asarray(quaternion) / length
    matrix = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
    return to_angles(matrix, "pandora")


def _cropped(folder: Path, sequence: Path, skip: bool) -> Listing:
    number = int(sequence.name)
    subject = (number - 1) // PER_SUBJECT
    rows: dict[int, poseidon.Row | str] = poseidon.read_angles(sequence)
    found = poseidon.listing(
        folder, sequence, rows, lambda row: (subject + 1, part(subject), (*map(float, row.angles), 0.0, 0.0, 0.0))
    )
    bad = BAD_CROPS.get(number, ()) if skip else ()
    misses = [any(first <= _frame_of(entry) <= last for first, last in bad) for entry in found.entries]
    kept = [entry for entry, miss in zip(found.entries, misses) if not miss]
    out = [Problem(entry.source, "the crop misses the face") for entry, miss in zip(found.entries, misses) if miss]
    return Listing(kept, found.problems, out)


def _frame_of(entry: Entry) -> int:
    return int(Path(entry.source).name.split("_")[1])


def _original(folder: Path, sequence: Path) -> Listing:
    match = _SEQUENCE.fullmatch(sequence.name)
    subject = int(match.group(1)) if match else 0
    entries, problems = [], []
    try:
        frames = _annotations(sequence)
    except ValueError as error:
        return Listing([], [Problem(sequence.relative_to(folder).as_posix(), str(error))])
    images = {int(m.group(1)): path for path in (sequence / "RGB").glob("*") if (m := _FRAME.fullmatch(path.name))}
    for number in sorted(set(images) | set(frames)):
        path = images.get(number, sequence / "RGB" / f"{number:06d}_RGB.png")
        source, label = path.relative_to(folder).as_posix(), frames.get(number, "it has no annotation")
        if number not in images:
            problems.append(Problem(source, "there is no such file"))
        elif isinstance(label, str):
            problems.append(Problem(source, label))
        else:
            entries.append(Entry(source, subject, part(subject - 1), label))
    return Listing(entries, problems)


def _annotations(sequence: Path) -> dict[int, tuple[float, ...] | str]:
    """Frame number -> (yaw, pitch, roll in degrees, head column and row in px, distance in mm), or what is wrong.

    Raises:
        ValueError: if the sequence has no annotation that can be read.
    """
    if (sequence / "data.json").is_file():
        return _from_json(sequence / "data.json")
    if (sequence / "data.txt").is_file():
        return _from_text(sequence / "data.txt")
    raise ValueError("the sequence has neither data.json nor data.txt")


def _from_json(path: Path) -> dict[int, tuple[float, ...] | str]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"data.json is no JSON: {error}") from error
    if isinstance(value, list):  # the regular files: a list of records that carry their number
        records = [(record.get("frame_num") if isinstance(record, dict) else None, record) for record in value]
    elif isinstance(value, dict):  # the irregular ones: frame number -> a record, written as JSON once more
        records = list(value.items())
    else:
        raise ValueError(f"data.json holds a {type(value).__name__}, expected a list or a dict of frames")
    return {int(str(number)): _record(record) for number, record in records if str(number).isdigit()}


def _record(record: Any) -> tuple[float, ...] | str:
    try:
        record = json.loads(record) if isinstance(record, str) else record
        angles = angles_of(np.array(record["orientation"]["quaternion"], np.float64))
        return (*map(float, angles), *_head_joint(record))
    except (ValueError, KeyError, TypeError, IndexError) as error:
        return f"its annotation cannot be read: {error!r}"


def _head_joint(record: dict[str, Any]) -> tuple[float, float, float]:
    """Column and row of the head in the colour frame, and its distance in mm; the distance is 0 where it is unknown."""
    pixel, place = _joint(record.get("jointsRGB")), _joint(record.get("joints3D"))
    if pixel is None or place is None or not place[2] > 0:
        return 0.0, 0.0, 0.0
    return float(pixel[0]), float(pixel[1]), float(place[2] * (1000 if place[2] < _METRES else 1))


def _joint(joints: Any) -> Optional[list[float]]:
    if isinstance(joints, dict):
        return joints.get("Head")
    return joints[_HEAD] if isinstance(joints, list) and len(joints) > _HEAD else None


def _from_text(path: Path) -> dict[int, tuple[float, ...] | str]:
    """``data.txt``: frame, roll, pitch and yaw in degrees are the second to fifth column; it has no joints."""
    frames: dict[int, tuple[float, ...] | str] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        fields = line.split()
        if len(fields) >= 5 and fields[1].isdigit():
            try:
                roll, pitch, yaw = (float(field) for field in fields[2:5])
                frames[int(fields[1])] = (yaw, pitch, roll, 0.0, 0.0, 0.0)
            except ValueError as error:
                frames[int(fields[1])] = f"its line in data.txt holds no numbers: {error}"
    if not frames:
        raise ValueError("data.txt has no line of frame, roll, pitch and yaw")
    return frames
