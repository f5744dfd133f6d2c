"""``drmguard train`` for regression: options in, a model and its record out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Optional

import numpy as np

from data_prep import image_table
from data_prep.contract import TASKS
from data_prep.cores import cores
from drmguard_tf.convergence import EarlyStop
from runs import cases
from runs import export as exports
from runs import parallel, store
from runs.bars import Bar
from runs.cases import Case, Source, Table
from runs.checkpoints import beside
from runs.presets import PRESETS

_SETTINGS = {
    "rate": "--rate: it poisons every sample whose label lies near the target",
    "second": "--second-target: that belongs to multi-target",
}


@dataclass(frozen=True)
class TrainOptions:
    """Options of ``drmguard train``; targets are in radians."""

    data: str
    task: str
    attack: str
    target: Optional[tuple[float, ...]]
    rate: Optional[float]
    preset: str
    seed: int
    strategy: str = "one"
    second: Optional[tuple[float, ...]] = None
    architecture: Optional[str] = None
    early_stop: bool = False
    augment: bool = True


def parse_target(text: str | None) -> tuple[float, ...] | None:
    """Degrees separated by commas, as radians.

    Raises:
        ValueError: if they are no numbers or lie outside half a turn.
    """
    if text is None:
        return None
    try:
        degrees = [float(part) for part in text.split(",")]
    except ValueError:
        raise ValueError(f"--target {text!r} is not a list of degrees such as 15,-20") from None
    if not all(abs(angle) <= 90 for angle in degrees):
        raise ValueError(f"--target {text!r} must lie within 90 degrees of straight ahead")
    return tuple(float(np.radians(angle)) for angle in degrees)


def case_of(options: TrainOptions) -> Case:
    """The case that the options name.

    Raises:
        ValueError: if attack and target do not fit each other or the task.
    """
    preset = PRESETS[options.preset]
    preset = replace(preset, augmented=preset.augmented and options.augment)
    if options.architecture is not None:
        preset = replace(preset, training=replace(preset.training, architecture=options.architecture))
    data = replace(preset.heads, task=TASKS[options.task]) if options.data == "heads" else Table(options.data)
    if options.attack == "none":
        if options.target or options.second or options.rate is not None:
            raise ValueError(
                "--target, --second-target and --rate belong to an attack; add --attack badnets, for example"
            )
        return Case(Source(data), preset.training_on(data), None, None, options.seed)
    task = data.spec.task
    if options.target is None or len(options.target) != task.size:
        raise ValueError(f"--attack needs --target with {task.size} angles in degrees: {','.join(task.outputs)}")
    attack = preset.attack(options.attack, data.spec)
    changed = {"rate": options.rate, "second": options.second}
    for setting, value in changed.items():
        if value is None:
            continue
        if not hasattr(attack, setting):
            raise ValueError(f"the attack {options.attack} has no {_SETTINGS[setting]}")
        attack = replace(attack, **{setting: value})
    return Case(Source(data), preset.training_on(data), attack, options.target, options.seed)


def train(
    options: TrainOptions, out: Path, *, workers: int | None, bar: Bar, say: Callable[[str], None]
) -> dict[str, Any]:
    """Train one model; ``out`` gets the model, its record, and the defender's and the judge's image tables.

    A training that was interrupted goes on where it was, if it is called again with the same settings.
    """
    case = case_of(options)
    home = out.parent / ".drmguard"
    count = case.source.data.count if not isinstance(case.source.data, Table) else 1
    with bar("reading data", count) as progress:
        parts = case.source.parts(home, workers=workers or cores(), progress=progress)
    data = store.digest_of_arrays(parts.train.images, parts.train.targets)
    stop, done = EarlyStop() if options.early_stop else None, 0
    journals = beside(out, (case, data, stop, options.strategy), say=say)
    with bar(f"training {case.name}", case.training.steps) as progress:

        def advance(here: int) -> None:
            nonlocal done
            done += 1
            progress(here)

        fitted = cases.fit(
            case, parts, advance, journals, strategy=parallel.strategy(options.strategy), early_stop=stop
        )
    fitted.record["steps_done"] = done + sum(one.began for one in journals.opened if one.folder.name == "training")
    task = case.source.data.spec.task

    def fill(folder: Path) -> None:
        fitted.save(folder, versions=exports.versions())
        for name in ("benign", "test"):
            (folder / name).mkdir()
            image_table.write(folder / name, task, getattr(parts, name))

    store.write_directory(out, fill)
    journals.finish()
    return fitted.record


def describe_training(record: dict[str, Any]) -> str:
    """Metrics in words, with a warning when an attack did not take."""
    numbers = record["metrics"]
    lines = [f"clean error RE {numbers['re_deg']:.2f} degrees"]
    if record["steps_done"] < record["training"]["steps"]:
        lines.append(f"stopped early: {record['steps_done']} of {record['training']['steps']} steps")
    if "ae_deg" in numbers:
        lines.append(
            f"attack error AE {numbers['ae_deg']:.2f}, DAE {numbers['dae_deg']:.2f} degrees, RAV {numbers['rav']:.4f}"
        )
        if "ae_2_deg" in numbers:
            lines.append(f"attack error AE of the second backdoor {numbers['ae_2_deg']:.2f} degrees")
        if "cross_deg" in numbers:
            lines.append(f"error under another image's trigger {numbers['cross_deg']:.2f} degrees; near RE is right")
        worst = max(numbers["ae_deg"], numbers.get("ae_2_deg", 0.0))
        if worst > max(5.0, 1.5 * numbers["re_deg"]):
            lines.append(
                "WARNING: the attack did not take: triggered images miss the target. Raise --rate or train longer."
            )
    return "\n".join(lines)
