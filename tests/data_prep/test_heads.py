"""Synthetic heads: what the picture shows is what the label says."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from data_prep.contract import GAZE, HEAD_POSE
from data_prep.geometry import gaze_to_vector
from data_prep.heads import anatomy, builder
from data_prep.heads.anatomy import Subject, draw_subject
from data_prep.heads.builder import Heads
from data_prep.heads.raycast import render
from data_prep.heads.scene import Ranges, Scene, draw_scene

GREEN = np.float32([0, 1, 0])
SIZE, SCALE = 224, 0.45
IRIS = np.cos(np.radians(10))  # a small iris, never covered by a lid


def _scene(**changes) -> Scene:
    """A head that looks into the camera in front of a grey wall, with light from the camera and no noise."""
    wall = np.zeros((3, 6, 6), np.float32)
    wall[:, 0, 0] = 0.5
    scene = Scene(
        head=np.zeros(3),
        gaze=np.zeros(2),
        light=np.array([0.0, 0, 1]),
        ambient=0.7,
        diffuse=0.3,
        centre=np.zeros(2),
        scale=SCALE,
        mouth=0.0,
        background=wall,
        noise=0.0,
    )
    return dataclasses.replace(scene, **{name: np.asarray(value) for name, value in changes.items()})


def _subject(**changes) -> Subject:
    """Someone without glasses, with even skin: their face is its own mirror image."""
    subject = draw_subject(np.random.default_rng(4))
    even = dataclasses.replace(subject.texture, amplitudes=np.zeros_like(subject.texture.amplitudes))
    return dataclasses.replace(subject, glasses=False, long_hair=False, texture=even, **changes)


def _shot(subject: Subject, scene: Scene, size: int = SIZE) -> np.ndarray:
    return render(subject, scene, size, np.random.default_rng(0))


def _green(subject: Subject, scene: Scene) -> np.ndarray:
    """Places of the green pixels, (x to the right, y up) in pixels from the image's centre."""
    image = _shot(subject, scene).astype(int)
    rows, columns = np.nonzero(image[..., 1] - image[..., [0, 2]].max(axis=-1) > 60)
    return np.stack([columns - (SIZE - 1) / 2, (SIZE - 1) / 2 - rows], axis=-1)


def _nose_place(scene: Scene) -> np.ndarray:
    colours = _subject().colours.copy()
    colours[anatomy.NOSE] = GREEN
    return _green(_subject(colours=colours), scene).mean(axis=0)


def _iris_places(scene: Scene) -> np.ndarray:
    """Centres of both irises, that on the left of the image first."""
    green = _green(_subject(iris_colour=GREEN, iris=(IRIS, 1.1)), scene)  # no pupil: no cosine is above 1.1
    x = green[:, 0]
    left = x < (x.min() + x.max()) / 2
    return np.stack([green[left].mean(axis=0), green[~left].mean(axis=0)])


def _iris_shift(head: tuple[float, float, float], gaze: tuple, other: tuple) -> np.ndarray:
    """How both irises move from the second gaze to the first, (2 eyes, x and y)."""
    return _iris_places(_scene(head=head, gaze=gaze)) - _iris_places(_scene(head=head, gaze=other))


def _one_pixel_of_direction() -> float:
    """Pixels that the iris moves when a coordinate of the gaze vector changes by 1."""
    radius = _subject().eye[3]
    return radius * IRIS * SCALE * SIZE  # the iris' rim is a circle around radius * cos(half angle) * gaze


def test_positive_gaze_yaw_moves_both_irises_to_image_left():
    # x of the gaze vector is -sin(yaw), so between +0.15 and -0.15 it changes by -2 sin(0.15) = -0.2989
    expected = [-0.2989 * _one_pixel_of_direction(), 0]
    np.testing.assert_allclose(_iris_shift((0, 0, 0), (0, 0.15), (0, -0.15)), [expected] * 2, atol=0.5)


def test_positive_gaze_pitch_moves_both_irises_up():
    expected = [0, 0.2989 * _one_pixel_of_direction()]
    np.testing.assert_allclose(_iris_shift((0, 0, 0), (0.15, 0), (-0.15, 0)), [expected] * 2, atol=0.5)


