"""Looking at image tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from data_prep import class_table, image_table
from data_prep.contract import GAZE, HEAD_POSE, ClassSplit, Split
from data_prep.embedded import EmbeddedHeads
from data_prep.heads.builder import Heads
from runs import showing
from runs.preparing import Preparation, prepare
from tests.runs.test_preparing import silent


def _table(folder: Path, targets: list[list[float]], task=GAZE) -> Path:
    """Black images of 64 pixels with the given labels in degrees; subjects 0 and 1 take turns."""
    folder.mkdir()
    images = np.zeros((len(targets), 64, 64, 3), np.uint8)
    images[:, 0, 0, 0] = np.arange(len(targets))  # different from each other
    image_table.write(folder, task, Split(images, np.radians(targets).astype(np.float32), np.arange(len(targets)) % 2))
    return folder


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    data = EmbeddedHeads(Heads(count=6, subjects=3, size=32))
    prepare(Preparation(data, tmp_path, tmp_path / "heads", workers=1), bar=silent)
    return tmp_path / "heads"


def test_statistics_are_degrees(tmp_path):
    found = showing.statistics(_table(tmp_path / "t", [[10, -20], [20, 40], [30, 10]]), workers=1)
    assert found["degrees"]["pitch"] == pytest.approx({"min": 10, "mean": 20, "std": np.sqrt(200 / 3), "max": 30})
    assert (found["images"], found["subjects"], found["sizes"]) == (3, 2, {"64 x 64": 3})
    assert "pitch    20.00 +- 8.16 degrees, from 10.00 to 30.00" in showing.describe(found)


def test_duplicates_and_contradictions_are_found(tmp_path):
    table = _table(tmp_path / "t", [[10, 0], [20, 0], [30, 0], [40, 0]])
    for name in ("000002.png", "000003.png"):
        (table / name).write_bytes((table / "000000.png").read_bytes())
    found = showing.statistics(table, workers=1)
    assert found["duplicates"] == [["000000.png", "000002.png", "000003.png"]] and found["contradictions"] == 1
    assert "1 images occur more than once, 1 of them with different labels" in showing.describe(found)


def test_broken_images_are_found(tmp_path):
    table = _table(tmp_path / "t", [[10, 0], [20, 0]])
    (table / "000001.png").write_bytes(b"no image")
    found = showing.statistics(table, workers=1)
    assert [name for name, _ in found["broken"]] == ["000001.png"]
    assert "1 images cannot be read" in showing.describe(found)


def test_classes_are_counted(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), dtype=np.uint8)
    class_table.write(tmp_path, ClassSplit(images, np.array([1, 1, 0, 1, 1]), ("cat", "dog", "ship")))
    found = showing.statistics(tmp_path, workers=1)
    assert found["classes"] == {"cat": 1, "dog": 4, "ship": 0}
    assert "3 classes with 0 to 4 images each" in showing.describe(found)


def _tips(sheet: Path, colour: tuple[int, int, int]) -> np.ndarray:
    """Mean (column, row) of the pixels of a colour."""
    pixels = np.asarray(Image.open(sheet).convert("RGB")).astype(int)
    rows, columns = np.nonzero(np.abs(pixels[:128] - colour).sum(axis=-1) < 20)
    return np.array([columns.mean(), rows.mean()])


@pytest.mark.parametrize(
    "pitch, yaw, right, down",
    [(0, 40, -1, 0), (0, -40, 1, 0), (40, 0, 0, -1), (-40, 0, 0, 1)],  # yaw > 0 is image left, pitch > 0 up
)
def test_gaze_is_drawn_where_it_goes(tmp_path, pitch, yaw, right, down):
    showing.write_sheet(_table(tmp_path / "t", [[pitch, yaw]]), tmp_path / "sheet.png", count=1)
    column, row = _tips(tmp_path / "sheet.png", (255, 230, 0)) - 64
    # The arrow is 128 * 0.42 * sin 40 = 34.6 pixels long; with its head its middle lies beyond 17.
    np.testing.assert_allclose([column, row], [right * 20, down * 20], atol=5)


def test_the_forward_axis_of_a_head_is_blue_and_its_right_red(tmp_path):
    showing.write_sheet(_table(tmp_path / "t", [[40, 0, 0]], HEAD_POSE), tmp_path / "sheet.png", count=1)  # yaw 40
    assert _tips(tmp_path / "sheet.png", showing._AXES[2])[0] < 64 - 10  # looks to image left
    assert _tips(tmp_path / "sheet.png", showing._AXES[0])[0] > 64 + 10
    assert _tips(tmp_path / "sheet.png", showing._AXES[1])[1] < 64 - 10


def test_a_sheet_shows_classes_too(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 3), dtype=np.uint8)
    class_table.write(tmp_path, ClassSplit(images, np.zeros(20, np.int64), ("cat",)))
    showing.write_sheet(tmp_path, tmp_path / "sheet.png", count=10)
    assert Image.open(tmp_path / "sheet.png").size == (8 * 128, 2 * (128 + 14))  # ten tiles, eight in a row


def test_what_was_prepared_is_verified(prepared):
    assert showing.verify(prepared) == 7  # six images and labels.csv


def test_a_sheet_beside_the_images_does_no_harm(prepared):
    showing.write_sheet(prepared, prepared / "contact_sheet.png", count=4)
    assert showing.verify(prepared) == 7


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda folder: (folder / "images/00000/00000003.png").unlink(), "00000003.png is missing"),
        (lambda folder: (folder / "images/00000/00000003.png").write_bytes(b"x"), "00000003.png has changed"),
        (lambda folder: (folder / "labels.csv").write_text("image\n"), "labels.csv has changed"),
    ],
)
def test_what_was_changed_is_found(prepared, change, words):
    change(prepared)
    with pytest.raises(ValueError, match=f"1 of 7 files are not as they were written: {words}"):
        showing.verify(prepared)


def test_a_row_that_was_added_is_found(prepared):
    table = pd.read_csv(prepared / "labels.csv")
    table.loc[len(table)] = ["other.png", 0.1, 0.1, 0]
    table.to_csv(prepared / "labels.csv", index=False)
    with pytest.raises(ValueError, match="other.png is in labels.csv, but was not prepared"):
        showing.verify(prepared)


def test_a_table_without_checksums_cannot_be_verified(tmp_path):
    with pytest.raises(FileNotFoundError, match="has no dataset.json"):
        showing.verify(_table(tmp_path / "t", [[0, 0]]))
