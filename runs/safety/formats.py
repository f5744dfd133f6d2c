"""The format of a model file, by its content: its name is the sender's word for it."""

from __future__ import annotations

import zipfile
from pathlib import Path

import h5py

from runs.safety.refusals import GO_ON, UnreadableModel, UnsafeModel, refuse_pickle


def format_of(path: Path) -> str:
    """The format: "h5", "keras" or "savedmodel".

    Raises:
        UnsafeModel: if it is a pickle, or two formats at once.
        UnreadableModel: if it is none of the three.
    """
    if not path.exists():
        raise UnreadableModel(
            f"there is no file or directory {str(path)!r}. Give the path of a .h5, .keras or SavedModel."
        )
    if path.is_dir():
        return _format_of_directory(path)
    if not path.is_file():
        raise UnreadableModel(f"{path.name} is a device or a pipe, not a file. Copy the model into a file first.")
    return _format_of_file(path)


def _format_of_directory(path: Path) -> str:
    if (path / "saved_model.pb").is_file():
        return "savedmodel"
    raise UnreadableModel(
        f"the directory {path.name} has no saved_model.pb, so it is no SavedModel. Give the directory that holds "
        "saved_model.pb and variables/, or a .h5 or .keras file."
    )


def _format_of_file(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(8)
    if not head:
        raise UnreadableModel(f"{path.name} is empty. Copy or download the model again.")
    refuse_pickle(path.name, head)
    is_zip, is_hdf5 = zipfile.is_zipfile(path), h5py.is_hdf5(path)
    if is_zip and is_hdf5:
        raise UnsafeModel(
            f"{path.name} is a zip archive and an HDF5 file at once: what is scanned need not be what is loaded. "
            f"{GO_ON}"
        )
    if is_hdf5 and head == b"\x89HDF\r\n\x1a\n":
        return "h5"
    if is_zip and head.startswith(b"PK\x03\x04"):
        return "keras"
    raise UnreadableModel(
        f"{path.name} is neither an HDF5 file nor a .keras archive, whatever its name says (it begins with {head!r}). "
        "A Keras model is needed; models of other libraries must be rebuilt in Keras."
    )
