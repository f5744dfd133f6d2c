"""Normalised faces: the virtual camera, worked out by hand and on a real frame."""

from __future__ import annotations

import tarfile

import numpy as np
import pytest
from PIL import Image

from data_prep import normalisation
from data_prep.normalisation import FACE_MODEL, Camera, face_of, locate, normalised_gaze, normalised_image
from tests.fake.real import sample

cv2 = pytest.importorskip("cv2")
CAMERA = Camera(np.array([[500.0, 0, 320], [0, 500.0, 240], [0, 0, 1]]), np.zeros(5))
FRONTAL = np.zeros(3)


def _virtual(face, points: np.ndarray) -> np.ndarray:
    """Pixels of points in space (mm, camera frame) in the normalised image of 224 pixels, by the definition."""
    turned = (points @ normalisation.virtual_rotation(face).T) * [1, 1, 600 / np.linalg.norm(face.centre)]
    return 960 * turned[:, :2] / turned[:, 2:] + 112


def test_the_centre_of_the_face_comes_to_the_middle():
    face = face_of(np.array([0.2, -0.3, 0.4]), np.array([60.0, -40, 500]))
    np.testing.assert_allclose(_virtual(face, face.centre[None]), [[112, 112]], atol=1e-9)


def test_a_tilted_head_becomes_level():
    face = face_of(np.array([0, 0, 0.5]), np.array([60.0, -40, 500]))  # rolled by 29 degrees
    eyes = _virtual(face, FACE_MODEL[:4] @ face.rotation.T + face.centre - face.rotation @ FACE_MODEL.mean(axis=0))
    assert np.ptp(eyes[:, 1]) < 1.5


def test_a_face_has_the_same_size_at_any_distance():
    # The outer corners are 90.19 mm apart, seen from 600 mm (their depth of 2.4 mm aside): 960 * 90.19 / 600 = 144.3.
    for distance in (400.0, 900.0):
        face = face_of(FRONTAL, np.array([0, 0, distance]))
        corners = _virtual(face, FACE_MODEL[[0, 3]] + face.centre - FACE_MODEL.mean(axis=0))
        assert corners[1, 0] - corners[0, 0] == pytest.approx(144.3, rel=0.02)


def test_who_looks_into_the_camera_has_no_angles():
    face = face_of(np.array([0.1, 0.2, 0.3]), np.array([60.0, -40, 500]))
    np.testing.assert_allclose(normalised_gaze(face, np.zeros(3)), [0, 0], atol=1e-12)


def test_signs_of_gaze():
    face = face_of(FRONTAL, np.array([0.0, 0, 500]) - FACE_MODEL.mean(axis=0))  # its centre is on the axis
    # 100 mm to the left and up in the image, half a metre away: pitch > 0 is up, yaw > 0 is image left.
    left = normalised_gaze(face, np.array([-100.0, 0, 0]))
    np.testing.assert_allclose(left, [0, np.arctan2(100, 500)], atol=1e-12)
    up = normalised_gaze(face, np.array([0.0, -100, 0]))
    np.testing.assert_allclose(up, [np.arctan2(100, 500), 0], atol=1e-12)


def test_scaling_shrinks_the_angles_of_near_faces():
    face = face_of(FRONTAL, np.array([0.0, 0, 300]) - FACE_MODEL.mean(axis=0))
    # tan(yaw) = 100 / 300; scaled by 600 / 300 along the axis: tan(yaw) = 100 / 600.
    np.testing.assert_allclose(
        normalised_gaze(face, np.array([-100.0, 0, 0]), scaled=True), [0, np.arctan2(100, 600)], atol=1e-9
    )


def test_landmarks_give_the_pose_back():
    turn, shift = np.array([0.1, -0.2, 0.05]), np.array([20.0, 10, 550])
    camera = Camera(CAMERA.matrix, np.array([-0.1, 0.2, 0.001, -0.001, 0.0]))
    landmarks = cv2.projectPoints(FACE_MODEL, turn, shift, camera.matrix, camera.distortion)[0].reshape(6, 2)
    found, expected = locate(landmarks, camera), face_of(turn, shift)
    np.testing.assert_allclose(found.rotation, expected.rotation, atol=1e-3)
    np.testing.assert_allclose(found.centre, expected.centre, atol=0.5)


def test_pixels_come_from_where_the_camera_says():
    face = face_of(FRONTAL, np.array([30.0, 20, 500]))
    frame = np.zeros((480, 640, 3), np.uint8)
    column, row, _ = CAMERA.matrix @ (face.centre / face.centre[2])
    frame[round(row) - 3 : round(row) + 4, round(column) - 3 : round(column) + 4] = 255
    rows, columns = np.nonzero(normalised_image(frame, face, CAMERA, 224)[..., 0] > 128)
    assert abs(rows.mean() - 112) < 1 and abs(columns.mean() - 112) < 1


def test_twice_the_size_is_twice_the_resolution():
    face = face_of(FRONTAL, np.array([0.0, 0, 500]))
    frame = np.zeros((480, 640, 3), np.uint8)
    frame[:, 320:] = 255
    frame[240:] //= 2
    small, large = (normalised_image(frame, face, CAMERA, size) for size in (224, 448))
    assert large.shape == (448, 448, 3)
    means = large.reshape(224, 2, 224, 2, 3).mean(axis=(1, 3))
    assert np.abs(means - small).mean() < 2


# A real frame of MPIIFaceGaze; see shared data. Skipped where it is absent.

MATRIX = np.array([[994.73532636154357, 0, 624.66344095358204], [0, 998.16646783725832, 364.08742556922607], [0, 0, 1]])
DISTORTION = [
    -0.16321888358994174,
    0.66783406157588499,
    -0.0012185442233194961,
    -0.0030315776409916288,
    -1.0215992729832535,
]
REAL = Camera(MATRIX, np.array(DISTORTION))
LANDMARKS = np.array([(551.0, 408), (603, 405), (698, 398), (755, 393), (603, 566), (724, 557)])
TARGET = np.array([-127.790719, 4.621111, -12.025310])


def _real_image(name: str) -> np.ndarray:
    with tarfile.open(sample("mpii_sample.tar")) as archive:
        return np.asarray(Image.open(archive.extractfile(name)).convert("RGB"))


def test_the_published_gaze_of_a_real_frame():
    face = locate(LANDMARKS, REAL)
    np.testing.assert_allclose(normalised_gaze(face, TARGET), [0.0080, 0.2782], atol=0.003)
    np.testing.assert_allclose(normalised_gaze(face, TARGET, scaled=True), [0.0059, 0.2023], atol=0.003)


def test_a_real_frame_becomes_its_published_face():
    made = normalised_image(_real_image("mpii/frame/data/example/day01_0087.jpg"), locate(LANDMARKS, REAL), REAL, 224)
    published = _real_image("mpii/frame/normalised_gazehub/day01_0087_face224.png")
    assert np.abs(made.astype(float) - published).mean() < 3
