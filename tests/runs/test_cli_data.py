"""``prepare`` and ``data`` from the command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from data_prep import class_table, image_table
from runs.cli import main
from tests.fake import biwi, cifar, class_folder, columbia, mpii, pandora


def _invoke(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def _prepare(name: str, raw: Path, out: Path, *options: object) -> Result:
    return _invoke("prepare", name, "--raw", raw, "--out", out, "--workers", 1, *options)


@pytest.mark.parametrize(
    "name, write, options, shape, images",
    [
        ("mpii-face-gaze", mpii.write_original, ["--size", 32, "--partial"], (32, 32, 3), mpii.GOOD),
        ("mpii-face-gaze", mpii.write_mat, ["--size", 32], (32, 32, 3), 3),
        ("mpii-face-gaze", mpii.write_gazehub, ["--size", 32], (32, 32, 3), 2),
        ("columbia-gaze", columbia.write, ["--size", "48x96", "--partial"], (48, 96, 3), 2),
        ("columbia-gaze", columbia.write, ["--size", "64x64", "--crop", "face", "--partial"], (64, 64, 3), 2),
        ("biwi", biwi.write_original, ["--size", "64x64", "--partial"], (64, 64, 3), 5),
        ("biwi", biwi.write_poseidon, ["--size", "64x64", "--partial"], (64, 64, 3), 4),
        ("pandora", pandora.write_original, ["--crop", "none", "--size", "32x48", "--partial"], (32, 48, 3), 6),
        ("pandora", pandora.write_cropped, ["--size", "96x96"], (96, 96, 3), 4),
    ],
)
def test_every_layout_becomes_a_table_that_train_can_read(tmp_path, name, write, options, shape, images):
    pytest.importorskip("cv2")
    result = _prepare(name, write(tmp_path / "raw"), tmp_path / "out", *options)
    assert result.exit_code == 0, result.output
    spec, found = image_table.read(tmp_path / "out")
    assert spec.image_shape == shape and len(found) == images
    assert f"{images} images" in result.output


@pytest.mark.parametrize(
    "name, write, options, classes, images",
    [
        ("cifar", cifar.write_cifar10, [], 3, 24),
        ("cifar", cifar.write_cifar100, ["--labels", "coarse"], 2, 8),
        ("class-folder", class_folder.write, ["--size", 32], 2, 7),
    ],
)
def test_classes_become_a_table(tmp_path, name, write, options, classes, images):
    result = _prepare(name, write(tmp_path / "raw"), tmp_path / "out", *options)
    assert result.exit_code == 0, result.output
    found = class_table.read(tmp_path / "out")
    assert len(found.classes) == classes and len(found) == images


def test_own_images_and_heads(tmp_path):
    assert (
        _invoke("prepare", "heads", "--count", 4, "--subjects", 2, "--size", 40, "--out", tmp_path / "a").exit_code == 0
    )
    assert _prepare("image-table", tmp_path / "a", tmp_path / "b", "--size", "32x32").exit_code == 0
    first, second = (image_table.read(tmp_path / name)[1] for name in "ab")
    np.testing.assert_array_equal(first.targets, second.targets)
    assert second.images.shape == (4, 32, 32, 3)


def test_show_and_verify(tmp_path):
    _prepare("cifar", cifar.write_cifar10(tmp_path / "raw"), tmp_path / "out")
    shown = _invoke("data", "show", tmp_path / "out", "--images", 8)
    assert shown.exit_code == 0, shown.output
    assert "24 images (test 4, train 20)" in shown.output and "3 classes with 6 to 12 images each" in shown.output
    assert Image.open(tmp_path / "out" / "contact_sheet.png").size == (8 * 128, 142)
    verified = _invoke("data", "verify", tmp_path / "out")
    assert verified.exit_code == 0 and "26 files are as they were written" in verified.output
    (tmp_path / "out" / "classes.txt").write_text("other\n")
    changed = _invoke("data", "verify", tmp_path / "out")
    assert changed.exit_code == 2 and "classes.txt has changed" in changed.output


def test_the_missing_extra_is_named(tmp_path, monkeypatch):
    import sys

    home = mpii.write_original(tmp_path / "raw")
    monkeypatch.setitem(sys.modules, "cv2", None)  # as if it were not installed
    result = _prepare("mpii-face-gaze", home, tmp_path / "out", "--partial")
    assert result.exit_code == 2 and "pip install 'drmguard-tf[datasets]'" in result.output
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "name, words",
    [
        ("mpii-face-gaze", "p00/p00.txt"),
        ("columbia-gaze", "0001_2m_-15P_10V_-5H.jpg"),
        ("biwi", "01 to 24"),
        ("pandora", "01/base_1_ID01"),
        ("cifar", "cifar-10-batches-py"),
        ("class-folder", "one per class"),
        ("image-table", "labels.csv"),
    ],
)
def test_another_folder_is_refused(tmp_path, name, words):
    (tmp_path / "raw").mkdir()
    result = _prepare(name, tmp_path / "raw", tmp_path / "out")
    assert result.exit_code == 2 and words in result.output, result.output
    assert [path.name for path in tmp_path.iterdir()] == ["raw"]


def test_a_half_unpacked_archive_is_refused(tmp_path):
    home = mpii.write_original(tmp_path / "raw")
    for path in (home / "p00" / "day01").iterdir():
        path.unlink()
    result = _prepare("mpii-face-gaze", home, tmp_path / "out")
    assert result.exit_code == 2 and "unpacked whole" in result.output
    assert not (tmp_path / "out").exists()


def test_what_exists_is_not_replaced(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    result = _prepare("cifar", cifar.write_cifar10(tmp_path / "raw"), tmp_path / "out")
    assert result.exit_code == 2
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]


def test_bench_prepare_reports_its_figures():
    pytest.importorskip("cv2")
    result = _invoke("bench", "prepare", "--frames", 12)
    assert result.exit_code == 0, result.output
    for name in ("opencv_loop_images_per_s", "two_against_one", "one_against_opencv_loop", "peak_memory_mib"):
        assert f'"{name}"' in result.output
