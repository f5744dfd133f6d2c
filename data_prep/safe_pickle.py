"""Reads pickles of plain values and NumPy arrays without running anything that they name.

A pickle may call any function it can name. Only a few names are known here, and they stand for things of this module:
arrays are put together from their raw bytes, and NumPy's own reconstruction is never called.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np

LARGEST = 512 * 2**20  # bytes; CIFAR's largest file has 155 million


def load(path: Path) -> Any:
    """The value in a pickle file: dicts, lists, tuples, bytes, str, numbers and uint8 arrays.

    Python 2's str become bytes.

    Raises:
        ValueError: if the file is no pickle, is cut short, is larger than any we know, or names anything else.
    """
    size = path.stat().st_size
    if size > LARGEST:
        raise ValueError(f"{path} has {size:,} bytes, expected at most {LARGEST:,}. It is not read.")
    try:
        with path.open("rb") as file:
            return _arrays(_Reader(file, encoding="bytes").load())
    except (pickle.UnpicklingError, EOFError) as error:
        raise ValueError(f"{path} is no pickle of plain values: {error}. Unpack the original archive again.") from error
    except (AttributeError, IndexError, KeyError, TypeError, UnicodeDecodeError, OverflowError, MemoryError) as error:
        raise ValueError(f"{path} is damaged: {error!r}. Unpack the original archive again.") from error


class _Dtype:
    """Stands for ``numpy.dtype``."""

    def __init__(self, code: Any, *_: Any) -> None:
        if code not in ("u1", b"u1", "|u1", b"|u1"):
            raise pickle.UnpicklingError(f"it holds an array of type {code!r}, expected uint8")

    def __setstate__(self, state: Any) -> None:
        """The rest (byte order, alignment) says nothing about uint8."""


class _Array:
    """Stands for ``numpy.ndarray``; empty until its state arrives."""

    def __init__(self, *_: Any) -> None:
        self.value = np.empty(0, np.uint8)

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, fortran, raw = state
        if not isinstance(dtype, _Dtype) or not isinstance(raw, bytes):
            raise pickle.UnpicklingError("it holds an array that is not made of bytes")
        flat = np.frombuffer(raw, np.uint8)
        if int(np.prod(shape, dtype=np.int64)) != len(flat):
            raise pickle.UnpicklingError(f"an array of shape {shape} has {len(flat)} bytes")
        self.value = flat.reshape(shape, order="F" if fortran else "C")


def _encode(text: str, encoding: str) -> bytes:
    """Stands for ``_codecs.encode``, by which Python 3 writes bytes into old pickles."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"it encodes bytes as {encoding!r}, expected latin1")
    return text.encode("latin1")


def _no_bytes() -> bytes:
    """Stands for ``bytes``, by which Python 3 writes empty bytes into old pickles."""
    return b""


class _Reader(pickle.Unpickler):
    """An unpickler that knows no names but these."""

    def find_class(self, module: str, name: str) -> Any:
        """Our own stand-in for a name, whatever is installed under it."""
        known = {
            "multiarray._reconstruct": _Array,
            "numpy.ndarray": _Array,
            "numpy.dtype": _Dtype,
            "_codecs.encode": _encode,
            "__builtin__.bytes": _no_bytes,
        }
        for prefix in ("numpy.core.", "numpy._core."):
            module = module[len(prefix) :] if module.startswith(prefix) else module
        if f"{module}.{name}" not in known:
            raise pickle.UnpicklingError(f"it wants to run {module}.{name}, which no data set needs")
        return known[f"{module}.{name}"]


def _arrays(value: Any) -> Any:
    """The value with stand-ins replaced by arrays; data sets keep them in a flat dict."""
    if isinstance(value, dict):
        return {key: item.value if isinstance(item, _Array) else item for key, item in value.items()}
    return value.value if isinstance(value, _Array) else value
