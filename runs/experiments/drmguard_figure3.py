"""DRMGuard, Figure 3 (App. A.1): what is changed without the momentum reverse trigger, and with it, on a BadNets model.

The paper shows that Eq. 5 alone fails to reverse the trigger and changes the eyes, which the model attends to most.
Here the printed search and our generator search, both with and without Eq. 7, on the first BadNets gaze model of
drmguard_table10. The table has the share of the change on the most attended tenth of the pixels and in the patch. Aimed
at: with Eq. 7 less on the most attended pixels and more in the patch; or a table that shows that it is not so here: the
printed search finds no patch either way (MEASURED.md).

    drmguard reproduce run drmguard_figure3 --preset cpu                one model, four searches
    drmguard reproduce run drmguard_figure3 --preset cpu --data TABLE   on an image table
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from drmguard_tf.ablations import PrintedWithoutMomentum, WithoutMomentum
from drmguard_tf.reversal import Search
from runs import suspects
from runs.experiments import Options
from runs.figures import Figure, contact_sheet
from runs.jobs import Job, ScanModel
from runs.looks import picture
from runs.presets import PRESETS, Preset
from runs.reversing import Reverse
from runs.search_figures import residual
from runs.tables import Table


def searches(preset: Preset, options: Options) -> dict[str, Search]:
    """The searches by name, without and with the momentum reverse trigger."""
    source = suspects.sources(preset, options.data)[0]
    printed = preset.paper_search(source.data.spec.task)
    alone = replace(preset.search, families=("generator",))
    return {
        "printed, without Eq. 7": PrintedWithoutMomentum(**asdict(printed)),
        "printed": printed,
        "our generator, without Eq. 7": WithoutMomentum(**asdict(alone)),
        "our generator": alone,
    }


def plan(preset: Preset, options: Options) -> list[Job]:
    """The first BadNets model, searched in every way; nothing is judged, so there are no controls."""
    source = suspects.sources(preset, options.data)[0]
    benign, (case,) = suspects.benign(preset, source, 1)[0], suspects.attacked(preset, source, ("badnets",), 1)
    return [Reverse(ScanModel(case, benign, search, None)) for search in searches(preset, options).values()]


def tables(found: Mapping[Job, dict[str, Any]], options: Options) -> list[Table]:
    """Where the change lies, search by search."""
    results = _by_search(found, options)
    first = next(iter(results.values()))
    trigger = {"attended": first["attended_by_attack"], "covered": 1.0}
    even = {"attended": 0.1, "covered": first["covered_pixels"]}
    rows: list[dict[str, Any]] = [
        {"search": "attacker's trigger", **trigger},
        {"search": "a change everywhere", **even},
    ]
    for name, result in results.items():
        shown = {key: result[key] for key in ("attended", "covered", "score")}
        rav = next(run["rav"] for run in result["runs"] if run["cost"] == result["score"])
        rows.append({"search": name, **shown, "rav": rav})
    columns = {
        "search": "search",
        "attended": "on the most attended tenth",
        "covered": "in the patch",
        "score": "score",
        "rav": "RAV",
    }
    notes = ("Shares of the summed change of 250 benign images. Score: L1 change over the largest benign norm.",)
    return [Table("changes", f"Where a search changes images, preset {options.preset}", columns, rows, notes=notes)]


def figures(found: Mapping[Job, dict[str, Any]], options: Options) -> list[Figure]:
    """Benign images, the trigger, and what every search changes."""
    results = _by_search(found, options)
    first = next(iter(results.values()))
    clean = [picture(text) for text in first["clean"]]
    rows = {"benign": clean, "triggered": [picture(text) for text in first["triggered"]]}
    rows["trigger's change"] = _changes(clean, first["triggered"])
    rows |= {name: _changes(clean, result["reversed"]) for name, result in results.items()}
    title = "What is changed, by the trigger and by every search (white: most in that image)"
    return [contact_sheet(rows, f"{title}, preset {options.preset}")]


def _changes(clean: list[np.ndarray], changed: list[str]) -> list[np.ndarray]:
    return [residual(image, picture(text)) for image, text in zip(clean, changed)]


def _by_search(found: Mapping[Job, dict[str, Any]], options: Options) -> dict[str, dict[str, Any]]:
    by_search = {job.scan.search: result for job, result in found.items() if isinstance(job, Reverse)}
    return {name: by_search[search] for name, search in searches(PRESETS[options.preset], options).items()}
