"""DRMGuard, Table 9, second table: the adaptive attack beside WaNet, errors and identification.

Gaze, as in the paper; 10 benign models and 10 of each attack. The models are those of drmguard_table10, with the
preset's weight of the extra loss (EQUATIONS.md, difference 23); what its strength costs the attacker is in
drmguard_table1. Aimed at: accuracy 0.95 for both attacks, and an AE of the adaptive one above WaNet's. With two models
of each kind all are right, and the adaptive AE is the larger (0.38 and 0.25 degrees, MEASURED.md).

    drmguard reproduce run drmguard_table9_adaptive --preset cpu --models 3      9 scans
    drmguard reproduce run drmguard_table9_adaptive --preset cpu --data TABLE    on an image table
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

ATTACKS = ("wanet", "adaptive")


def plan(preset: Preset, options: Options) -> list[Job]:
    """Scans of benign models and of both attacks."""
    source = suspects.sources(preset, options.data)[0]
    return [*guard_tables.scans(preset, source, ATTACKS, guard_tables.models(options))]


def tables(found: Mapping[Job, dict[str, Any]], options: Options) -> list[Table]:
    """One row per attack."""
    title = f"Identification under the adaptive attack, preset {options.preset}"
    return [guard_tables.identified(found, title, "drmguard_table9_adaptive")]


def figures(found: Mapping[Job, dict[str, Any]], options: Options) -> list[Figure]:
    """Margins and ROC curves."""
    return guard_tables.margins(found, f"Adaptive attack, preset {options.preset}")
