"""``drmguard evaluate`` for regression, and the backdoors that a training's record describes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tensorflow as tf

from data_prep.threat import Backdoored
from drmguard_tf import metrics
from drmguard_tf.attacks import attack_class
from runs import cases, inspection, store, triggers


def known_attack(path: Path, model: tf.keras.Model) -> list[Backdoored]:
    """A model with the triggers that a ``train.json`` describes, the main one first; for evaluation only.

    Raises:
        ValueError: if the record names no attack that this version knows, or its learned trigger is missing.
    """
    record = store.read_json(path)
    if not record.get("attack"):
        raise ValueError(f"{path} describes no attack; it must be the train.json of a backdoored model")
    ((name, settings),) = record["attack"].items()
    settings = {key: tuple(value) if isinstance(value, list) else value for key, value in settings.items()}
    attack, network = attack_class(name)(**settings), triggers.kept(path.parent, record)
    return attack.known(model, np.array(record["target_rad"], np.float32), record["seed"], network)


def evaluate(model: Path, test: Path, attack: Path | None) -> dict[str, float]:
    """Errors of a model file on an image table, degrees."""
    spec, suspect = inspection.load_suspect(model, test)
    if attack is None:
        return {"re_deg": metrics.clean_error(spec.task, suspect.model, suspect.benign)}
    return cases.measure_known(spec.task, known_attack(attack, suspect.model), suspect.benign)
