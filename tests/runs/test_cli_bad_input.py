"""Bad input of the command line: exit code 2, one paragraph that says how to go on, and nothing written."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from click.testing import CliRunner, Result

from data_prep import image_table
from data_prep.contract import GAZE, Split
from drmguard_tf.models import small_resnet
from runs.cli import main

SIZE = 32


def _faces(folder: Path, *, size: int = SIZE, count: int = 20) -> Path:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (count, size, size, 3), dtype=np.uint8)
    folder.mkdir()
    image_table.write(folder, GAZE, Split(images, rng.uniform(-0.4, 0.4, (count, 2)).astype(np.float32)))
    return folder


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A good model and a good benign set, to be spoiled in copies."""
    folder = tmp_path_factory.mktemp("good")
    small_resnet((SIZE, SIZE, 3), 2).save(folder / "model.h5", include_optimizer=False)
    _faces(folder / "faces")
    return folder


@pytest.fixture
def model(kept: Path) -> Path:
    return kept / "model.h5"


@pytest.fixture
def faces(kept: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(kept / "faces", tmp_path / "faces"))


def _relabel(folder: Path, change) -> None:
    table = pd.read_csv(folder / "labels.csv")
    change(table).to_csv(folder / "labels.csv", index=False)


def _invoke(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def _assert_refused(result: Result, out: Path, *words: str) -> None:
    assert result.exit_code == 2, (result.output, result.exception)
    assert isinstance(result.exception, SystemExit)
    for word in words:
        assert word in result.output
    _, _, message = result.output.partition("Error: ")
    assert message and "\n" not in message.strip()  # one paragraph
    assert "Traceback" not in result.output
    assert not out.exists()


def _assert_scan_refused(model: Path, benign: Path, tmp_path: Path, *words: str, options: tuple[str, ...] = ()) -> None:
    out = tmp_path / "out"
    result = _invoke("scan", "--model", model, "--benign", benign, "--out", out, "--preset", "smoke", *options)
    _assert_refused(result, out, *words)
    assert not (benign / "controls").exists()  # refused before any work starts


# The model


def test_a_missing_model(faces, tmp_path):
    _assert_scan_refused(tmp_path / "nowhere.h5", faces, tmp_path, "nowhere.h5")


def test_a_truncated_h5(model, faces, tmp_path):
    whole = model.read_bytes()
    cut = tmp_path / "cut.h5"
    cut.write_bytes(whole[: len(whole) // 2])
    _assert_scan_refused(cut, faces, tmp_path, "cut.h5", "again")


def test_a_classifier(faces, tmp_path):
    images = tf.keras.Input((SIZE, SIZE, 3))
    features = tf.keras.layers.GlobalAveragePooling2D()(images)
    softmax = tf.keras.layers.Dense(2, activation="softmax")(features)
    tf.keras.Model(images, softmax).save(tmp_path / "classifier.h5", include_optimizer=False)
    _assert_scan_refused(tmp_path / "classifier.h5", faces, tmp_path, "softmax", "Dense layer")


def test_a_lambda_layer(faces, tmp_path):
    images = tf.keras.Input((SIZE, SIZE, 3))
    features = tf.keras.layers.GlobalAveragePooling2D()(tf.keras.layers.Lambda(lambda x: x * 2)(images))
    tf.keras.Model(images, tf.keras.layers.Dense(2)(features)).save(tmp_path / "lambda.h5", include_optimizer=False)
    _assert_scan_refused(tmp_path / "lambda.h5", faces, tmp_path, "Lambda", "Do not load it")


def test_a_saved_model_that_reads_files(faces, tmp_path):
    images = tf.keras.Input((SIZE, SIZE, 3))
    model = tf.keras.Model(images, tf.keras.layers.Dense(2)(tf.keras.layers.GlobalAveragePooling2D()(images)))

    @tf.function(input_signature=[tf.TensorSpec([], tf.string)])
    def serve(name: tf.Tensor) -> dict:
        return {"content": tf.io.read_file(name)}

    model.save(tmp_path / "reader", save_format="tf", signatures=serve)
    _assert_scan_refused(tmp_path / "reader", faces, tmp_path, "ReadFile", "Do not load it")


def test_a_model_of_another_task(faces, tmp_path):
    small_resnet((SIZE, SIZE, 3), 3).save(tmp_path / "heads.h5", include_optimizer=False)
    _assert_scan_refused(tmp_path / "heads.h5", faces, tmp_path, "3 outputs", "2 columns", "task")


# The benign set


def test_images_of_another_size(model, tmp_path):
    small = _faces(tmp_path / "small", size=24)
    _assert_scan_refused(model, small, tmp_path, "24 x 24", "32 x 32", "Resize")


def test_degrees_declared_as_radians(model, faces, tmp_path):
    _relabel(faces, lambda table: table.assign(pitch_rad=12.0))
    _assert_scan_refused(model, faces, tmp_path, "12.0", "declared in radians", "name the columns *_deg")


def test_labels_that_are_missing(model, faces, tmp_path):
    def lose_one(table: pd.DataFrame) -> pd.DataFrame:
        table.loc[3, "yaw_rad"] = np.nan
        return table

    _relabel(faces, lose_one)
    _assert_scan_refused(model, faces, tmp_path, "labels.csv", "first row 5", "Remove or mend")  # 3, a header, from 1


def test_labels_without_a_unit(model, faces, tmp_path):
    _relabel(faces, lambda table: table.rename(columns={"pitch_rad": "pitch", "yaw_rad": "yaw"}))
    _assert_scan_refused(model, faces, tmp_path, "declares no unit", "pitch_rad, yaw_rad", "pitch_deg, yaw_deg")


def test_a_missing_folder(model, tmp_path):
    _assert_scan_refused(model, tmp_path / "nobody", tmp_path, "nobody", "labels.csv")


def test_a_folder_without_a_table(model, tmp_path):
    (tmp_path / "empty").mkdir()
    _assert_scan_refused(model, tmp_path / "empty", tmp_path, "holds no labels.csv", "pitch_rad, yaw_rad")


def test_a_table_without_rows(model, faces, tmp_path):
    _relabel(faces, lambda table: table.iloc[:0])
    _assert_scan_refused(model, faces, tmp_path, "at least one row", "0 rows")


def test_a_missing_image(model, faces, tmp_path):
    (faces / "000007.png").unlink()
    _assert_scan_refused(model, faces, tmp_path, "row 9", "000007.png", "no such file")


def test_a_broken_image(model, faces, tmp_path):
    (faces / "000007.png").write_bytes(b"no image")
    _assert_scan_refused(model, faces, tmp_path, "row 9", "000007.png", "no readable image")


# Options


def test_calibration_of_the_printed_search(model, faces, tmp_path):
    options = ("--search", "paper", "--threshold", "calibrated")
    _assert_scan_refused(model, faces, tmp_path, "--search steered", options=options)


@pytest.mark.parametrize("options", [("--controls", 3), ("--controls-dir", "kept")])
def test_controls_for_the_papers_constant(model, faces, tmp_path, options):
    _assert_scan_refused(model, faces, tmp_path, "--threshold calibrated", options=("--threshold", "paper", *options))


def test_too_few_benign_images(model, tmp_path):
    _assert_scan_refused(model, _faces(tmp_path / "few", count=5), tmp_path, "5 benign images", "at least 16")


def test_a_model_that_always_answers_the_same(faces, tmp_path):
    images = tf.keras.Input((SIZE, SIZE, 3))
    features = tf.keras.layers.GlobalAveragePooling2D()(images)
    constant = tf.keras.layers.Dense(2, kernel_initializer="zeros")(features)
    tf.keras.Model(images, constant).save(tmp_path / "constant.h5", include_optimizer=False)
    _assert_scan_refused(tmp_path / "constant.h5", faces, tmp_path, "one and the same answer")
    assert not (faces / "controls").exists()


def test_a_model_of_grey_images(faces, tmp_path):
    images = tf.keras.Input((SIZE, SIZE, 1))
    outputs = tf.keras.layers.Dense(2)(tf.keras.layers.GlobalAveragePooling2D()(images))
    tf.keras.Model(images, outputs).save(tmp_path / "grey.h5", include_optimizer=False)
    _assert_scan_refused(tmp_path / "grey.h5", faces, tmp_path, "1 channels", "3 (RGB)")


@pytest.mark.parametrize("command", ["train", "mitigate", "export", "prepare"])
def test_an_output_folder_that_holds_something(model, faces, tmp_path, command):
    arguments = {
        "train": ["train", "--preset", "smoke"],
        "mitigate": ["mitigate", "--model", model, "--benign", faces],
        "export": ["export", "--model", model, "--task", "gaze"],
        "prepare": ["prepare", "columbia-gaze", "--raw", faces],
    }
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.txt").write_text("mine")
    result = _invoke(*arguments[command], "--out", out)
    assert result.exit_code == 2 and "not empty" in result.output
    assert [path.name for path in out.iterdir()] == ["thesis.txt"]


def test_a_single_control(model, faces, tmp_path):
    out = tmp_path / "out"
    result = _invoke("scan", "--model", model, "--benign", faces, "--out", out, "--controls", 1)
    _assert_refused(result, out, "--controls")


@pytest.mark.parametrize(
    "options, words",
    [
        (["--target", "15,-20"], ["--attack badnets"]),
        (["--rate", "0.1"], ["--attack badnets"]),
        (["--attack", "badnets"], ["--target", "2 angles in degrees"]),
        (["--attack", "badnets", "--target", "15"], ["--target", "2 angles in degrees: pitch,yaw"]),
        (["--attack", "wanet", "--target", "up"], ["'up'", "15,-20"]),
        (["--attack", "wanet", "--target", "15,200"], ["15,200", "90 degrees"]),
        (["--attack", "wanet", "--target", "15,nan"], ["15,nan", "90 degrees"]),
    ],
)
def test_target_and_attack_that_do_not_fit(tmp_path, options, words):
    out = tmp_path / "out"
    _assert_refused(_invoke("train", "--preset", "smoke", "--out", out, *options), out, *words)
    assert not (tmp_path / ".drmguard").exists()  # nothing was rendered


def test_export_for_another_task(model, tmp_path):
    out = tmp_path / "out"
    _assert_refused(_invoke("export", "--model", model, "--task", "head-pose", "--out", out), out, "2 outputs", "has 3")


def test_evaluate_with_a_record_of_no_attack(model, faces, tmp_path):
    (tmp_path / "train.json").write_text('{"attack": null}')
    arguments = ["evaluate", "--model", model, "--test", faces, "--attack", tmp_path / "train.json"]
    result = _invoke(*arguments, "--out", tmp_path / "out")
    _assert_refused(result, tmp_path / "out", "train.json", "describes no attack")


def test_mitigate_with_an_attack_but_no_test_set(model, faces, tmp_path):
    arguments = ["mitigate", "--model", model, "--benign", faces, "--attack", "train.json", "--preset", "smoke"]
    _assert_refused(_invoke(*arguments, "--out", tmp_path / "out"), tmp_path / "out", "--test")


def test_a_size_that_is_none(tmp_path):
    arguments = ["prepare", "columbia-gaze", "--raw", tmp_path, "--size", "48", "--out", tmp_path / "out"]
    _assert_refused(_invoke(*arguments), tmp_path / "out", "48x96", "multiples of 8")


def test_a_folder_without_columbia_images(tmp_path):
    (tmp_path / "raw").mkdir()
    arguments = ["prepare", "columbia-gaze", "--raw", tmp_path / "raw", "--out", tmp_path / "out"]
    _assert_refused(_invoke(*arguments), tmp_path / "out", "0001_2m_-15P_10V_-5H.jpg")
