"""How good a mitigation is: errors before and after, beside plain fine-tuning."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import tensorflow as tf

from data_prep.contract import Split, Task
from data_prep.threat import Backdoored
from drmguard_tf import metrics


def judge(task: Task, known: Backdoored, cleaned: tf.keras.Model, tuned: tf.keras.Model, test: Split) -> dict[str, Any]:
    """RE, AE and DAE before and after a mitigation and after plain fine-tuning, degrees."""
    before, after, control = (
        metrics.attack_errors(task, replace(known, model=model), test) for model in (known.model, cleaned, tuned)
    )
    pairs = {
        name: {"before_deg": getattr(before, name), "after_deg": getattr(after, name)} for name in ("re", "ae", "dae")
    }
    plain = {f"{name}_deg": getattr(control, name) for name in ("re", "ae", "dae")}
    return {"measured_on": "test set", **pairs, "fine_tuning": plain}
