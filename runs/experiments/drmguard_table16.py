"""DRMGuard, Table 16 (App. A.8): a larger set, 30 benign models and 30 of WaNet.

Gaze, as in the paper. The first ten of each kind are those of drmguard_table3, so a store that has these needs 40
models more. Aimed at: accuracy 0.95 or more, AUC 0.98 or more. Both are 1.00 (MEASURED.md).

    drmguard reproduce run drmguard_table16 --preset cpu                 60 trainings, 60 scans
    drmguard reproduce run drmguard_table16 --preset cpu --data TABLE    on an image table
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runs import guard_tables, suspects
from runs.experiments import Options
from runs.figures import Figure
from runs.jobs import Job
from runs.presets import Preset
from runs.tables import Table

ATTACKS = ("wanet",)


def plan(preset: Preset, options: Options) -> list[Job]:
    """Scans of benign models and of WaNet."""
    source = suspects.sources(preset, options.data)[0]
    return [*guard_tables.scans(preset, source, ATTACKS, guard_tables.models(options, usual=30))]


def tables(found: Mapping[Job, dict[str, Any]], options: Options) -> list[Table]:
    """One row."""
    title = f"Identification in a larger set, preset {options.preset}"
    return [guard_tables.identified(found, title, "drmguard_table16")]


def figures(found: Mapping[Job, dict[str, Any]], options: Options) -> list[Figure]:
    """Margins and ROC curves."""
    return guard_tables.margins(found, f"Larger set, preset {options.preset}")
