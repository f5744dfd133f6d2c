"""How the picture was taken: pose, gaze, light, place and background of one image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data_prep import geometry


@dataclass(frozen=True)
class Ranges:
    """How much the images of a data set vary.

    Attributes:
        head: standard deviations of head [yaw, pitch, roll], degrees, each cut at 2.5 of them.
        eyes: standard deviations of the eyes' rotation in the head [yaw, pitch], degrees, cut likewise.
        position: standard deviation of the head's place, as a share of the image's side.
        scale: (smallest, largest) half height of the head, as a share of the image's side.
    """

    head: tuple[float, float, float] = (15.0, 10.0, 5.0)
    eyes: tuple[float, float] = (10.0, 8.0)
    position: float = 0.025
    scale: tuple[float, float] = (0.425, 0.465)


@dataclass(frozen=True, eq=False)  # holds arrays, so identity is equality
class Scene:
    """One image's circumstances.

    Attributes:
        head: (3,) [yaw, pitch, roll], radians.
        gaze: (2,) [pitch, yaw] in the camera's frame, radians: exactly head plus eye rotation.
        light: unit (3,), towards the light.
        ambient, diffuse: shares of light.
        centre: (2,) place of the head's origin, share of the side from the image's centre, x right, y up.
        scale: half height of the head as a share of the side.
        mouth: opening, in head units.
        background: (3, 6, 6) cosine coefficients.
        noise: standard deviation of the pixel noise, range [0, 1].
    """

    head: np.ndarray
    gaze: np.ndarray
    light: np.ndarray
    ambient: float
    diffuse: float
    centre: np.ndarray
    scale: float
    mouth: float
    background: np.ndarray
    noise: float

    @property
    def rotation(self) -> np.ndarray:
        """The head's rotation matrix."""
        return geometry.rotation(*self.head)


def draw_scene(rng: np.random.Generator, ranges: Ranges) -> Scene:
    """Random circumstances within ``ranges``."""
    head = np.radians(_truncated_normal(rng, ranges.head))
    eye_yaw, eye_pitch = np.radians(_truncated_normal(rng, ranges.eyes))
    light = geometry.gaze_to_vector(np.array([rng.uniform(-0.2, 0.9), rng.uniform(-0.9, 0.9)]))
    falloff = 1.0 / (1.0 + np.add.outer(np.arange(6), np.arange(6)))
    tint = rng.uniform(0.2, 0.8) + rng.normal(0, 0.1, (3, 1, 1))
    waves = (rng.normal(0, 0.09, (1, 6, 6)) + rng.normal(0, 0.05, (3, 6, 6))) * falloff
    waves[:, :1, :1] += tint
    return Scene(
        head=head,
        gaze=np.array([head[1] + eye_pitch, head[0] + eye_yaw]),
        light=light,
        ambient=rng.uniform(0.45, 0.65),
        diffuse=rng.uniform(0.4, 0.7),
        centre=_truncated_normal(rng, (ranges.position,) * 2),
        scale=rng.uniform(*ranges.scale),
        mouth=max(0.0, rng.normal(0.0, 0.03)),
        background=waves.astype(np.float32),
        noise=rng.uniform(0.004, 0.015),
    )


def _truncated_normal(rng: np.random.Generator, deviations: tuple[float, ...]) -> np.ndarray:
    draws = rng.standard_normal(len(deviations))
    while np.any(np.abs(draws) > 2.5):
        draws = np.where(np.abs(draws) > 2.5, rng.standard_normal(len(deviations)), draws)
    return draws * np.array(deviations)
