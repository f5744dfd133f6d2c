"""Who is in the picture: the solids, colours and texture of one subject's head.

Unit of length: half the head's height. Origin: centre of the head. Axes of the head: x to the image's right when it
faces the camera, y up, z forward.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

FACE, CRANIUM, HAIR, EAR_LEFT, EAR_RIGHT, NOSE, NECK, SHOULDERS = range(8)


@dataclass(frozen=True, eq=False)  # holds arrays, so identity is equality
class Texture:
    """Smooth skin texture: a sum of plane waves through the head.

    Attributes:
        waves: float32 (T, 3), radians per unit.
        phases: float32 (T,).
        amplitudes: float32 (T,), relative brightness.
    """

    waves: np.ndarray
    phases: np.ndarray
    amplitudes: np.ndarray


@dataclass(frozen=True, eq=False)  # holds arrays, so identity is equality
class Subject:
    """One subject: everything that stays the same from image to image.

    Attributes:
        centres, radii: float64 (8, 3), ellipsoids in the order of the module's constants.
        colours: float32 (8, 3), RGB in [0, 1] of each solid.
        hairline: (height, slope over z): hair is kept where y > height + slope * z.
        bald, long_hair, beard, glasses: what the subject wears.
        eye: (x, y, z, radius) of the left-hand eyeball in the image; the other is its mirror image.
        aperture: (half width, half height) of the lid opening.
        iris: (cosine of the iris' half angle, cosine of the pupil's).
        iris_colour, lip_colour, brow_colour, frame_colour: float32 (3,).
        brow_height: over the eye's centre.
        mouth_width: half width.
        texture: of the skin.
    """

    centres: np.ndarray
    radii: np.ndarray
    colours: np.ndarray
    hairline: tuple[float, float]
    bald: bool
    long_hair: bool
    beard: bool
    glasses: bool
    eye: tuple[float, float, float, float]
    aperture: tuple[float, float]
    iris: tuple[float, float]
    iris_colour: np.ndarray
    lip_colour: np.ndarray
    brow_colour: np.ndarray
    frame_colour: np.ndarray
    brow_height: float
    mouth_width: float
    texture: Texture


_SKIN = np.array([[0.96, 0.80, 0.69], [0.88, 0.67, 0.53], [0.76, 0.55, 0.40], [0.55, 0.37, 0.26], [0.36, 0.23, 0.16]])
_HAIR = np.array([[0.09, 0.07, 0.06], [0.25, 0.15, 0.08], [0.45, 0.30, 0.16], [0.72, 0.58, 0.34], [0.60, 0.60, 0.60]])
_IRIS = np.array([[0.16, 0.09, 0.04], [0.30, 0.18, 0.08], [0.22, 0.34, 0.46], [0.26, 0.36, 0.22]])


def draw_subject(rng: np.random.Generator) -> Subject:
    """A random subject.

    Ranges were found by looking at the pictures and by training on them.

    Args:
        rng: decides everything.
    """
    skin = _between(rng, _SKIN)
    hair = _between(rng, _HAIR)
    face = np.array([rng.uniform(0.60, 0.68), rng.uniform(0.80, 0.92), rng.uniform(0.66, 0.76)])
    cranium = np.array([rng.uniform(0.70, 0.76), rng.uniform(0.68, 0.74), rng.uniform(0.78, 0.85)])
    bald, long_hair = rng.random() < 0.12, rng.random() < 0.35
    shell = cranium * rng.uniform(1.03, 1.12) * (np.array([1.12, 1.1, 1.05]) if long_hair else 1.0)
    ear_height, ear_x = rng.uniform(-0.08, 0.06), cranium[0] * 0.97
    centres = [(0, -0.2, 0.14), (0, 0.22, -0.18), (0, 0.24 - 0.1 * long_hair, -0.2)]
    centres += [(-ear_x, ear_height, -0.12), (ear_x, ear_height, -0.12)]
    centres += [(0, rng.uniform(-0.28, -0.2), 0.14 + 0.93 * face[2]), (0, -1.1, -0.2), (0, -1.95, -0.25)]
    nose = (rng.uniform(0.10, 0.14), rng.uniform(0.17, 0.24), rng.uniform(0.14, 0.22))
    radii: list[ArrayLike] = [face, cranium, shell, (0.09, 0.2, 0.13), (0.09, 0.2, 0.13), nose]
    radii += [(0.38, 0.9, 0.38), (1.5, 0.62, 0.55)]
    clothes = rng.uniform(0.05, 0.9, 3)
    colours = [skin, skin, hair, skin * 0.95, skin * 0.95, skin * 1.03, skin * 0.9, clothes]
    radius = rng.uniform(0.255, 0.28)
    return Subject(
        centres=np.array(centres, np.float64),
        radii=np.array([np.broadcast_to(r, 3) for r in radii], np.float64),
        colours=np.array(colours, np.float32),
        hairline=(rng.uniform(0.36, 0.5), rng.uniform(0.45, 0.75)),
        bald=bald,
        long_hair=long_hair,
        beard=rng.random() < 0.3,
        glasses=rng.random() < 0.2,
        eye=(-rng.uniform(0.285, 0.315), rng.uniform(0.06, 0.12), 0.0, radius),
        aperture=(rng.uniform(0.205, 0.23), rng.uniform(0.115, 0.14)),
        iris=(np.cos(np.radians(rng.uniform(25, 28))), np.cos(np.radians(rng.uniform(9, 12)))),
        iris_colour=_between(rng, _IRIS),
        lip_colour=(skin * np.array([0.82, 0.55, 0.55])).astype(np.float32),
        brow_colour=(hair * 0.8).astype(np.float32),
        frame_colour=rng.uniform(0.02, 0.35, 3).astype(np.float32),
        brow_height=rng.uniform(0.2, 0.25),
        mouth_width=rng.uniform(0.2, 0.27),
        texture=Texture(
            waves=rng.normal(0, 6, (5, 3)).astype(np.float32),
            phases=rng.uniform(0, 2 * np.pi, 5).astype(np.float32),
            amplitudes=rng.uniform(0.015, 0.05, 5).astype(np.float32),
        ),
    )


def _between(rng: np.random.Generator, palette: np.ndarray) -> np.ndarray:
    """A colour on the line between two neighbours of a palette, slightly off it."""
    at = rng.uniform(0, len(palette) - 1)
    low = int(at)
    mixed = palette[low] + (at - low) * (palette[min(low + 1, len(palette) - 1)] - palette[low])
    return np.clip(mixed + rng.normal(0, 0.02, 3), 0.02, 1).astype(np.float32)
