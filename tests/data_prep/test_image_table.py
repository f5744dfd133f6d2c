"""Folders of images with a table of labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from data_prep import image_table
from data_prep.contract import GAZE, HEAD_POSE, Split


def _split(count: int = 4, outputs: int = 2) -> Split:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (count, 8, 12, 3), dtype=np.uint8)
    return Split(images, rng.uniform(-1, 1, (count, outputs)).astype(np.float32), np.array([5, 5, 7, 9][:count]))


def _table(folder: Path, **columns: object) -> Path:
    """Two grey images with the given columns."""
    for name in ("a.png", "b.png"):
        Image.new("RGB", (12, 8), (128, 128, 128)).save(folder / name)
    pd.DataFrame({"image": ["a.png", "b.png"], **columns}).to_csv(folder / "labels.csv", index=False)
    return folder


@pytest.mark.parametrize("task", [GAZE, HEAD_POSE])
def test_what_is_written_is_read(tmp_path, task):
    data = _split(outputs=task.size)
    image_table.write(tmp_path, task, data)
    spec, found = image_table.read(tmp_path)
    assert (spec.task, spec.image_shape) == (task, (8, 12, 3))
    np.testing.assert_array_equal(found.images, data.images)
    np.testing.assert_array_equal(found.targets, data.targets)
    np.testing.assert_array_equal(found.groups, [0, 0, 1, 2])  # the same subjects, counted anew


def test_degrees_become_radians(tmp_path):
    _, found = image_table.read(_table(tmp_path, pitch_deg=[90, -45], yaw_deg=[0, 180]))
    np.testing.assert_allclose(found.targets, [[np.pi / 2, 0], [-np.pi / 4, np.pi]], rtol=1e-6)


def test_the_columns_declare_the_task(tmp_path):
    folder = _table(tmp_path, yaw_rad=[0.1, 0.2], pitch_rad=[0.3, 0.4], roll_rad=[0.5, 0.6])
    assert image_table.task_of(folder) == HEAD_POSE
    np.testing.assert_allclose(image_table.read(folder)[1].targets[0], [0.1, 0.3, 0.5], rtol=1e-6)


def test_without_subjects_every_image_is_its_own_group(tmp_path):
    _, found = image_table.read(_table(tmp_path, pitch_rad=[0.1, 0.2], yaw_rad=[0.1, 0.2]))
    np.testing.assert_array_equal(found.groups, [0, 1])


@pytest.mark.parametrize("name", ["../secret.png", "sub/../../secret.png"])
def test_an_image_outside_the_folder_is_refused(tmp_path, name):
    folder = tmp_path / "faces"
    folder.mkdir()
    _table(folder, pitch_rad=[0.1, 0.2], yaw_rad=[0.1, 0.2])
    Image.new("RGB", (12, 8)).save(tmp_path / "secret.png")
    table = pd.read_csv(folder / "labels.csv")
    table.loc[1, "image"] = name
    table.to_csv(folder / "labels.csv", index=False)
    with pytest.raises(ValueError, match="row 3 .*outside the folder"):
        image_table.read(folder)


def test_a_link_out_of_the_folder_is_refused(tmp_path):
    folder = tmp_path / "faces"
    folder.mkdir()
    _table(folder, pitch_rad=[0.1, 0.2], yaw_rad=[0.1, 0.2])
    (folder / "b.png").rename(tmp_path / "secret.png")
    (folder / "b.png").symlink_to(tmp_path / "secret.png")
    with pytest.raises(ValueError, match="outside the folder"):
        image_table.read(folder)


def test_an_image_of_another_size_is_refused(tmp_path):
    folder = _table(tmp_path, pitch_rad=[0.1, 0.2], yaw_rad=[0.1, 0.2])
    Image.new("RGB", (8, 12)).save(folder / "b.png")
    with pytest.raises(ValueError, match=r"b.png \(row 3 .*8 x 12 pixels.*expected 12 x 8"):
        image_table.read(folder)


def test_the_asked_size_must_be_met(tmp_path):
    folder = _table(tmp_path, pitch_rad=[0.1, 0.2], yaw_rad=[0.1, 0.2])
    assert image_table.read(folder, size=(8, 12))[0].image_shape == (8, 12, 3)
    with pytest.raises(ValueError, match="expected 32 x 16"):
        image_table.read(folder, size=(16, 32))


@pytest.mark.parametrize("wrong", ["", "left", "inf"])
def test_labels_that_are_no_numbers_are_refused(tmp_path, wrong):
    with pytest.raises(ValueError, match="1 rows .*first row 3"):
        image_table.read(_table(tmp_path, pitch_rad=["0.1", wrong], yaw_rad=[0.1, 0.2]))


def test_degrees_declared_as_radians_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"row 3 has .*12.0.*declared in radians.*\*_deg"):
        image_table.read(_table(tmp_path, pitch_rad=[0.1, 12.0], yaw_rad=[0.1, 0.2]))


def test_a_table_of_nothing_is_refused(tmp_path):
    (tmp_path / "labels.csv").write_text("")
    with pytest.raises(ValueError, match="no readable CSV"):
        image_table.read(tmp_path)
