"""CIFAR's python batches, a few images each."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np

CLASSES10 = [b"airplane", b"automobile", b"bird"]
FINE100, COARSE100 = [b"apple", b"aquarium_fish", b"baby"], [b"fish", b"fruit"]


def write_cifar10(folder: Path, *, rows: int = 4) -> Path:
    """``cifar-10-batches-py`` below a folder. Returns it."""
    home = folder / "cifar-10-batches-py"
    home.mkdir(parents=True)
    names = [f"data_batch_{number}" for number in range(1, 6)] + ["test_batch"]
    for seed, name in enumerate(names):
        _dump(home / name, {b"labels": _labels(rows, 3), **_batch(name, rows, seed)})
    _dump(home / "batches.meta", {b"label_names": CLASSES10, b"num_cases_per_batch": rows, b"num_vis": 3072})
    return home


def write_cifar100(folder: Path, *, rows: int = 4) -> Path:
    """``cifar-100-python`` below a folder. Returns it."""
    home = folder / "cifar-100-python"
    home.mkdir(parents=True)
    for seed, name in enumerate(["train", "test"]):
        labels = {b"fine_labels": _labels(rows, 3), b"coarse_labels": _labels(rows, 2)}
        _dump(home / name, {**labels, **_batch(name, rows, seed)})
    _dump(home / "meta", {b"fine_label_names": FINE100, b"coarse_label_names": COARSE100})
    return home


def planes(rows: int, seed: int) -> np.ndarray:
    """uint8 (rows, 3072) as in the file: all of red, then green, then blue."""
    return np.random.default_rng(seed).integers(0, 256, (rows, 3072), dtype=np.uint8)


def _batch(name: str, rows: int, seed: int) -> dict[bytes, object]:
    return {
        b"batch_label": name.encode(),
        b"data": planes(rows, seed),
        b"filenames": [f"{name}_{row}.png".encode() for row in range(rows)],
    }


def _labels(rows: int, classes: int) -> list[int]:
    return [row % classes for row in range(rows)]


def _dump(path: Path, value: dict[bytes, object]) -> None:
    path.write_bytes(pickle.dumps(value, protocol=2))  # the protocol of the originals
