"""Preparing a data set: from its original files to a checked image table, in bounded memory, again after a kill.

Work is cut into chunks. Each chunk's images are written first and its record last, into a hidden neighbour of the
result; what a record vouches for is not done again. When every chunk has its record, the table is put together and the
folder takes its name in one step, so a folder that bears its name is whole.
"""

from __future__ import annotations

import csv
import errno
import hashlib
import io
import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Optional

import numpy as np
from PIL import Image

from data_prep import archives
from data_prep.cores import cores
from data_prep.image_table import TABLE
from data_prep.raw import Listing, RawData
from runs import parallel, store
from runs.chunks import Chunk, limit_threads, work

RECORD = "dataset.json"
CLASSES = "classes.txt"
_FORMAT = 1  # of dataset.json
_CHUNK = 100  # images per chunk: what a kill can cost each process, and what one folder of images holds
_LOST = 0.05  # share of the data set that may be left out before it looks like an archive that was not unpacked whole

Bar = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]


@dataclass(frozen=True)
class Preparation:
    """What is to be prepared, and how.

    Attributes:
        data: the data set and its settings.
        folder: where its original files are, or their archive; anything for embedded data sets.
        out: the folder to be made.
        strict: a damaged image stops the run instead of being listed and left out.
        partial: accept that more than 5 % of the data set is missing.
        workers: processes; None takes one per core.
    """

    data: RawData
    folder: Path
    out: Path
    strict: bool = False
    partial: bool = False
    workers: Optional[int] = None


def prepare(asked: Preparation, *, bar: Bar) -> dict[str, Any]:
    """Make the image table ``asked.out``; a run that was stopped goes on where it stood.

    Args:
        asked: what and how.
        bar: shows progress.

    Returns:
        What is written to ``dataset.json``, without the checksums.

    Raises:
        ValueError: if ``out`` exists, a stopped run of other settings is in the way, the folder is not laid out as the
            data set is, much of it is missing, or, with ``strict``, something is wrong with any of it.
        OSError: if it cannot be written, for instance because the disk is full.
    """
    _refuse_existing(asked.out)
    unpacked = None if asked.folder.is_dir() else _unpacked(asked)
    if unpacked is not None:
        record = prepare(replace(asked, folder=unpacked / "files"), bar=bar)
        shutil.rmtree(unpacked)
        return record
    listing = asked.data.entries(asked.folder)
    _refuse_incomplete(asked, listing)
    home = _resume(asked, listing)
    jobs = [
        Chunk(
            asked.data, asked.folder, home, number, start, tuple(listing.entries[start : start + _CHUNK]), asked.strict
        )
        for number, start in enumerate(range(0, len(listing.entries), _CHUNK))
    ]
    workers = asked.workers or cores()
    rows, problems, done = [], [tuple(problem) for problem in listing.problems], 0
    try:
        with bar(f"preparing {asked.data.name}", len(listing.entries)) as progress:
            for job, record in zip(jobs, parallel.spread(work, jobs, workers=workers, limit=limit_threads)):
                rows += record["rows"]
                problems += [tuple(problem) for problem in record["problems"]]
                done += len(job.entries)
                progress(done)
        return _finish(asked, listing, home, rows, problems)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise OSError(
                f"no space is left for {asked.out} ({done} of {len(listing.entries)} images were written). Make room "
                "and give the same command again; it goes on where it stopped."
            ) from error
        raise


def parse_size(text: str) -> tuple[int, int]:
    """Height x width in pixels.

    Raises:
        ValueError: if the text does not read like 48x96, or a side is below 16 or no multiple of 8.
    """
    parts = text.lower().split("x")
    if len(parts) != 2 or not all(part.isdigit() and int(part) >= 16 and int(part) % 8 == 0 for part in parts):
        raise ValueError(f"--size {text!r} must read like 48x96: height x width, both multiples of 8, 16 or more")
    return int(parts[0]), int(parts[1])


def describe(record: dict[str, Any]) -> str:
    """What was made, in words, with the first things that were left out."""
    height, width, _ = record["image_shape"]
    people = f" of {record['subjects']} people" if record["subjects"] else ""
    lines = [f"{record['images']} images{people}, {width} x {height}, {record['task']}"]
    for key, text in (("problems", "missing or damaged, left out"), ("excluded", "left out by the settings")):
        found = record[key]
        if found:
            lines.append(f"{len(found)} {text} (all in {RECORD}), first:")
            lines += [f"  {source}: {reason}" for source, reason in found[:5]]
    return "\n".join(lines)


def _partial_of(out: Path) -> Path:
    return out.parent / f".{out.name}.partial"


def _refuse_existing(out: Path) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"{out} exists and is never replaced. Choose another --out, or remove it yourself.")


