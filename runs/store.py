"""Files written whole or not at all, and names that follow from content."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

_READABLE = 0o644  # temporary files and folders are their owner's alone
_ENTERABLE = 0o755


def write_text(path: Path, text: str) -> None:
    """Write a text file whole: to a temporary neighbour, flushed to disk, then renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, _READABLE)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_file(path: Path, save: Callable[[Path], None]) -> None:
    """Write a file whole that only a path-taking ``save`` can write."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}.", suffix=path.suffix)
    os.close(handle)
    try:
        save(Path(temporary))
        os.chmod(temporary, _READABLE)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def read_json(path: Path) -> Any:
    """What :func:`write_json` wrote.

    Raises:
        ValueError: if the file is no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is no readable JSON ({error}); delete it, and it will be made again") from error


def write_json(path: Path, value: Any) -> None:
    """Write plain values as JSON, whole. NumPy scalars and arrays, paths and dataclasses are understood."""
    write_text(path, json.dumps(value, indent=2, default=_plain) + "\n")


def plain(value: Any) -> Any:
    """A value as :func:`write_json` would write it and :func:`read_json` return it."""
    return json.loads(json.dumps(value, default=_plain))


def write_arrays(path: Path, **arrays: np.ndarray) -> None:
    """Write named arrays as .npz, whole."""
    write_file(path, lambda temporary: np.savez(temporary, **arrays))


def write_directory(path: Path, fill: Callable[[Path], None]) -> None:
    """Make a directory whole: ``fill`` writes into a temporary neighbour that then takes the place of ``path``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    try:
        fill(temporary)
        if path.exists():
            shutil.rmtree(path)
        os.replace(temporary, path)
        path.chmod(_ENTERABLE)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def digest(value: Any) -> str:
    """Sixteen hex digits that name a setting: the hash of its repr."""
    return hashlib.sha256(repr(value).encode()).hexdigest()[:16]


def digest_of_arrays(*arrays: np.ndarray) -> str:
    """Sixteen hex digits that name the content of arrays."""
    total = hashlib.sha256()
    for array in arrays:
        total.update(repr((array.dtype, array.shape)).encode())
        total.update(np.ascontiguousarray(array).data)
    return total.hexdigest()[:16]


def digest_of_files(path: Path, *, leave_out: str = "") -> str:
    """SHA-256 of a file, or of the names and contents of all files below a directory.

    Args:
        path: file or directory.
        leave_out: a folder in the directory that does not count.
    """
    total = hashlib.sha256()
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        name = file.relative_to(path)
        if file.is_file() and name.parts[:1] != (leave_out,):
            total.update(str(name).encode())
            total.update(file.read_bytes())
    return total.hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    raise TypeError(f"{type(value).__name__} is not a plain value: {value!r}")
