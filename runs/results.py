"""Results on disk: one JSON file per job, sealed with the hash of its content."""

from __future__ import annotations

import fcntl
import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Optional

from runs import store

_SEAL = "sha256"


class Damaged(ValueError):
    """A result whose content is not what was written."""


def path_of(home: Path, key: str) -> Path:
    """Where the result of a job is kept."""
    return home / "cases" / f"{key}.json"


def write(home: Path, key: str, record: dict[str, Any]) -> None:
    """Keep a result, whole."""
    plain = store.plain(record)
    store.write_json(path_of(home, key), {**plain, _SEAL: _hash(plain)})


def read(home: Path, key: str) -> Optional[dict[str, Any]]:
    """A kept result, None where there is none.

    Raises:
        Damaged: if the file is not what was written.
    """
    path = path_of(home, key)
    if not path.is_file():
        return None
    try:
        record = store.read_json(path)
        seal = record.pop(_SEAL)
    except (ValueError, AttributeError, KeyError, TypeError, UnicodeDecodeError):
        raise Damaged(f"{path} is cut short or no result") from None
    if seal != _hash(record):
        raise Damaged(f"{path} was changed after it was written")
    return record


@contextmanager
def locked(home: Path, key: str) -> Iterator[None]:
    """Wait until no other process, on this machine or on another that shares the disk, works on a job; then own it.

    The operating system lets go of the lock when its owner dies, so nothing has to be cleaned up after a kill.
    """
    path = home / "locks" / f"{key}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def check_usable(home: Path) -> None:
    """Refuse a store that cannot be written to, before work starts.

    Raises:
        ValueError: if that is so.
    """
    try:
        store.write_text(home / ".writable", "")
        (home / ".writable").unlink()
    except OSError as error:
        raise ValueError(
            f"results cannot be kept in {home}: {error.strerror or error}. Name another folder with --store."
        ) from error


def file_name(text: str) -> str:
    """A text as part of a file name."""
    return re.sub(r"[^\w.-]+", "-", text).strip("-")


def _hash(record: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()
