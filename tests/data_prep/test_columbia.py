"""ColumbiaGaze: labels from file names, faces from photographs."""

from __future__ import annotations

import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data_prep import columbia_gaze
from data_prep.columbia_gaze import ColumbiaGaze
from data_prep.raw import BrokenSample
from tests.fake import columbia
from tests.fake.real import sample


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
    data = ColumbiaGaze(size=(16, 32))
    entries = data.entries(tmp_path).entries
    # V = 10 looks 10 degrees up: pitch 10. H = -5 looks 5 degrees to image left: yaw 5.
    targets = [data.sample(tmp_path, entry).target for entry in entries]
    np.testing.assert_allclose(np.degrees(targets), [[10, 5], [-10, -15]], rtol=1e-5)
    assert [entry.subject for entry in entries] == [1, 2]


def test_images_are_resized_whole(tmp_path):
    _image(tmp_path / "0001_2m_0P_0V_0H.jpg", grey=200)
    data = ColumbiaGaze(size=(16, 32))
    found = data.sample(tmp_path, data.entries(tmp_path).entries[0])
    assert found.image.shape == (16, 32, 3)
    np.testing.assert_allclose(found.image, 200, atol=2)  # JPEG
    assert not np.signbit(found.target).any()  # straight ahead is 0, not -0


def test_stray_images_are_excluded_and_named(tmp_path):
    listing = ColumbiaGaze().entries(columbia.write(tmp_path))
    assert {entry.source for entry in listing.entries} == set(columbia.NAMES)
    assert [item.source for item in listing.excluded] == ["0001/portrait.jpg"]


def test_subjects_with_missing_images_are_named(tmp_path):
    problems = ColumbiaGaze().entries(columbia.write(tmp_path)).problems
    assert [tuple(problem) for problem in problems] == [
        ("subject 0001", "it has 2 of 105 images"),
        ("subject 0002", "it has 1 of 105 images"),
    ]


def test_faces_are_found_in_photographs(tmp_path):
    pytest.importorskip("cv2")
    home = columbia.write(tmp_path)
    data = ColumbiaGaze(size=(64, 64), crop="face")
    entries = data.entries(home).entries
    for entry in entries[:2]:
        image = data.sample(home, entry).image
        assert image.shape == (64, 64, 3)
        assert image[16:48, 16:48].std() > 15  # a face, not the grey wall around it


def test_a_photograph_without_a_face_is_refused(tmp_path):
    pytest.importorskip("cv2")
    _image(tmp_path / "0001" / "0001_2m_0P_0V_0H.jpg")
    data = ColumbiaGaze(crop="face")
    with pytest.raises(BrokenSample, match="no face was found"):
        data.sample(tmp_path, data.entries(tmp_path).entries[0])


@pytest.mark.parametrize("crop", ["none", "face"])
def test_a_photograph_that_was_cut_short_is_refused(tmp_path, crop):
    home = columbia.write(tmp_path)
    data = ColumbiaGaze(crop=crop)
    with pytest.raises(BrokenSample, match="truncated"):
        data.sample(home, data.entries(home).entries[2])


def test_a_folder_without_images_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no ColumbiaGaze image below.*subjects' folders"):
        ColumbiaGaze().entries(tmp_path)


def test_the_names_of_28_real_subjects(tmp_path):
    with tarfile.open(sample("columbia_eyes.tar")) as archive:
        names = [Path(member.name).name for member in archive.getmembers() if member.isfile()]
    labels = [columbia_gaze.label(name) for name in names]
    assert len(labels) == 2940 and None not in labels  # 28 subjects with 105 images each
    assert {label[1] for label in labels} == {-30, -15, 0, 15, 30}
    assert {label[2] for label in labels} == {-10, 0, 10}
    assert {label[3] for label in labels} == {-15, -10, -5, 0, 5, 10, 15}
