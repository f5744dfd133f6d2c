"""MPIIFaceGaze in its three layouts."""

from __future__ import annotations

import zlib

import h5py
import numpy as np
import pytest

from data_prep import matlab, mpii_face_gaze
from data_prep.mpii_face_gaze import MpiiFaceGaze
from data_prep.normalisation import face_of, normalised_gaze
from data_prep.raw import BrokenSample
from tests.fake import mpii

pytest.importorskip("cv2")


def test_original_frames_are_listed_with_their_participants(tmp_path):
    listing = MpiiFaceGaze().entries(mpii.write_original(tmp_path))
    assert [entry.source for entry in listing.entries] == [
        *(f"p00/day01/000{frame}.jpg" for frame in (1, 2, 3)),
        *(f"p01/day01/000{frame}.jpg" for frame in (1, 2, 3)),
    ]
    assert [entry.subject for entry in listing.entries] == [0, 0, 0, 1, 1, 1]


def test_what_is_wrong_with_the_annotation_is_listed(tmp_path):
    problems = {source: text for source, text in MpiiFaceGaze().entries(mpii.write_original(tmp_path)).problems}
    assert problems["p01/day02/0001.jpg"] == "there is no such file"
    assert "outside the participant's folder" in problems["p01/p01.txt:5"]
    assert problems["p01/p01.txt:6"] == "it has 27 columns, expected 28"
    assert len(problems) == 3


def test_the_gaze_of_a_frame_is_that_of_its_line(tmp_path):
    home = mpii.write_original(tmp_path)
    data = MpiiFaceGaze(size=32)
    entry = data.entries(home).entries[1]
    fields = [float(field) for field in (home / "p00" / "p00.txt").read_text().splitlines()[1].split()[1:27]]
    turn, centre, target = (np.array(fields[start : start + 3]) for start in (14, 20, 23))
    face = face_of(turn, np.zeros(3))._replace(centre=centre)
    sample = data.sample(home, entry)
    np.testing.assert_allclose(sample.target, normalised_gaze(face, target), rtol=1e-5)
    assert sample.image.shape == (32, 32, 3) and sample.image.std() > 5


def test_mirroring_turns_the_frames_of_right_eyes(tmp_path):
    home = mpii.write_original(tmp_path)
    plain, mirrored = MpiiFaceGaze(size=32), MpiiFaceGaze(size=32, gazehub_mirroring=True)
    left, right = plain.entries(home).entries[:2]
    np.testing.assert_array_equal(mirrored.sample(home, left).image, plain.sample(home, left).image)
    one, other = plain.sample(home, right), mirrored.sample(home, right)
    np.testing.assert_array_equal(other.image, one.image[:, ::-1])
    np.testing.assert_array_equal(other.target, one.target * np.float32([1, -1]))


def test_scaling_changes_the_labels_only(tmp_path):
    home = mpii.write_original(tmp_path)
    entry = MpiiFaceGaze().entries(home).entries[0]
    one, other = (MpiiFaceGaze(size=32, gazehub_scaling=scaled).sample(home, entry) for scaled in (False, True))
    np.testing.assert_array_equal(one.image, other.image)
    # Faces half a metre away: scaled by about 600 / 500 along the axis, so the tangents shrink by about 5 / 6.
    np.testing.assert_allclose(np.tan(other.target) / np.tan(one.target), 5 / 6, atol=0.02)


def test_a_frame_that_was_cut_short_is_refused(tmp_path):
    home = mpii.write_original(tmp_path)
    data = MpiiFaceGaze(size=32)
    with pytest.raises(BrokenSample, match="truncated"):
        data.sample(home, data.entries(home).entries[-1])


def test_a_missing_camera_is_refused_at_once(tmp_path):
    home = mpii.write_original(tmp_path)
    (home / "p01" / "Calibration" / "Camera.mat").unlink()
    with pytest.raises(ValueError, match="Camera.mat. The archive was not unpacked whole"):
        MpiiFaceGaze().entries(home)


