"""ColumbiaGaze: labels from file names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data_prep import columbia_gaze


def _image(path: Path, grey: int = 128) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (60, 40), (grey, grey, grey)).save(path)


def test_names_say_all():
    assert columbia_gaze.label("0001_2m_-15P_10V_-5H.jpg") == (1, -15, 10, -5)
    assert columbia_gaze.label("0056_2m_30P_-10V_15H.jpg") == (56, 30, -10, 15)


@pytest.mark.parametrize("name", ["readme.jpg", "0001_2m_-15P_10V_-5H.png", "0001_2m_-15P_10V_-5H (1).jpg"])
def test_other_names_are_none(name):
    assert columbia_gaze.label(name) is None


def test_signs_by_hand(tmp_path):
    _image(tmp_path / "0001" / "0001_2m_-15P_10V_-5H.jpg")
    _image(tmp_path / "0002" / "0002_2m_0P_-10V_15H.jpg")
    found = columbia_gaze.read(tmp_path, size=(16, 32))
    # V = 10 looks 10 degrees up: pitch 10. H = -5 looks 5 degrees to image left: yaw 5.
    np.testing.assert_allclose(np.degrees(found.targets), [[10, 5], [-10, -15]], rtol=1e-5)
    np.testing.assert_array_equal(found.groups, [1, 2])


def test_images_are_resized_whole(tmp_path):
    _image(tmp_path / "0001_2m_0P_0V_0H.jpg", grey=200)
    found = columbia_gaze.read(tmp_path, size=(16, 32))
    assert found.images.shape == (1, 16, 32, 3)
    np.testing.assert_allclose(found.images, 200, atol=2)  # JPEG


def test_stray_files_are_not_part_of_the_data_set(tmp_path):
    _image(tmp_path / "0001" / "0001_2m_0P_0V_0H.jpg")
    _image(tmp_path / "0001" / "portrait.jpg")
    (tmp_path / "0001" / "Thumbs.db").write_bytes(b"x")
    done: list[int] = []
    assert len(columbia_gaze.read(tmp_path, size=(16, 32), progress=done.append)) == 1
    assert done == [1]


def test_a_folder_without_images_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no ColumbiaGaze image below.*subjects' folders"):
        columbia_gaze.read(tmp_path, size=(16, 32))


def test_a_broken_image_is_refused(tmp_path):
    (tmp_path / "0001_2m_0P_0V_0H.jpg").write_bytes(b"no image")
    with pytest.raises(ValueError, match="0001_2m_0P_0V_0H.jpg is no readable image"):
        columbia_gaze.read(tmp_path, size=(16, 32))
