"""Random changes of training images, so that a network does not learn the few people it sees by heart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data_prep.contract import GAZE, HEAD_POSE, Task

_SIGNS = {GAZE: (1, -1), HEAD_POSE: (-1, 1, -1)}  # left and right change places: yaw and roll turn round, pitch stays


@dataclass(frozen=True)
class Augmentation:
    """What may happen to an image each time that it is learned from; every draw is uniform.

    Attributes:
        signs: what mirroring multiplies targets by, one for each angle; half of the images are mirrored.
        shift: largest displacement up, down and sideways, as a share of the image's height and width; its edge repeats.
        contrast: largest change of the distances to the image's mean, as a share of them.
        brightness: largest change of all pixels, as a share of white.
    """

    signs: tuple[int, ...]
    shift: float = 0.12
    contrast: float = 0.3
    brightness: float = 0.08

    def __post_init__(self) -> None:
        if not all(0 <= share < 1 for share in (self.shift, self.contrast, self.brightness)):
            raise ValueError(f"shift, contrast and brightness are shares from 0 to below 1, got {self}")

    @classmethod
    def of(cls, task: Task, **shares: float) -> Augmentation:
        """Changes for a task; ``shares`` other than the default."""
        return cls(_SIGNS[task], **shares)

    def apply(
        self, images: np.ndarray, targets: np.ndarray, random: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Change a batch.

        Args:
            images: uint8 (B, H, W, C).
            targets: float32 (B, K), radians.
            random: draws the changes.

        Returns:
            Images and targets of the same shapes and types.
        """
        turned = random.random(len(images)) < 0.5
        changed = np.stack([self._changed(image, mirror, random) for image, mirror in zip(images, turned)])
        return changed, np.where(turned[:, None], targets * np.array(self.signs, targets.dtype), targets)

    def _changed(self, image: np.ndarray, mirror: bool, random: np.random.Generator) -> np.ndarray:
        rows, columns = (self._moved(size, random) for size in image.shape[:2])
        image = image[rows][:, columns[::-1] if mirror else columns]
        gain = 1 + random.uniform(-self.contrast, self.contrast)
        offset = 255 * random.uniform(-self.brightness, self.brightness)
        mean = image.mean()
        values = np.rint(mean + gain * (np.arange(256) - mean) + offset)  # of every grey, which are fewer than pixels
        return np.clip(values, 0, 255).astype(np.uint8).take(image)

    def _moved(self, size: int, random: np.random.Generator) -> np.ndarray:
        """Where each row or column comes from, (size,)."""
        farthest = int(self.shift * size)
        return np.clip(np.arange(size) + random.integers(-farthest, farthest + 1), 0, size - 1)
