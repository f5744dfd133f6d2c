"""HDF5 files, the format .h5: arrays of numbers in this file, and a configuration."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import tensorflow as tf

from runs.safety.configuration import check_config
from runs.safety.refusals import GO_ON, LARGEST, SMALLER, UnreadableModel, UnsafeModel, refuse_pickle


def scan(path: Path) -> None:
    """Read a file as data.

    Raises:
        UnsafeModel, UnreadableModel: see :func:`runs.safety.inspect`; parsers raise errors of their own on damage.
    """
    with h5py.File(path, "r") as file:
        check_hdf5(file, path.name)
        config = file.attrs.get("model_config")
    if config is None:
        raise UnreadableModel(
            f"{path.name} holds weights only, without the layers they belong to. Save the whole model with "
            "model.save(...), not with model.save_weights(...)."
        )
    check_config(json.loads(config), f"model_config of {path.name}")


def check_hdf5(file: h5py.File, name: str) -> None:
    """Only groups, plain numeric arrays and simple attributes, all stored in this file, as Keras writes them."""
    seen: set[int] = set()
    waiting, size = [file], 0
    while waiting:
        item = waiting.pop()
        _check_attributes(item, f"{name}:{item.name}")
        if isinstance(item, h5py.Dataset):
            size += _checked_size(item, f"{name}:{item.name}")
        else:
            waiting += [child for child in _children(item, name) if _is_new(child, seen)]
        if size > LARGEST:
            raise UnsafeModel(f"the arrays of {name} ask for more than {LARGEST} bytes of memory. {SMALLER}")


def _children(group: h5py.Group, name: str) -> Iterator[h5py.Group | h5py.Dataset]:
    for key in group:
        place = f"{name}:{group.name}/{key}"
        link = group.get(key, getlink=True)  # looks at the link itself; does not follow it
        if not isinstance(link, h5py.HardLink):
            raise UnsafeModel(
                f"{place} is a link ({type(link).__name__}) and could pull any file of this machine into the model; "
                f"Keras writes none. {GO_ON}"
            )
        child = group[key]
        if not isinstance(child, (h5py.Group, h5py.Dataset)):
            raise UnsafeModel(f"{place} is a {type(child).__name__}, which Keras does not write. {GO_ON}")
        yield child


def _is_new(item: h5py.Group | h5py.Dataset, seen: set[int]) -> bool:
    """False at the second sight of an item, so that links in a circle end."""
    address = h5py.h5o.get_info(item.id).addr
    new = address not in seen
    seen.add(address)
    return new


def _checked_size(dataset: h5py.Dataset, place: str) -> int:
    """Bytes in memory of a plain array."""
    if dataset.is_virtual or dataset.external:
        raise UnsafeModel(
            f"the values of {place} lie in another file of this machine; Keras stores them inside. {GO_ON}"
        )
    if dataset.dtype.kind not in "biuf":
        raise UnsafeModel(f"{place} holds {dataset.dtype}, not numbers, where weights are expected. {GO_ON}")
    if dataset.id.get_create_plist().get_nfilters():
        raise UnsafeModel(f"{place} is compressed, which Keras never does: a small file could fill the memory. {GO_ON}")
    return dataset.size * dataset.dtype.itemsize


def _check_attributes(item: h5py.Group | h5py.Dataset, place: str) -> None:
    for name in item.attrs:
        dtype = item.attrs.get_id(name).dtype
        if dtype.kind not in "SUbiuf" and h5py.check_string_dtype(dtype) is None:
            raise UnsafeModel(f"attribute {name!r} of {place} holds {dtype}, not text or numbers. {GO_ON}")
        if dtype.kind == "S":
            refuse_pickle(f"attribute {name!r} of {place}", np.asarray(item.attrs[name]).tobytes()[:8])


def load(path: Path) -> tf.keras.Model:
    """The model of a file that was scanned."""
    with h5py.File(path, "r") as file:
        return tf.keras.models.load_model(file, compile=False)
