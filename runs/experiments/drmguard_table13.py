"""DRMGuard, Table 13 (App. A.8): other networks, identification and mitigation under WaNet.

ResNet18, ResNet34 and MobileNetV1 with the preset paper; narrow ones of the same kinds with cpu and smoke, which have
no figures of the paper beside them, so the paper's rows stand below. Gaze, as in the paper; 10 benign and 10 backdoored
models of every network, controls of the same network. RE before and after and the gain over plain fine-tuning stand in
every row of the mitigation. Aimed at: accuracy 0.95; AE at least 4 times its value before, DAE at most 1.5 times RE.
With two models of a kind all are right, AE is 50 to 109 times its value before and DAE 1.2 to 1.3 times RE
(MEASURED.md).

    drmguard reproduce run drmguard_table13 --preset cpu --models 3      3 networks, 6 scans and 3 fine-tunings each
    drmguard reproduce run drmguard_table13 --preset cpu --data TABLE    on an image table
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from runs import guard_tables, suspects
from runs.cases import Case
from runs.experiments import Options
from runs.figures import Figure
from runs.jobs import Job
from runs.presets import Preset
from runs.tables import Table

ATTACKS = ("wanet",)
_NETWORKS = {
    "resnet18": ("resnet18", "resnet34", "mobilenet-v1"),
    "small-resnet": ("small-resnet", "small-resnet34", "small-mobilenet"),
}


def plan(preset: Preset, options: Options) -> list[Job]:
    """Scans with unlearning and plain fine-tuning, for every network."""
    source = suspects.sources(preset, options.data)[0]
    jobs: list[Job] = []
    for network in _NETWORKS[preset.training.architecture]:
        built = replace(preset, training=replace(preset.training, architecture=network))
        scans = guard_tables.scans(built, source, ATTACKS, guard_tables.models(options))
        jobs += guard_tables.with_control(built, scans)
    return jobs


def tables(found: Mapping[Job, dict[str, Any]], options: Options) -> list[Table]:
    """One row per network; then one per network and method."""
    where = f"WaNet, preset {options.preset}"
    identified = guard_tables.identified(found, f"Identification by network, {where}", "drmguard_table13", _network)
    errors = f"Mitigation by network: errors in degrees, {where}"
    cleaned = guard_tables.errors(found, errors, "drmguard_table13_errors", _network)
    return [guard_tables.named(identified, "identification", "network"), cleaned]


def figures(found: Mapping[Job, dict[str, Any]], options: Options) -> list[Figure]:
    """Margins and ROC curves, network by network."""
    return guard_tables.margins(found, f"Identification by network, preset {options.preset}")


def _network(case: Case) -> str:
    return case.training.architecture
