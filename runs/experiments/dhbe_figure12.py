"""DHBE, Fig. 12 and Sec. 5.4.4: what model inversion shows of the training data, and whether its student is attacked.

Three rows of pictures: training images, images inverted from the suspect alone, and samples of DHBE. Beside them ACC
and ASR of a fresh student that was distilled on inverted images. On the embedded digits, or with --data on CIFAR-10 in
its python batches. Expected: inverted images look like the data, DHBE's samples do not; the student often inherits the
backdoor. Presets other than paper draw DHBE's samples as random shapes, which have nothing of any data. On
digits the students inherit it; those of CIFAR-10 learn nothing with ``cpu`` (MEASURED.md).

    drmguard reproduce run dhbe_figure12 --preset cpu                              digits, three suspects
    drmguard reproduce run dhbe_figure12 --preset cpu --data cifar-10-batches-py
    drmguard reproduce run dhbe_figure12 --preset smoke                            one, shows that it runs
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from runs import erasing_tables, rivals
from runs.experiments import Options
from runs.figures import Figure, contact_sheet
from runs.inversion_jobs import Invert
from runs.jobs import Job
from runs.looks import picture
from runs.presets import Preset
from runs.tables import Table


def plan(preset: Preset, options: Options) -> list[Job]:
    """Suspects by BadNets with three seeds."""
    seeds = 1 if options.preset == "smoke" else 3
    which = erasing_tables.suspects(options, ("badnets",), erasing_tables.SIZES[:1], seeds=seeds)
    erasing = erasing_tables.erasing_at_former_rate(options)
    return [Invert(suspect, rivals.inversion(options.preset), erasing, suspect.seed) for suspect in which]


def tables(found: Mapping[Job, dict[str, Any]], options: Options) -> list[Table]:
    """One row per suspect and model."""
    rows = []
    names = {"before": "suspect", "student": "student on inverted images", "erased": "DHBE"}
    for job, result in found.items():
        for key, name in names.items():
            shares = {measure: 100 * result[key][measure] for measure in ("acc", "asr")}
            rows.append({"suspect": job.name.replace("invert ", ""), "model": name, **shares})
    columns = {"suspect": "suspect", "model": "model", "acc": "ACC, %", "asr": "ASR, %"}
    return [Table("inversion", f"Distillation on inverted images, preset {options.preset}", columns, rows)]


def _rows(result: Mapping[str, Any]) -> dict[str, list[np.ndarray]]:
    """Pictures of a result by row, as many in each."""
    rows = {name: [picture(image) for image in images] for name, images in result["pictures"].items()}
    count = min(len(images) for images in rows.values())
    return {name: images[:count] for name, images in rows.items()}


def figures(found: Mapping[Job, dict[str, Any]], options: Options) -> list[Figure]:
    """The pictures of the first suspect."""
    first = next(iter(found.values()))
    return [contact_sheet(_rows(first), f"Training data, inverted images and DHBE's samples, {options.preset}")]
