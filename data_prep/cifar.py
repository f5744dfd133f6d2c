"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009) from the official python batches.

Files are pickles of a dict: ``b"data"`` uint8 (10000, 3072), planes of red, green and blue, row by row; ``b"labels"``,
in CIFAR-100 ``b"fine_labels"`` and ``b"coarse_labels"``. They are read without executing them, see
:mod:`data_prep.safe_pickle`. Checksums are not insisted on: batches may have been put together again in another order.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np

from data_prep import safe_pickle
from data_prep.contract import ClassSplit
from data_prep.raw import BrokenSample, Entry, Listing, Sample

_SHAPE = (3, 32, 32)
PARTS = ("train", "test")


class _Variant(NamedTuple):
    """Files and keys of one of the two data sets."""

    folder: str
    files: dict[str, list[str]]
    meta: str
    keys: dict[str, tuple[bytes, bytes]]  # which labels -> (key in a batch, key of their names in meta)


_VARIANTS = {
    "cifar10": _Variant(
        "cifar-10-batches-py",
        {"train": [f"data_batch_{number}" for number in range(1, 6)], "test": ["test_batch"]},
        "batches.meta",
        {"fine": (b"labels", b"label_names")},
    ),
    "cifar100": _Variant(
        "cifar-100-python",
        {"train": ["train"], "test": ["test"]},
        "meta",
        {"fine": (b"fine_labels", b"fine_label_names"), "coarse": (b"coarse_labels", b"coarse_label_names")},
    ),
}


def read(folder: Path, part: str, *, labels: str = "fine") -> ClassSplit:
    """One part of CIFAR-10 or CIFAR-100, whichever the folder holds.

    Args:
        folder: with the batches in it, or the folder above.
        part: "train" (50,000) or "test" (10,000).
        labels: "fine", or "coarse" for the 20 superclasses of CIFAR-100.

    Returns:
        uint8 images (N, 32, 32, 3) and their classes, in the order of the files.

    Raises:
        ValueError: if a batch is missing or damaged, or there is no such part or kind of labels.
    """
    if part not in PARTS:
        raise ValueError(f"CIFAR has the parts train and test, not {part!r}")
    data = Cifar(labels=labels)
    home, variant = _find(folder)
    key, _ = _keys(variant, labels)
    batches = [_batch(home / file, key) for file in variant.files[part]]
    images = np.concatenate([images for images, _ in batches])
    return ClassSplit(images, np.concatenate([labels for _, labels in batches]), data.classes(folder))


@dataclass(frozen=True)
class Cifar:
    """CIFAR-10 or CIFAR-100, whichever the folder holds.

    Attributes:
        labels: "fine", or "coarse" for the 20 superclasses of CIFAR-100.
    """

    labels: str = "fine"
    name: ClassVar[str] = "cifar"
    source: ClassVar[str] = "CIFAR-10 / CIFAR-100 (Krizhevsky 2009), official python batches"
    task: ClassVar[None] = None

    def classes(self, folder: Path) -> tuple[str, ...]:
        """Names of the classes, from the data set's own list."""
        home, variant = _find(folder)
        names = safe_pickle.load(home / variant.meta).get(_keys(variant, self.labels)[1], [])
        if not names or not all(isinstance(name, (bytes, str)) for name in names):
            raise ValueError(f"{home / variant.meta} names no classes. Unpack the original archive again.")
        return tuple(name.decode() if isinstance(name, bytes) else name for name in names)

    def entries(self, folder: Path) -> Listing:
        """See :meth:`data_prep.raw.RawData.entries`."""
        home, variant = _find(folder)
        key, _ = _keys(variant, self.labels)
        found = [
            Entry(f"{(home / file).relative_to(folder).as_posix()}#{row}", -1, part, (int(label),))
            for part in PARTS
            for file in variant.files[part]
            for row, label in enumerate(_batch(home / file, key)[1])
        ]
        return Listing(found, classes=self.classes(folder))

    def sample(self, folder: Path, entry: Entry) -> Sample:
        """See :meth:`data_prep.raw.RawData.sample`."""
        file, _, row = entry.source.rpartition("#")
        _, variant = _find(folder)
        images, labels = _batch(folder / file, _keys(variant, self.labels)[0])
        if int(row) >= len(images):
            raise BrokenSample("the batch has become shorter since it was listed")
        return Sample(images[int(row)], labels[int(row) : int(row) + 1])


def _find(folder: Path) -> tuple[Path, _Variant]:
    """The folder of the batches, and which data set they are."""
    for variant in _VARIANTS.values():
        for home in (folder, folder / variant.folder):
            files = [variant.meta, *(name for names in variant.files.values() for name in names)]
            missing = [name for name in files if not (home / name).is_file()]
            if not missing:
                return home, variant
            if len(missing) < len(files):
                raise ValueError(
                    f"{home} lacks {', '.join(missing)} of {variant.folder}. The archive was not unpacked whole; "
                    "unpack it again."
                )
    raise ValueError(
        f"{folder} holds neither cifar-10-batches-py (data_batch_1 to 5, test_batch, batches.meta) nor "
        "cifar-100-python (train, test, meta). Name the folder that the official python archive unpacks to."
    )


def _keys(variant: _Variant, labels: str) -> tuple[bytes, bytes]:
    if labels not in variant.keys:
        raise ValueError(f"{variant.folder} has {' and '.join(variant.keys)} labels, not {labels!r}")
    return variant.keys[labels]


@lru_cache(maxsize=1)  # entries of a batch are read one after the other
def _batch(path: Path, key: bytes) -> tuple[np.ndarray, np.ndarray]:
    """uint8 images (N, 32, 32, 3) and int64 labels (N,) of one file."""
    record = safe_pickle.load(path)
    data, labels = (record.get(name) for name in (b"data", key)) if isinstance(record, dict) else (None, None)
    if not isinstance(data, np.ndarray) or data.ndim != 2 or data.shape[1] != np.prod(_SHAPE):
        raise ValueError(f"{path} holds no images of 3 x 32 x 32 bytes. Unpack the original archive again.")
    if not isinstance(labels, list) or len(labels) != len(data) or not all(isinstance(x, int) for x in labels):
        raise ValueError(f"{path} has {len(data)} images, but {key.decode()} does not name a class for each of them")
    return np.ascontiguousarray(data.reshape(-1, *_SHAPE).transpose(0, 2, 3, 1)), np.array(labels, np.int64)