def test_a_camera_file_that_would_swell_is_not_opened(tmp_path):
    home = mpii.write_original(tmp_path)
    bomb = zlib.compress(bytes(20 * 2**20), 1)  # 20 MB of zeros
    assert len(bomb) > matlab.LARGEST
    (home / "p00" / "Calibration" / "Camera.mat").write_bytes(bomb)
    with pytest.raises(ValueError, match="more than 65,536 are not opened"):
        MpiiFaceGaze().entries(home)


@pytest.mark.parametrize(
    "content", [b"", b"no MATLAB file", b"MATLAB 5.0 MAT-file" + b" " * 105 + b"\x00\x01IM" + b"\xff" * 64]
)
def test_a_camera_file_that_is_none_is_refused(tmp_path, content):
    path = tmp_path / "Camera.mat"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="Camera.mat holds no camera"):
        matlab.read_camera(path)


def test_normalised_files_hold_blue_green_red_and_pitch_yaw(tmp_path):
    home = mpii.write_mat(tmp_path)
    data = MpiiFaceGaze(size=16)
    listing = data.entries(tmp_path)  # the folder above will do
    assert [entry.source for entry in listing.entries] == [f"{home.name}/p00.mat#{row}" for row in range(3)]
    sample = data.sample(tmp_path, listing.entries[2])
    np.testing.assert_array_equal(sample.image[3, 5], [2, 4, 6])
    np.testing.assert_allclose(sample.target, [-0.02, 0.04], rtol=1e-6)  # pitch, yaw


def test_rows_beyond_the_first_block_are_found(tmp_path):
    mpii.write_mat(tmp_path, rows=mpii_face_gaze._BLOCK + 5)
    data = MpiiFaceGaze(size=16)
    sample = data.sample(tmp_path, data.entries(tmp_path).entries[mpii_face_gaze._BLOCK + 2])
    np.testing.assert_allclose(sample.target, [-0.52, 1.04], rtol=1e-6)


def test_a_file_whose_chunks_would_swell_is_refused(tmp_path):
    home = mpii.write_mat(tmp_path)
    with h5py.File(home / "p00.mat", "w") as file:
        file.create_dataset(
            "Data/data", shape=(3000, 3, 448, 448), chunks=(300, 3, 448, 448), dtype="f4", compression=9
        )
        file.create_dataset("Data/label", shape=(3000, 16), dtype="f4")
    assert (home / "p00.mat").stat().st_size < 100_000
    with pytest.raises(ValueError, match="would unpack to more than"):
        MpiiFaceGaze().entries(home)


def test_a_file_that_is_no_participant_is_refused(tmp_path):
    home = mpii.write_mat(tmp_path)
    (home / "p00.mat").write_bytes(b"no HDF5")
    with pytest.raises(ValueError, match="p00.mat is no participant of the normalised release"):
        MpiiFaceGaze().entries(home)


def test_gazehub_labels_are_yaw_first(tmp_path):
    home = mpii.write_gazehub(tmp_path)
    data = MpiiFaceGaze(size=28)
    listing = data.entries(home)
    assert [entry.source for entry in listing.entries] == ["Image/p03/face/1.jpg", "Image/p03/face/2.jpg"]
    assert {entry.subject for entry in listing.entries} == {3}
    np.testing.assert_allclose(data.sample(home, listing.entries[0]).target, [-0.2, 0.1], rtol=1e-6)  # pitch, yaw


@pytest.mark.parametrize("write", [mpii.write_mat, mpii.write_gazehub])
def test_what_is_normalised_already_has_no_choices(tmp_path, write):
    with pytest.raises(ValueError, match="for the original frames only"):
        MpiiFaceGaze(gazehub_mirroring=True).entries(write(tmp_path))


def test_another_folder_is_refused(tmp_path):
    with pytest.raises(ValueError, match="none of its layouts.*p00.txt.*p00.mat.*p00.label"):
        MpiiFaceGaze().entries(tmp_path)
