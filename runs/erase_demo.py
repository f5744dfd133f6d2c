"""DHBE's main job on embedded data: train a backdoored classifier of digits, erase without data, measure, report."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from runs import classes, erasing, store

AIM = "ASR from 99 % or more to 5 % or less, ACC at most one point lower"


def run(out: Path, *, preset: str, seed: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Everything; ``out`` gets summary.json, erased/ (model, export, report) and suspect/ (model, train.json).

    Args:
        out: folder of the results.
        preset: "demo" or "smoke".
        seed: of the model and of the erasing.
        say: called with a line for people after every stage.

    Returns:
        The summary.
    """
    started = time.perf_counter()

    def stage(text: str) -> None:
        say(f"[{time.perf_counter() - started:4.0f} s] {text}")

    chosen = classes.PRESETS["smoke"] if preset == "smoke" else classes.DEMO
    stage("training a backdoored classifier of digits")
    known, _, record = classes.train(chosen.digits, classes.DIGITS, chosen.digits_attacks["badnets"], None, seed)

    def fill(folder: Path) -> None:
        known.model.save(folder / "model.h5", save_format="h5", include_optimizer=False)
        store.write_json(folder / "train.json", {**record, "data": classes.DIGITS})

    suspect = out / "suspect"
    store.write_directory(suspect, fill)
    stage(f"erasing without data, {chosen.erased(classes.DIGITS).total} iterations")
    options = erasing.EraseOptions(
        model=suspect / "model.h5",
        white=None,
        mean=None,
        std=None,
        test="digits",
        attack=suspect / "train.json",
        erasing=chosen.erased(classes.DIGITS),
        seed=seed,
    )
    erased = erasing.erase(options, out / "erased", bar=_silent_bar, say=say)
    stage("done")
    summary = {
        "target_class": record["target_class"],
        **erased["metrics"],
        "acc_drop": erased["metrics"]["before"]["acc"] - erased["metrics"]["after"]["acc"],
        "export": erased["export"],
        "aim": AIM,
        "aim_reached": reached(erased["metrics"]),
        "seconds": round(time.perf_counter() - started, 1),
    }
    for line in erasing.describe(erased).splitlines():
        say(line)
    say(f"aim ({AIM}): {'reached' if summary['aim_reached'] else 'NOT reached'}")
    store.write_json(out / "summary.json", summary)
    return summary


def reached(metrics: dict[str, Any]) -> bool:
    """Whether an erasing did what this demonstration is to show."""
    before, after = metrics["before"], metrics["after"]
    return before["asr"] >= 0.99 and after["asr"] <= 0.05 and before["acc"] - after["acc"] <= 0.01


@contextmanager
def _silent_bar(label: str, length: int) -> Iterator[Callable[[int], None]]:
    yield lambda done: None