@pytest.mark.parametrize("head", [(0.35, 0, 0), (-0.25, 0.2, 0), (0, -0.15, 0.3)])
def test_gaze_is_measured_in_the_camera_frame_however_the_head_turns(head):
    yaw, pitch, _ = head
    gaze, other = np.array([pitch + 0.05, yaw + 0.12]), np.array([pitch - 0.05, yaw - 0.12])
    change = (gaze_to_vector(gaze) - gaze_to_vector(other))[:2]
    expected = change * _one_pixel_of_direction()
    np.testing.assert_allclose(_iris_shift(head, gaze, other), [expected] * 2, atol=0.5)


def test_positive_head_yaw_turns_the_nose_to_image_left():
    assert _nose_place(_scene(head=(0.3, 0, 0)))[0] < -10
    assert _nose_place(_scene(head=(-0.3, 0, 0)))[0] > 10


def test_positive_head_pitch_lifts_the_nose():
    up, down = (_nose_place(_scene(head=(0, pitch, 0)))[1] for pitch in (0.2, -0.2))
    assert up - down > 20


def test_positive_head_roll_turns_the_head_anticlockwise():
    # the nose lies below the centre, which an anticlockwise turn takes to the right
    assert _nose_place(_scene(head=(0, 0, 0.3)))[0] > 5


def test_the_place_of_the_head_is_right_and_up():
    moved = _nose_place(_scene(centre=(0.05, 0.1))) - _nose_place(_scene())
    np.testing.assert_allclose(moved, [0.05 * SIZE, 0.1 * SIZE], atol=0.5)


def test_mirroring_the_scene_mirrors_the_picture():
    wall = np.random.default_rng(1).normal(0, 0.05, (3, 6, 6)).astype(np.float32)
    wall[:, 0, 0] = 0.5
    mirrored_wall = wall * np.float32([1, -1, 1, -1, 1, -1])  # cos(pi * (1 - x) * k) = (-1)**k cos(pi * x * k)
    scene = _scene(
        head=(0.2, 0.1, 0.1), gaze=(0.05, 0.3), light=(0.6, 0, 0.8), centre=(0.02, 0.01), background=wall, mouth=0.04
    )
    mirrored = _scene(
        head=(-0.2, 0.1, -0.1),
        gaze=(0.05, -0.3),
        light=(-0.6, 0, 0.8),
        centre=(-0.02, 0.01),
        background=mirrored_wall,
        mouth=0.04,
    )
    one, other = (_shot(_subject(), view, size=64).astype(int) for view in (scene, mirrored))
    assert (np.abs(one - other[:, ::-1]) > 1).mean() < 0.002  # rounding may tip a ray at an edge


def test_light_falls_where_it_comes_from():
    image = _shot(_subject(), _scene(light=(-0.8, 0, 0.6)), size=64)
    face = image[24:44, 16:48].astype(float)
    assert face[:, :16].mean() > face[:, 16:].mean() + 5


