"""Biwi: original frames and POSEidon's cropped faces."""

from __future__ import annotations

import io
import tarfile

import numpy as np
import pytest

from data_prep.biwi import Biwi, person
from data_prep.raw import BrokenSample
from tests.fake import biwi
from tests.fake.real import sample


def test_frames_are_listed_by_person_not_by_sequence(tmp_path):
    listing = Biwi().entries(biwi.write_original(tmp_path))
    subjects = {entry.source: entry.subject for entry in listing.entries}
    assert subjects["03/frame_00007_rgb.png"] == subjects["15/frame_00008_rgb.png"] == 3
    assert subjects["01/frame_00003_rgb.png"] == 1


def test_twenty_people_are_in_24_sequences():
    assert len({person(sequence) for sequence in range(1, 25)}) == 20


def test_a_frame_without_pose_bin_is_no_problem(tmp_path):
    listing = Biwi().entries(biwi.write_original(tmp_path))
    assert "01/frame_00003_rgb.png" in [entry.source for entry in listing.entries]
    assert [problem.source for problem in listing.problems] == ["02/frame_00005_rgb.png"]
    assert "holds no rotation" in listing.problems[0].text


@pytest.mark.parametrize(
    "convention, expected",
    [("biwi", (-62.064, 41.503, -12.802)), ("hopenet", (-52.376, -54.920, 41.554))],
)
def test_labels_are_yaw_pitch_roll_in_the_asked_convention(tmp_path, convention, expected):
    data = Biwi(size=(64, 64), convention=convention)
    home = biwi.write_original(tmp_path)
    np.testing.assert_allclose(np.degrees(data.sample(home, data.entries(home).entries[1]).target), expected, atol=0.01)


def test_pose_bin_alone_gives_the_same_labels(tmp_path):
    home = biwi.write_original(tmp_path)
    data = Biwi(size=(64, 64))
    both = data.sample(home, data.entries(home).entries[1]).target
    (home / "01" / "frame_00501_pose.txt").unlink()
    np.testing.assert_allclose(data.sample(home, data.entries(home).entries[1]).target, both, atol=1e-4)


def test_poses_that_disagree_are_listed(tmp_path):
    home = biwi.write_original(tmp_path)
    (home / "01" / "frame_00501_pose.bin").write_bytes(np.float32([0, 0, 900, 0, 0, 0]).tobytes())
    problems = dict(Biwi().entries(home).problems)
    assert "pose.txt and pose.bin disagree by" in problems["01/frame_00501_rgb.png"]


def test_the_crop_is_where_the_calibration_says(tmp_path):
    home = biwi.write_original(tmp_path)
    # Column (156.6 - 24.02) / 880.311 * 517.679 + 320 = 397.97; row (94.6106 + 5.89) / 880.311 * 517.679 + 240.5 =
    # 299.6; 300 mm are 300 / 880.311 * 517.679 = 176.4 pixels, so columns 310 to 485 and rows 212 to 387.
    data = Biwi(size=(176, 176))
    image = np.zeros((480, 640, 3), np.uint8)
    image[212:388, 310:486] = 200
    biwi.save(home / "01" / "frame_00501_rgb.png", image)
    assert data.sample(home, data.entries(home).entries[1]).image.min() == 200


def test_without_calibration_there_is_no_crop(tmp_path):
    home = biwi.write_original(tmp_path)
    (home / "01" / "rgb.cal").unlink()
    with pytest.raises(ValueError, match="rgb.cal.*--crop none"):
        Biwi().entries(home)
    data = Biwi(crop="none", size=(48, 64))
    assert data.sample(home, data.entries(home).entries[0]).image.shape == (48, 64, 3)


def test_a_frame_that_was_cut_short_is_refused(tmp_path):
    home = biwi.write_original(tmp_path)
    data = Biwi()
    entry = next(entry for entry in data.entries(home).entries if entry.source == "02/frame_00004_rgb.png")
    with pytest.raises(BrokenSample, match="no readable image"):
        data.sample(home, entry)


def test_poseidon_s_columns_are_roll_pitch_yaw(tmp_path):
    home = biwi.write_poseidon(tmp_path)
    data = Biwi(size=(64, 64), convention="biwi")
    listing = data.entries(home)
    assert [(entry.source[:2], entry.part) for entry in listing.entries] == [("11", "test")] * 2 + [("13", "train")] * 2
    np.testing.assert_allclose(np.degrees(data.sample(home, listing.entries[0]).target), [1.5, -10.5, -2.5], rtol=1e-5)
    assert [problem.source for problem in listing.problems] == ["11/angles.txt: frame 9", "13/angles.txt: frame 9"]


def test_another_folder_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no sequence of Biwi.*Name the folder"):
        Biwi().entries(tmp_path)


def test_poseidon_s_angles_are_the_labels_of_pose_bin(tmp_path):
    with tarfile.open(sample("biwi_sample.tar")) as archive:
        labels = np.load(io.BytesIO(archive.extractfile("biwi/biwi_all_labels.npz").read()))
        known = dict(zip(labels["frame"].tolist(), labels["pitch_yaw_roll_deg"]))
        prefix = "biwi/POSEidon-Biwi/face_dataset_ae/"
        for member in archive.getmembers():
            if member.isfile() and member.name.startswith(prefix):
                path = tmp_path / member.name[len(prefix) :]
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(archive.extractfile(member).read())
    data = Biwi(size=(64, 64), convention="biwi")
    entries = data.entries(tmp_path).entries
    assert len(entries) == 150
    for entry in entries:
        pitch, yaw, roll = known[f"11/frame_{entry.source.split('_')[1]}"]
        np.testing.assert_allclose(np.degrees(data.sample(tmp_path, entry).target), [yaw, pitch, roll], atol=0.001)
