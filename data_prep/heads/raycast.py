"""The ray-caster: a subject in a scene becomes an image.

Rays are parallel (orthographic camera). In the head's own frame their direction is one constant vector and their origin
is affine in the pixel, so a ray meets an ellipsoid where a quadratic with per-pixel polynomial coefficients has its
larger root: one square root per solid and pixel, and no other work until the nearest solid is known.
"""

from __future__ import annotations

import numpy as np

from data_prep import geometry
from data_prep.heads import anatomy
from data_prep.heads.anatomy import Subject
from data_prep.heads.scene import Scene

_SUPERSAMPLING = 2  # rays per pixel along each side; _halve() undoes it
_MISS = np.float32(-1e9)
_BODY_TURN = 0.4  # the share of the head's yaw that neck and shoulders follow


def render(subject: Subject, scene: Scene, size: int, rng: np.random.Generator) -> np.ndarray:
    """One image.

    Args:
        subject: whose head.
        scene: in which circumstances.
        size: side of the image in pixels, 32 or more.
        rng: draws the pixel noise.

    Returns:
        uint8 (size, size, 3), RGB.
    """
    x, y = _rays(scene, size * _SUPERSAMPLING)
    depth, solid = _nearest(subject, scene, x, y)
    fine = _background(scene, size * _SUPERSAMPLING)
    hit = solid >= 0
    fine[hit] = _shade(subject, scene, x, y, depth, solid, hit)
    coarse = _halve(fine)
    coarse += np.float32(scene.noise) * rng.standard_normal(coarse.shape, dtype=np.float32)
    return (np.clip(coarse, 0, 1) * 255 + 0.5).astype(np.uint8)


def _halve(fine: np.ndarray) -> np.ndarray:
    """Mean of 2x2 rays; four strided sums are three times as fast here as a mean over two axes."""
    return (fine[::2, ::2] + fine[1::2, ::2] + fine[::2, 1::2] + fine[1::2, 1::2]) * np.float32(0.25)


