"""Biwi Kinect Head Pose (Fanelli et al. 2013), original frames or POSEidon's cropped faces.

* ``original``: ``01/frame_00003_rgb.png`` (or .jpg) with ``frame_00003_pose.txt`` (rotation, head centre in mm) or
  ``frame_00003_pose.bin`` (centre, pitch, yaw, roll in degrees), and ``rgb.cal``.
* ``poseidon``: ``11/frame_00003_face_gray.png`` (or ``_RGB``, ``_depth``) with ``angles.txt``: frame, roll, pitch, yaw.

24 sequences show 20 people: groups are people, so that a split by group never shows one person on both sides.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np

from data_prep import poseidon
from data_prep.contract import HEAD_POSE, Task
from data_prep.crops import Square, cut
from data_prep.head_conventions import Angles, to_angles, to_matrix
from data_prep.raw import BrokenSample, Entry, Listing, Problem, Sample, read_image, resized

SAME_PERSON = {15: 3, 18: 5, 21: 2, 22: 7}  # sequence -> the earlier sequence of the same person
TEST_SEQUENCES = (11, 12)  # POSEidon's
_FRAME = re.compile(r"frame_(\d{5})_rgb\.(?:png|jpg)")
CONVENTIONS = ("project", "biwi", "hopenet")  # see data_prep.head_conventions
_DISAGREE_DEG = 0.5
_SEQUENCE = re.compile(r"\d\d")


class _Rgb(NamedTuple):
    """The colour camera, from ``rgb.cal``: a point p of the depth camera (mm) is at ``rotation @ p + shift``."""

    matrix: np.ndarray
    rotation: np.ndarray
    shift: np.ndarray


@dataclass(frozen=True)
class Biwi:
    """Biwi, in whichever layout the folder has.

    Attributes:
        size: (H, W) of the images in pixels.
        crop: "head" (a square around the calibrated centre of the head) or "none" (the whole frame, stretched);
            cropped releases are taken as they are.
        head_mm: side of that square in space.
        convention: in which the angles are written, see :mod:`data_prep.head_conventions`.
    """

    size: tuple[int, int] = (224, 224)
    crop: str = "head"
    head_mm: float = 300.0
    convention: str = "project"
    name: ClassVar[str] = "biwi"
    source: ClassVar[str] = "Biwi Kinect Head Pose Database (Fanelli et al. 2013)"
    task: ClassVar[Task] = HEAD_POSE

    def __post_init__(self) -> None:
        if self.crop not in ("head", "none"):
            raise ValueError(f"crop is 'head' or 'none', not {self.crop!r}")
        if self.convention not in CONVENTIONS:
            raise ValueError(f"convention is one of {', '.join(CONVENTIONS)}, not {self.convention!r}")

    def entries(self, folder: Path) -> Listing:
        """See :meth:`data_prep.raw.RawData.entries`."""
        found = [(home, _sequences(home)) for home in (folder, *_folders(folder))]
        home, sequences = next(((home, some) for home, some in found if some), (folder, []))
        if not sequences:
            raise ValueError(
                f"{folder} holds no sequence of Biwi: folders 01 to 24 with frame_00003_rgb.png (original), or with "
                "angles.txt (POSEidon's cropped faces). Name the folder that holds them."
            )
        entries: list[Entry] = []
        problems: list[Problem] = []
        for sequence in sequences:
            listing = _cropped(folder, sequence) if (sequence / "angles.txt").is_file() else _original(folder, sequence)
            entries += listing.entries
            problems += listing.problems
            if self.crop == "head" and not (sequence / "angles.txt").is_file():
                _read_calibration(sequence / "rgb.cal")  # refused now, not at its first frame
        if not entries:
            raise ValueError(f"{home} holds {len(sequences)} sequences, but no frame with a pose ({problems[0].text})")
        return Listing(entries, problems)

    def sample(self, folder: Path, entry: Entry) -> Sample:
        """See :meth:`data_prep.raw.RawData.sample`."""
        image = read_image(folder / entry.source)
        if self.crop == "head" and _FRAME.fullmatch(Path(entry.source).name):
            camera = _calibration((folder / entry.source).parent / "rgb.cal")
            image = _head(image, np.array(entry.label[9:]), camera, self.head_mm)
        angles = to_angles(np.reshape(entry.label[:9], (3, 3)), self.convention)
        return Sample(resized(image, self.size), np.radians(angles).astype(np.float32))


def person(sequence: int) -> int:
    """Number of the person that a sequence shows."""
    return SAME_PERSON.get(sequence, sequence)


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir())


def _sequences(home: Path) -> list[Path]:
    named = [path for path in _folders(home) if _SEQUENCE.fullmatch(path.name)]
    return [path for path in named if (path / "angles.txt").is_file() or any(path.glob("frame_*_rgb.*"))]


def _part(sequence: Path) -> str:
    return "test" if int(sequence.name) in TEST_SEQUENCES else "train"


def _label(matrix: np.ndarray, centre: np.ndarray) -> tuple[float, ...]:
    return tuple(float(number) for number in (*matrix.ravel(), *centre))


def _cropped(folder: Path, sequence: Path) -> Listing:
    rows = poseidon.read_angles(sequence)
    subject, part = person(int(sequence.name)), _part(sequence)
    return poseidon.listing(
        folder, sequence, rows, lambda row: (subject, part, _label(_matrix(row.angles), row.centre))
    )


def _matrix(angles: Angles) -> np.ndarray:
    return to_matrix(angles, "biwi")


def _original(folder: Path, sequence: Path) -> Listing:
    entries, problems = [], []
    frames = list(_frames(sequence))
    for path, stem in frames:
        source = path.relative_to(folder).as_posix()
        try:
            matrix, centre = _pose(sequence, stem)
        except ValueError as error:
            problems.append(Problem(source, str(error)))
        else:
            entries.append(Entry(source, person(int(sequence.name)), _part(sequence), _label(matrix, centre)))
    stems = {stem for _, stem in frames}
    poses = sorted({path.stem for path in sequence.glob("frame_*_pose.*")} - stems)
    lost = [
        Problem((sequence / stem).relative_to(folder).as_posix(), "there is no image of this frame") for stem in poses
    ]
    return Listing(entries, [*problems, *lost])


def _frames(sequence: Path) -> Iterator[tuple[Path, str]]:
    for path in sorted(sequence.iterdir()):
        match = _FRAME.fullmatch(path.name)
        if match:
            yield path, f"frame_{match.group(1)}_pose"


def _pose(sequence: Path, stem: str) -> tuple[np.ndarray, np.ndarray]:
    """Rotation (3, 3) and head centre (3,) in mm of a frame, from pose.txt where there is one, else from pose.bin.

    Raises:
        ValueError: if there is neither, one is damaged, or they disagree.
    """
    text, binary = sequence / f"{stem}.txt", sequence / f"{stem}.bin"
    if not text.is_file() and not binary.is_file():
        raise ValueError("the frame has neither pose.txt nor pose.bin")
    from_text = _pose_txt(text) if text.is_file() else None
    from_binary = _pose_bin(binary) if binary.is_file() else None
    if from_text and from_binary:
        apart = np.degrees(np.arccos(np.clip((np.trace(from_text[0].T @ from_binary[0]) - 1) / 2, -1, 1)))
        if apart > _DISAGREE_DEG:
            raise ValueError(f"pose.txt and pose.bin disagree by {apart:.2f} degrees")
    return from_text or from_binary  # type: ignore[return-value]  # one of them is there


def _pose_txt(path: Path) -> tuple[np.ndarray, np.ndarray]:
    try:
        numbers = np.array(path.read_text(encoding="utf-8").split(), np.float64)
    except ValueError as error:
        raise ValueError(f"{path.name} holds no numbers: {error}") from error
    if numbers.shape != (12,) or not np.isfinite(numbers).all():
        raise ValueError(f"{path.name} holds {numbers.size} numbers, expected a 3 x 3 rotation and 3 coordinates")
    matrix = numbers[:9].reshape(3, 3)
    if np.abs(matrix @ matrix.T - np.eye(3)).max() > 1e-3 or np.linalg.det(matrix) < 0:
        raise ValueError(f"{path.name} holds no rotation: {matrix.tolist()}")
    return matrix, numbers[9:]


def _pose_bin(path: Path) -> tuple[np.ndarray, np.ndarray]:
    raw = path.read_bytes()
    if len(raw) != 24:
        raise ValueError(f"{path.name} has {len(raw)} bytes, expected 6 float32")
    numbers = np.frombuffer(raw, "<f4").astype(np.float64)
    if not np.isfinite(numbers).all():
        raise ValueError(f"{path.name} holds numbers that are not finite")
    pitch, yaw, roll = numbers[3:]
    return _matrix(Angles(yaw, pitch, roll)), numbers[:3]


def _read_calibration(path: Path) -> _Rgb:
    """``rgb.cal``: intrinsics in lines 1 to 3, rotation in lines 7 to 9, translation (mm) in line 11."""
    if not path.is_file():
        raise ValueError(
            f"there is no {path}, which says where the head is in the frame. Unpack the archive again, or take "
            "whole frames: --crop none."
        )
    lines = path.read_text(encoding="utf-8").splitlines()
    try:
        rows = [np.array(lines[number - 1].split(), np.float64) for number in (1, 2, 3, 7, 8, 9, 11)]
        matrix, rotation, shift = np.stack(rows[:3]), np.stack(rows[3:6]), rows[6]
        if matrix.shape != (3, 3) or rotation.shape != (3, 3) or shift.shape != (3,):
            raise ValueError(f"shapes {matrix.shape}, {rotation.shape}, {shift.shape}")
    except (IndexError, ValueError) as error:
        raise ValueError(f"{path} is no calibration of Biwi: {error}. Unpack the archive again.") from error
    return _Rgb(matrix, rotation, shift)


_calibration = lru_cache(maxsize=32)(_read_calibration)


def _head(image: np.ndarray, centre: np.ndarray, camera: _Rgb, side_mm: float) -> np.ndarray:
    """The square of ``side_mm`` around the head, black where the frame ends.

    Args:
        image: uint8 (H, W, 3).
        centre: float64 (3,), mm in the depth camera's frame.
        camera: that took the image.
        side_mm: in space, at the head's distance.
    """
    x, y, z = camera.rotation @ centre + camera.shift
    if z <= 0:
        raise BrokenSample(f"the centre of the head lies behind the camera: {centre.tolist()} mm")
    column, row, _ = camera.matrix @ [x / z, y / z, 1]
    return cut(image, Square(column, row, camera.matrix[0, 0] * side_mm / z))
