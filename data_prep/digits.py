"""The handwritten digits that scikit-learn carries (Alpaydin and Kaynak 1998): 1,797 images, no download.

Originals are 8 x 8 with 17 grey levels. They are enlarged to 32 x 32, the size of CIFAR, and repeated over three
channels, so that the same networks take them. Their writers are unknown; train and test are told apart by the hash of
the pixels, so an image is never in both.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from data_prep.contract import ClassSplit
from data_prep.splits import content_numbers

CLASSES = tuple("0123456789")
SIZE = 32
_BLACK = 16  # largest value of the originals
_ONE_IN = 5  # images in the test part


def read(part: str) -> ClassSplit:
    """The digits of one part.

    Args:
        part: "train" (about four fifths) or "test".

    Returns:
        uint8 images (N, 32, 32, 3), white on black; labels 0 to 9.

    Raises:
        ValueError: if there is no such part.
    """
    if part not in ("train", "test"):
        raise ValueError(f"the digits have the parts train and test, not {part!r}")
    images, labels = arrays()
    chosen = in_test(images) == (part == "test")
    return ClassSplit(images[chosen], labels[chosen], CLASSES)


def in_test(images: np.ndarray) -> np.ndarray:
    """Which images are in the test part, bool (N,); their pixels decide."""
    return content_numbers(images) % np.uint64(_ONE_IN) == 0


def arrays() -> tuple[np.ndarray, np.ndarray]:
    """All images, uint8 (1797, 32, 32, 3), and their labels, int64 (1797,)."""
    from sklearn.datasets import load_digits  # here, because it takes a second to import

    found = load_digits()
    grey = np.round(found.images * (255 / _BLACK)).astype(np.uint8)
    large = [np.asarray(Image.fromarray(image).resize((SIZE, SIZE), Image.Resampling.BILINEAR)) for image in grey]
    return np.repeat(np.stack(large)[..., None], 3, axis=-1), found.target.astype(np.int64)
