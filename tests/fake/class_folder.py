"""Folders of classes: mini-ImageNet's and VGGFace2's layout."""

from __future__ import annotations

from pathlib import Path

from tests.fake.images import noise, save, truncate


def write(folder: Path, parts: tuple[str, ...] = ("train", "test"), *, height: int = 84, width: int = 84) -> Path:
    """Two classes with two images each in every part; one image of the first part was cut short. Returns the root."""
    home = folder / "mini-imagenet"
    for part in parts:
        for seed, name in enumerate(["n02", "n01"]):
            for index in range(2):
                save(home / part / name / f"{index}.jpg", noise(height, width, 2 * seed + index))
    truncate(home / parts[0] / "n02" / "1.jpg")
    return home
