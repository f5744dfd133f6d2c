"""The format .keras: a zip archive of a configuration and an HDF5 file of weights."""

from __future__ import annotations

import json
import shutil
import tempfile
import zipfile
from collections.abc import Collection
from inspect import signature
from pathlib import Path

import h5py
import tensorflow as tf

from runs.safety.configuration import check_config
from runs.safety.hdf5 import check_hdf5
from runs.safety.refusals import GO_ON, HOW_KERAS, LARGEST, UnreadableModel, UnsafeModel

_MEMBERS = frozenset({"config.json", "metadata.json", "model.weights.h5"})


def scan(path: Path) -> None:
    """Read an archive as data.

    Raises:
        UnsafeModel, UnreadableModel: see :func:`runs.safety.inspect`; parsers raise errors of their own on damage.
    """
    with zipfile.ZipFile(path) as archive:
        _check_members(archive.infolist(), path)
        config = json.loads(archive.read("config.json"))
        with archive.open("model.weights.h5") as stream, h5py.File(stream, "r") as weights:
            check_hdf5(weights, f"model.weights.h5 in {path.name}")
    config.pop("compile_config", None)  # optimizer, loss and metrics: never built with compile=False
    check_config(config, f"config.json of {path.name}")


def _check_members(members: Collection[zipfile.ZipInfo], path: Path) -> None:
    """Exactly the three members that Keras writes, once each and uncompressed."""
    names = [member.filename for member in members]
    if any(name.endswith(".pkl") for name in names):
        raise UnsafeModel(
            f"{path.name} holds Python pickles, as PyTorch writes them; they can run any program. {GO_ON}"
        )
    if "config.json" not in names:
        raise UnreadableModel(
            f"{path.name} is a zip archive without a config.json, so it is no .keras model. {HOW_KERAS}"
        )
    if len(names) != len(set(names)) or not _MEMBERS.issuperset(names):
        found = ", ".join(sorted(repr(name) for name in names))
        raise UnsafeModel(
            f"{path.name} holds {found}; a Keras model consists of {', '.join(sorted(_MEMBERS))}, once each. Other "
            f"members could lead out of the archive. {GO_ON}"
        )
    if any(member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1 for member in members):
        raise UnsafeModel(
            f"{path.name} is compressed or encrypted, which Keras never does: a small file could fill the memory. "
            f"{GO_ON}"
        )
    if sum(member.file_size for member in members) > min(path.stat().st_size, LARGEST):
        raise UnsafeModel(f"the members of {path.name} declare more bytes than it can hold. {GO_ON}")


def load(path: Path) -> tf.keras.Model:
    """The model of an archive that was scanned.

    Raises:
        UnreadableModel: if this TensorFlow does not know the format.
    """
    if "safe_mode" not in signature(tf.keras.models.load_model).parameters:
        raise UnreadableModel(
            f"{path.name} is in the .keras format, which TensorFlow {tf.__version__} cannot read. Save it as .h5."
        )
    with tempfile.TemporaryDirectory() as folder:  # Keras goes by the name, and opens the file for writing
        copy = shutil.copyfile(path, Path(folder) / "model.keras")
        return tf.keras.models.load_model(copy, compile=False, safe_mode=True)
