"""``drmguard erase --method`` with DHBE's rivals: what is written, what is refused, and the presets."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from click.testing import CliRunner

from data_prep import class_table
from data_prep.contract import ClassSplit
from dhbe_tf.baselines.attention_distillation import AttentionDistillation
from dhbe_tf.baselines.fine_pruning import FinePruning
from dhbe_tf.baselines.fine_tuning import FineTuning
from dhbe_tf.baselines.mode_connectivity import ModeConnectivity
from dhbe_tf.baselines.neural_cleanse import NeuralCleanse
from dhbe_tf.baselines.recipes import RECIPES
from dhbe_tf.baselines.tuning import Tuning
from runs import rivals
from runs.cli import main
from runs.cli.rivals import RIVALS

layers = tf.keras.layers


def _run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    return result.exit_code, result.output


@pytest.fixture(scope="module")
def given(tmp_path_factory) -> tuple[Path, Path, Path]:
    """A model, a table of images that it gets right, and the record of an attack."""
    folder = tmp_path_factory.mktemp("given")
    tf.keras.utils.set_random_seed(0)
    images = tf.keras.Input((16, 16, 3))
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3, strides=2, activation="relu")(images))
    model = tf.keras.Model(images, layers.Dense(3, activation="softmax")(x))
    model.save(folder / "model.h5", save_format="h5", include_optimizer=False)
    pictures = np.random.default_rng(0).integers(0, 256, (20, 16, 16, 3), dtype=np.uint8)
    labels = model(pictures / np.float32(255)).numpy().argmax(axis=1)
    (folder / "faces").mkdir()
    class_table.write(folder / "faces", ClassSplit(pictures, labels.astype(np.int64), ("a", "b", "c")))
    attack = {"trigger": {"Checkerboard": {"size": 3, "places": [[1.0, 1.0]]}}, "target_class": int(labels[0] + 1) % 3}
    (folder / "train.json").write_text(json.dumps(attack))
    return folder / "model.h5", folder / "faces", folder / "train.json"


def test_a_rival_writes_model_export_record_and_report(given, tmp_path):
    model, faces, attack = given
    out, known = tmp_path / "clean", ("--test", faces, "--attack", attack)
    command = ("erase", model, "--method", "fine-pruning", "--benign", faces, "--share", 0.5, "--preset", "smoke")
    command += ("--images", "digits")
    code, output = _run(*command, *known, "--out", out)
    assert code == 0, output
    assert "fine-pruning on 10 benign images" in output and "attack success (ASR)" in output
    assert {path.name for path in out.iterdir()} == {"model.h5", "export", "erase.json", "report.html"}
    record = json.loads((out / "erase.json").read_text())
    assert record["method"] == "fine-pruning" and record["benign"]["images"] == 10 and record["peak_mib"] > 0
    assert record["erasing"]["tuning"]["epochs"] == 1 and record["metrics"]["before"]["acc"] == 1
    assert record["erasing"]["tuning"]["flip"] is False
    cleaned = tf.keras.models.load_model(out / "model.h5", compile=False)
    np.testing.assert_allclose(cleaned(tf.zeros([1, 16, 16, 3])).numpy().sum(), 1, rtol=1e-5)
    page = (out / "report.html").read_text()
    assert "leave asleep" in page and page.count("data:image/png;base64") == 1 and "<polyline" not in page
    assert "http" not in page.replace("http-equiv", "") and not list(tmp_path.glob(".clean*"))


def test_neural_cleanse_searches_the_class_that_it_is_told(given, tmp_path):
    model, faces, _ = given
    out = tmp_path / "clean"
    told = ("--method", "neural-cleanse", "--benign", faces, "--class", "1")
    code, output = _run("erase", model, "--preset", "smoke", "--out", out, *told)
    assert code == 0, output
    record = json.loads((out / "erase.json").read_text())
    assert record["class"] == 1 and record["method"] == "neural-cleanse" and (out / "model.h5").is_file()


def test_a_method_follows_the_recipe_of_its_authors(given, tmp_path, monkeypatch):
    model, faces, _ = given
    brief = replace(RECIPES["fine-tuning"].rival.tuning, epochs=2, samples=16, batch=8)
    monkeypatch.setitem(RECIPES, "fine-tuning", replace(RECIPES["fine-tuning"], rival=FineTuning(brief)))
    command = ("erase", model, "--method", "fine-tuning", "--benign", faces, "--recipe", "authors")
    code, output = _run(*command, "--images", "digits", "--out", tmp_path / "clean")
    assert code == 0, output
    tuning = json.loads((tmp_path / "clean" / "erase.json").read_text())["erasing"]["tuning"]
    assert (tuning["learning_rate"], tuning["nesterov"], tuning["flip"], tuning["crop"]) == (0.1, True, False, 1)


@pytest.mark.parametrize(
    "extra, message",
    [
        (("--method", "nad"), "--benign"),
        (("--method", "mcr", "--benign", "digits"), "benign images are"),
        (("--method", "nad", "--benign", "FACES", "--weight", "1"), "no use for --weight"),
        (("--method", "nad", "--benign", "FACES", "--trigger-size", "3"), "no use for --trigger-size"),
        (("--method", "gdm", "--benign", "FACES", "--share", "0.5"), "no use for --share"),
        (("--method", "gdm", "--benign", "FACES", "--images", "digits"), "no use for --images"),
        (("--method", "gdm", "--benign", "FACES", "--recipe", "dhbe"), "no use for --recipe"),
        (("--share", "0.5"), "--method dhbe has no use for --share (for fine-tuning, "),
        (("--recipe", "authors"), "--method dhbe has no use for --recipe (for fine-tuning, "),
        (("--class", "1"), "--method dhbe has no use for --class (for gdm, neural-cleanse)"),
        (("--method", "nad", "--benign", "FACES", "--class", "1"), "no use for --class"),
        (("--method", "neural-cleanse", "--benign", "FACES", "--class", "99"), "so 99 cannot"),
        (("--method", "nad", "--benign", "FACES", "--share", "0"), "--share"),
        (("--method", "nad", "--benign", "FACES", "--attack", "ATTACK"), "needs --test"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_written(given, tmp_path, extra, message):
    model, faces, attack = given
    extra = tuple({"FACES": faces, "ATTACK": attack}.get(part, part) for part in extra)
    code, output = _run("erase", model, "--preset", "smoke", "--out", tmp_path / "clean", *extra)
    assert code == 2 and message in output, output
    assert not list(tmp_path.iterdir())


def test_commands_and_presets_know_the_same_rivals():
    for preset in ("paper", "cpu", "smoke"):
        assert tuple(rivals.rivals(preset, digits=True)) == tuple(rivals.NAMES) == tuple(RECIPES) == RIVALS
    assert rivals.recipe("nad", "cpu", digits=False) == RECIPES["nad"]
    assert rivals.recipe("mcr", "smoke", digits=False).rival == rivals.rivals("smoke", digits=False)["mcr"]


def test_the_preset_paper_is_the_paper_s_and_digits_are_not_mirrored():
    kinds = (FineTuning, FinePruning, AttentionDistillation, ModeConnectivity, NeuralCleanse)
    curve = ModeConnectivity()
    faster = {ModeConnectivity: replace(curve, tuning=replace(curve.tuning, learning_rate=0.1))}  # EQUATIONS.md, 20
    assert list(rivals.rivals("paper", digits=False).values()) == [faster.get(kind, kind()) for kind in kinds]
    on_digits = rivals.rivals("paper", digits=True)
    assert on_digits["fine-tuning"].tuning == replace(Tuning(), crop=1, flip=False)
    tunings = [on_digits[name].tuning for name in ("fine-pruning", "mcr", "neural-cleanse")]
    assert not any(tuning.flip for tuning in (*tunings, on_digits["nad"].teacher, on_digits["nad"].student))
