"""``drmguard scan`` of a classifier."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from click.testing import CliRunner
from PIL import Image

from data_prep import class_table
from data_prep.contract import ClassSplit
from drmguard_tf.calibrate import Calibration
from drmguard_tf.classification import LEVEL
from runs import class_controls, class_guarding
from runs.cli import main

layers = tf.keras.layers


def _classifier(classes: int, *, softmax: bool = False) -> tf.keras.Model:
    images = tf.keras.Input((16, 16, 3))
    known = layers.Normalization()
    known.adapt(np.random.default_rng(1).uniform(0, 1, (64, 16, 16, 3)).astype(np.float32))
    features = layers.GlobalAveragePooling2D()(layers.Conv2D(8, 3, activation="relu")(known(images)))
    return tf.keras.Model(images, layers.Dense(classes, activation="softmax" if softmax else None)(features))


@pytest.fixture(scope="module")
def question(tmp_path_factory) -> tuple[Path, Path]:
    """A classifier that has learned nothing, and 24 images of three classes."""
    folder, rng = tmp_path_factory.mktemp("classifier"), np.random.default_rng(0)
    images = rng.integers(0, 256, (24, 16, 16, 3), dtype=np.uint8)
    (folder / "benign").mkdir()
    class_table.write(folder / "benign", ClassSplit(images, np.arange(24) % 3, ("cat", "dog", "owl")))
    tf.keras.utils.set_random_seed(0)
    _classifier(3, softmax=True).save(folder / "model.h5", save_format="h5", include_optimizer=False)
    return folder / "model.h5", folder / "benign"


def _scan(model: Path, benign: Path, *more: str):
    given = ["scan", "--model", str(model), "--benign", str(benign), "--preset", "smoke", "--workers", "1", *more]
    return CliRunner().invoke(main, given)


def test_a_classifier_is_scanned_and_its_result_written(question, tmp_path):
    done = _scan(*question, "--out", str(tmp_path / "scan"), "--json")
    assert done.exit_code in (0, 1), done.output
    told = json.loads((tmp_path / "scan/scan.json").read_text())
    assert done.exit_code == (1 if told["verdict"] == "backdoored" else 0)
    assert told["infected_name"] == ("cat", "dog", "owl")[told["infected"]]
    assert 0 <= told["benign_accuracy"] <= 1 and set(told["calibration"]) == {"patch", "warp", "generator"}
    controls = tuple((family, tuple(costs)) for family, costs in told["calibration"].items())
    line = Calibration(controls, LEVEL, tuple(told["control_channel_shares"]))
    assert told["level"] == LEVEL and told["threshold"] == line.of(told["family"], channel_share=told["channel_share"])
    assert all(run["class"] in (0, 1, 2) and "target_estimate_deg" not in run for run in told["runs"])
    assert Image.open(tmp_path / "scan/reversed.png").size[0] > 100
    assert not [left for left in tmp_path.iterdir() if left.name != "scan"]  # no checkpoint is left


def test_controls_are_kept_beside_the_images_and_used_again(question, monkeypatch):
    assert _scan(*question).exit_code in (0, 1)
    assert len(list((question[1] / "controls").rglob("control-*.h5"))) == 2
    monkeypatch.setattr(class_controls.Classification, "fit", lambda *args, **options: pytest.fail("trained again"))
    assert _scan(*question).exit_code in (0, 1)


@pytest.mark.parametrize(
    "more, mirrored, shifted",
    [((), True, True), (("--no-mirroring",), False, True), (("--images", "digits"), False, False)],
)
def test_controls_learn_as_the_images_ask(question, tmp_path, monkeypatch, more, mirrored, shifted):
    kept, learned = class_controls.Classification.fit, []

    def fit(training, *given, **options):
        learned.append((training.flip, training.crop > 1))
        return kept(training, *given, **options)

    monkeypatch.setattr(class_controls.Classification, "fit", fit)
    assert _scan(*question, "--controls-dir", str(tmp_path), *more).exit_code in (0, 1)
    assert set(learned) == {(mirrored, shifted)}


def test_a_control_has_the_suspects_layers_new_weights_and_what_it_knows_of_its_images(question):
    suspect = _classifier(3, softmax=True)
    first, again, other = (class_controls._fresh(suspect, seed) for seed in (1, 1, 2))
    kernel = next(w for w in first.get_weights() if w.ndim == 4)
    assert np.array_equal(kernel, next(w for w in again.get_weights() if w.ndim == 4))
    assert not np.array_equal(kernel, next(w for w in other.get_weights() if w.ndim == 4))
    assert not np.array_equal(kernel, next(w for w in suspect.get_weights() if w.ndim == 4))
    image = tf.fill((1, 16, 16, 3), 0.5)
    np.testing.assert_allclose(first.layers[1](image), suspect.layers[1](image))
    assert first.output_shape == (None, 3) and abs(float(tf.reduce_sum(first(image))) - 1) > 1e-3  # logits


def test_a_backdoor_is_told_with_its_class_and_how_to_remove_it(question, capsys):
    decision = {"verdict": "backdoored", "family": "patch", "score": 0.001, "threshold": 0.02, "margin": 20.0}
    told = {**decision, "chance_if_benign": 0.001, "certainty": 1.0, "infected": 2, "infected_name": "owl"}
    told |= {"model": "m.h5", "benign": "images", "images": "photographs"}
    said = class_guarding.describe({**told, "benign_accuracy": 0.9, "seconds": 20.0}, names=3)
    assert (
        said.startswith("BACKDOORED")
        and "attacked class: owl (2" in said
        and "erase m.h5 --method gdm --benign images --class 2" in said
    )
    assert "WARNING" not in said and "margin 20.00" in said and "(or nothing but the model)" in said
    of_digits = class_guarding.describe({**told, "images": "digits", "benign_accuracy": 0.9, "seconds": 20.0}, names=3)
    assert "(or --images digits alone)" in of_digits
    assert "WARNING" in class_guarding.describe({**told, "benign_accuracy": 0.35, "seconds": 20.0}, names=3)


@pytest.mark.parametrize(
    "more, said",
    [
        (("--method", "feature-re"), "--method"),
        (("--search", "paper"), "--search"),
        (("--threshold", "paper"), "--threshold"),
    ],
)
def test_what_only_regression_has_is_refused(question, more, said):
    done = _scan(*question, *more)
    assert done.exit_code == 2 and f"{said}: classifiers have" in done.output


def test_a_model_of_other_classes_is_refused_before_any_training(question, tmp_path):
    _classifier(4).save(tmp_path / "four.h5", save_format="h5", include_optimizer=False)
    done = _scan(tmp_path / "four.h5", question[1])
    assert done.exit_code == 2 and "knows 4 classes" in done.output and "names 3" in done.output


def test_a_model_of_grey_images_is_refused_before_any_training(question, tmp_path):
    grey = tf.keras.Sequential([tf.keras.Input((16, 16, 1)), layers.Flatten(), layers.Dense(3)])
    grey.save(tmp_path / "grey.h5", save_format="h5", include_optimizer=False)
    done = _scan(tmp_path / "grey.h5", question[1])
    assert done.exit_code == 2 and "images of 1 channels" in done.output


def test_too_few_images_are_refused(question, tmp_path):
    data = class_table.read(question[1])
    (tmp_path / "few").mkdir()
    class_table.write(tmp_path / "few", ClassSplit(data.images[:9], data.labels[:9], data.classes))
    done = _scan(question[0], tmp_path / "few")
    assert done.exit_code == 2 and "too few" in done.output


def test_mirroring_is_no_choice_for_angles(question, tmp_path):
    (tmp_path / "faces").mkdir()
    done = _scan(question[0], tmp_path / "faces", "--no-mirroring")
    assert done.exit_code == 2 and "--no-mirroring is for classifiers" in done.output
    done = _scan(question[0], tmp_path / "faces", "--images", "digits")
    assert done.exit_code == 2 and "--images is for classifiers" in done.output
