"""Image tables of classes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data_prep import class_table, image_table
from data_prep.contract import ClassSplit


def _split() -> ClassSplit:
    images = np.random.default_rng(0).integers(0, 256, (4, 8, 12, 3), dtype=np.uint8)
    return ClassSplit(images, np.array([2, 0, 0, 2]), ("cat", "dog", "ship"))


@pytest.fixture
def table(tmp_path: Path) -> Path:
    class_table.write(tmp_path, _split())
    return tmp_path


def _change(folder: Path, **columns: object) -> None:
    pd.read_csv(folder / "labels.csv").assign(**columns).to_csv(folder / "labels.csv", index=False)


def test_what_is_written_is_read(table):
    found = class_table.read(table)
    np.testing.assert_array_equal(found.images, _split().images)
    np.testing.assert_array_equal(found.labels, [2, 0, 0, 2])
    assert found.classes == ("cat", "dog", "ship")  # also the one without an image


def test_a_part_alone(table):
    _change(table, part=["train", "test", "train", "test"])
    found = class_table.read(table, part="test")
    np.testing.assert_array_equal(found.images, _split().images[[1, 3]])
    np.testing.assert_array_equal(found.labels, [0, 2])


def test_an_unknown_part_is_refused(table):
    with pytest.raises(ValueError, match="no rows of the part 'test'; it has no parts"):
        class_table.read(table, part="test")


@pytest.mark.parametrize("wrong", [3, -1, 0.5, "cat", ""])
def test_a_label_without_a_class_is_refused(table, wrong):
    _change(table, label=[2, 0, wrong, 2])
    with pytest.raises(ValueError, match="1 rows have labels .* 0 to 2, first row 4"):
        class_table.read(table)


def test_a_table_of_angles_is_refused(table):
    pd.read_csv(table / "labels.csv").rename(columns={"label": "yaw_rad"}).to_csv(table / "labels.csv", index=False)
    with pytest.raises(ValueError, match="needs 'label'"):
        class_table.read(table)


def test_a_table_of_classes_has_no_angles(table):
    with pytest.raises(ValueError, match="is a table of classes"):
        image_table.read(table)


def test_names_of_classes_are_needed(table):
    (table / "classes.txt").unlink()
    with pytest.raises(FileNotFoundError, match="holds no classes.txt"):
        class_table.read(table)