def _rays(scene: Scene, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Ray origins in head units around the head's place: x (1, side), y (side, 1)."""
    steps = (np.arange(side, dtype=np.float32) + 0.5) / side - 0.5
    x = (steps - scene.centre[0]) / scene.scale
    y = (-steps - scene.centre[1]) / scene.scale
    return x[None, :].astype(np.float32), y[:, None].astype(np.float32)


def _nearest(subject: Subject, scene: Scene, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Depth (world z) and index of the nearest solid per ray; index -1 where there is none."""
    head, body = scene.rotation, geometry.rotation(_BODY_TURN * scene.head[0], 0, 0)
    depth = np.full((y.shape[0], x.shape[1]), _MISS, np.float32)
    solid = np.full(depth.shape, -1, np.int8)
    for index in range(len(subject.radii)):
        if index == anatomy.HAIR and subject.bald:
            continue
        rotation = body if index in (anatomy.NECK, anatomy.SHOULDERS) else head
        rows, columns = _extent(rotation, subject.centres[index], subject.radii[index], x, y)
        candidate = _ellipsoid_depth(rotation, subject.centres[index], subject.radii[index], x[:, columns], y[rows])
        if index == anatomy.HAIR:
            candidate = _trim_hair(subject, rotation, x[:, columns], y[rows], candidate)
        window, owner = depth[rows, columns], solid[rows, columns]
        nearer = candidate > window
        np.copyto(window, candidate, where=nearer)
        np.copyto(owner, np.int8(index), where=nearer)
    return depth, solid


def _extent(rotation: np.ndarray, centre: np.ndarray, radii: np.ndarray, x: np.ndarray, y: np.ndarray):
    """Rows and columns that can see an ellipsoid, as slices."""
    middle = rotation @ centre
    reach = np.linalg.norm(rotation * radii, axis=1)
    columns = np.flatnonzero(np.abs(x[0] - middle[0]) <= reach[0])
    rows = np.flatnonzero(np.abs(y[:, 0] - middle[1]) <= reach[1])
    as_slice = lambda found: slice(found[0], found[-1] + 1) if len(found) else slice(0, 0)  # noqa: E731
    return as_slice(rows), as_slice(columns)


def _ellipsoid_depth(rotation: np.ndarray, centre: np.ndarray, radii: np.ndarray, x: np.ndarray, y: np.ndarray):
    """World z of the front of an ellipsoid, _MISS where the ray passes it.

    With A = R diag(1/r**2) R^T and m = R c, a point p is on the surface where (p - m)^T A (p - m) = 1.
    """
    a = (rotation / radii**2) @ rotation.T
    middle = rotation @ centre
    u, v = x - np.float32(middle[0]), y - np.float32(middle[1])
    # a_zz w**2 + 2 (a_xz u + a_yz v) w + (a_xx u**2 + 2 a_xy u v + a_yy v**2 - 1) = 0, with w = z - m_z
    half = (np.float32(a[0, 2] / a[2, 2]) * u) + (np.float32(a[1, 2] / a[2, 2]) * v)
    rest = (np.float32(a[0, 0] / a[2, 2]) * u**2 - np.float32(1 / a[2, 2])) + (
        np.float32(2 * a[0, 1] / a[2, 2]) * u + np.float32(a[1, 1] / a[2, 2]) * v
    ) * v
    discriminant = half * half - rest
    front = np.sqrt(np.maximum(discriminant, 0)) - half + np.float32(middle[2])
    return np.where(discriminant > 0, front, _MISS)


def _to_head(rotation: np.ndarray, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, ...]:
    """Points in the frame of a rotated solid, one array per coordinate."""
    r = rotation.astype(np.float32)
    return tuple(r[0, k] * x + r[1, k] * y + r[2, k] * z for k in range(3))


def _trim_hair(subject: Subject, rotation: np.ndarray, x: np.ndarray, y: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Hair ends at a line that falls towards the back of the head; long hair also falls beside the face."""
    px, py, pz = _to_head(rotation, x, y, depth)
    height, slope = subject.hairline
    keep = py > height + slope * (pz - 0.2)
    if subject.long_hair:
        keep |= (np.abs(px) > 0.55) & (pz < 0.25)
    return np.where(keep, depth, _MISS)


def _background(scene: Scene, side: int) -> np.ndarray:
    """Smooth background, float32 (side, side, 3)."""
    waves = np.cos(np.pi * np.outer((np.arange(side) + 0.5) / side, np.arange(6))).astype(np.float32)
    planes = waves @ scene.background @ waves.T
    return np.ascontiguousarray(np.clip(planes, 0, 1).transpose(1, 2, 0))


def _shade(subject, scene, x, y, depth, solid, hit) -> np.ndarray:
    """Lit colours of all rays that hit something, float32 (M, 3)."""
    rows, columns = np.nonzero(hit)
    solid = solid[rows, columns]
    points = np.empty((len(rows), 3), np.float32)
    points[:, 0], points[:, 1], points[:, 2] = x[0].take(columns), y[:, 0].take(rows), depth[rows, columns]
    points = points @ scene.rotation.astype(np.float32)  # into the head's frame
    albedo = subject.colours.take(solid, axis=0)
    normals = _normals(subject, points, solid)
    _paint_skin(subject, scene, points, solid, albedo)
    _paint_eyes(subject, scene, points, solid, albedo, normals)
    lambert = normals @ (scene.rotation.T @ scene.light).astype(np.float32)
    brightness = np.float32(scene.ambient) + np.float32(scene.diffuse) * np.maximum(lambert, 0)
    return np.minimum(albedo * brightness[:, None], 1)


def _normals(subject: Subject, points: np.ndarray, solid: np.ndarray) -> np.ndarray:
    """Outward unit normals in the head's frame. The body's own turn is left out of its shading."""
    inverse = (1 / subject.radii**2).astype(np.float32)
    gradient = points * inverse.take(solid, axis=0)
    gradient -= (subject.centres * inverse).astype(np.float32).take(solid, axis=0)
    gradient /= np.sqrt(np.einsum("nd,nd->n", gradient, gradient))[:, None]
    return gradient


def _paint_skin(subject: Subject, scene: Scene, points: np.ndarray, solid: np.ndarray, albedo: np.ndarray) -> None:
    """Texture, beard, mouth and brows, in place."""
    texture = subject.texture
    albedo *= 1 + (np.sin(points @ texture.waves.T + texture.phases) @ texture.amplitudes)[:, None]
    face = np.flatnonzero(solid == anatomy.FACE)
    px, py = points[face, 0], points[face, 1]
    if subject.beard:
        beard = face[(py < -0.5 - 0.9 * (0.45 - np.abs(px)).clip(0) * (py > -0.62))]
        albedo[beard] = 0.35 * albedo[beard] + 0.65 * subject.brow_colour
    across = 1 - (px / subject.mouth_width) ** 2
    lips = face[np.abs(py + 0.62) < (0.05 + scene.mouth) * across]
    albedo[lips] = subject.lip_colour
    opening = face[np.abs(py + 0.62) < (0.008 + scene.mouth) * across]
    albedo[opening] = subject.lip_colour * 0.35
    ex, ey = abs(subject.eye[0]), subject.eye[1]
    bend = ey + subject.brow_height - 0.5 * (np.abs(px) - ex) ** 2
    brows = face[(np.abs(py - bend) < 0.035) & (np.abs(np.abs(px) - ex) < 0.2)]
    albedo[brows] = 0.25 * albedo[brows] + 0.75 * subject.brow_colour


def _paint_eyes(subject, scene, points, solid, albedo, normals) -> None:
    """Sockets, lids, eyeballs with iris and pupil, lashes and glasses, in place.

    The eyeball's visible point is where the ray through the lid opening meets the eye's sphere; the iris is a cap
    around the gaze direction on it.
    """
    face = np.flatnonzero((solid == anatomy.FACE) | (solid == anatomy.NOSE))
    gaze = (scene.rotation.T @ geometry.gaze_to_vector(scene.gaze)).astype(np.float32)
    ray = scene.rotation[2].astype(np.float32)  # towards the camera, in the head's frame
    half_width, half_height = subject.aperture
    lid = np.float32(np.clip(0.35 * np.arcsin(np.clip(gaze[1], -1, 1)) / 0.3, -0.5, 0.3))  # the upper lid follows gaze
    for side in (1, -1):
        ex, ey, _, radius = subject.eye
        dx, dy = points[face, 0] - side * ex, points[face, 1] - ey
        near = dx**2 / (1.5 * half_width) ** 2 + dy**2 / (2 * half_height) ** 2
        socket = face[near < 1]
        albedo[socket] *= (0.78 + 0.22 * near[near < 1])[:, None]
        across = 1 - (dx / half_width) ** 2
        upper, lower = half_height * (1 + lid) * across, -half_height * 0.85 * across
        opened = (across > 0) & (dy < upper) & (dy > lower) & (solid[face] == anatomy.FACE)
        lash = face[(across > -0.1) & (dy >= upper) & (dy < upper + 0.035)]
        albedo[lash] = subject.brow_colour * 0.6
        _paint_eyeball(subject, points, face[opened], side, gaze, ray, albedo, normals)
        if subject.glasses:
            rim = face[np.abs(np.sqrt(dx**2 + (1.25 * dy) ** 2) - 0.27) < 0.022]
            albedo[rim] = subject.frame_colour


def _paint_eyeball(subject, points, visible, side, gaze, ray, albedo, normals) -> None:
    ex, ey, _, radius = subject.eye
    surface = subject.centres[anatomy.FACE, 2] + subject.radii[anatomy.FACE, 2] * np.sqrt(
        max(0.0, 1 - (ex / subject.radii[0, 0]) ** 2 - ((ey + 0.2) / subject.radii[0, 1]) ** 2)
    )
    centre = np.array([side * ex, ey, surface - 0.92 * radius], np.float32)
    offset = points[visible] - centre
    along = offset @ ray
    gap = np.maximum(np.einsum("nd,nd->n", offset, offset) - along**2, 0)
    reach = np.sqrt(np.maximum(radius**2 - gap, 0)).astype(np.float32)
    normal = (offset + (reach - along)[:, None] * ray) / np.float32(radius)
    toward = normal @ gaze
    white = np.array([0.93, 0.91, 0.89], np.float32) * (0.8 + 0.2 * np.clip(normal @ ray, 0, 1))[:, None]
    iris_edge, pupil_edge = subject.iris
    colour = np.where((toward > iris_edge)[:, None], subject.iris_colour, white)
    albedo[visible] = np.where((toward > pupil_edge)[:, None], np.float32(0.03), colour)
    normals[visible] = normal
