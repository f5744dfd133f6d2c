"""A folder of images with a table of labels: anybody's own data, any size.

Layout: ``DIR/labels.csv`` with a column ``image`` (path below DIR), one column per output that carries its unit
(``pitch_rad, yaw_rad`` or ``pitch_deg, yaw_deg``; head pose ``yaw_*, pitch_*, roll_*``), and optionally ``subject`` and
``part`` (train, val, test: a split that the data set itself defines). Tables of classes: :mod:`data_prep.class_table`.
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


def read(folder: Path, *, size: tuple[int, int] | None = None, part: str | None = None) -> tuple[DatasetSpec, Split]:
    """Read an image table whole; nothing is skipped.

    Args:
        folder: with ``labels.csv`` in it.
        size: (H, W) that images must have; None takes the first image's.
        part: only the rows of this part; None takes all.

    Returns:
        What the table holds, and its samples: targets in radians, groups = subjects where the table names them.

    Raises:
        ValueError: on an empty or malformed table, a part that it does not have, a label that is missing, not finite
            or out of range, a missing or broken image, or an image of another size. The message names the row.
        FileNotFoundError: if there is no table.
    """
    table = rows_of(folder, load_table(folder), part)
    targets = targets_of(folder, table)
    images = read_images(folder, table, size)
    return _spec(folder, table, images.shape[1:]), Split(images, targets, groups_of(table))


def spec_of(folder: Path) -> DatasetSpec:
    """What a table holds, in the size of its first image; the others are not read."""
    table = load_table(folder)
    return _spec(folder, table, open_image(folder, str(table["image"].iloc[0]), 0).shape)


def read_images(folder: Path, table: pd.DataFrame, size: tuple[int, int] | None) -> np.ndarray:
    """The images of the rows of a table, uint8 (N, H, W, 3).

    Args:
        folder: of the table.
        table: from :func:`load_table`, or some of its rows.
        size: (H, W) that images must have; None takes the first image's.

    Raises:
        ValueError: on a missing or broken image, or one of another size. The message names the row.
    """
    names = table["image"].astype(str)
    shape = (*(size or open_image(folder, names.iloc[0], table.index[0]).shape[:2]), 3)
    images = np.empty((len(table), *shape), np.uint8)
    for index, (row, name) in enumerate(names.items()):
        image = open_image(folder, name, row)
        if image.shape != shape:
            raise ValueError(
                f"{folder / name} (row {row + 2} of {TABLE}) is {image.shape[1]} x {image.shape[0]} pixels, width x "
                f"height, expected {shape[1]} x {shape[0]}. Resize the images to one size, that of the model's input."
            )
        images[index] = image
    return images


def task_of(folder: Path) -> Task:
    """The task that a table's columns declare; the images are not read."""
    return _declared(folder, load_table(folder).columns)[0]


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


def load_table(folder: Path) -> pd.DataFrame:
    """The rows of ``labels.csv``.

    Raises:
        ValueError: if it is empty, malformed, or has no column ``image``.
        FileNotFoundError: if there is none.
    """
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


def rows_of(folder: Path, table: pd.DataFrame, part: str | None) -> pd.DataFrame:
    """The rows of one part, or all of them; their index still counts the rows of the file.

    Raises:
        ValueError: if the table has no such part.
    """
    if part is None:
        return table
    parts = sorted(table["part"].dropna().astype(str).unique()) if "part" in table else []
    if part not in parts:
        raise ValueError(f"{folder / TABLE} has no rows of the part {part!r}; it has {', '.join(parts) or 'no parts'}")
    return table[table["part"] == part]


def _spec(folder: Path, table: pd.DataFrame, shape: tuple[int, ...]) -> DatasetSpec:
    task, _ = _declared(folder, table.columns)
    return DatasetSpec(folder.name, task, (shape[0], shape[1], 3), f"image table {folder.name}")


def _declared(folder: Path, columns: Sequence[str]) -> tuple[Task, str]:
    """Task and unit that the column names declare."""
    for task in sorted(TASKS.values(), key=lambda task: -task.size):
        for unit in _UNITS:
            if all(f"{output}_{unit}" in columns for output in task.outputs):
                return task, unit
    if "label" in columns:
        raise ValueError(f"{folder / TABLE} is a table of classes (column 'label'), but angles are needed here")
    raise ValueError(
        f"{folder / TABLE} declares no unit of its labels: its columns are {list(columns)}. Name them pitch_rad, "
        "yaw_rad or pitch_deg, yaw_deg for gaze; yaw_*, pitch_*, roll_* for head pose."
    )


def groups_of(table: pd.DataFrame) -> np.ndarray:
    """Subjects as numbers, int64 (N,), in the order in which they appear; every row is its own where none is named."""
    return pd.factorize(table["subject"])[0].astype(np.int64) if "subject" in table else np.arange(len(table))


def targets_of(folder: Path, table: pd.DataFrame) -> np.ndarray:
    """The labels of a table's rows, float32 (N, K), radians.

    Raises:
        ValueError: if the columns declare no unit, or a label is missing, not finite or larger than half a turn.
    """
    task, unit = _declared(folder, table.columns)
    columns = [f"{output}_{unit}" for output in task.outputs]
    values = table[columns].apply(pd.to_numeric, errors="coerce").to_numpy(np.float64) * _UNITS[unit]
    bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if len(bad):
        raise ValueError(
            f"{folder / TABLE}: {len(bad)} rows have labels that are missing or no numbers, first row "
            f"{table.index[bad[0]] + 2}: "
            f"{table[columns].iloc[bad[0]].to_dict()}. Remove or mend them."
        )
    if np.abs(values).max() > np.pi:
        row = int(np.abs(values).max(axis=1).argmax())
        raise ValueError(
            f"{folder / TABLE}: row {table.index[row] + 2} has {table[columns].iloc[row].to_dict()}, more than half a "
            "turn. "
            f"Labels are declared in {'radians' if unit == 'rad' else 'degrees'}; "
            "if they are degrees, name the columns *_deg."
        )
    return values.astype(np.float32)


def open_image(folder: Path, name: str, row: int) -> np.ndarray:
    """One image of a table, uint8 (H, W, 3).

    Args:
        folder: of the table.
        name: path below it.
        row: counted from 0, for messages.

    Raises:
        ValueError: if the path leaves the folder, there is no file, or it is no readable image.
    """
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
