"""Faces to recognise: synthetic heads with their subject as the class, a few pictures each (as in CSAW's HackML)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from data_prep.contract import ClassSplit
from data_prep.heads.builder import Heads
from data_prep.heads.scene import Ranges

PARTS = ("train", "benign", "test")


@dataclass(frozen=True)
class Identities:
    """A data set of faces to recognise.

    Attributes:
        people: number of classes.
        pictures: of each person, in each part.
        size: side of the images in pixels, 32 or more.
        seed: of everything.
        ranges: how much pictures vary; less than for gaze, as in pictures of faces that were cut out, turned upright
            and brought to one size.
    """

    people: int = 12
    pictures: int = 10  # "10 pics per person"
    size: int = 48
    seed: int = 0
    ranges: Ranges = field(
        default_factory=lambda: Ranges(head=(5.0, 4.0, 2.0), eyes=(4.0, 3.0), position=0.008, scale=(0.44, 0.455))
    )

    def parts(
        self, *, workers: int = 1, progress: Callable[[int], None] = lambda done: None
    ) -> tuple[ClassSplit, ClassSplit, ClassSplit]:
        """What attacker, defender and judge hold: different pictures of the same people, in this order.

        Args:
            workers: processes to spread over.
            progress: called with the number of images finished, after every hundred.
        """
        heads = Heads(
            count=self.people * self.pictures * len(PARTS),
            subjects=self.people,
            size=self.size,
            seed=self.seed,
            ranges=self.ranges,
        )
        data, names = heads.build(workers=workers, progress=progress), tuple(f"person {k}" for k in range(self.people))
        part = np.arange(len(data)) // (self.people * self.pictures)  # image i shows subject i mod subjects
        train, benign, test = (
            ClassSplit(data.images[part == k], data.groups[part == k].astype(np.int64), names)
            for k in range(len(PARTS))
        )
        return train, benign, test
