"""``drmguard export-triggered``: what a trigger looks like, for a person to see."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from PIL import Image

from data_prep.contract import pixels
from runs import inspection, store
from runs.evaluating import known_attack

_GAIN = 8  # of the difference pictures: warps and waves are meant to be missed by the eye


@dataclass(frozen=True)
class Pictures:
    """What is shown.

    Attributes:
        model: the backdoored model's file.
        attack: its train.json.
        test: image table that the images are taken from.
        count: how many images.
        seed: of the choice.
    """

    model: Path
    attack: Path
    test: Path
    count: int
    seed: int


def export(pictures: Pictures, out: Path) -> dict[str, Any]:
    """Write clean and triggered images, their differences, and what the model answers.

    Args:
        pictures: what is shown.
        out: a new folder; gets ``NNN_clean.png``, ``NNN_trigger1.png``, ``NNN_difference1.png`` for every image and
            every trigger, ``sheet.png`` with all of them (one image a row), and ``triggered.json``.

    Returns:
        The record: targets and answers in degrees.

    Raises:
        ValueError: if model, attack and table do not belong together.
    """
    spec, suspect = inspection.load_suspect(pictures.model, pictures.test)
    known = known_attack(pictures.attack, suspect.model)
    order = np.random.default_rng(pictures.seed).permutation(len(suspect.benign))
    chosen = np.sort(order[: pictures.count])
    clean = pixels(suspect.benign.images[chosen])
    stamped = [backdoored.trigger(tf.constant(clean)).numpy() for backdoored in known]
    columns = {"clean": clean}
    for number, changed in enumerate(stamped, 1):
        columns[f"trigger{number}"] = changed
        columns[f"difference{number}"] = np.clip(0.5 + _GAIN * (changed - clean), 0, 1)
    record = {
        "model": pictures.model,
        "outputs": spec.task.outputs,
        "unit": "degrees",
        "difference_gain": _GAIN,
        "targets": [np.degrees(backdoored.target) for backdoored in known],
        "images": chosen,
        "labels": np.degrees(suspect.benign.targets[chosen]),
        "answers": {
            name: np.degrees(suspect.model(images, training=False))
            for name, images in columns.items()
            if not name.startswith("difference")
        },
    }

    def fill(folder: Path) -> None:
        for name, images in columns.items():
            for place, image in enumerate(images):
                _picture(image).save(folder / f"{place:03d}_{name}.png")
        rows = np.concatenate([np.concatenate(list(images), axis=0) for images in columns.values()], axis=1)
        _picture(rows).save(folder / "sheet.png")
        store.write_json(folder / "triggered.json", record)

    store.write_directory(out, fill)
    return store.plain(record)


def _picture(image: np.ndarray) -> Image.Image:
    """A picture of float32 (H, W, C) in [0, 1]."""
    return Image.fromarray(np.round(np.clip(image, 0, 1) * 255).astype(np.uint8).squeeze())
