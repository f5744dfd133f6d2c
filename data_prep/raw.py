"""A data set before it is prepared: what its folder holds, what is wrong with it, how an entry becomes a sample."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Optional, Protocol

import numpy as np
from PIL import Image, UnidentifiedImageError

from data_prep.configuration import Configuration
from data_prep.contract import Task


class Entry(NamedTuple):
    """One sample that a folder holds, before its image is read.

    Attributes:
        source: path below the folder, with ``#index`` where one file holds many samples.
        subject: number of the person shown; -1 where nobody is.
        part: "train", "val", "test" or another official part; "" where the data set has none.
        label: the numbers of the annotation, in the data set's own order and units.
    """

    source: str
    subject: int
    part: str
    label: tuple[float, ...]


class Problem(NamedTuple):
    """Something in a folder that is not as it should be; the sample is left out.

    Attributes:
        source: path below the folder.
        text: what is wrong, in words.
    """

    source: str
    text: str


class Listing(NamedTuple):
    """What a folder holds, in an order that depends on its content only.

    Attributes:
        entries: the samples.
        problems: what is wrong and therefore left out.
        excluded: what is left out because the settings say so.
        classes: names of the classes in the order of the labels; empty for regression.
    """

    entries: Sequence[Entry]
    problems: Sequence[Problem] = ()
    excluded: Sequence[Problem] = ()
    classes: tuple[str, ...] = ()


class Sample(NamedTuple):
    """One prepared sample.

    Attributes:
        image: uint8 (H, W, 3), RGB.
        target: float32 (K,), radians; for classes int64 (1,), the label.
    """

    image: np.ndarray
    target: np.ndarray


class BrokenSample(ValueError):
    """One sample cannot be made: it is listed and left out, the others are not concerned."""


class RawData(Configuration, Protocol):
    """A data set in its original layout: a frozen dataclass whose fields are the settings of its preparation."""

    @property
    def name(self) -> str:
        """Short name, as the command has it."""

    @property
    def source(self) -> str:
        """Where the data comes from, in a sentence."""

    @property
    def task(self) -> Optional[Task]:
        """What is predicted; None for classes."""

    def entries(self, folder: Path) -> Listing:
        """What the folder holds; no image is read.

        Raises:
            ValueError: if the folder is not laid out as the data set is.
        """

    def sample(self, folder: Path, entry: Entry) -> Sample:
        """The sample of an entry.

        Raises:
            BrokenSample: if the image is damaged or its annotation impossible.
        """


def read_image(path: Path) -> np.ndarray:
    """An image file, decoded to the last row; a file that was cut short is refused, not filled up with grey.

    Returns:
        uint8 (H, W, 3), RGB.

    Raises:
        BrokenSample: if it cannot be read.
    """
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"))
    except FileNotFoundError:
        raise BrokenSample("there is no such file") from None
    except Image.DecompressionBombError as error:
        raise BrokenSample(f"it is too large to be an image of this data set: {error}") from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:  # PIL's decoders raise all of them
        reason = "its format is unknown" if isinstance(error, UnidentifiedImageError) else str(error)
        raise BrokenSample(f"it is no readable image: {reason}") from error


def resized(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """An image brought to (H, W), by averaging where it shrinks.

    Args:
        image: uint8 (H, W, 3).
        size: (H, W) of the result; the image is stretched if its shape differs.
    """
    if image.shape[:2] == size:
        return image
    shrinks = size[0] <= image.shape[0] and size[1] <= image.shape[1]
    method = Image.Resampling.BOX if shrinks else Image.Resampling.BILINEAR
    return np.asarray(Image.fromarray(image).resize(size[::-1], method))


def present(folder: Path, entries: Sequence[Entry], problems: Sequence[Problem]) -> Listing:
    """The entries whose files are there; the others become problems.

    Args:
        folder: of the data set.
        entries: all that its annotations name.
        problems: found already.
    """
    there = {entry.source for entry in entries if (folder / entry.source).is_file()}
    lost = [Problem(entry.source, "there is no such file") for entry in entries if entry.source not in there]
    return Listing([entry for entry in entries if entry.source in there], [*problems, *lost])


def inside(name: str) -> bool:
    """Whether a path from an annotation stays below its folder: relative, with no step upwards."""
    parts = name.replace("\\", "/").split("/")
    return bool(name) and not name.startswith(("/", "\\")) and ".." not in parts and ":" not in parts[0]
