"""A folder of images with a table of labels: anybody's own data, any size.

Layout: ``DIR/labels.csv`` with a column ``image`` (path below DIR), one column per output that carries its unit
(``pitch_rad, yaw_rad`` or ``pitch_deg, yaw_deg``; head pose ``yaw_*, pitch_*, roll_*``), and optionally ``subject``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, UnidentifiedImageError

from data_prep.contract import TASKS, DatasetSpec, Split, Task

TABLE = "labels.csv"
_UNITS = {"rad": 1.0, "deg": np.pi / 180}


def read(folder: Path, *, size: tuple[int, int] | None = None) -> tuple[DatasetSpec, Split]:
    """Read an image table whole; nothing is skipped.

    Args:
        folder: with ``labels.csv`` in it.
        size: (H, W) that images must have; None takes the first image's.

    Returns:
        What the table holds, and its samples: targets in radians, groups = subjects where the table names them.

    Raises:
        ValueError: on an empty or malformed table, a label that is missing, not finite or out of range, a missing or
            broken image, or an image of another size. The message names the row.
        FileNotFoundError: if there is no table.
    """
    table = _load_table(folder)
    task, unit = _declared(folder, table.columns)
    targets = _targets(folder, table, task, unit)
    first = _open(folder, str(table["image"].iloc[0]), 0)
    shape = (*(size or first.shape[:2]), 3)
    images = np.empty((len(table), *shape), np.uint8)
    for row, name in enumerate(table["image"].astype(str)):
        image = _open(folder, name, row)
        if image.shape != shape:
            raise ValueError(
                f"{folder / name} (row {row + 2} of {TABLE}) is {image.shape[1]} x {image.shape[0]} pixels, width x "
                f"height, expected {shape[1]} x {shape[0]}. Resize the images to one size, that of the model's input."
            )
        images[row] = image
    groups = pd.factorize(table["subject"])[0].astype(np.int64) if "subject" in table else np.arange(len(table))
    return DatasetSpec(folder.name, task, shape, f"image table {folder.name}"), Split(images, targets, groups)


def task_of(folder: Path) -> Task:
    """The task that a table's columns declare; the images are not read."""
    return _declared(folder, _load_table(folder).columns)[0]


def write(folder: Path, task: Task, data: Split) -> None:
    """Write samples as an image table: PNG files and labels in radians.

    Args:
        folder: exists and is empty.
        task: names the label columns.
        data: what to write.
    """
    names = [f"{index:06d}.png" for index in range(len(data))]
    for name, image in zip(names, data.images):
        Image.fromarray(image).save(folder / name)
    columns = {f"{output}_rad": data.targets[:, k] for k, output in enumerate(task.outputs)}
    pd.DataFrame({"image": names, **columns, "subject": data.groups}).to_csv(folder / TABLE, index=False)


def _load_table(folder: Path) -> pd.DataFrame:
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}. Name a folder that holds images and {TABLE}.")
    path = folder / TABLE
    if not path.is_file():
        raise FileNotFoundError(
            f"{folder} holds no {TABLE}. An image table needs one with the columns image, pitch_rad, yaw_rad "
            "(or *_deg; head pose: yaw_*, pitch_*, roll_*)."
        )
    try:
        table = pd.read_csv(path)
    except (pd.errors.EmptyDataError, pd.errors.ParserError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is no readable CSV file: {error}. Its first line must name the columns.") from error
    if table.empty or "image" not in table:
        raise ValueError(
            f"{path} must have a column 'image' and at least one row; it has {list(table.columns)}, {len(table)} rows"
        )
    return table


def _declared(folder: Path, columns: Sequence[str]) -> tuple[Task, str]:
    """Task and unit that the column names declare."""
    for task in sorted(TASKS.values(), key=lambda task: -task.size):
        for unit in _UNITS:
            if all(f"{output}_{unit}" in columns for output in task.outputs):
                return task, unit
    raise ValueError(
        f"{folder / TABLE} declares no unit of its labels: its columns are {list(columns)}. Name them pitch_rad, "
        "yaw_rad or pitch_deg, yaw_deg for gaze; yaw_*, pitch_*, roll_* for head pose."
    )


def _targets(folder: Path, table: pd.DataFrame, task: Task, unit: str) -> np.ndarray:
    columns = [f"{output}_{unit}" for output in task.outputs]
    values = table[columns].apply(pd.to_numeric, errors="coerce").to_numpy(np.float64) * _UNITS[unit]
    bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if len(bad):
        raise ValueError(
            f"{folder / TABLE}: {len(bad)} rows have labels that are missing or no numbers, first row {bad[0] + 2}: "
            f"{table[columns].iloc[bad[0]].to_dict()}. Remove or mend them."
        )
    if np.abs(values).max() > np.pi:
        row = int(np.abs(values).max(axis=1).argmax())
        raise ValueError(
            f"{folder / TABLE}: row {row + 2} has {table[columns].iloc[row].to_dict()}, more than half a turn. "
            f"Labels are declared in {'radians' if unit == 'rad' else 'degrees'}; "
            "if they are degrees, name the columns *_deg."
        )
    return values.astype(np.float32)


def _open(folder: Path, name: str, row: int) -> np.ndarray:
    path = folder / name
    if folder.resolve() not in path.resolve().parents:
        raise ValueError(f"row {row + 2} of {folder / TABLE} names {name!r}, which lies outside the folder")
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"))
    except FileNotFoundError:
        raise ValueError(f"row {row + 2} of {folder / TABLE} names {name!r}, but there is no such file") from None
    except (UnidentifiedImageError, OSError) as error:
        raise ValueError(f"{path} (row {row + 2} of {TABLE}) is no readable image: {error}") from error
