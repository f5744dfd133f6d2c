"""DRMGuard, Figure 5: the same benign images with the trigger of every attack, and as DRMGuard reverses them.

Reversed for the paper's four attacks, by the searches of drmguard_figure4 with the controls of drmguard_table5. The
models are those of drmguard_table10.

    drmguard reproduce run drmguard_figure5 --preset cpu                8 models, 6 controls, 4 searches
    drmguard reproduce run drmguard_figure5 --preset cpu --data TABLE
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from runs import suspects
from runs.experiments import Options, drmguard_figure4
from runs.figures import Figure, contact_sheet
from runs.jobs import Job
from runs.looks import Pictures, picture
from runs.presets import Preset
from runs.reversing import Reverse
from runs.tables import Table

ATTACKS = ("badnets", "clean-label", "input-aware", "wanet", "blend", "sig", "multi-target", "adaptive")


def plan(preset: Preset, options: Options) -> list[Job]:
    """The first gaze model of every attack, or the image table's; for four attacks also a search."""
    source = suspects.sources(preset, options.data)[0]
    pictures = [Pictures(case) for case in suspects.attacked(preset, source, ATTACKS, 1)]
    return [*pictures, *drmguard_figure4.plan(preset, options)]


def tables(found: Mapping[Job, dict[str, Any]], options: Options) -> list[Table]:
    """How far apart the answers to the pictures are, without and with the trigger."""
    rows: list[dict[str, Any]] = []
    for job, result in found.items():
        if isinstance(job, Pictures):
            spread = {name: float(np.std(answers, axis=0).mean()) for name, answers in result["answers_deg"].items()}
            rows.append({"model": suspects.kind(job.case), **spread})
    columns = {"model": "model", "clean": "clean, degrees", "triggered": "triggered, degrees"}
    title = f"Standard deviation of the answers to the pictures, mean over outputs, preset {options.preset}"
    return [Table("answers", title, columns, rows)]


def figures(found: Mapping[Job, dict[str, Any]], options: Options) -> list[Figure]:
    """A row per attack below the benign images, and one more where a search reversed them."""
    reversals = {job.scan.case: result["reversed"] for job, result in found.items() if isinstance(job, Reverse)}
    rows: dict[str, list[np.ndarray]] = {}
    for job, result in found.items():
        if isinstance(job, Pictures):
            rows.setdefault("benign", [picture(png) for png in result["clean"]])
            name = type(job.case.attack).__name__
            rows[name] = [picture(png) for png in result["triggered"]]
            if job.case in reversals:
                rows[f"{name}, reversed"] = [picture(png) for png in reversals[job.case]]
    return [contact_sheet(rows, f"Benign images with the trigger of every attack, preset {options.preset}")]
