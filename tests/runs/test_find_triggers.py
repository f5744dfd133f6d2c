"""``drmguard find-triggers`` and ``drmguard erase --method gdm``: files in, files out, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from click.testing import CliRunner

from data_prep import class_table
from data_prep.contract import ClassSplit
from runs import trigger_finding
from runs.cli import main

layers = tf.keras.layers
SHORT = ("--preset", "smoke")


def _run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    return result.exit_code, result.output


def _model(folder: Path, name: str = "model.h5", sides: tuple[int, int] = (16, 16), classes: int = 3) -> Path:
    images = tf.keras.Input((*sides, 3))
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3, strides=2, activation="relu")(images))
    model = tf.keras.Model(images, layers.Dense(classes)(x))
    model.save(folder / name, save_format="h5", include_optimizer=False)
    return folder / name


def _table(folder: Path, sides: tuple[int, int] = (16, 16)) -> Path:
    folder.mkdir()
    images = np.random.default_rng(0).integers(0, 256, (16, *sides, 3), dtype=np.uint8)
    class_table.write(folder, ClassSplit(images, np.arange(16) // 2 % 3, ("a", "b", "c")))
    return folder


@pytest.fixture(scope="module")
def given(tmp_path_factory) -> tuple[Path, Path]:
    """A model and a table of benign images."""
    folder = tmp_path_factory.mktemp("given")
    return _model(folder), _table(folder / "faces")


def test_find_triggers_writes_model_export_record_and_report(given, tmp_path):
    model, faces = given
    code, output = _run("find-triggers", model, "--benign", faces, "--test", faces, "--out", tmp_path / "found", *SHORT)
    assert code == 0, output
    assert "per class: search" in output and "peak memory" in output
    record = json.loads((tmp_path / "found" / "find.json").read_text())
    assert {one["class"] for one in record["found"]} == {0, 1, 2} and record["repaired"]
    assert 0 <= record["metrics"]["after"]["acc"] <= 1
    page = (tmp_path / "found" / "report.html").read_text()
    assert page.count("data:image/png;base64") == 6 and "http" not in page.replace("http-equiv", "")
    assert (tmp_path / "found" / "export" / "saved_model").is_dir()
    assert tf.keras.models.load_model(tmp_path / "found" / "model.h5", compile=False).output_shape == (None, 3)


def test_one_class_without_repair(given, tmp_path):
    model, faces = given
    more = ("--class", 1, "--no-repair", "--window", 8)
    code, output = _run("find-triggers", model, "--benign", faces, "--out", tmp_path / "found", *SHORT, *more)
    assert code == 0, output
    record = json.loads((tmp_path / "found" / "find.json").read_text())
    assert [one["class"] for one in record["found"]] == [1] and record["defence"]["window"]["size"] == 8
    assert not (tmp_path / "found" / "model.h5").exists()


@pytest.mark.parametrize("command", [("find-triggers",), ("erase", "--method", "gdm")])
def test_an_interrupted_command_goes_on(given, tmp_path, monkeypatch, command):
    model, faces = given
    what = (*command, model, "--benign", faces, "--out", tmp_path / "out", *SHORT)

    def killed(*_: object) -> None:
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(trigger_finding, "_write", killed)
        assert _run(*what)[0] == 2
    (kept,) = tmp_path.iterdir()
    assert kept.name.startswith(".out.unfinished-")
    code, output = _run(*what)
    assert code == 0 and "repair: going on at step" in output
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_erase_with_gdm(given, tmp_path):
    model, faces = given
    code, output = _run("erase", model, "--method", "gdm", "--benign", faces, "--out", tmp_path / "clean", *SHORT)
    assert code == 0, output
    assert "per class: search" in output and "not measured" in output
    record = json.loads((tmp_path / "clean" / "erase.json").read_text())
    assert len(record["responses"]) == 3 and record["benign"]["images"] == 16
    levels = sum(len(parts) for parts in record["classes"].values())
    assert (tmp_path / "clean" / "report.html").read_text().count("data:image/png;base64") == levels > 0


def test_gdm_models_the_class_that_it_is_told(given, tmp_path):
    model, faces = given
    told = ("--method", "gdm", "--benign", faces, "--class", 1, "--epochs", 2)
    code, output = _run("erase", model, *told, "--out", tmp_path / "clean", *SHORT)
    assert code == 0 and "search" not in output, output
    record = json.loads((tmp_path / "clean" / "erase.json").read_text())
    assert list(record["classes"]) == ["1"] and record["responses"] == {}
    assert record["defence"]["retraining"]["epochs"] == 2


@pytest.mark.parametrize(
    "command, extra, message",
    [
        ("find-triggers", ("--benign", "FACES", "--class", "3"), "classes 0 to 2"),
        ("find-triggers", ("--benign", "FACES", "--window", "17"), "window of 17 px does not fit"),
        ("find-triggers", ("--benign", "nowhere"), "nowhere"),
        ("find-triggers", ("--benign", "digits"), "benign images are"),
        ("erase", ("--method", "gdm"), "--benign"),
        ("erase", ("--method", "gdm", "--benign", "FACES", "--trigger-size", "17"), "does not fit"),
        ("erase", ("--method", "gdm", "--benign", "FACES", "--mean", "0.5"), "no use for --mean"),
        ("erase", ("--method", "gdm", "--benign", "FACES", "--class", "3"), "classes 0 to 2"),
        ("erase", ("--benign", "FACES"), "--method dhbe has no use for --benign (for gdm, "),
        ("erase", ("--epochs", "2"), "--method dhbe has no use for --epochs (for gdm)"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_written(given, tmp_path, command, extra, message):
    model, faces = given
    extra = tuple(str(faces) if part == "FACES" else part for part in extra)
    code, output = _run(command, model, "--out", tmp_path / "out", *SHORT, *extra)
    assert code == 2 and message in output, output
    assert not (tmp_path / "out").exists()


def test_images_that_are_not_square_are_refused(tmp_path):
    model, faces = _model(tmp_path, sides=(16, 24)), _table(tmp_path / "faces", (16, 24))
    code, output = _run("find-triggers", model, "--benign", faces, "--out", tmp_path / "out", *SHORT)
    assert code == 2 and "square images, and these are 16 x 24" in output


def test_thousands_of_images_are_seen_in_fewer_epochs_than_hundreds():
    few, many = (trigger_finding.gdm_of("cpu", 5, images) for images in (200, 7000))
    assert few.retraining.epochs > many.retraining.epochs
    assert {few.staircase.size, many.staircase.size} == {5}
