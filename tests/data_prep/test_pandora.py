"""Pandora: angles from quaternions, irregular files, bad crops."""

from __future__ import annotations

import json

import numpy as np
import pytest

from data_prep.pandora import Pandora, angles_of
from data_prep.raw import BrokenSample
from tests.fake import pandora


def test_the_published_quaternion_gives_the_angles_under_their_right_names():
    found = angles_of(np.array(pandora.QUATERNION))
    expected = pandora.EULER["roll"], pandora.EULER["yaw"], pandora.EULER["pitch"]  # what the keys really hold
    np.testing.assert_allclose(found, expected, atol=0.02)


def test_a_quaternion_of_another_length_is_refused():
    with pytest.raises(ValueError, match="has length 2.000"):
        angles_of(np.array([2.0, 0, 0, 0]))


def test_regular_and_irregular_annotations_say_the_same(tmp_path):
    home = pandora.write_original(tmp_path)
    entries = {entry.source: entry for entry in Pandora().entries(home).entries}
    regular = entries["01/base_1_ID01/RGB/000145_RGB.png"]
    irregular = entries["02/base_1_ID02/RGB/000145_RGB.png"]
    assert regular.label == irregular.label
    np.testing.assert_allclose(regular.label[:3], [-38.902, -8.611, 0.169], atol=0.02)  # yaw, pitch, roll


def test_where_there_is_only_text_it_is_read(tmp_path):
    listing = Pandora(crop="none").entries(pandora.write_original(tmp_path))
    labels = [entry.label[:3] for entry in listing.entries if entry.subject == 4]
    assert labels == [(-30, -8, 0.5), (-31, -9, 0.6)]


def test_a_sequence_whose_json_was_cut_short_is_listed(tmp_path):
    listing = Pandora().entries(pandora.write_original(tmp_path))
    assert [problem.source for problem in listing.problems] == ["03/base_1_ID03"]
    assert "data.json is no JSON" in listing.problems[0].text
    assert {entry.subject for entry in listing.entries} == {1, 2, 4}


@pytest.mark.parametrize(
    "change", [{"orientation": {}}, {"orientation": {"quaternion": [1, 0]}}, {"orientation": None}]
)
def test_a_record_that_cannot_be_read_is_listed(tmp_path, change):
    home = pandora.write_original(tmp_path)
    path = home / "01" / "base_1_ID01" / "data.json"
    records = json.loads(path.read_text())
    path.write_text(json.dumps([{**records[0], **change}, records[1]]))
    problems = dict(Pandora().entries(home).problems)
    assert "its annotation cannot be read" in problems["01/base_1_ID01/RGB/000145_RGB.png"]


def test_heads_are_cut_out_at_their_joint(tmp_path):
    home = pandora.write_original(tmp_path)
    # The head is at column 96, row 54, 1.2 m away: 300 mm are 1064 * 0.3 / 1.2 = 266 pixels, more than the frame.
    data = Pandora(size=(266, 266))
    image = data.sample(home, data.entries(home).entries[0]).image
    rows, columns = np.nonzero(image.any(axis=-1))
    assert (rows.min(), rows.max() + 1) == (133 - 54, 133 + 54) and (columns.min(), columns.max() + 1) == (37, 229)


def test_without_joints_there_is_no_crop(tmp_path):
    home = pandora.write_original(tmp_path)
    entry = next(entry for entry in Pandora().entries(home).entries if entry.subject == 4)
    with pytest.raises(BrokenSample, match="--crop none"):
        Pandora().sample(home, entry)
    assert Pandora(size=(32, 48), crop="none").sample(home, entry).image.shape == (32, 48, 3)


def test_bad_crops_are_excluded_unless_asked_for(tmp_path):
    home = pandora.write_cropped(tmp_path)
    listing = Pandora().entries(home)
    assert [entry.source[:16] for entry in listing.entries] == [
        "042/frame_000139",
        "042/frame_000140",
        "042/frame_000200",
    ] + ["048/frame_000139"]
    assert [problem.source[:16] for problem in listing.excluded] == ["048/frame_000140", "048/frame_000200"]
    assert len(Pandora(bad_crops="keep").entries(home).entries) == 6


def test_the_split_is_poseidon_s(tmp_path):
    listing = Pandora().entries(pandora.write_cropped(tmp_path))
    # Folder 42 shows subject (42 - 1) // 5 = 8, which is for validation; folder 48 subject 9, which is for testing.
    assert [(entry.subject, entry.part) for entry in listing.entries] == [(9, "val")] * 3 + [(10, "test")]


def test_cropped_faces_keep_the_names_of_their_columns(tmp_path):
    home = pandora.write_cropped(tmp_path)
    data = Pandora(size=(96, 96))
    found = data.sample(home, data.entries(home).entries[0])
    np.testing.assert_allclose(np.degrees(found.target), [20.5, -8.5, 1.5], rtol=1e-5)  # yaw, pitch, roll
    assert found.image.shape == (96, 96, 3)


def test_another_folder_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no sequence of Pandora.*Name the folder"):
        Pandora().entries(tmp_path)
