"""Jobs behind DHBE's Tables 1 and 2 and Fig. 5: what triggers change, how far apart classes are. Nothing is trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from data_prep.contract import pixels
from data_prep.poison import Trigger
from dhbe_tf import distances
from dhbe_tf.attacks.triggers import FOUR, NINE, ONE, Checkerboard, Sinusoid, Steganography, Watermark
from runs import classes
from runs.jobs import Desk, Job

SQUARES = (1, 2, 3, 5, 7)
AMPLIFIED = {1: ONE, 4: FOUR, 9: NINE}
_SHOWN = 8  # pictures
_MEASURED = 1000  # images


@dataclass(frozen=True)
class Costs:
    """Mean earth-mover cost of triggers on test images.

    Attributes:
        data: see :func:`runs.classes.read`.
        images: how many at most.
    """

    data: str
    images: int = 1000

    @property
    def name(self) -> str:
        """For people."""
        return "costs of triggers"

    @property
    def needs(self) -> tuple[Job, ...]:
        """Nothing."""
        return ()

    def do(self, desk: Desk) -> dict[str, Any]:
        """Returns ``costs`` by trigger, ``values`` in an image, and ``images``."""
        _, test = classes.read(self.data)
        seen = test.images[: self.images]
        costs = {name: distances.trigger_cost(trigger, seen) for name, trigger in triggers().items()}
        return {"costs": costs, "values": int(np.prod(seen.shape[1:])), "images": len(seen)}


def triggers() -> dict[str, Trigger]:
    """Those of Table 1, at the sizes and strengths of our attacks."""
    squares: dict[str, Trigger] = {f"square, {size} px": Checkerboard(size) for size in SQUARES}
    return {**squares, "watermark": Watermark(), "SIG": Sinusoid(), "steganography, 2 bits": Steganography()}


@dataclass(frozen=True)
class Amplified:
    """Test images with a checkerboard in one, four and nine places (DHBE, Fig. 5).

    Attributes:
        data: see :func:`runs.classes.read`.
        size: side of the checkerboard in pixels.
    """

    data: str
    size: int

    @property
    def name(self) -> str:
        """For people."""
        return f"amplified triggers of {self.size} px"

    @property
    def needs(self) -> tuple[Job, ...]:
        """Nothing."""
        return ()

    def do(self, desk: Desk) -> dict[str, Any]:
        """Returns ``clean`` images, ``triggered`` ones by the number of triggers (uint8), and their ``costs``."""
        _, test = classes.read(self.data)
        first = np.unique(test.labels, return_index=True)[1][:_SHOWN]
        boards = {str(count): Checkerboard(self.size, places) for count, places in AMPLIFIED.items()}
        clean = tf.constant(pixels(test.images[first]))
        stamped = {count: np.round(255 * board(clean).numpy()).astype(np.uint8) for count, board in boards.items()}
        costs = {count: distances.trigger_cost(board, test.images[:_MEASURED]) for count, board in boards.items()}
        return {"clean": test.images[first], "triggered": stamped, "costs": costs}


@dataclass(frozen=True)
class Distances:
    """Sliced Wasserstein distances between the classes of a training set.

    Attributes:
        data: see :func:`runs.classes.read`.
        projections: directions.
        seed: of the directions.
    """

    data: str
    projections: int = 200
    seed: int = 0

    @property
    def name(self) -> str:
        """For people."""
        return "distances of classes"

    @property
    def needs(self) -> tuple[Job, ...]:
        """Nothing."""
        return ()

    def do(self, desk: Desk) -> dict[str, Any]:
        """Returns the ``closest`` pair's names, its distance ``least``, the ``mean`` over pairs, and sizes."""
        train, _ = classes.read(self.data)
        apart = distances.class_distances(train, projections=self.projections, seed=self.seed)
        rows, columns = np.triu_indices(len(apart), 1)
        pairs = apart[rows, columns]
        nearest = int(np.nanargmin(pairs))
        return {
            "closest": [train.classes[rows[nearest]], train.classes[columns[nearest]]],
            "least": float(pairs[nearest]),
            "mean": float(np.nanmean(pairs)),
            "values": int(np.prod(train.image_shape)),
            "images": len(train),
            "classes": len(train.classes),
        }
