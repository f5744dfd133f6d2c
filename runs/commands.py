"""What the commands do: options in, plain records out, files written whole at the end."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Optional

import numpy as np
import tensorflow as tf

from data_prep import image_table
from data_prep.contract import TASKS, Split, Task
from data_prep.threat import Backdoored
from drmguard_tf import metrics
from drmguard_tf.attacks import attack_class
from drmguard_tf.calibrate import Calibration, PaperThreshold
from drmguard_tf.convergence import EarlyStop
from drmguard_tf.unlearning import Unlearning
from runs import cases
from runs import export as exports
from runs import inspection, judging, parallel, safety, store, triggers, views
from runs.cases import Case, Source, Table
from runs.inspection import Scan, Scanned
from runs.presets import PRESETS

Bar = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]


_IMPLAUSIBLE_DEG = 20.0  # what guessing straight ahead gets on gaze and head-pose sets


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
    if options.architecture is not None:
        preset = replace(preset, training=replace(preset.training, architecture=options.architecture))
    data = replace(preset.heads, task=TASKS[options.task]) if options.data == "heads" else Table(options.data)
    if options.attack == "none":
        if options.target or options.second or options.rate is not None:
            raise ValueError(
                "--target, --second-target and --rate belong to an attack; add --attack badnets, for example"
            )
        return Case(Source(data), preset.training, None, None, options.seed)
    task = data.spec.task
    if options.target is None or len(options.target) != task.size:
        raise ValueError(f"--attack needs --target with {task.size} angles in degrees: {','.join(task.outputs)}")
    attack = preset.attack(options.attack, task)
    changed = {"rate": options.rate, "second": options.second}
    for setting, value in changed.items():
        if value is None:
            continue
        if not hasattr(attack, setting):
            raise ValueError(f"the attack {options.attack} has no {_SETTINGS[setting]}")
        attack = replace(attack, **{setting: value})
    return Case(Source(data), preset.training, attack, options.target, options.seed)


def train(options: TrainOptions, out: Path, *, workers: int | None, bar: Bar) -> dict[str, Any]:
    """Train one model; ``out`` gets the model, its record, and the defender's and the judge's image tables."""
    case = case_of(options)
    home = out.parent / ".drmguard"
    count = case.source.data.count if not isinstance(case.source.data, Table) else 1
    with bar("reading data", count) as progress:
        parts = case.source.parts(home, workers=workers or parallel.cores(), progress=progress)
    stop, done = EarlyStop() if options.early_stop else None, 0
    with bar(f"training {case.name}", case.training.steps) as progress:

        def advance(here: int) -> None:
            nonlocal done
            done += 1
            progress(here)

        fitted = cases.fit(case, parts, advance, strategy=parallel.strategy(options.strategy), early_stop=stop)
    fitted.record["steps_done"] = done
    task = case.source.data.spec.task

    def fill(folder: Path) -> None:
        fitted.save(folder, versions=exports.versions())
        for name in ("benign", "test"):
            (folder / name).mkdir()
            image_table.write(folder / name, task, getattr(parts, name))

    store.write_directory(out, fill)
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


def known_attack(path: Path, model: tf.keras.Model) -> list[Backdoored]:
    """A model with the triggers that a ``train.json`` describes, the main one first; for evaluation only.

    Raises:
        ValueError: if the record names no attack that this version knows, or its learned trigger is missing.
    """
    record = store.read_json(path)
    if not record.get("attack"):
        raise ValueError(f"{path} describes no attack; it must be the train.json of a backdoored model")
    ((name, settings),) = record["attack"].items()
    settings = {key: tuple(value) if isinstance(value, list) else value for key, value in settings.items()}
    attack, network = attack_class(name)(**settings), triggers.kept(path.parent, record)
    return attack.known(model, np.array(record["target_rad"], np.float32), record["seed"], network)


def evaluate(model: Path, test: Path, attack: Path | None) -> dict[str, float]:
    """Errors of a model file on an image table, degrees."""
    spec, suspect = inspection.load_suspect(model, test)
    if attack is None:
        return {"re_deg": metrics.clean_error(spec.task, suspect.model, suspect.benign)}
    return cases.measure_known(spec.task, known_attack(attack, suspect.model), suspect.benign)


@dataclass(frozen=True)
class ScanOptions:
    """Options of ``drmguard scan`` and ``drmguard mitigate``."""

    model: Path
    benign: Path
    search: str
    threshold: Optional[str]
    controls: Optional[int]
    controls_dir: Optional[Path]
    preset: str
    seed: int
    workers: Optional[int]
    method: str = "drmguard"


def scan_of(options: ScanOptions, task: Task) -> Scan:
    """The question that the options ask.

    Raises:
        ValueError: if search and threshold do not fit each other.
    """
    preset = PRESETS[options.preset]
    if options.method != "drmguard" and options.search != "steered":
        raise ValueError(f"--search belongs to --method drmguard; {options.method} has one search of its own")
    threshold = options.threshold or ("calibrated" if options.search == "steered" else "paper")
    if (options.search, threshold) == ("paper", "calibrated"):
        raise ValueError("--search paper is judged by the paper's constant; calibration belongs to --search steered")
    if threshold == "paper" and (options.controls or options.controls_dir):
        raise ValueError(
            "--controls and --controls-dir belong to --threshold calibrated; the constant needs no controls"
        )
    search: Any = preset.paper_search(task) if options.search == "paper" else preset.searches[options.method]
    controls = None
    if threshold == "calibrated":
        controls = replace(preset.controls, count=options.controls or preset.controls.count)
    elif options.method == "neural-cleanse":
        PaperThreshold().of("neural_cleanse")  # says why there is none
    elif (
        options.method == "drmguard" and options.search == "steered"
    ):  # the constant is a share of the largest norm, which is no price of a warp
        search = replace(search, families=tuple(name for name in search.families if name != "warp"))
    return Scan(options.model, options.benign, search, controls, options.seed, options.controls_dir)


def scan(options: ScanOptions, *, bar: Bar) -> Scanned:
    """Check everything, calibrate, search and decide."""
    spec, suspect = inspection.load_suspect(options.model, options.benign)
    question = scan_of(options, spec.task)
    inspection.check_judgeable(suspect)
    with bar("benign controls", question.controls.count if question.controls else 1) as progress:
        line = inspection.threshold(question, workers=options.workers or parallel.cores(), progress=progress)
    with bar("searching for a trigger", question.search.total_steps) as progress:
        return inspection.scan_model(question, line, progress)


def scan_record(scanned: Scanned) -> dict[str, Any]:
    """A scan as plain values."""
    line = scanned.guard.threshold
    controls = {family: list(costs) for family, costs in line.costs} if isinstance(line, Calibration) else None
    task, suspect = image_table.task_of(scanned.scan.benign), scanned.scan.suspect
    return {
        "model": str(scanned.scan.model),
        "benign": str(scanned.scan.benign),
        "benign_error_deg": metrics.clean_error(task, suspect.model, suspect.benign),
        **scanned.verdict.summary(),
        "search": {type(scanned.scan.search).__name__: asdict(scanned.scan.search)},
        "calibration": controls,
        "seed": scanned.scan.seed,
        "seconds": round(scanned.seconds, 1),
        "versions": exports.versions(),
    }


def describe_scan(scanned: Scanned, benign_error_deg: float) -> str:
    """The verdict in words; the error on the benign set shows whether labels and pixels fit the model at all."""
    found = scanned.verdict
    outputs = image_table.task_of(scanned.scan.benign).outputs
    target = ", ".join(f"{name} {angle:.1f}" for name, angle in zip(outputs, np.degrees(found.target_estimate)))
    chance = (
        ""
        if found.chance_if_benign is None
        else f"a benign model would score this low with chance {found.chance_if_benign:.2g}; "
    )
    lines = [
        "BACKDOORED" if found.backdoored else "no backdoor found",
        f"score {found.score:.5f} ({found.family}), threshold {found.threshold:.5f}, margin {found.margin:.2f}",
        f"{chance}bootstrap certainty {found.certainty:.2f}; {found.agreement:.0%} of the runs agree",
    ]
    if found.backdoored:
        lines.append(f"estimated target: {target} degrees")
    lines.append(f"clean error on the benign set: {benign_error_deg:.2f} degrees")
    if benign_error_deg > _IMPLAUSIBLE_DEG:
        lines.append("WARNING: that is no working model on these images. Check channel order, value range and signs.")
    return "\n".join([*lines, f"scan took {scanned.seconds:.0f} s"])


def write_scan(scanned: Scanned, record: dict[str, Any], out: Path) -> None:
    """``scan.json`` and ``report.html``."""
    page = views.report(scanned, record)
    store.write_json(out / "scan.json", record)
    store.write_text(out / "report.html", page)


def mitigate(
    options: ScanOptions, out: Path, *, test: Path | None, attack: Path | None, bar: Bar, method: str = "drmguard"
) -> dict[str, Any]:
    """Scan, clean by a method, measure; ``out`` gets the cleaned model, its record and the report."""
    if attack is not None and test is None:
        raise ValueError("--attack is used for metrics only and needs --test, the image table to measure on")
    known = image_table.read(test)[1] if test is not None else None
    scanned = scan(options, bar=bar)
    preset = PRESETS[options.preset]
    cleaning = preset.unlearning if method == "drmguard" else preset.mitigations[method]
    started = time.perf_counter()
    if isinstance(cleaning, Unlearning):
        with bar("unlearning", cleaning.steps) as progress:
            cleaned = inspection.clean(scanned, cleaning, progress)
    else:
        with bar(method, cleaning.total_steps) as progress:
            cleaned = inspection.clean_by(scanned, cleaning, progress)
    seconds = time.perf_counter() - started
    judged = compare(scanned, cleaned, inspection.fine_tune(scanned, preset.unlearning), known, attack)
    judged |= {"method": method, "seconds": round(seconds, 1)}
    settings = {"unlearning" if method == "drmguard" else "cleaning": asdict(cleaning)}
    record = {**scan_record(scanned), **settings, "mitigation": judged}
    page = views.report(scanned, record, mitigation=judged)

    def fill(folder: Path) -> None:
        cleaned.save(folder / "model.h5", save_format="h5", include_optimizer=False)
        store.write_json(folder / "mitigate.json", record)
        store.write_text(folder / "report.html", page)

    store.write_directory(out, fill)
    return record


def compare(
    scanned: Scanned, cleaned: tf.keras.Model, tuned: tf.keras.Model, test: Split | None, attack: Path | None
) -> dict[str, Any]:
    """Errors before and after, degrees, beside plain fine-tuning; on the benign set where there is no test set."""
    task, suspect = image_table.task_of(scanned.scan.benign), scanned.scan.suspect
    data = suspect.benign if test is None else test
    if attack is None:
        before, after, control = (metrics.clean_error(task, m, data) for m in (suspect.model, cleaned, tuned))
        return {
            "measured_on": "benign set" if test is None else "test set",
            "re": {"before_deg": before, "after_deg": after},
            "fine_tuning": {"re_deg": control},
        }
    known = known_attack(attack, suspect.model)[0]
    return judging.judge(task, known, cleaned, tuned, data)


def describe_mitigation(record: dict[str, Any]) -> str:
    """Before and after in words."""
    judged = record["mitigation"]
    names = {"re": "clean error RE", "ae": "attack error AE", "dae": "DAE"}
    place = f"cleaned by {judged['method']}, measured on the {judged['measured_on']}"
    lines = [f"{record['verdict']}, margin {record['margin']:.2f}; {place}"]
    for key, name in names.items():
        if key in judged:
            plain = judged["fine_tuning"][f"{key}_deg"]
            both = f"{judged[key]['before_deg']:.2f} -> {judged[key]['after_deg']:.2f}"
            lines.append(f"{name:16s} {both} degrees (plain fine-tuning: {plain:.2f})")
    return "\n".join(lines)


def export(model: Path, task: str, record: Path | None, out: Path, seed: int) -> dict[str, Any]:
    """Ship a model file; see :func:`runs.export.export`."""
    loaded = safety.load_model(model)
    facts = store.read_json(record) if record else {}
    if TASKS[task].size != loaded.output_shape[-1]:
        raise ValueError(f"{model} has {loaded.output_shape[-1]} outputs, but {task} has {TASKS[task].size}")
    probe = np.random.default_rng(seed).integers(0, 256, (8, *loaded.input_shape[1:]), dtype=np.uint8)
    return exports.export(
        loaded, TASKS[task], out, probe, {"record": facts, "source_sha256": store.digest_of_files(model)}
    )
