"""DRMGuard, Table 6 and the right half of Table 5: mitigation against fine-tuning, fine-pruning and ANP.

Gaze and head pose, 10 models of every attack; the models and DRMGuard's scans are those of drmguard_table5. The clean
error RE after the mitigation, which the paper does not report, and the gain over plain fine-tuning stand in every row.
Aimed at: after DRMGuard, AE at least 4 times its value before, DAE at most 1.5 times RE, RE at most 1.1 times its value
before, and a lower DAE than every other method. DRMGuard and fine-tuning have been run on two gaze models of
every attack, see MEASURED.md.

    drmguard reproduce run drmguard_table6 --preset cpu --models 3      12 scans and 36 mitigations a task
    drmguard reproduce run drmguard_table6 --preset cpu --data TABLE    the task of an image table alone
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runs import guard_tables, suspects
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
    spent: dict[str, list[dict[str, float]]] = {}
    for job, result in found.items():
        if isinstance(job, ScanModel):
            spent.setdefault("DRMGuard, scan", []).append(result["spent"])
            if "mitigation" in result:
                spent.setdefault("DRMGuard, unlearning", []).append(result["mitigation"]["spent"])
        elif isinstance(job, CleanModel):
            spent.setdefault(type(job.method).__name__, []).append(result["spent"])
    lines: list[dict[str, Any]] = []
    for method, each in spent.items():
        seconds = [one["seconds"] for one in each]
        peak = max(one["peak_mib"] for one in each)
        lines.append({"method": method, "seconds": sum(seconds) / len(seconds), "largest": max(seconds), "peak": peak})
    columns = {"method": "method", "seconds": "seconds, mean", "largest": "seconds, largest", "peak": "peak MiB"}
    notes = ("With several workers, jobs share the cores.",)
    return Table("takes", f"What a mitigation takes, preset {options.preset}", columns, lines, notes=notes)
