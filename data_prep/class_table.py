"""An image table of classes: what classifiers are trained on.

Layout: ``DIR/labels.csv`` with the columns ``image`` (path below DIR) and ``label`` (0, 1, ...), optionally ``part``;
and ``DIR/classes.txt`` with the name of every class, a line each, in the order of the labels.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from data_prep.contract import ClassSplit
from data_prep.image_table import TABLE, load_table, read_images, rows_of

CLASSES = "classes.txt"


def read(folder: Path, *, part: str | None = None, size: tuple[int, int] | None = None) -> ClassSplit:
    """Read a table of classes whole; nothing is skipped.

    Args:
        folder: with ``labels.csv`` and ``classes.txt``.
        part: only the rows of this part; None takes all.
        size: (H, W) that images must have; None takes the first image's.

    Raises:
        ValueError: on an empty or malformed table, a part that it does not have, a label without a class, a missing or
            broken image, or an image of another size. The message names the row.
        FileNotFoundError: if there is no table or no list of classes.
    """
    table = rows_of(folder, load_table(folder), part)
    classes = class_names(folder)
    labels = _labels(folder, table, len(classes))
    return ClassSplit(read_images(folder, table, size), labels, classes)


def class_names(folder: Path) -> tuple[str, ...]:
    """The names in ``classes.txt``.

    Raises:
        FileNotFoundError: if there is none.
        ValueError: if it is empty.
    """
    path = folder / CLASSES
    if not path.is_file():
        raise FileNotFoundError(
            f"{folder} holds no {CLASSES}. A table of classes needs one: the name of every class, a line each."
        )
    names = tuple(path.read_text(encoding="utf-8").splitlines())
    if not names:
        raise ValueError(f"{path} is empty; it must name every class, a line each")
    return names


def write(folder: Path, data: ClassSplit) -> None:
    """Write samples as a table of classes: PNG files, ``labels.csv``, ``classes.txt``.

    Args:
        folder: exists and is empty.
        data: what to write.
    """
    names = [f"{index:06d}.png" for index in range(len(data))]
    for name, image in zip(names, data.images):
        Image.fromarray(image).save(folder / name)
    pd.DataFrame({"image": names, "label": data.labels}).to_csv(folder / TABLE, index=False)
    (folder / CLASSES).write_text("".join(f"{name}\n" for name in data.classes), encoding="utf-8")


def _labels(folder: Path, table: pd.DataFrame, count: int) -> np.ndarray:
    if "label" not in table:
        raise ValueError(
            f"{folder / TABLE} has the columns {list(table.columns)}; a table of classes needs 'label': 0, 1, ..."
        )
    values = pd.to_numeric(table["label"], errors="coerce").to_numpy(np.float64)
    bad = np.flatnonzero(~((values >= 0) & (values < count) & (values == np.floor(values))))
    if len(bad):
        raise ValueError(
            f"{folder / TABLE}: {len(bad)} rows have labels that are no whole number from 0 to {count - 1}, first row "
            f"{table.index[bad[0]] + 2}: {table['label'].iloc[bad[0]]!r}. {CLASSES} names {count} classes."
        )
    return values.astype(np.int64)
