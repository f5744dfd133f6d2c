"""Finding and removing a classifier's triggers with benign images: ``erase --method gdm`` and ``find-triggers``."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Optional

import numpy as np
import tensorflow as tf

from data_prep import class_table
from data_prep.contract import ClassSplit, as_bytes
from data_prep.threat import ClassSuspect
from dhbe_tf import logits
from dhbe_tf.gdm.defence import GDM
from dhbe_tf.gdm.realistic import Realistic
from dhbe_tf.gdm.staircase import Search, samples
from dhbe_tf.gdm.windows import Sweep
from runs import export as exports
from runs import plain_triggers, safety, store, trigger_models
from runs.checkpoints import Journals, beside
from runs.measuring import Measure, measure_of
from runs.report.triggers import Heat, Level, TriggersPage, render
from runs.spent import metered

Say = Callable[[str], None]

_SHOWN = 10  # sampled triggers of a level in the report
_MANY_IMAGES = 2000


@dataclass(frozen=True)
class TriggerOptions:
    """What both commands are told.

    Attributes:
        model: the file; it takes images in [0, 1].
        benign: table of classes with the defender's images, or "digits" for the defender's part of those.
        target: the only class to look at; None takes all.
        test, attack: data to measure on and the train.json of a known attack, for experiments; the defence itself
            looks at neither.
        seed: of everything random.
    """

    model: Path
    benign: str
    target: Optional[int]
    test: Optional[str]
    attack: Optional[Path]
    seed: int


class _Case(NamedTuple):
    """What a command works on, all of it checked; ``measure`` is None without test data."""

    suspect: ClassSuspect
    measure: Optional[Measure]


def _case(options: TriggerOptions) -> _Case:
    model = safety.load_model(options.model)
    logits.check(model)
    suspect = ClassSuspect(model, benign_of(options.benign))
    if options.target is not None:
        logits.check_class(model, options.target)
    return _Case(suspect, measure_of(options.test, options.attack, model, 1.0))


def benign_of(name: str) -> ClassSplit:
    """The defender's images: a table of classes, or "digits" for the defender's part of those.

    Raises:
        FileNotFoundError, ValueError: if there is no readable table.
    """
    if name == "digits":
        return trigger_models.parts("digits", Path())[1]
    return class_table.read(Path(name))


def erase(
    options: TriggerOptions, preset: str, size: Optional[int], out: Path, *, epochs: Optional[int] = None, say: Say
) -> dict[str, Any]:
    """GDM on a model file; ``out`` gets the repaired model, its export with a card, ``erase.json`` and ``report.html``.

    Args:
        options: what is asked.
        preset, size, epochs: see :func:`gdm_of`.
        out: a new folder.
        say: called with lines about what was done.

    Raises:
        UnsafeModel, UnreadableModel, ValueError, FileNotFoundError: before any work, if something does not fit.
    """
    case, started = _case(options), time.perf_counter()
    defence = gdm_of(preset, size, len(case.suspect.benign), epochs)
    search = Search(defence.staircase, suspect=case.suspect)
    journals = _journals(case, options, defence, out, say)
    (found, chosen), screened = metered(
        lambda: defence.screen(search, seed=options.seed, target=options.target, journals=journals)
    )
    seconds = {}
    if options.target is None:
        seconds["search"] = screened["seconds"] / len(found)
        say(f"searched {len(found)} classes, {seconds['search']:.1f} s each; modelling {chosen}")
    models, modelled = metered(lambda: defence.model(search, chosen, seed=options.seed, journals=journals))
    seconds["model"] = modelled["seconds"] / len(models)
    say(f"modelled the triggers of {len(models)} classes, {seconds['model']:.1f} s each")
    cleaned = defence.repair(case.suspect, models, seed=options.seed, journal=journals("repair"))
    peak = max(screened["peak_mib"], modelled["peak_mib"])
    say(f"peak memory {peak:.0f} MiB")
    record: dict[str, Any] = {
        "method": "gdm",
        **_facts(options, case, cleaned),
        "defence": asdict(defence),
        "responses": {str(k): float(value) for k, value in enumerate(found) if np.isfinite(value)},
        "classes": {str(model.target): plain_triggers.levels(model) for model in models},
        "seconds_per_class": seconds,
        "peak_mib": peak,
        "seconds": round(time.perf_counter() - started, 1),
    }
    levels = [
        Level(
            f"class {model.target}, level {part.level:g}", as_bytes(samples(part.generator, _SHOWN, seed=options.seed))
        )
        for model in models
        for part in model.parts
    ]
    _write(out, "erase.json", cleaned, record, TriggersPage(record["title"], levels, [], record))
    journals.finish()
    return record


def find(options: TriggerOptions, defence: Realistic, out: Path, *, repair: bool, say: Say) -> dict[str, Any]:
    """The realistic defence; ``out`` gets ``find.json`` and ``report.html``, after a repair also model and export.

    Raises:
        UnsafeModel, UnreadableModel, ValueError, FileNotFoundError: before any work, if something does not fit.
    """
    case, started = _case(options), time.perf_counter()
    Sweep(defence.window, suspect=case.suspect)  # refuses what does not fit
    targets = None if options.target is None else [options.target]
    journals = _journals(case, options, defence, out, say)
    found, spent = metered(
        lambda: defence.find(case.suspect, seed=options.seed, targets=targets, journal=journals("windows"))
    )
    say(f"searched {len(found)} classes, {spent['seconds'] / len(found):.1f} s each, peak {spent['peak_mib']:.0f} MiB")
    cleaned, repaired = None, 0
    if repair:
        done = defence.mitigate(case.suspect, found, seed=options.seed, progress=say, journals=journals)
        cleaned, repaired = done.model, done.repaired
    record: dict[str, Any] = {
        "method": "find-triggers",
        **_facts(options, case, cleaned),
        "defence": asdict(defence),
        "found": [plain_triggers.found(one) for one in found],
        "repaired": [one.heat.target for one in found[:repaired]],
        "seconds_per_class": {"search": spent["seconds"] / len(found)},
        "peak_mib": spent["peak_mib"],
        "seconds": round(time.perf_counter() - started, 1),
    }
    heats = [
        Heat(f"class {one.heat.target}", one.heat.pixels, tuple(one.box), as_bytes(one.trigger[None, ..., :-1]), line)
        for one, line in zip(found, (describe_found(one) for one in record["found"]))
    ]
    _write(out, "find.json", cleaned, record, TriggersPage(record["title"], [], heats, record))
    journals.finish()
    return record


def _journals(case: _Case, options: TriggerOptions, defence: GDM | Realistic, out: Path, say: Say) -> Journals:
    """Where the work goes on after an interruption: the same model, images and settings find it."""
    benign = case.suspect.benign
    images = store.digest_of_arrays(benign.images, benign.labels)
    model = store.digest_of_files(options.model)
    return beside(out, (model, images, defence, options.target, options.seed), say=say)


def describe(record: dict[str, Any]) -> str:
    """A record in words."""
    lines = [f"class {name}: {'; '.join(map(_level, levels))}" for name, levels in record.get("classes", {}).items()]
    lines += [describe_found(one) for one in record.get("found", [])[:5]]
    if record["metrics"] is None:
        lines.append("not measured: give --test to see the accuracy, and --attack to see the attack's success")
    else:
        for name, before in record["metrics"]["before"].items():
            after = record["metrics"]["after"]
            if name in ("acc", "asr"):
                lines.append(f"{name.upper()}: {100 * before:.1f} % -> {100 * after[name]:.1f} %" if after else "")
    seconds = ", ".join(f"{name} {value:.1f} s" for name, value in record["seconds_per_class"].items())
    return "\n".join([*lines, f"per class: {seconds}; peak memory {record['peak_mib']:.0f} MiB"])


def describe_found(one: dict[str, Any]) -> str:
    """A found trigger in words."""
    top, left, bottom, right = one["box"]
    return (
        f"class {one['class']}: answered in {100 * one['response']:.0f} % of the benign images; rows {top} to "
        f"{bottom - 1}, columns {left} to {right - 1}, {one['covered_px']:.0f} opaque pixels"
    )


def _facts(options: TriggerOptions, case: _Case, cleaned: tf.keras.Model | None) -> dict[str, Any]:
    return {
        "title": f"Triggers of {options.model.name}",
        "model": str(options.model),
        "source_sha256": store.digest_of_files(options.model),
        "benign": {"from": options.benign, "images": len(case.suspect.benign)},
        "seed": options.seed,
        "metrics": _metrics(case, cleaned),
        "versions": exports.versions(),
    }


def _metrics(case: _Case, cleaned: tf.keras.Model | None) -> dict[str, Any] | None:
    if case.measure is None:
        return None
    return {"before": case.measure(case.suspect.model), "after": cleaned and case.measure(cleaned)}


def _level(level: dict[str, float]) -> str:
    return f"level {level['level']:g} answered with {level['response']:.2f}, {level['information']:.1f} nats"


def _card(cleaned: tf.keras.Model, record: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    height, width, channels = cleaned.input_shape[1:]
    return {
        "task": "classification",
        "input": f"uint8 (B, {height}, {width}, {channels}) as 'images'; the Keras model: float32, 0 to 1",
        "output": f"(B, {cleaned.output_shape[-1]})",
        "saved_model_sha256": result["sha256"],
        "max_abs_difference": result["max_abs_difference"],
        "limits": "Repaired against triggers of the searched size and kind only.",
        **{key: value for key, value in record.items() if key not in ("model", "export")},
    }


def _write(out: Path, name: str, cleaned: tf.keras.Model | None, record: dict[str, Any], page: TriggersPage) -> None:
    """The whole result folder."""

    def fill(folder: Path) -> None:
        if cleaned is not None:
            cleaned.save(folder / "model.h5", save_format="h5", include_optimizer=False)
            shape = cleaned.input_shape[1:]
            probe = np.random.default_rng(record["seed"]).integers(0, 256, (8, *shape), dtype=np.uint8)
            shipped = exports.ship(
                cleaned, folder / "export", probe, output="answers", card=partial(_card, cleaned, record)
            )
            record["export"] = {**shipped, "path": "export/saved_model"}
        store.write_json(folder / name, record)
        store.write_text(folder / "report.html", render(page))

    store.write_directory(out, fill)


def gdm_of(preset: str, size: int | None, images: int, epochs: int | None = None) -> GDM:
    """A preset's defence for so many benign images, with another side of the triggers and a longer or shorter repair.

    A few hundred images are seen in more epochs, with triggers on more of them, than thousands are.
    """
    of = trigger_models.presets()[preset]
    chosen = (of.photographs if images >= _MANY_IMAGES else of.digits).gdm
    if size is not None:
        chosen = replace(chosen, staircase=replace(chosen.staircase, size=size))
    return chosen if epochs is None else replace(chosen, retraining=replace(chosen.retraining, epochs=epochs))


def realistic_of(preset: str, window: int | None) -> Realistic:
    """A preset's realistic defence, with another side of the windows."""
    chosen = trigger_models.presets()[preset].realistic
    return chosen if window is None else replace(chosen, window=replace(chosen.window, size=window))
