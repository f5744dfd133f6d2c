"""DRMGuard, Table 15 (App. A.8): Blend and SIG, identification and mitigation.

Gaze, as in the paper; 10 benign models and 10 of each attack, those of drmguard_table10. RE before and after and the
gain over plain fine-tuning stand in every row of the mitigation. Aimed at: accuracy 0.95; AE at least 4 times its value
before, DAE at most 1.5 times RE. Run as smoke only.

    drmguard reproduce run drmguard_table15 --preset cpu --models 3      9 scans, 6 fine-tunings
    drmguard reproduce run drmguard_table15 --preset cpu --data TABLE    on an image table
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

ATTACKS = ("blend", "sig")


def plan(preset: Preset, options: Options) -> list[Job]:
    """Scans with unlearning, and plain fine-tuning of the backdoored models."""
    source = suspects.sources(preset, options.data)[0]
    scans = guard_tables.scans(preset, source, ATTACKS, guard_tables.models(options))
    return guard_tables.with_control(preset, scans)


def tables(found: Mapping[Job, dict[str, Any]], options: Options) -> list[Table]:
    """One row per attack; then one per attack and method."""
    where = f"Blend and SIG, preset {options.preset}"
    errors = f"Mitigation: errors in degrees, {where}"
    return [
        guard_tables.identified(found, f"Identification, {where}", "drmguard_table15"),
        guard_tables.errors(found, errors, "drmguard_table15_errors"),
    ]


def figures(found: Mapping[Job, dict[str, Any]], options: Options) -> list[Figure]:
    """Margins and ROC curves."""
    return guard_tables.margins(found, f"Blend and SIG, preset {options.preset}")
