"""Tables of DHBE's ablations: a row per setting, a mean over suspects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from runs.jobs import Job
from runs.tables import Table, Value

_SHARES = {"acc": "ACC, %", "asr": "ASR, %", "asr_x9": "ASR x9"}
_NORMS = {"block_l1": "last block, L1", "block_l2": "last block, L2"}


def by_setting(
    found: Mapping[Job, Mapping[str, Any]],
    settings: Mapping[Job, Mapping[str, Value]],
    first: Mapping[str, str],
    title: str,
    *,
    printed: Mapping[str, str] | None = None,
    notes: Sequence[str] = (),
) -> Table:
    """One row per setting.

    Args:
        found: results of erasings; those that diverged are counted and left out.
        settings: the setting of every job, values by key.
        first: headings of the settings' keys, first in a row.
        title: of the table.
        printed: headings of the keys that hold the paper's figures, last in a row.
        notes: below the table.
    """
    rows = []
    for setting, results in _grouped(found, settings):
        finished = [one for one in results if "after" in one]
        row: dict[str, Value] = {**setting, "n": len(results), "diverged": len(results) - len(finished) or None}
        for key in ("acc", "asr"):
            row[f"{key}_before"] = _mean([100 * one["before"][key] for one in finished])
        row |= {key: _mean([100 * one["after"][key] for one in finished if key in one["after"]]) for key in _SHARES}
        row["worst"] = max((100 * one["after"]["asr"] for one in finished), default=None)
        row |= {key: _mean([one["after"][key] for one in finished]) for key in _NORMS}
        rows.append(row)
    columns = {**first, "n": "suspects", "diverged": "diverged", "acc_before": "ACC before", "asr_before": "ASR before"}
    columns |= {"acc": _SHARES["acc"], "asr": _SHARES["asr"], "worst": "ASR, largest", "asr_x9": _SHARES["asr_x9"]}
    kept = {key: text for key, text in {**columns, **_NORMS}.items() if key != "diverged" or _any(rows, key)}
    measured = "Means over suspects; the last block's difference between test images with and without the trigger."
    return Table("settings", title, {**kept, **(printed or {})}, rows, notes=(measured, *notes))


def grouped(found: Mapping[Job, Mapping[str, Any]], labels: Mapping[Job, str]) -> dict[str, list[Mapping[str, Any]]]:
    """Results by label, for figures."""
    return {name: [found[job] for job, label in labels.items() if label == name] for name in labels.values()}


def _grouped(
    found: Mapping[Job, Mapping[str, Any]], settings: Mapping[Job, Mapping[str, Value]]
) -> list[tuple[Mapping[str, Value], list[Mapping[str, Any]]]]:
    """Every setting once, with its results."""
    different: list[Mapping[str, Value]] = []
    for setting in settings.values():
        if setting not in different:
            different.append(setting)
    return [(one, [found[job] for job, setting in settings.items() if setting == one]) for one in different]


def _mean(values: Sequence[float]) -> Value:
    return float(np.mean(values)) if values else None


def _any(rows: Sequence[Mapping[str, Value]], key: str) -> bool:
    return any(row[key] for row in rows)
