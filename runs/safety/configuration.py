"""Keras configurations, which all three formats hold: names of classes and functions, at any depth."""

from __future__ import annotations

from typing import Any

from runs.safety.allowed import ACTIVATIONS, CLASSES, MODULES, SYMBOLS
from runs.safety.refusals import GO_ON, HOW_KERAS, UnreadableModel, UnsafeModel


def check_config(config: Any, place: str) -> None:
    """Only allowed names in a Keras configuration, at any depth.

    Args:
        config: parsed JSON.
        place: where it was found, for the message.
    """
    if not isinstance(config, dict) or "class_name" not in config:
        raise UnreadableModel(f"the {place} does not describe a Keras object. {HOW_KERAS}")
    waiting: list[tuple[str, Any]] = [(place, config)]
    while waiting:
        place, value = waiting.pop()
        if isinstance(value, dict):
            _check_object(value, place)
            waiting += [(f"{place}, {key}", item) for key, item in value.items()]
        elif isinstance(value, list):
            waiting += [(f"{place}[{index}]", item) for index, item in enumerate(value)]


def _check_object(value: dict[str, Any], place: str) -> None:
    for key, name in value.items():
        if isinstance(name, str) and key.endswith(_NAMING) and name not in CLASSES | ACTIVATIONS:
            raise UnsafeModel(f"the {place} has the {key} {name!r}, which is not one of Keras's own. {GO_ON}")
    if "class_name" in value:
        _check_class(value, place)


_NAMING = ("activation", "initializer", "regularizer", "constraint")  # keys whose text Keras turns into an object


def _check_class(value: dict[str, Any], place: str) -> None:
    name, module = value["class_name"], value.get("module")
    if name in ("Lambda", "__lambda__"):
        raise UnsafeModel(
            f"the {place} is a Lambda: Python code from the file, which would run on this machine. {GO_ON}"
        )
    if name in ("TFOpLambda", "SlicingOpLambda") and value["config"]["function"] not in SYMBOLS:
        symbol = value["config"]["function"]
        raise UnsafeModel(f"the {place} calls tf.{symbol}, which is not on the list of pure functions. {GO_ON}")
    if name not in CLASSES:
        raise UnsafeModel(
            f"the {place} is a {name!r}, which is not on the list of built-in Keras classes that only compute: it is a "
            f"custom class, or one that may read files. {GO_ON}"
        )
    if module not in MODULES or value.get("registered_name") not in (None, name):
        source = f"{module}, {value.get('registered_name')}"
        raise UnsafeModel(f"the {place} takes the name {name!r} from somewhere else than Keras ({source}). {GO_ON}")
    if name == "TypeSpec" and value["type_spec"] != "tf.TensorSpec":
        raise UnsafeModel(f"the {place} is of type {value['type_spec']!r}; only dense tensors are accepted. {GO_ON}")
    if value.get("compile_config"):
        raise UnsafeModel(f"the {place} is a compiled model inside a model; inner losses cannot be checked. {GO_ON}")
