"""Anybody's images with a table of labels, of any size and format, as raw data: brought to one size.

The layout is that of :mod:`data_prep.image_table`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from data_prep import image_table
from data_prep.contract import Task
from data_prep.raw import Entry, Listing, Problem, Sample, inside, present, read_image, resized


@dataclass(frozen=True)
class OwnImages:
    """An image table whose images may differ in size.

    Attributes:
        size: (H, W) of the images in pixels; others are stretched.
        task: what its columns declare, see :func:`data_prep.image_table.task_of`.
    """

    size: tuple[int, int]
    task: Task
    name: ClassVar[str] = "image_table"
    source: ClassVar[str] = "own images"

    def entries(self, folder: Path) -> Listing:
        """See :meth:`data_prep.raw.RawData.entries`; rows with impossible labels are refused as a whole table is."""
        table = image_table.load_table(folder)
        targets = image_table.targets_of(folder, table)
        count = len(table)
        subjects = image_table.groups_of(table) if "subject" in table else np.full(count, -1)
        parts = table["part"].fillna("").astype(str) if "part" in table else [""] * count
        rows = [
            Entry(str(name), int(subject), part, tuple(map(float, target)))
            for name, subject, part, target in zip(table["image"], subjects, parts, targets)
        ]
        outside = [Problem(row.source, "it lies outside the folder") for row in rows if not inside(row.source)]
        return present(folder, [row for row in rows if inside(row.source)], outside)

    def sample(self, folder: Path, entry: Entry) -> Sample:
        """See :meth:`data_prep.raw.RawData.sample`."""
        return Sample(resized(read_image(folder / entry.source), self.size), np.array(entry.label, np.float32))
