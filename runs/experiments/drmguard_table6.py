"""DRMGuard, Table 6 and the right half of Table 5: mitigation against fine-tuning, fine-pruning and ANP.

Gaze and head pose, 10 models of every attack; the models and DRMGuard's scans are those of drmguard_table5. The clean
error RE after the mitigation, which the paper does not report, and the gain over plain fine-tuning stand in every row.
Aimed at: after DRMGuard, AE at least 4 times its value before, DAE at most 1.5 times RE, RE at most 1.1 times its value
before, and a lower DAE than every other method. With cpu all of it holds in the mean of every attack: see MEASURED.md.

    drmguard reproduce run drmguard_table6 --preset cpu --models 3      12 scans and 36 mitigations a task
    drmguard reproduce run drmguard_table6 --preset cpu --data TABLE    the task of an image table alone
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runs import guard_tables, suspects, takes
from runs.experiments import Options
from runs.figures import Figure
from runs.jobs import CleanModel, Job, ScanModel
from runs.presets import Preset
from runs.tables import Table

ATTACKS = ("badnets", "input-aware", "wanet", "clean-label")


def plan(preset: Preset, options: Options) -> list[Job]:
    """A scan with unlearning, and the other mitigations, of every backdoored model."""
    jobs: list[Job] = []
    for source in suspects.sources(preset, options.data):
        for scan in guard_tables.scans(preset, source, ATTACKS, guard_tables.models(options)):
            if scan.case.attack is not None:
                jobs += [scan, *(CleanModel(scan.case, method) for method in preset.mitigations.values())]
    return jobs


def tables(found: Mapping[Job, dict[str, Any]], options: Options) -> list[Table]:
    """One row per task, attack and method; and what each method takes."""
    title = f"Mitigation: errors in degrees, preset {options.preset}"
    return [guard_tables.errors(found, title, "drmguard_table6"), _takes(found, options)]


def figures(found: Mapping[Job, dict[str, Any]], options: Options) -> list[Figure]:
    """None."""
    return []


def _takes(found: Mapping[Job, dict[str, Any]], options: Options) -> Table:
    scans = {job: result for job, result in found.items() if isinstance(job, ScanModel)}
    pieces = [takes.taken("DRMGuard, scan", result) for result in scans.values()]
    unlearned = [result for result in scans.values() if "mitigation" in result]
    pieces += [takes.taken("DRMGuard, unlearning", result, result["mitigation"]["spent"]) for result in unlearned]
    cleaned = {job: result for job, result in found.items() if isinstance(job, CleanModel)}
    pieces += [takes.taken(type(job.method).__name__, result) for job, result in cleaned.items()]
    return takes.table(f"What a mitigation takes, preset {options.preset}", pieces)