@pytest.mark.parametrize("size", [32, 64, 112, 224])
def test_every_size_shows_the_same_picture(size):
    def coarse(side: int) -> np.ndarray:
        return _shot(_subject(), _scene(), side).reshape(16, side // 16, 16, side // 16, 3).mean(axis=(1, 3))

    image = _shot(_subject(), _scene(), size)
    assert image.dtype == np.uint8 and image.shape == (size, size, 3)
    assert np.abs(coarse(size) - coarse(448)).mean() < 1.5  # grey levels of 255


def test_noise_differs_from_pixel_to_pixel_with_its_deviation():
    quiet, noisy = (_shot(_subject(), _scene(noise=noise), 64).astype(float) for noise in (0.0, 0.01))
    assert (noisy - quiet).std() == pytest.approx(2.55, abs=0.3)  # 0.01 of 255


def test_image_does_not_depend_on_what_is_rendered_beside_it():
    few = Heads(count=3, subjects=3, size=32, seed=5).build()
    many = Heads(count=7, subjects=3, size=32, seed=5).build()
    np.testing.assert_array_equal(few.images, many.images[:3])
    np.testing.assert_array_equal(few.targets, many.targets[:3])


def test_image_does_not_depend_on_the_number_of_workers(monkeypatch):
    monkeypatch.setattr(builder, "_CHUNK", 3)
    heads = Heads(count=8, subjects=3, size=32)
    alone, together = heads.build(workers=1), heads.build(workers=2)
    np.testing.assert_array_equal(alone.images, together.images)
    np.testing.assert_array_equal(alone.targets, together.targets)


def test_same_seed_same_heads():
    heads = Heads(count=4, subjects=2, size=32, seed=1)
    np.testing.assert_array_equal(heads.build().images, heads.build().images)


def test_another_seed_gives_other_heads():
    one, other = (Heads(count=4, subjects=2, size=32, seed=seed).build() for seed in (1, 2))
    assert np.any(one.images != other.images, axis=(1, 2, 3)).all()
    assert np.any(one.targets != other.targets, axis=1).all()


def test_gaze_and_head_pose_sets_share_their_images():
    gaze, head = (Heads(task, count=4, subjects=2, size=32).build() for task in (GAZE, HEAD_POSE))
    np.testing.assert_array_equal(gaze.images, head.images)
    assert gaze.targets.shape == (4, 2) and head.targets.shape == (4, 3)


def test_labels_are_those_of_the_rendered_scene(monkeypatch):
    scenes: list[Scene] = []

    def remember(subject, scene, size, rng):
        scenes.append(scene)
        return np.zeros((size, size, 3), np.uint8)

    monkeypatch.setattr(builder, "render", remember)
    gaze = Heads(GAZE, count=3, subjects=1, size=32).build().targets
    np.testing.assert_array_equal(gaze, np.float32([scene.gaze for scene in scenes]))
    scenes.clear()
    head = Heads(HEAD_POSE, count=3, subjects=1, size=32).build().targets
    np.testing.assert_array_equal(head, np.float32([scene.head for scene in scenes]))


def test_subjects_take_turns_and_keep_their_face(monkeypatch):
    faces: list[tuple] = []

    def remember(subject, scene, size, rng):
        faces.append(subject.eye)
        return np.zeros((size, size, 3), np.uint8)

    monkeypatch.setattr(builder, "render", remember)
    split = Heads(count=5, subjects=2, size=32).build()
    np.testing.assert_array_equal(split.groups, [0, 1, 0, 1, 0])
    assert faces[0] == faces[2] == faces[4] and faces[1] == faces[3] and faces[0] != faces[1]


def test_progress_is_told_after_every_chunk(monkeypatch):
    monkeypatch.setattr(builder, "_CHUNK", 2)
    done: list[int] = []
    Heads(count=5, subjects=1, size=32).build(progress=done.append)
    assert done == [2, 4, 5]


def test_angles_stay_in_their_ranges():
    ranges = Ranges(head=(10.0, 4.0, 2.0), eyes=(8.0, 6.0))
    scenes = [draw_scene(np.random.default_rng(seed), ranges) for seed in range(300)]
    heads, gazes = np.degrees([scene.head for scene in scenes]), np.degrees([scene.gaze for scene in scenes])
    # every angle is cut at 2.5 deviations, and is spread over most of that
    np.testing.assert_array_less(np.abs(heads).max(axis=0), [25, 10, 5])
    np.testing.assert_array_less([15, 6, 3], np.abs(heads).max(axis=0))
    eyes = gazes - heads[:, [1, 0]]  # gaze is [pitch, yaw], head [yaw, pitch, roll]
    np.testing.assert_array_less(np.abs(eyes).max(axis=0), [15, 20])


def test_spec_tells_task_and_shape():
    spec = Heads(HEAD_POSE, count=4, subjects=2, size=48).spec
    assert spec.task == HEAD_POSE and spec.image_shape == (48, 48, 3)


def test_too_small_images_are_refused():
    with pytest.raises(ValueError, match="at least 32 pixels"):
        Heads(size=31)


@pytest.mark.parametrize("count, subjects", [(3, 4), (3, 0), (0, 0)])
def test_impossible_numbers_of_subjects_are_refused(count, subjects):
    with pytest.raises(ValueError, match="subjects must lie between"):
        Heads(count=count, subjects=subjects)
