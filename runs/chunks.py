"""One chunk of a data set that is being prepared: its images are written first, its record last.

What a record vouches for is not done again. This module is what a worker imports, so it imports little.
"""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from data_prep.contract import HALF_TURN
from data_prep.raw import BrokenSample, Entry, RawData, Sample
from runs import store

_Z_RLE = 3  # zlib's strategy for filtered images: half the time of the default, files no larger


@dataclass(frozen=True)
class Chunk:
    """Work for one process.

    Attributes:
        data: the data set and its settings.
        folder: of its original files.
        home: where the images go, below ``table``, and the record, below ``chunks``.
        number: of the chunk, and the name of its folder of images.
        start: number of its first entry among all.
        entries: its entries.
        strict: a damaged image stops the run.
    """

    data: RawData
    folder: Path
    home: Path
    number: int
    start: int
    entries: tuple[Entry, ...]
    strict: bool


def work(chunk: Chunk) -> dict[str, Any]:
    """The record of a chunk: rows of the table with sizes and checksums, and what was left out."""
    path = chunk.home / "chunks" / f"{chunk.number:05d}.json"
    if path.is_file():
        record = store.read_json(path)
        if all(_vouched(chunk.home / "table" / row["image"], row["sha256"]) for row in record["rows"]):
            return record
    folder = f"images/{chunk.number:05d}"
    (chunk.home / "table" / folder).mkdir(parents=True, exist_ok=True)
    rows, problems = [], []
    for index, entry in enumerate(chunk.entries, chunk.start):
        try:
            sample = chunk.data.sample(chunk.folder, entry)
            _check(sample)
        except BrokenSample as error:
            if chunk.strict:
                raise ValueError(f"{chunk.folder / entry.source}: {error}. Without --strict it is left out.") from error
            problems.append((entry.source, str(error)))
            continue
        name = f"{folder}/{index:08d}.png"
        content = _png(sample.image)
        (chunk.home / "table" / name).write_bytes(content)
        target = [value.item() for value in sample.target]
        digest = hashlib.sha256(content).hexdigest()
        rows.append({"image": name, "target": target, "subject": entry.subject, "part": entry.part, "sha256": digest})
    record = {"rows": rows, "problems": problems}
    store.write_text(path, json.dumps(record))
    return record


def _vouched(path: Path, digest: str) -> bool:
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == digest


def _check(sample: Sample) -> None:
    if not np.isfinite(sample.target).all():
        raise BrokenSample(f"its target is not finite: {sample.target.tolist()}")
    if sample.target.dtype == np.float32 and np.abs(sample.target).max() > HALF_TURN:
        raise BrokenSample(f"its target is larger than half a turn: {sample.target.tolist()} radians")


def _png(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG", compress_level=6, compress_type=_Z_RLE)
    return buffer.getvalue()


def limit_threads(threads: int) -> None:
    """Keep OpenCV in this process to a number of threads; without OpenCV there is nothing to keep."""
    try:
        import cv2
    except ImportError:
        return
    cv2.setNumThreads(threads)
