"""DRMGuard, Table 3: identification by attack (left half), and by data set under WaNet (right half).

Gaze and head pose; 10 benign models and 10 of every attack. The scans are those of drmguard_table5 and drmguard_table6.
Synthetic heads are no data set of the paper; with --data the row of an image table stands beside the paper's if its
folder is named after the data set (mpii..., columbia..., biwi..., pandora...). Mitigation by attack, the right half of
the paper's Table 5, is in drmguard_table6. Aimed at: accuracy 0.95 or more in every row. On heads it is 1.00
with cpu, see MEASURED.md.

    drmguard reproduce run drmguard_table3 --preset cpu --models 3      15 scans a task
    drmguard reproduce run drmguard_table3 --preset cpu --data TABLE    the task of an image table alone
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Optional

from drmguard_tf.attacks.wanet import WaNet
from runs import guard_tables, suspects
from runs.cases import Case
from runs.experiments import Options
from runs.figures import Figure
from runs.jobs import Job
from runs.presets import Preset
from runs.tables import Table

ATTACKS = ("badnets", "input-aware", "clean-label", "wanet")
DATA_SETS = ("MPIIFaceGaze", "ColumbiaGaze", "Biwi Kinect", "Pandora")


def plan(preset: Preset, options: Options) -> list[Job]:
    """Scans of benign models and of every attack."""
    count = guard_tables.models(options)
    sources = suspects.sources(preset, options.data)
    return [scan for source in sources for scan in guard_tables.scans(preset, source, ATTACKS, count)]


def tables(found: Mapping[Job, dict[str, Any]], options: Options) -> list[Table]:
    """One row per task and attack; then one per data set."""
    attacks = guard_tables.identified(found, f"Identification by attack, preset {options.preset}", "drmguard_table3")
    title = f"Identification by data set, WaNet, preset {options.preset}"
    data = guard_tables.identified(found, title, "drmguard_table3_data", _data_set)
    return [attacks, guard_tables.named(data, "data_sets", "data set")]


def figures(found: Mapping[Job, dict[str, Any]], options: Options) -> list[Figure]:
    """Margins and ROC curves, task by task."""
    return guard_tables.margins(found, f"Identification by attack, preset {options.preset}")


def _data_set(case: Case) -> Optional[str]:
    """The paper's name of the data, or our own; None for other attacks than WaNet."""
    if type(case.attack) is not WaNet:
        return None
    spec = case.source.data.spec
    theirs = [name for name in DATA_SETS if name.split()[0][:4].lower() in spec.name.lower()]
    return theirs[0] if theirs else f"{spec.name}, {spec.task.name}"