def _refuse_incomplete(asked: Preparation, listing: Listing) -> None:
    if asked.strict and listing.problems:
        first = listing.problems[0]
        raise ValueError(
            f"{len(listing.problems)} things are wrong with {asked.folder}, first {first.source}: {first.text}. "
            "Without --strict they are listed and left out."
        )
    if not listing.entries:
        reason = f": {listing.problems[0].source}: {listing.problems[0].text}" if listing.problems else ""
        raise ValueError(f"nothing of {asked.folder} can be prepared{reason}. Unpack the original archive again.")
    lost, total = len(listing.problems), len(listing.problems) + len(listing.entries)
    if lost > _LOST * total and not asked.partial:
        first = listing.problems[0]
        raise ValueError(
            f"{lost} of {total} samples of {asked.folder} are missing or damaged, first {first.source}: {first.text}. "
            "Was the archive unpacked whole? Unpack it again, or prepare what is there with --partial."
        )


def _unpacked(asked: Preparation) -> Path:
    """A hidden neighbour of the result whose ``files`` hold the archive's; unpacked once, also if runs are stopped.

    Raises:
        ValueError: if the archive is damaged or would write outside the folder.
    """
    home, whole = asked.out.parent / f".{asked.out.name}.raw", "whole.json"
    stamp = {"archive": str(asked.folder.resolve()), "size": asked.folder.stat().st_size}
    if (home / whole).is_file() and store.read_json(home / whole) == stamp:
        return home
    if home.exists() and {path.name for path in home.iterdir()} - {"files", whole}:
        raise ValueError(f"{home} is in the way, and was not made here. Remove it, or choose another --out.")
    shutil.rmtree(home, ignore_errors=True)
    (home / "files").mkdir(parents=True)
    try:
        archives.unpack(asked.folder, home / "files")
    except BaseException:
        shutil.rmtree(home, ignore_errors=True)
        raise
    store.write_json(home / whole, stamp)
    return home


def _settings(asked: Preparation, listing: Listing) -> dict[str, Any]:
    """What the bytes of the result follow from."""
    content = hashlib.sha256(repr((list(listing.entries), listing.classes)).encode()).hexdigest()
    return {"data": repr(asked.data), "folder": str(asked.folder.resolve()), "entries": content, "chunk": _CHUNK}


def _resume(asked: Preparation, listing: Listing) -> Path:
    """The hidden folder of this run, with or without work of an earlier one."""
    home, settings = _partial_of(asked.out), _settings(asked, listing)
    if home.exists():
        found = home / "settings.json"
        if not found.is_file() or store.read_json(found) != settings:
            raise ValueError(
                f"{home} was left by a run with other settings or other data, so it cannot be gone on with. Remove it, "
                "or choose another --out."
            )
        return home
    home.mkdir(parents=True)
    store.write_json(home / "settings.json", settings)
    return home


def _finish(
    asked: Preparation,
    listing: Listing,
    home: Path,
    rows: Sequence[dict[str, Any]],
    problems: Sequence[tuple[str, ...]],
) -> dict[str, Any]:
    """Write the table and its record, and give the folder its name."""
    if not rows:
        raise ValueError(f"no image of {asked.folder} could be read, first {problems[0][0]}: {problems[0][1]}")
    table = home / "table"
    store.write_text(table / TABLE, _csv(asked.data, rows))
    files = {row["image"]: row["sha256"] for row in rows}
    if listing.classes:
        store.write_text(table / CLASSES, "".join(f"{name}\n" for name in listing.classes))
    for name in (TABLE, CLASSES):
        if (table / name).is_file():
            files[name] = hashlib.sha256((table / name).read_bytes()).hexdigest()
    with Image.open(table / rows[0]["image"]) as image:
        shape = (image.height, image.width, 3)
    record = {
        "format": _FORMAT,
        "name": asked.data.name,
        "task": asked.data.task.name if asked.data.task else "classes",
        "image_shape": shape,
        "images": len(rows),
        "subjects": len({row["subject"] for row in rows} - {-1}),
        "source": asked.data.source,
        "settings": {type(asked.data).__name__: asdict(asked.data)},
        "convention": getattr(asked.data, "convention", "project"),
        "problems": sorted(problems),
        "excluded": [tuple(item) for item in listing.excluded],
    }
    store.write_json(table / RECORD, {**record, "sha256": files})
    if asked.out.exists():
        asked.out.rmdir()  # empty, or it would have been refused
    os.rename(table, asked.out)
    shutil.rmtree(home)
    return record


def _csv(data: RawData, rows: Sequence[dict[str, Any]]) -> str:
    """``labels.csv``; angles with the digits that give the same float32 again."""
    outputs = [f"{name}_rad" for name in data.task.outputs] if data.task else ["label"]
    columns = ["image", *outputs]
    optional = [name for name, none in (("subject", -1), ("part", "")) if any(row[name] != none for row in rows)]
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([*columns, *optional])
    for row in rows:
        target = [str(np.float32(value)) for value in row["target"]] if data.task else row["target"]
        writer.writerow([row["image"], *target, *(row[name] for name in optional)])
    return buffer.getvalue()
