"""Shipping a cleaned model: SavedModel with a serving signature, Keras files, and a model card."""

from __future__ import annotations

import platform
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from data_prep.contract import TASKS, Task
from drmguard_tf.submodels import split
from runs import safety, store

_COMPARE = """
import os, sys
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import numpy as np, tensorflow as tf
serve = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]
(answers,) = serve(images=tf.constant(np.load(sys.argv[2]))).values()
np.save(sys.argv[3], answers.numpy())
"""


def export(model: tf.keras.Model, task: Task, out: Path, probe: np.ndarray, facts: dict[str, Any]) -> dict[str, Any]:
    """Write a model as its users will load it, and read it back in a fresh process.

    Args:
        model: float32 images in [0, 1] to angles in radians.
        task: names the outputs.
        out: directory, replaced whole: ``saved_model/``, ``model.h5``, ``model.keras`` where TensorFlow has that
            format, and ``model_card.json``.
        probe: uint8 (n, H, W, C), images on which the reloaded model must agree.
        facts: metrics, settings and whatever else belongs on the card.

    Returns:
        ``path``, ``max_abs_difference`` in radians between the model and its reloaded export, and ``sha256``.

    Raises:
        ValueError: if the model is no regression model that ends in a Dense layer.
        RuntimeError: if the export cannot be loaded again.
    """
    split(model)
    return ship(model, out, probe, output="angles", card=lambda result: _card(model, task, result, facts))


def export_file(model: Path, task: str, record: Path | None, out: Path, seed: int) -> dict[str, Any]:
    """Ship a model file; see :func:`export`.

    Args:
        model: the file.
        task: "gaze" or "head-pose".
        record: a JSON file whose facts go on the card.
        out: see :func:`export`.
        seed: of the images on which the reloaded model must agree.

    Raises:
        UnsafeModel, UnreadableModel, ValueError: if the file is refused or does not fit the task.
    """
    loaded = safety.load_model(model)
    facts = store.read_json(record) if record else {}
    if TASKS[task].size != loaded.output_shape[-1]:
        raise ValueError(f"{model} has {loaded.output_shape[-1]} outputs, but {task} has {TASKS[task].size}")
    probe = np.random.default_rng(seed).integers(0, 256, (8, *loaded.input_shape[1:]), dtype=np.uint8)
    return export(loaded, TASKS[task], out, probe, {"record": facts, "source_sha256": store.digest_of_files(model)})


def ship(
    model: tf.keras.Model,
    out: Path,
    probe: np.ndarray,
    *,
    output: str,
    card: Callable[[dict[str, Any]], dict[str, Any]],
    white: float = 1.0,
) -> dict[str, Any]:
    """Write any model of images; see :func:`export`.

    Args:
        model: float32 images to a flat output.
        out: directory, replaced whole.
        probe: uint8 (n, H, W, C), images on which the reloaded model must agree.
        output: name of the output in the serving signature.
        card: makes the model card from ``max_abs_difference`` and ``sha256``.
        white: the value of a white pixel in the model's own input.
    """
    result: dict[str, Any] = {}

    def fill(folder: Path) -> None:
        signatures = _serving(model, output, white)
        model.save(folder / "saved_model", save_format="tf", include_optimizer=False, signatures=signatures)
        model.save(folder / "model.h5", save_format="h5", include_optimizer=False)
        if hasattr(tf.keras.utils, "FeatureSpace"):  # arrived with the .keras format, in TF 2.12
            model.save(folder / "model.keras", save_format="keras")
        expected = signatures(tf.constant(probe))[output].numpy()
        result["max_abs_difference"] = float(np.abs(_reload(folder, probe) - expected).max())
        result["sha256"] = store.digest_of_files(folder / "saved_model")
        store.write_json(folder / "model_card.json", card(result))

    store.write_directory(out, fill)
    return {"path": str(out / "saved_model"), **result}


def _serving(model: tf.keras.Model, output: str, white: float) -> Any:
    shape = [None, *model.input_shape[1:]]

    @tf.function(input_signature=[tf.TensorSpec(shape, tf.uint8, name="images")])
    def serve(images: tf.Tensor) -> dict[str, tf.Tensor]:
        """uint8 images (B, H, W, C) to the model's answers (B, K)."""
        return {output: model(tf.cast(images, tf.float32) / 255 * white, training=False)}

    return serve


def _reload(folder: Path, probe: np.ndarray) -> np.ndarray:
    """Answers of the SavedModel in a fresh process that does not know this project."""
    images, answers = folder / "probe.npy", folder / "answers.npy"
    np.save(images, probe)
    command = [sys.executable, "-c", _COMPARE, str(folder / "saved_model"), str(images), str(answers)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"the exported model could not be loaded in a fresh process:\n{done.stderr[-2000:]}")
    found = np.load(answers)
    images.unlink()
    answers.unlink()
    return found


def _card(model: tf.keras.Model, task: Task, result: dict[str, Any], facts: dict[str, Any]) -> dict[str, Any]:
    height, width, channels = model.input_shape[1:]
    return {
        "task": task.name,
        "input": {
            "serving_default": f"uint8 (B, {height}, {width}, {channels}), RGB, 0 to 255, argument 'images'",
            "keras model": f"float32 (B, {height}, {width}, {channels}), RGB, 0 to 1; normalisation is inside",
        },
        "output": {"names": list(task.outputs), "unit": "radians", "shape": f"(B, {task.size})"},
        "sign_convention": "pitch > 0 up, yaw > 0 towards image left, roll > 0 anticlockwise in the image",
        "saved_model_sha256": result["sha256"],
        "max_abs_difference_rad": result["max_abs_difference"],
        "versions": versions(),
        **facts,
    }


def versions() -> dict[str, str]:
    """What this was made with, and when."""
    return {
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
        "numpy": np.__version__,
        "machine": f"{platform.machine()}, {'GPU' if tf.config.list_physical_devices('GPU') else 'CPU'}",
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d"),
    }
