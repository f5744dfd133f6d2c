"""MPIIFaceGaze (Zhang et al. 2017) in its three layouts.

* ``original``: ``p00/p00.txt``, ``p00/day01/0005.jpg``, ``p00/Calibration/Camera.mat``. Frames are normalised here.
* ``mat``: the authors' normalised ``p00.mat`` (HDF5), 448 x 448, labels [pitch, yaw] in radians.
* ``gazehub``: ``Label/p00.label`` and ``Image/p00/face/1.jpg``, 224 x 224, labels [yaw, pitch]. Their right-eye rows
  are mirrored and their angles scaled down (``scaled`` in :func:`data_prep.normalisation.normalised_gaze`); both are in
  the files for good.

Gaze leaves this module as [pitch, yaw] in radians, pitch > 0 up, yaw > 0 towards image left. Groups are participants.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np

from data_prep import matlab
from data_prep.contract import GAZE, Task
from data_prep.normalisation import Camera, Face, face_of, locate, normalised_gaze, normalised_image
from data_prep.raw import BrokenSample, Entry, Listing, Problem, Sample, inside, present, read_image, resized

_COLUMNS = 28  # of pXX.txt
_TURN, _SHIFT, _CENTRE, _TARGET, _MIRRORED = slice(12, 15), slice(15, 18), slice(18, 21), slice(21, 24), 24
_BLOCK = 50  # images read from an HDF5 file at once, 30 MB
_LARGEST_CHUNK = 256 * 2**20  # bytes that one compressed HDF5 chunk may unpack to
_PERSON = re.compile(r"p(\d\d)")


class _Layout(NamedTuple):
    """One of the three ways in which the data set comes."""

    name: str
    pattern: str  # of its annotation files
    entries: Callable[[Path, Path], Listing]
    sample: Callable[["MpiiFaceGaze", Path, Entry], Sample]


@dataclass(frozen=True)
class MpiiFaceGaze:
    """MPIIFaceGaze, in whichever layout the folder has.

    Attributes:
        size: side of the images in pixels, 224 or 448.
        pose: "annotated" (the authors' head pose) or "landmarks" (estimated anew from the six landmarks); original
            only.
        gazehub_scaling: scale the gaze as GazeHub's script does, which shrinks angles; original only.
        gazehub_mirroring: mirror the frames that were annotated for the right eye; original only.
    """

    size: int = 224
    pose: str = "annotated"
    gazehub_scaling: bool = False
    gazehub_mirroring: bool = False
    name: ClassVar[str] = "mpii_face_gaze"
    source: ClassVar[str] = "MPIIFaceGaze (Zhang et al. 2017)"
    task: ClassVar[Task] = GAZE

    def __post_init__(self) -> None:
        if self.pose not in ("annotated", "landmarks"):
            raise ValueError(f"pose is 'annotated' or 'landmarks', not {self.pose!r}")

    def entries(self, folder: Path) -> Listing:
        """See :meth:`data_prep.raw.RawData.entries`."""
        layout, home = _find(folder)
        if layout.name != "original" and (self.pose, self.gazehub_scaling, self.gazehub_mirroring) != (
            "annotated",
            False,
            False,
        ):
            raise ValueError(
                f"{home} has the layout {layout.name!r}, which is normalised already; pose, scaling and mirroring can "
                "be chosen for the original frames only"
            )
        return layout.entries(folder, home)

    def sample(self, folder: Path, entry: Entry) -> Sample:
        """See :meth:`data_prep.raw.RawData.sample`."""
        return _LAYOUTS[_layout_of(entry.source)].sample(self, folder, entry)


def _find(folder: Path) -> tuple[_Layout, Path]:
    """The layout of a folder, and where in it the data lies: there or in a folder directly below."""
    for home in (folder, *sorted(path for path in folder.iterdir() if path.is_dir())):
        for layout in _LAYOUTS.values():
            if any(home.glob(layout.pattern)):
                return layout, home
    raise ValueError(
        f"{folder} holds MPIIFaceGaze in none of its layouts: p00/p00.txt (original frames), p00.mat (normalised by "
        "the authors) or Label/p00.label (GazeHub). Name the folder that holds them."
    )


def _layout_of(source: str) -> str:
    if "#" in source:
        return "mat"
    return "gazehub" if "/face/" in f"/{source}" else "original"


def _person(path: Path) -> int:
    match = _PERSON.fullmatch(path.stem)
    if match is None:
        raise ValueError(f"{path} is not named after a participant, p00 to p14")
    return int(match.group(1))


# Original frames


def _original_entries(folder: Path, home: Path) -> Listing:
    entries, problems = [], []
    for annotation in sorted(home.glob("p[0-9][0-9]/p[0-9][0-9].txt")):
        matlab.read_camera(_camera_of(annotation.parent))  # refused now, not at its first frame
        for number, line in enumerate(annotation.read_text(encoding="utf-8").splitlines(), 1):
            if not line.strip():
                continue
            found = _original_entry(folder, annotation, line.split())
            if isinstance(found, str):
                problems.append(Problem(f"{annotation.relative_to(folder).as_posix()}:{number}", found))
            else:
                entries.append(found)
    return present(folder, entries, problems)


def _original_entry(folder: Path, annotation: Path, fields: list[str]) -> Entry | str:
    """The entry of a line, or what is wrong with it."""
    if len(fields) != _COLUMNS:
        return f"it has {len(fields)} columns, expected {_COLUMNS}"
    if not inside(fields[0]):
        return f"it names {fields[0]!r}, which lies outside the participant's folder"
    try:
        numbers = tuple(float(field) for field in fields[3:27])
    except ValueError as error:
        return f"it holds no numbers: {error}"
    if not np.isfinite(numbers).all():
        return "its annotation is not finite"
    source = (annotation.parent / fields[0]).relative_to(folder).as_posix()
    return Entry(source, _person(annotation), "", (*numbers, float(fields[27] == "right")))


def _original_sample(data: MpiiFaceGaze, folder: Path, entry: Entry) -> Sample:
    numbers = np.array(entry.label)
    day = (folder / entry.source).parent
    camera = _camera(_camera_of(day.parent))
    try:
        face = _face(data, numbers, camera)
    except ValueError as error:
        raise BrokenSample(str(error)) from error
    image = normalised_image(read_image(folder / entry.source), face, camera, data.size)
    gaze = normalised_gaze(face, numbers[_TARGET], scaled=data.gazehub_scaling)
    if data.gazehub_mirroring and numbers[_MIRRORED]:
        image, gaze = np.ascontiguousarray(image[:, ::-1]), gaze * [1, -1]
    return Sample(image, gaze.astype(np.float32))


def _face(data: MpiiFaceGaze, numbers: np.ndarray, camera: Camera) -> Face:
    if data.pose == "landmarks":
        return locate(numbers[:12].reshape(6, 2), camera)
    face = Face(face_of(numbers[_TURN], numbers[_SHIFT]).rotation, numbers[_CENTRE])
    if face.centre[2] <= 0:
        raise ValueError(f"the annotated centre of the face lies behind the camera: {face.centre.tolist()} mm")
    return face


def _camera_of(person: Path) -> Path:
    path = person / "Calibration" / "Camera.mat"
    if not path.is_file():
        raise ValueError(f"there is no {path}. The archive was not unpacked whole; unpack it again.")
    return path


_camera = lru_cache(maxsize=32)(matlab.read_camera)


# The authors' normalised files


def _mat_entries(folder: Path, home: Path) -> Listing:
    entries = []
    for path in sorted(home.glob("p[0-9][0-9].mat")):
        source, person = path.relative_to(folder).as_posix(), _person(path)
        labels = _read_mat(path, "label", None)[:, :2]
        entries += [Entry(f"{source}#{row}", person, "", (float(p), float(y))) for row, (p, y) in enumerate(labels)]
    return Listing(entries)


def _mat_sample(data: MpiiFaceGaze, folder: Path, entry: Entry) -> Sample:
    file, _, row = entry.source.rpartition("#")
    start = int(row) // _BLOCK * _BLOCK
    planes = _mat_block(folder / file, start)[int(row) - start]
    if planes.max() > 255 or planes.min() < 0:
        raise BrokenSample(f"pixels lie in [{planes.min()}, {planes.max()}], expected 0 to 255")
    image = np.ascontiguousarray(planes.transpose(1, 2, 0)[..., ::-1]).astype(np.uint8)  # B, G, R planes
    return Sample(resized(image, (data.size, data.size)), np.array(entry.label, np.float32))


@lru_cache(maxsize=1)  # rows are read one after the other
def _mat_block(path: Path, start: int) -> np.ndarray:
    return _read_mat(path, "data", slice(start, start + _BLOCK))


def _read_mat(path: Path, name: str, rows: slice | None) -> np.ndarray:
    """Rows of a data set of ``pXX.mat``: images (N, 3, H, W), labels (N, 16)."""
    import h5py  # here, because only this layout needs it

    try:
        with h5py.File(path, "r") as file:
            data, labels = file["Data/data"], file["Data/label"]
            if data.ndim != 4 or data.shape[1] != 3 or labels.shape != (len(data), 16) or data.dtype.hasobject:
                raise ValueError(f"Data/data is {data.shape} and Data/label {labels.shape}")
            for each in (data, labels):
                if each.chunks and np.prod(each.chunks, dtype=np.float64) * each.dtype.itemsize > _LARGEST_CHUNK:
                    raise ValueError(f"a chunk of {each.chunks} would unpack to more than {_LARGEST_CHUNK:,} bytes")
            return (data if name == "data" else labels)[rows if rows is not None else slice(None)]
    except (OSError, KeyError, ValueError, AttributeError) as error:
        raise ValueError(
            f"{path} is no participant of the normalised release (HDF5 with Data/data N x 3 x 448 x 448 and Data/label "
            f"N x 16): {error}. Unpack the original archive again."
        ) from error


# GazeHub


def _gazehub_entries(folder: Path, home: Path) -> Listing:
    entries, problems = [], []
    for path in sorted(home.glob("Label/p[0-9][0-9].label")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines()[1:], 2):
            if not line.strip():
                continue
            found = _gazehub_entry(folder, home, path, line.split())
            if isinstance(found, str):
                problems.append(Problem(f"{path.relative_to(folder).as_posix()}:{number}", found))
            else:
                entries.append(found)
    return present(folder, entries, problems)


def _gazehub_entry(folder: Path, home: Path, path: Path, fields: list[str]) -> Entry | str:
    """The entry of a line (face path first, 2DGaze eighth), or what is wrong with it."""
    if len(fields) < 8:
        return f"it has {len(fields)} columns, expected 12"
    name = fields[0].replace("\\", "/")
    if not inside(name):
        return f"it names {fields[0]!r}, which lies outside the folder"
    try:
        yaw, pitch = (float(part) for part in fields[7].split(","))
    except ValueError as error:
        return f"its column 2DGaze is no pair of numbers: {error}"
    if not np.isfinite([pitch, yaw]).all():
        return "its annotation is not finite"
    return Entry((home / "Image" / name).relative_to(folder).as_posix(), _person(path), "", (pitch, yaw))


def _gazehub_sample(data: MpiiFaceGaze, folder: Path, entry: Entry) -> Sample:
    image = read_image(folder / entry.source)
    return Sample(resized(image, (data.size, data.size)), np.array(entry.label, np.float32))


_LAYOUTS = {
    layout.name: layout
    for layout in (
        _Layout("original", "p[0-9][0-9]/p[0-9][0-9].txt", _original_entries, _original_sample),
        _Layout("mat", "p[0-9][0-9].mat", _mat_entries, _mat_sample),
        _Layout("gazehub", "Label/p[0-9][0-9].label", _gazehub_entries, _gazehub_sample),
    )
}
