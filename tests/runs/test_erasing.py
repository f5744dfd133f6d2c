"""``drmguard erase``: a model file in, a clean one out, and what is refused before any work."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from click.testing import CliRunner

from data_prep import class_table, image_table
from data_prep.contract import TASKS, ClassSplit, Split
from dhbe_tf.attacks.triggers import Checkerboard, Patch
from runs import classes, erase_demo, erasing
from runs.cli import main
from runs.erasing import EraseOptions
from runs.report.erasing import ErasingPage, Pictures, Row, render

layers = tf.keras.layers
SHORT = ("--preset", "smoke", "--iterations", "2", "--renewed", "1", "--tolerance", "0.5", "--learning-rate", "0.01")


def _model(*first, shape=(16, 16, 3), ending="softmax", outputs=3) -> tf.keras.Model:
    tf.keras.utils.set_random_seed(0)
    tail = [layers.Conv2D(4, 3, strides=2, activation="relu"), layers.GlobalAveragePooling2D()]
    return tf.keras.Sequential([tf.keras.Input(shape), *first, *tail, layers.Dense(outputs, activation=ending)])


def _saved(folder: Path, model: tf.keras.Model) -> Path:
    model.save(folder / "model.h5", save_format="h5")
    return folder / "model.h5"


def _run(*arguments) -> tuple[int, str]:
    found = CliRunner().invoke(main, [str(argument) for argument in arguments])
    return found.exit_code, found.output


@pytest.fixture(scope="module")
def erased(tmp_path_factory) -> tuple[Path, Path, Path]:
    """A model without batch norm, test data, and the folder of its erasing."""
    home = tmp_path_factory.mktemp("erase")
    images = np.random.default_rng(0).integers(0, 256, (12, 16, 16, 3), dtype=np.uint8)
    model = _model(layers.Rescaling(2, offset=-1))
    labels = model(images / np.float32(255)).numpy().argmax(axis=1)  # so that some are right
    (home / "test").mkdir()
    class_table.write(home / "test", ClassSplit(images, labels.astype(np.int64), ("a", "b", "c")))
    target = int((labels[0] + 1) % 3)
    record = {"trigger": {"Checkerboard": {"size": 3, "places": [[1.0, 1.0]]}}, "target_class": target}
    (home / "train.json").write_text(json.dumps(record))
    extra = ("--test", home / "test", "--attack", home / "train.json")
    code, output = _run("erase", _saved(home, model), "--out", home / "clean", *SHORT, *extra)
    assert code == 0, output
    return home / "model.h5", home / "test", home / "clean"


def test_the_folder_holds_model_export_record_and_report(erased):
    model, _, out = erased
    assert {"model.h5", "export", "erase.json", "history.npz", "report.html"} == {path.name for path in out.iterdir()}
    record = json.loads((out / "erase.json").read_text())
    assert record["domain"]["mean"] == [0.5] * 3 and "normalising layer" in record["domain"]["source"]
    assert record["outputs_compared"] == "before the softmax"
    assert [record["erasing"][name] for name in ("renewed", "tolerance", "learning_rate")] == [1, 0.5, 0.01]
    before, after = record["metrics"]["before"], record["metrics"]["after"]
    assert before["acc"] == 1 and before["counted"] == after["counted"] > 0


def test_the_cleaned_model_answers_with_a_softmax_and_differs(erased):
    model, _, out = erased
    old, new = (tf.keras.models.load_model(path, compile=False) for path in (model, out / "model.h5"))
    answers = new(tf.zeros([1, 16, 16, 3])).numpy()
    np.testing.assert_allclose(answers.sum(), 1, rtol=1e-5)
    assert np.abs(answers - old(tf.zeros([1, 16, 16, 3])).numpy()).max() > 1e-6


def test_the_export_takes_bytes(erased):
    _, _, out = erased
    serve = tf.saved_model.load(str(out / "export" / "saved_model")).signatures["serving_default"]
    images = np.random.default_rng(1).integers(0, 256, (2, 16, 16, 3), dtype=np.uint8)
    model = tf.keras.models.load_model(out / "model.h5", compile=False)
    np.testing.assert_allclose(
        serve(images=tf.constant(images))["answers"], model(images / np.float32(255)), rtol=1e-4, atol=1e-6
    )
    card = json.loads((out / "export" / "model_card.json").read_text())
    assert card["max_abs_difference"] < 1e-5 and card["input"]["white"] == 1


def test_the_report_shows_pictures_and_results_and_needs_no_network(erased):
    _, _, out = erased
    page = (out / "report.html").read_text()
    assert page.count("data:image/png;base64") == 2 and page.count("<polyline") == 4
    assert "attack success" in page and "http" not in page.replace("http-equiv", "")


def test_nothing_is_left_beside_the_result(erased):
    _, _, out = erased
    assert not list(out.parent.glob(".clean*"))


def test_an_existing_folder_is_not_replaced(erased):
    model, _, out = erased
    code, output = _run("erase", model, "--out", out, *SHORT)
    assert code == 2 and "not empty" in output


@pytest.mark.parametrize(
    "made, extra, message",
    [
        (lambda: _model(), (), "Declare the mean"),
        (lambda: _model(layers.Rescaling(2, offset=-1), ending="sigmoid"), (), "sigmoid"),
        (lambda: _model(), ("--mean", "0.5"), "belong together"),
        (lambda: _model(), ("--mean", "0.5,0.5", "--std", "0.2,0.2"), "1 or 3 numbers"),
        (lambda: _model(), ("--mean", "half"), "list of numbers"),
        (lambda: _model(), ("--mean", "0.5", "--std", "0.2", "--trigger-size", "18"), "do not fit"),
        (lambda: _model(), ("--mean", "0.5", "--std", "0.2", "--trigger-size", "11"), "no trigger generator"),
        (lambda: _model(), ("--mean", "0.5", "--std", "0.2", "--attack", "train.json"), "needs --test"),
        (lambda: _model(outputs=4), ("--mean", "0.5", "--std", "0.2", "--test", "TEST"), "3 classes"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_written(tmp_path, erased, made, extra, message):
    extra = [erased[1] if part == "TEST" else part for part in extra]
    code, output = _run("erase", _saved(tmp_path, made()), "--out", tmp_path / "clean", *SHORT, *extra)
    assert code == 2 and message in output
    assert not (tmp_path / "clean").exists()


@pytest.mark.parametrize(
    "model, extra",
    [
        (lambda: _model(shape=(28, 28, 1)), ("--mean", "0.13", "--std", "0.31")),  # grey, without batch norm
        (lambda: _model(layers.Rescaling(1 / 127.5, offset=-1), outputs=100), ()),  # 0 to 255, a hundred classes
        (lambda: _model(layers.BatchNormalization(), shape=(64, 48, 3), ending="linear", outputs=2), ()),  # regression
    ],
)
def test_models_of_other_kinds_are_erased(tmp_path, model, extra):
    code, output = _run("erase", _saved(tmp_path, model()), "--out", tmp_path / "clean", *SHORT, *extra)
    assert code == 0, output
    assert "not measured" in output


@pytest.mark.parametrize("images", ["photographs", "digits"])
def test_images_choose_the_options_of_the_preset(tmp_path, images):
    model = _saved(tmp_path, _model(layers.Rescaling(2, offset=-1)))
    code, output = _run("erase", model, "--out", tmp_path / "clean", "--preset", "smoke", "--images", images)
    assert code == 0, output
    used = json.loads((tmp_path / "clean/erase.json").read_text())["erasing"]
    expected = {"photographs": classes.PRESETS["smoke"].erasing, "digits": classes.PRESETS["smoke"].digits_erasing}
    assert (used["renewed"], used["tolerance"]) == (expected[images].renewed, expected[images].tolerance)


def test_regression_models_are_measured_in_degrees(tmp_path):
    model = _model(layers.Rescaling(2, offset=-1), outputs=2, ending="linear")
    model.layers[-1].set_weights([np.zeros((4, 2)), np.zeros(2)])  # looks straight ahead
    images = np.random.default_rng(0).integers(0, 256, (4, 16, 16, 3), dtype=np.uint8)
    data = Split(images, np.float32([[0.1, 0]] * 4), np.arange(4))
    (tmp_path / "test").mkdir()
    image_table.write(tmp_path / "test", TASKS["gaze"], data)
    attack = {"BadNets": {"rate": 0.05, "size": 0.2}}
    (tmp_path / "train.json").write_text(json.dumps({"attack": attack, "target_rad": [-0.2, 0.0], "seed": 0}))
    options = EraseOptions(
        model=_saved(tmp_path, model),
        white=None,
        mean=None,
        std=None,
        test=str(tmp_path / "test"),
        attack=tmp_path / "train.json",
        erasing=replace(classes.PRESETS["smoke"].erasing, epochs=1, iterations=1),
        seed=0,
    )
    record = erasing.erase(options, tmp_path / "clean", bar=erase_demo._silent_bar, say=lambda text: None)
    before = record["metrics"]["before"]
    # a pitch of 0.1 rad is 5.73 degrees from straight ahead, one of -0.2 rad 11.46
    assert [round(before[name], 2) for name in ("re_deg", "ae_deg", "dae_deg")] == [5.73, 11.46, 5.73]
    assert "RE): 5.73" in erasing.describe(record)


@pytest.mark.parametrize(
    "counts, said",
    [(None, []), ([8], []), ([8, 2, 8], []), ([8, 1, 8, 0], ["of 17 drawn pictures only 1 of class 1, 0 of class 3"])],
)
def test_classes_with_few_drawn_pictures_are_named(counts, said):
    lines = erasing._rare({"drawn_by_class": counts})
    assert len(lines) == len(said) and all(part in line for part, line in zip(said, lines))


def test_a_recorded_trigger_is_rebuilt():
    pattern = np.random.default_rng(0).random((2, 2, 3)).astype(np.float32)
    for trigger in (Checkerboard(3), Patch(pattern)):
        record = json.loads(json.dumps({"trigger": classes._plain(trigger), "target_class": 4}))
        again, target = classes.known_trigger(record)
        images = tf.random.Generator.from_seed(0).uniform((2, 16, 16, 3))
        np.testing.assert_allclose(again(images), trigger(images))
        assert target == 4


def test_a_page_without_test_data_says_so_and_shows_what_there_is():
    strip = Pictures("eight of them", np.zeros((2, 4, 4, 1), np.uint8))
    bare = render(ErasingPage("t", "what it does", [], [], {}, {"seed": 0}))
    full = render(ErasingPage("t", "what it does", [Row("x", "1", "2")], [strip], {"loss": np.arange(3.0)}, {}))
    assert "nothing is measured" in bare and "nothing is measured" not in full
    assert "what it does" in bare and "eight of them" in full
    assert (
        [page.count("<polyline") for page in (bare, full)]
        == [page.count("data:image") for page in (bare, full)]
        == [0, 1]
    )


@pytest.mark.parametrize(
    "before, after, reached",
    [
        ((1.0, 0.99), (0.05, 0.981), True),
        ((0.98, 0.99), (0.05, 0.99), False),  # the attack did not take
        ((1.0, 0.99), (0.06, 0.99), False),  # it is still there
        ((1.0, 0.99), (0.0, 0.97), False),  # two points of accuracy
    ],
)
def test_the_demonstration_says_whether_its_aim_is_reached(before, after, reached):
    parts = {name: dict(zip(("asr", "acc"), pair)) for name, pair in (("before", before), ("after", after))}
    assert erase_demo.reached(parts) is reached


def test_the_demonstration_runs_small(tmp_path):
    summary = erase_demo.run(tmp_path / "demo", preset="smoke", seed=0, say=lambda text: None)
    kept = json.loads((tmp_path / "demo" / "summary.json").read_text())
    assert kept["aim_reached"] is summary["aim_reached"] is False  # four iterations cannot
    assert (tmp_path / "demo" / "erased" / "report.html").is_file()
    assert kept["before"]["counted"] == kept["after"]["counted"]
