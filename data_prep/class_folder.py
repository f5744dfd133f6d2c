"""Images in a folder per class, as DHBE loads mini-ImageNet and its VGGFace2 subset.

``<root>/<class>/*``, or ``<root>/{train,test}/<class>/*`` (VGGFace2: ``train_cls_subset``, ``test_cls_subset``).
Classes are numbered by their sorted names; every file in a class's folder is an image.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Optional

import numpy as np
from PIL import Image

from data_prep.raw import Entry, Listing, Problem, Sample, read_image, resized

_PARTS = {"train": "train", "test": "test", "train_cls_subset": "train", "test_cls_subset": "test"}


@dataclass(frozen=True)
class ClassFolder:
    """A folder per class.

    Attributes:
        size: side of the images in pixels.
        shorter: side to which the shorter side is brought before the middle is cut out (DHBE's VGGFace2: 84 for 64);
            None stretches the image, as DHBE does with mini-ImageNet, whose images are square.
    """

    size: int = 64
    shorter: Optional[int] = None
    name: ClassVar[str] = "class_folder"
    source: ClassVar[str] = "a folder of images per class"
    task: ClassVar[None] = None

    def __post_init__(self) -> None:
        if self.shorter is not None and self.shorter < self.size:
            raise ValueError(f"the shorter side must have at least size={self.size} pixels, got {self.shorter}")

    def entries(self, folder: Path) -> Listing:
        """See :meth:`data_prep.raw.RawData.entries`."""
        roots = {path: _PARTS[path.name] for path in _folders(folder) if path.name in _PARTS} or {folder: ""}
        classes = tuple(sorted({path.name for root in roots for path in _folders(root)}))
        if len(classes) < 2:
            raise ValueError(
                f"{folder} holds {len(classes)} folders of classes, expected one per class (or train and test with one "
                "per class each). Name the folder above them."
            )
        entries, problems = [], []
        for root, part in roots.items():
            for label, name in enumerate(classes):
                files = sorted(path for path in (root / name).glob("*") if path.is_file())
                entries += [Entry(path.relative_to(folder).as_posix(), -1, part, (label,)) for path in files]
                if not files:
                    problems.append(Problem((root / name).relative_to(folder).as_posix(), "the class has no image"))
        if not entries:
            raise ValueError(
                f"the {len(classes)} folders of classes in {folder} hold no file. Unpack the archive again."
            )
        return Listing(entries, problems, classes=classes)

    def sample(self, folder: Path, entry: Entry) -> Sample:
        """See :meth:`data_prep.raw.RawData.sample`."""
        image = read_image(folder / entry.source)
        if self.shorter is not None:
            image = _middle(image, self.shorter, self.size)
        return Sample(resized(image, (self.size, self.size)), np.array(entry.label, np.int64))


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir())


def _middle(image: np.ndarray, shorter: int, size: int) -> np.ndarray:
    """Resize the shorter side, then cut out the square in the middle."""
    height, width = image.shape[:2]
    scale = shorter / min(height, width)
    large = Image.fromarray(image).resize((round(width * scale), round(height * scale)), Image.Resampling.BILINEAR)
    left, top = (large.width - size) // 2, (large.height - size) // 2
    return np.asarray(large.crop((left, top, left + size, top + size)))
