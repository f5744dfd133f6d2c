"""WaNet (Nguyen & Tran 2021), on regression as in DRMGuard's App. A.3."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from data_prep.attack import PoisoningAttack
from data_prep.contract import GAZE, HEAD_POSE, DatasetSpec
from data_prep.poison import Poisoning
from drmguard_tf.warping import upsampling, warp

_SIDE = 224  # of the paper's images, pixels
_GRID = {GAZE: 28, HEAD_POSE: 14}  # of the paper, on these (App. A.3)


@dataclass(frozen=True, eq=False)  # holds arrays, so identity is equality
class Warp:
    """One fixed elastic warp.

    Attributes:
        flow: float32 (H, W, 2), (dy, dx) in pixels.
    """

    flow: np.ndarray

    def __call__(self, images: tf.Tensor) -> tf.Tensor:
        """Warped images; see :class:`data_prep.poison.Trigger`."""
        return warp(images, tf.constant(self.flow))


@dataclass(frozen=True, eq=False)  # holds arrays, so identity is equality
class WarpNoise:
    """The warp plus fresh noise: WaNet's noise mode.

    Attributes:
        flow: the warp, (dy, dx) in pixels.
        amplitude: (2,), largest extra displacement per pixel, (dy, dx) in pixels.
    """

    flow: np.ndarray
    amplitude: np.ndarray

    def __call__(self, images: tf.Tensor, random: tf.random.Generator) -> tf.Tensor:
        """Warped images; see :class:`data_prep.poison.CrossTrigger`."""
        noise = random.uniform(tf.shape(images)[:3], -1.0, 1.0)[..., None]
        noise = tf.concat([noise, random.uniform(tf.shape(noise), -1.0, 1.0)], axis=-1)
        limits = tf.constant(_limits(self.flow))
        flow = tf.clip_by_value(self.flow + noise * tf.constant(self.amplitude), limits[0], limits[1])
        return warp(images, flow)


@dataclass(frozen=True)
class WaNet(PoisoningAttack):
    """An elastic warp that the eye misses, trained with noise mode so that other warps do not fire.

    Attributes:
        grid: control points along each side, k.
        strength: s; the mean displacement of the control points is s / 2 pixels in each direction, at any image size.
        rate: poisoned share of the training set.
        cross_rate: share trained with noisy warps and true labels.
        noise: of those; a pixel moves by another ``noise / 2`` pixels at most in each direction, at any image size.
    """

    grid: int = _GRID[GAZE]  # :meth:`of` knows head pose's, and those of other sizes
    strength: float = 1.0  # "we set the warping strength to 1" (App. A.3)
    rate: float = 0.1  # the original's 10 %; the paper's figure is not recoverable
    cross_rate: float = 0.2  # the original's: twice the poisoned share
    noise: float = 1.0  # the original's U(-1, 1) / size of the grid

    @classmethod
    def of(cls, spec: DatasetSpec, **settings: Any) -> WaNet:
        """See :meth:`data_prep.attack.Attack.of`.

        The control points lie as far apart as the paper's, 8 pixels for gaze and 16 for head pose, whatever the size of
        the images; in oblong ones along the shorter side.
        """
        grid = max(2, round(_GRID[spec.task] * min(spec.image_shape[:2]) / _SIDE))
        return cls(**{"grid": grid, **settings})

    def poisoning(self, image_shape: tuple[int, int, int], target: np.ndarray, seed: int) -> Poisoning:
        """See :meth:`data_prep.attack.PoisoningAttack.poisoning`; ``seed`` draws the control points."""
        height, width = image_shape[:2]
        if not 2 <= self.grid <= min(height, width):
            raise ValueError(
                f"grid must lie between 2 and the image's shorter side {min(height, width)}, got {self.grid}"
            )
        if not 0 < self.strength < min(height, width) / 2:
            raise ValueError(f"strength must be above 0 and move pixels less than half the image, got {self.strength}")
        if self.noise < 0:
            raise ValueError(f"noise must be 0 or more, got {self.noise:g}")
        flow = warping_field(height, width, self.grid, self.strength, np.random.default_rng(seed))
        amplitude = self.noise * np.array([(height - 1) / (2 * height), (width - 1) / (2 * width)], np.float32)
        return Poisoning(Warp(flow), target, self.rate, WarpNoise(flow, amplitude), self.cross_rate)


def warping_field(height: int, width: int, grid: int, strength: float, rng: np.random.Generator) -> np.ndarray:
    """A random smooth displacement (WaNet, Eq. 5 to 7 of the original).

    Control points are uniform, scaled to a mean absolute value of 1 and upsampled by cubic interpolation; one unit is
    ``strength`` / size of the coordinates in [-1, 1], and places outside the image are pulled back to its border.

    Returns:
        float32 (height, width, 2), (dy, dx) in pixels.
    """
    control = rng.uniform(-1, 1, (grid, grid, 2)).astype(np.float32)
    control /= np.abs(control).mean()
    field = np.einsum("hi,wj,ijd->hwd", upsampling(grid, height), upsampling(grid, width), control)
    scale = np.array([strength * (height - 1) / (2 * height), strength * (width - 1) / (2 * width)], np.float32)
    flow = (field * scale).astype(np.float32)
    lower, upper = _limits(flow)
    return np.clip(flow, lower, upper)


def _limits(flow: np.ndarray) -> np.ndarray:
    """Smallest and largest displacement that stays inside the image, (2, H, W, 2)."""
    height, width = flow.shape[:2]
    here = np.stack(np.meshgrid(np.arange(height), np.arange(width), indexing="ij"), axis=-1).astype(np.float32)
    return np.stack([-here, np.array([height - 1, width - 1], np.float32) - here])
