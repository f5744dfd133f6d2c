"""Shipping a model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from data_prep.contract import GAZE
from runs import export, safety, store

layers = tf.keras.layers
PROBE = np.random.default_rng(0).integers(0, 256, (5, 16, 24, 3), dtype=np.uint8)


def _network(**head: Any) -> tf.keras.Model:
    tf.keras.utils.set_random_seed(0)
    images = tf.keras.Input((16, 24, 3), name="images")
    x = layers.BatchNormalization()(layers.Conv2D(4, 3, activation="relu")(images))
    return tf.keras.Model(images, layers.Dense(2, **head)(layers.GlobalAveragePooling2D()(x)))


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tf.keras.Model, dict[str, Any]]:
    """The folder, the model in it, and what export says of it."""
    out = tmp_path_factory.mktemp("export") / "out"
    model = _network()
    return out, model, export.export(model, GAZE, out, PROBE, {"record": {"margin": 2.0}})


def test_bytes_in_radians_out(shipped):
    out, model, _ = shipped
    loaded = tf.saved_model.load(str(out / "saved_model"))
    serve = loaded.signatures["serving_default"]
    (asked,) = serve.structured_input_signature[1].values()
    assert (asked.dtype, asked.shape.as_list()) == (tf.uint8, [None, 16, 24, 3])
    expected = model(PROBE.astype(np.float32) / np.float32(255), training=False)
    np.testing.assert_allclose(serve(images=tf.constant(PROBE))["angles"], expected, rtol=0, atol=1e-5)


def test_a_fresh_process_agrees(shipped):
    assert shipped[2]["max_abs_difference"] < 1e-5


def test_a_fresh_process_is_asked_again(shipped):
    out, model, _ = shipped
    expected = model(PROBE[:2].astype(np.float32) / np.float32(255), training=False)
    np.testing.assert_allclose(export._reload(out, PROBE[:2]), expected, rtol=0, atol=1e-5)
    assert not list(out.glob("*.npy"))


def test_the_folder_holds_what_is_promised_and_no_more(shipped):
    out, _, result = shipped
    found = {path.name for path in out.iterdir()}
    assert found - {"model.keras"} == {"saved_model", "model.h5", "model_card.json"}
    assert result["path"] == str(out / "saved_model")
    assert result["sha256"] == store.digest_of_files(out / "saved_model")


def test_the_card_tells_what_a_user_must_know(shipped):
    card = json.loads((shipped[0] / "model_card.json").read_text())
    assert {"input", "sign_convention", "saved_model_sha256", "max_abs_difference_rad", "versions"} <= card.keys()
    assert card["task"] == "gaze"
    assert card["output"] == {"names": ["pitch", "yaw"], "unit": "radians", "shape": "(B, 2)"}
    assert "uint8 (B, 16, 24, 3)" in card["input"]["serving_default"]
    assert card["record"] == {"margin": 2.0}
    assert card["versions"]["tensorflow"] == tf.__version__


@pytest.mark.parametrize("name", ["model.h5", "saved_model"])
def test_what_is_shipped_can_be_scanned_again(shipped, name):
    out, model, _ = shipped
    again = safety.load_model(out / name)
    images = PROBE.astype(np.float32) / np.float32(255)
    np.testing.assert_allclose(again(images, training=False), model(images, training=False), rtol=0, atol=1e-6)


def test_a_classifier_is_not_shipped(tmp_path):
    with pytest.raises(ValueError, match="Dense layer"):
        export.export(_network(activation="softmax"), GAZE, tmp_path / "out", PROBE, {})
    assert not (tmp_path / "out").exists()
