"""Why a model file is refused, in words that say how to go on."""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import tensorflow as tf
from google.protobuf.message import DecodeError

EXPORT = (
    "build it with tf.keras.Model(inputs, outputs) or tf.keras.Sequential with an Input from built-in layers, load the "
    "weights, and save it with model.save(...)."
)
GO_ON = f"Do not load it elsewhere either. If the model is your own, {EXPORT}"
SMALLER = "If the model is your own and its optimizer takes the room, save it with include_optimizer=False."
LARGEST = 4 * 2**30  # bytes of one model, declared or stored; ResNet50 has 0.1 GiB
HOW_KERAS = "Save the model with model.save('name.keras')."


class UnsafeModel(ValueError):
    """The file could do something other than arithmetic, or is built to hide what it does."""


class UnreadableModel(ValueError):
    """There is no Keras model here that this version can read: missing, damaged, or of another format."""


def refuse_pickle(name: str, head: bytes) -> None:
    """Refuse what begins like a pickle.

    Args:
        name: for the message.
        head: the first bytes.
    """
    if re.match(rb"\x80[\x02-\x05]", head):
        raise UnsafeModel(f"{name} is a Python pickle, which can run any program when it is opened. {GO_ON}")


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turns what parsers and Keras raise on a damaged or foreign file into an error that says how to go on."""
    try:
        yield
    except (UnsafeModel, UnreadableModel):
        raise
    except _DAMAGED as error:
        reason = str(error).split("\n")[0][:300]
        raise UnreadableModel(
            f"{path.name} could not be read as a Keras model ({type(error).__name__}: {reason}). It is damaged, "
            f"incomplete, or from a version of Keras that TensorFlow {tf.__version__} does not know. Copy it again, or "
            "save it again with the version that made it, as .h5."
        ) from error


_DAMAGED = (
    OSError,
    EOFError,
    LookupError,  # KeyError and IndexError
    TypeError,
    ValueError,
    AttributeError,
    AssertionError,  # weights missing from a checkpoint
    RuntimeError,  # h5py's usual error, and RecursionError
    zlib.error,
    zipfile.BadZipFile,
    DecodeError,
    tf.errors.OpError,
)
