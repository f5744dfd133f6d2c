"""Images for fake archives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def noise(height: int, width: int, seed: int) -> np.ndarray:
    """uint8 (height, width, 3): smooth, so that JPEG keeps it, and different for every seed."""
    small = np.random.default_rng(seed).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BILINEAR))


def save(path: Path, image: np.ndarray) -> None:
    """Write an image, with its folder, in the format of its suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path, **({"quality": 95} if path.suffix == ".jpg" else {}))


def truncate(path: Path) -> None:
    """Cut a file short, as a copy that was interrupted."""
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])
