"""DRMGuard, Figure 6 (App. A.9): reversed poisoned images of a backdoored classifier; and of a benign one.

The first models of drmguard_table17, whose scans these are. The benign model's row shows what the same search changes
where there is no backdoor. Aimed at: the trigger's corner is changed and the object is still seen; on digits it is so
(MEASURED.md).

    drmguard reproduce run drmguard_figure6 --preset cpu --data cifar-10-batches-py     2 classifiers, 6 controls
    drmguard reproduce run drmguard_figure6 --preset cpu                                digits
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runs.class_scans import ScanClassifier
from runs.erasing_jobs import Implanted
from runs.experiments import Options, drmguard_table17
from runs.figures import Figure, contact_sheet
from runs.jobs import Job
from runs.looks import picture
from runs.presets import Preset
from runs.search_figures import residual
from runs.tables import Table


def plan(preset: Preset, options: Options) -> list[Job]:
    """The first scan of each kind."""
    return _firsts(drmguard_table17.plan(preset, options))


def tables(found: Mapping[Job, dict[str, Any]], options: Options) -> list[Table]:
    """What was found, and what the models answer to the images of the figure."""
    rows: list[dict[str, Any]] = []
    for job, scan in found.items():
        shown = {key: scan[key] for key in ("verdict", "family", "margin", "target", "infected")}
        same = sum(answer == scan["infected"] for answer in scan["answers"])
        rows.append({"model": job.name.replace("scan ", ""), **shown, "same": f"{same} of {len(scan['answers'])}"})
    columns = {
        "model": "model",
        "verdict": "verdict",
        "family": "family",
        "margin": "margin",
        "target": "attacked class",
        "infected": "class of the found trigger",
        "same": "images that it leads there",
    }
    return [Table("reversed", f"Reversed triggers of classifiers, preset {options.preset}", columns, rows)]


def figures(found: Mapping[Job, dict[str, Any]], options: Options) -> list[Figure]:
    """Benign, poisoned and reversed images, and where the latter differ; then those of the benign model."""
    scans = {scan["attack"]: scan for scan in found.values()}
    rows = {}
    for attack, name in (("BadNets", "BadNets"), (None, "benign model")):
        scan = scans[attack]
        images = {kind: [picture(text) for text in scan[kind]] for kind in ("clean", "triggered", "reversed")}
        rows[f"images, {name}"] = images["clean"]
        if attack is not None:
            rows["poisoned"] = images["triggered"]
        rows[f"reversed, {name}"] = images["reversed"]
        rows[f"change, {name}"] = [residual(*pair) for pair in zip(images["clean"], images["reversed"])]
    return [contact_sheet(rows, f"Reversed images of classifiers (change: white is most), preset {options.preset}")]


def _firsts(jobs: list[Job]) -> list[Job]:
    scans = [job for job in jobs if isinstance(job, ScanClassifier)]
    attacked = [isinstance(scan.suspect, Implanted) for scan in scans]
    return [scans[attacked.index(True)], scans[attacked.index(False)]]
