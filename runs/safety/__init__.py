"""Model files of unknown origin: scanned as data first, loaded only when they can do nothing but arithmetic.

A Keras file is a program. A Lambda layer carries Python bytecode, a class name may point at any importable module, a
TensorFlow graph may read and write files, an HDF5 link may point at another file. So a file counts as hostile until
:func:`inspect` has read it: with ``json``, ``h5py``, ``zipfile`` and protobuf parsers only. No loader of Keras or
TensorFlow sees it before, nothing is unpickled, and the weights of a refused file stay unread.

Everything is judged by lists of what is allowed (:mod:`runs.safety.allowed`), never by lists of what is forbidden.
modelscan gives a second opinion: it can refuse a file, it cannot clear one.

A SavedModel is rebuilt from its Keras configuration and its checkpoint; its traced graph is scanned but never imported.
The model that is examined is therefore the Keras model, not a serving signature stored beside it; and a file from a
newer TensorFlow loads where its graph would not.

Not covered: faults in the parsers themselves (libhdf5, protobuf, TensorFlow's checkpoint reader), a configuration that
asks for more memory than there is, a file that is replaced between scan and load. For these, run in a container without
network. And a file that passes may still hold a backdoored model: finding that is what the rest of the project is for.
"""

from __future__ import annotations

from pathlib import Path

import tensorflow as tf

from runs.safety import hdf5, keras_archive, saved_model
from runs.safety.formats import format_of
from runs.safety.refusals import EXPORT, UnreadableModel, UnsafeModel, reading
from runs.safety.second_opinion import ask_modelscan

__all__ = ["UnreadableModel", "UnsafeModel", "inspect", "load_model"]

_FORMATS = {"h5": hdf5, "keras": keras_archive, "savedmodel": saved_model}


def inspect(path: Path) -> str:
    """Scan a model file without running anything of it.

    Args:
        path: an HDF5 file, a .keras archive or a SavedModel directory; the content decides, not the name.

    Returns:
        The format: "h5", "keras" or "savedmodel".

    Raises:
        UnsafeModel: if anything in it is not on the lists of what is allowed.
        UnreadableModel: if it is missing, damaged, or no Keras model.
    """
    path = Path(path).resolve()
    with reading(path):
        form = format_of(path)
        _FORMATS[form].scan(path)
        ask_modelscan(path, form)
    return form


def load_model(path: Path) -> tf.keras.Model:
    """Scan a model file, then load it uncompiled.

    Args:
        path: as for :func:`inspect`.

    Returns:
        A functional or sequential model of built-in layers.

    Raises:
        UnsafeModel: as :func:`inspect`; nothing was loaded.
        UnreadableModel: as :func:`inspect`, or if Keras cannot rebuild the model.
    """
    path = Path(path).resolve()
    form = inspect(path)
    with reading(path):
        model = _FORMATS[form].load(path)
    if not getattr(model, "_is_graph_network", False):
        raise UnreadableModel(
            f"{path.name} holds a {type(model).__name__} without a fixed input shape, whose layers cannot be followed. "
            f"A functional model is needed: {EXPORT}"
        )
    return model
