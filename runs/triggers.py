"""Learned triggers on disk: a network beside the model, with its hash in the model's record."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Optional

import tensorflow as tf

from runs import safety, store

FILE = "trigger.h5"
HASH = "trigger_sha256"


def keep(folder: Path, network: Optional[tf.keras.Model]) -> dict[str, str]:
    """Write the network of a trigger into a folder.

    Returns:
        What the record must say of it; nothing for a trigger that is not learned.
    """
    if network is None:
        return {}
    network.save(folder / FILE, save_format="h5", include_optimizer=False)
    return {HASH: store.digest_of_files(folder / FILE)}


def kept(folder: Path, record: Mapping[str, Any]) -> Optional[tf.keras.Model]:
    """The network of a trigger, None where the record names none.

    Args:
        folder: of the model and its record.
        record: ``train.json``.

    Raises:
        ValueError: if the file is missing, or is not the one that was written.
    """
    if HASH not in record:
        return None
    path = folder / FILE
    if not path.is_file():
        raise ValueError(f"the record names a learned trigger, but {path} is missing; keep it beside train.json")
    if store.digest_of_files(path) != record[HASH]:
        raise ValueError(f"{path} is not the trigger that its record names (SHA-256 differs); train the model again")
    return safety.load_model(path)
