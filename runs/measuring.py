"""What an erased model is measured by, on test data and a known attack: never seen by the erasing itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Optional

import numpy as np
import tensorflow as tf

from data_prep import class_table, image_table
from data_prep.contract import ClassSplit
from data_prep.threat import Backdoored, Suspect
from drmguard_tf import metrics as regression
from drmguard_tf.reference import check_fit
from runs import classes, evaluating, store

Measure = Callable[[tf.keras.Model], dict[str, Any]]


def measure_of(test: Optional[str], attack: Optional[Path], model: tf.keras.Model, white: float) -> Measure | None:
    """How copies of a suspect model are measured; None without test data.

    Args:
        test: "digits", CIFAR's batches or a table of classes, for classifiers; an image table for regression models.
        attack: the train.json of a known attack.
        model: the suspect.
        white: value of a white pixel in its inputs.

    Raises:
        ValueError, FileNotFoundError: if there is nothing to measure an attack on, or test data and model do not fit.
    """
    if test is None:
        if attack is not None:
            raise ValueError("--attack is used for metrics only and needs --test, the data to measure on")
        return None
    pixels = in_pixels(model, white)
    if holds_angles(test):
        return _errors(Path(test), attack, pixels, white)
    data = classes.read_test(test)
    known = known_attack(attack, pixels, data)
    return lambda cleaned: classes.measure(in_pixels(cleaned, white), data, known)


def holds_angles(test: str) -> bool:
    """Whether test data is an image table of gaze or head pose."""
    folder = Path(test)
    return (folder / image_table.TABLE).is_file() and not (folder / class_table.CLASSES).is_file()


def _errors(folder: Path, attack: Optional[Path], suspect: tf.keras.Model, white: float) -> Measure:
    height, width = suspect.input_shape[1:3]
    spec, data = image_table.read(folder, size=(height, width))
    check_fit(Suspect(suspect, data))
    known = None if attack is None else evaluating.known_attack(attack, suspect)[0]

    def measure(cleaned: tf.keras.Model) -> dict[str, Any]:
        model = in_pixels(cleaned, white)
        if known is None:
            return {"images": len(data), "re_deg": regression.clean_error(spec.task, model, data)}
        errors = regression.attack_errors(spec.task, replace(known, model=model), data)
        return {"images": len(data), "re_deg": errors.re, "ae_deg": errors.ae, "dae_deg": errors.dae}

    return measure


def known_attack(attack: Optional[Path], model: tf.keras.Model, test: ClassSplit) -> Backdoored | None:
    """A classifier with the attack that a train.json describes, if one is named.

    Raises:
        ValueError: if test images and model do not fit, or the record describes no attack on a classifier.
    """
    if test.images.shape[1:] != model.input_shape[1:] or len(test.classes) != model.output_shape[-1]:
        raise ValueError(
            f"the model maps {model.input_shape[1:]} to {model.output_shape[-1]} outputs, the test data has images of "
            f"{test.images.shape[1:]} and {len(test.classes)} classes"
        )
    if attack is None:
        return None
    trigger, target = classes.known_trigger(store.read_json(attack))
    return Backdoored(model, trigger, np.array(target))


def in_pixels(model: tf.keras.Model, white: float) -> tf.keras.Model:
    """The model for images in [0, 1]; its layers and weights are shared."""
    if white == 1:
        return model
    images = tf.keras.Input(model.input_shape[1:])
    return tf.keras.Model(images, model(tf.keras.layers.Rescaling(white)(images)))
