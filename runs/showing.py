"""Looking at an image table: statistics of its labels, duplicates, a contact sheet, checksums."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw

from data_prep import class_table, image_table
from data_prep.contract import GAZE, Task
from data_prep.cores import cores
from data_prep.geometry import gaze_to_vector
from data_prep.head_conventions import TO_OURS, Angles, to_matrix
from data_prep.image_table import TABLE
from data_prep.raw import inside
from runs import parallel, store
from runs.chunks import limit_threads
from runs.preparing import RECORD

_TILE, _CAPTION, _COLUMNS = 128, 14, 8  # pixels, pixels, tiles
_CHUNK = 500
_SHOWN = 5
_ARROW = 0.42  # length of arrows and axes, in tiles
_AXES = ((220, 40, 40), (40, 170, 40), (40, 80, 240))  # the head's own x, y and forward axes: red, green, blue


def statistics(folder: Path, *, workers: int | None = None) -> dict[str, Any]:
    """What an image table holds.

    Args:
        folder: of the table.
        workers: processes that decode the images; None takes one per core.

    Returns:
        Plain values: counts, degrees per output or images per class, sizes, duplicates, images that cannot be read.
    """
    table = image_table.load_table(folder)
    names = [str(name) for name in table["image"]]
    jobs = [(folder, names[start : start + _CHUNK]) for start in range(0, len(names), _CHUNK)]
    looks = parallel.spread(_look, jobs, workers=workers or cores(), limit=limit_threads)
    seen = [look for some in looks for look in some]
    labels = table[[name for name in table if name == "label" or name.endswith(("_rad", "_deg"))]].to_numpy()
    same = defaultdict(list)
    for row, (digest, _) in enumerate(seen):
        same[digest].append(row)
    groups = [rows for digest, rows in same.items() if digest and len(rows) > 1]
    found: dict[str, Any] = {
        "images": len(names),
        "subjects": int(table["subject"].nunique()) if "subject" in table else 0,
        "parts": dict(sorted(Counter(table["part"].dropna()).items())) if "part" in table else {},
        "sizes": dict(sorted(Counter(text for digest, text in seen if digest).items())),
        "duplicates": [[names[row] for row in rows] for rows in groups],
        "contradictions": sum(len({tuple(labels[row]) for row in rows}) > 1 for rows in groups),
        "broken": sorted((name, text) for name, (digest, text) in zip(names, seen) if not digest),
    }
    if "label" in table:
        counts = Counter(table["label"])
        found["classes"] = {name: counts[label] for label, name in enumerate(class_table.class_names(folder))}
        return found
    degrees = np.degrees(image_table.targets_of(folder, table))
    found["degrees"] = {
        name: {key: float(getattr(np, key)(degrees[:, k])) for key in ("min", "mean", "std", "max")}
        for k, name in enumerate(image_table.task_of(folder).outputs)
    }
    return found


def describe(found: dict[str, Any]) -> str:
    """Statistics in words."""
    people = f" of {found['subjects']} subjects" if found["subjects"] else ""
    parts = ", ".join(f"{name} {count}" for name, count in found["parts"].items())
    sizes = ", ".join(f"{count} of {size}" for size, count in found["sizes"].items())
    lines = [f"{found['images']} images{people}{f' ({parts})' if parts else ''}; width x height: {sizes}"]
    for name, numbers in found.get("degrees", {}).items():
        lines.append(
            f"{name:6s} {numbers['mean']:7.2f} +- {numbers['std']:.2f} degrees, "
            f"from {numbers['min']:.2f} to {numbers['max']:.2f}"
        )
    if "classes" in found:
        counts = list(found["classes"].values())
        lines.append(f"{len(counts)} classes with {min(counts)} to {max(counts)} images each")
    twice = f"images occur more than once, {found['contradictions']} of them with different labels"
    lines += _listed(twice, [" = ".join(group) for group in found["duplicates"]])
    lines += _listed("images cannot be read", [f"{name}: {text}" for name, text in found["broken"]])
    return "\n".join(lines)


def write_sheet(folder: Path, path: Path, *, count: int) -> None:
    """A contact sheet: images at even distances in the table, with their labels drawn.

    Gaze is an arrow from the middle of the image; a head pose is the head's own axes (red to the image's right, green
    up, blue out of the face). Both are seen as in the image.

    Args:
        folder: of the table.
        path: the PNG to write.
        count: largest number of images.

    Raises:
        ValueError: if one of these images cannot be read.
    """
    table = image_table.load_table(folder)
    chosen = table.iloc[np.unique(np.linspace(0, len(table) - 1, count).round().astype(int))]
    images = [image_table.open_image(folder, str(name), row) for row, name in chosen["image"].items()]
    if "label" in table:
        names = class_table.class_names(folder)
        tiles = [_tile(image, names[int(label)], []) for image, label in zip(images, chosen["label"])]
    else:
        task, convention = image_table.task_of(folder), _convention(folder)
        targets = image_table.targets_of(folder, chosen)
        tiles = [
            _tile(image, _degrees(target), _arrows(task, target, convention)) for image, target in zip(images, targets)
        ]
    store.write_file(path.with_suffix(".png"), lambda temporary: _sheet(tiles).save(temporary))


def verify(folder: Path) -> int:
    """Compare all files with ``dataset.json``. Returns how many there are.

    Raises:
        ValueError: if files are missing, differ, or are named by the table but vouched for by nothing.
        FileNotFoundError: if the folder has no ``dataset.json``.
    """
    if not (folder / RECORD).is_file():
        raise FileNotFoundError(
            f"{folder} has no {RECORD}, so nothing says what its files should be. Prepare it first."
        )
    expected = store.read_json(folder / RECORD).get("sha256")
    if not isinstance(expected, dict) or not all(inside(name) for name in expected):
        raise ValueError(f"{folder / RECORD} lists no checksums below the folder. Prepare the data set again.")
    wrong = [text for name, digest in expected.items() if (text := _differs(folder / name, digest))]
    if (folder / TABLE).is_file():
        named = set(pd.read_csv(folder / TABLE)["image"].astype(str))
        wrong += [f"{name} is in {TABLE}, but was not prepared" for name in sorted(named - set(expected))]
    if wrong:
        more = f" and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        raise ValueError(
            f"{len(wrong)} of {len(expected)} files are not as they were written: {'; '.join(wrong[:_SHOWN])}{more}. "
            "Prepare the data set again."
        )
    return len(expected)


def _differs(path: Path, digest: str) -> str:
    if not path.is_file():
        return f"{path.name} is missing"
    return "" if hashlib.sha256(path.read_bytes()).hexdigest() == digest else f"{path.name} has changed"


def _look(job: tuple[Path, Sequence[str]]) -> list[tuple[str, str]]:
    """(digest of the pixels, size) of images; ("", reason) of those that cannot be read."""
    folder, names = job
    looks = []
    for row, name in enumerate(names):
        try:
            image = image_table.open_image(folder, name, row)
        except ValueError as error:
            looks.append(("", str(error)))
        else:
            looks.append((store.digest_of_arrays(image), f"{image.shape[1]} x {image.shape[0]}"))
    return looks


def _listed(what: str, items: Sequence[str]) -> list[str]:
    if not items:
        return []
    more = [f"  ... and {len(items) - _SHOWN} more"] if len(items) > _SHOWN else []
    return [f"{len(items)} {what}:", *(f"  {item}" for item in items[:_SHOWN]), *more]


def _convention(folder: Path) -> str:
    return store.read_json(folder / RECORD).get("convention", "project") if (folder / RECORD).is_file() else "project"


def _degrees(target: np.ndarray) -> str:
    return " ".join(f"{angle:.0f}" for angle in np.degrees(target))


def _arrows(task: Task, target: np.ndarray, convention: str) -> list[tuple[np.ndarray, tuple[int, int, int]]]:
    """Directions (x right, y up, z to the camera) with their colours."""
    if task == GAZE:
        return [(gaze_to_vector(target), (255, 230, 0))]
    matrix = TO_OURS @ to_matrix(Angles(*np.degrees(target)), convention) @ TO_OURS
    return list(zip(matrix.T, _AXES))


def _tile(image: np.ndarray, caption: str, arrows: Sequence[tuple[np.ndarray, tuple[int, int, int]]]) -> Image.Image:
    scale = _TILE / max(image.shape[:2])
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    tile = Image.new("RGB", (_TILE, _TILE + _CAPTION), (24, 24, 24))
    tile.paste(Image.fromarray(image).resize(size), ((_TILE - size[0]) // 2, (_TILE - size[1]) // 2))
    draw = ImageDraw.Draw(tile)
    for (x, y, _), colour in arrows:
        tip = _TILE * (0.5 + _ARROW * x), _TILE * (0.5 - _ARROW * y)
        draw.line([(_TILE / 2, _TILE / 2), tip], fill=colour, width=2)
        draw.ellipse([tip[0] - 3, tip[1] - 3, tip[0] + 3, tip[1] + 3], fill=colour)
    draw.text((3, _TILE + 1), caption, fill=(240, 240, 240))
    return tile


def _sheet(tiles: Sequence[Image.Image]) -> Image.Image:
    columns = min(_COLUMNS, len(tiles))
    rows = -(-len(tiles) // columns)
    sheet = Image.new("RGB", (columns * _TILE, rows * (_TILE + _CAPTION)))
    for index, tile in enumerate(tiles):
        sheet.paste(tile, (index % columns * _TILE, index // columns * (_TILE + _CAPTION)))
    return sheet
