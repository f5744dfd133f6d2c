"""Images as the page shows them: strips, and maps of what was changed, as PNG inside the page."""

from __future__ import annotations

import base64
import io
from typing import NamedTuple

import numpy as np
from matplotlib import colormaps
from PIL import Image

_LEAST_WIDTH = 480  # of a strip on the page; smaller ones are magnified by a whole number
_MAP = colormaps["cividis"]  # made for colour-blind readers; its brightness rises evenly


class Strip(NamedTuple):
    """A row of images.

    Attributes:
        uri: the PNG as a data address.
        width, height: in image pixels.
    """

    uri: str
    width: int
    height: int

    @property
    def shown(self) -> int:
        """Largest width on the page, a multiple of ``width``."""
        return self.width * -(-_LEAST_WIDTH // self.width)


class Residual(NamedTuple):
    """A row of maps of absolute change.

    Attributes:
        strip: the maps, dark where nothing changed.
        largest: change at the bright end, in grey levels of 255.
    """

    strip: Strip
    largest: int


def strip(images: np.ndarray) -> Strip:
    """Images side by side, with transparent gaps.

    Args:
        images: uint8 (N, H, W, C), C = 1 or 3.
    """
    count, height, width, _ = images.shape
    gap = max(1, width // 16)
    row = np.zeros((height, count * (width + gap) - gap, 4), np.uint8)
    for k, image in enumerate(images):
        place = row[:, k * (width + gap) : k * (width + gap) + width]
        place[..., :3], place[..., 3] = image, 255
    return Strip(_png(row), row.shape[1], height)


def residual(images: np.ndarray, changed: np.ndarray) -> Residual:
    """Where and how strongly images were changed, in the channel that changed most.

    All maps of a row share one scale, which ends at the largest change.

    Args:
        images, changed: uint8 (N, H, W, C).
    """
    change = np.abs(changed.astype(np.int16) - images).max(axis=-1)
    largest = max(1, int(change.max()))
    return Residual(strip(_MAP(change / largest, bytes=True)[..., :3]), largest)


def mapped(shares: np.ndarray) -> np.ndarray:
    """Shares in [0, 1] (H, W) in the colours of :func:`scale`, uint8 (H, W, 3)."""
    return np.array(_MAP(shares, bytes=True)[..., :3])


def scale() -> Strip:
    """The colours of :func:`residual`, from no change to the largest."""
    return strip(_MAP(np.linspace(0, 1, 128)[None, None], bytes=True)[..., :3])


def _png(pixels: np.ndarray) -> str:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
