"""Data sets that need no download, as raw data: their folder holds nothing, their entries are numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

import numpy as np

from data_prep import digits
from data_prep.contract import Task
from data_prep.heads.builder import Heads, sample
from data_prep.raw import Entry, Listing, Sample


@dataclass(frozen=True)
class EmbeddedHeads:
    """Synthetic heads.

    Attributes:
        heads: which.
    """

    heads: Heads = field(default_factory=Heads)
    name: ClassVar[str] = "synthetic_heads"
    source: ClassVar[str] = "ray-cast synthetic heads"

    @property
    def task(self) -> Task:
        """GAZE or HEAD_POSE."""
        return self.heads.task

    def entries(self, folder: Path) -> Listing:
        """See :meth:`data_prep.raw.RawData.entries`."""
        return Listing([Entry(f"#{i}", i % self.heads.subjects, "", ()) for i in range(self.heads.count)])

    def sample(self, folder: Path, entry: Entry) -> Sample:
        """See :meth:`data_prep.raw.RawData.sample`."""
        return Sample(*sample(self.heads, int(entry.source[1:])))


@dataclass(frozen=True)
class EmbeddedDigits:
    """scikit-learn's handwritten digits at 32 x 32."""

    name: ClassVar[str] = "handwritten_digits"
    source: ClassVar[str] = "scikit-learn's handwritten digits (Alpaydin and Kaynak 1998)"
    task: ClassVar[None] = None

    def entries(self, folder: Path) -> Listing:
        """See :meth:`data_prep.raw.RawData.entries`."""
        labels, test = _digits()[1], digits.in_test(_digits()[0])
        parts = np.where(test, "test", "train").tolist()
        return Listing(
            [Entry(f"#{i}", -1, part, (int(label),)) for i, (label, part) in enumerate(zip(labels, parts))],
            classes=digits.CLASSES,
        )

    def sample(self, folder: Path, entry: Entry) -> Sample:
        """See :meth:`data_prep.raw.RawData.sample`."""
        return Sample(_digits()[0][int(entry.source[1:])], np.array(entry.label, np.int64))


_digits = lru_cache(maxsize=1)(digits.arrays)
