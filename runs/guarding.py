"""``drmguard scan`` and ``drmguard mitigate``: options in, plain records out, files written whole at the end."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Optional

import numpy as np
import tensorflow as tf

from data_prep import image_table
from data_prep.contract import Split, Task
from data_prep.cores import cores
from data_prep.journal import NO_JOURNAL
from data_prep.threat import Suspect
from drmguard_tf import metrics
from drmguard_tf.calibrate import Calibration, PaperThreshold
from drmguard_tf.lanes import lanes
from drmguard_tf.paper import PaperSearch
from drmguard_tf.unlearning import Unlearning
from runs import export as exports
from runs import inspection, judging, parallel, store, views
from runs.bars import Bar
from runs.checkpoints import beside
from runs.evaluating import known_attack
from runs.inspection import Scan, Scanned
from runs.presets import PRESETS
from runs.report import words

_IMPLAUSIBLE_DEG = 20.0  # what guessing straight ahead gets on gaze and head-pose sets


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


def scan(options: ScanOptions, *, bar: Bar, say: Callable[[str], None], out: Path | None = None) -> Scanned:
    """Check everything, calibrate, search and decide.

    Args:
        options: the question.
        bar: shows how far it is.
        say: called with lines.
        out: where the result will be written; beside it an interrupted search leaves what it has reached, and goes on
            when it is asked the same again.
    """
    if options.method == "drmguard" and options.search == "steered":  # the other searches go one run after the other
        steered = PRESETS[options.preset].search
        parallel.threads_for(min(lanes(), len(steered.families) * steered.restarts))
    spec, suspect = inspection.load_suspect(options.model, options.benign)
    question = scan_of(options, spec.task)
    inspection.check_judgeable(suspect)
    with bar("benign controls", 2 * question.controls.count if question.controls else 1) as progress:
        line = inspection.threshold(question, workers=options.workers or cores(), progress=progress)
    unfinished = None if out is None else beside(out, _asked(question, suspect), say=say)
    journals = unfinished or (lambda name: NO_JOURNAL)
    if isinstance(question.search, PaperSearch):
        with bar("learning the identity", question.search.pretraining) as progress:
            inspection.pretrained(question, progress, journals)
    with bar("searching for a trigger", question.search.total_steps) as progress:
        scanned = inspection.scan_model(question, line, progress, journals)
    if unfinished:
        unfinished.finish()
    return scanned


def _asked(question: Scan, suspect: Suspect) -> tuple[Any, ...]:
    """All that the search depends on."""
    images = store.digest_of_arrays(suspect.benign.images, suspect.benign.targets)
    return store.digest_of_files(question.model), images, question.search, question.seed


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
        "control_channel_shares": list(line.channel_shares) if isinstance(line, Calibration) else None,
        "control_transfers": (
            {family: list(told) for family, told in line.transfers} if isinstance(line, Calibration) else None
        ),
        "seed": scanned.scan.seed,
        "seconds": round(scanned.seconds, 1),
        "versions": exports.versions(),
    }


def describe_scan(scanned: Scanned, benign_error_deg: float) -> str:
    """The verdict in words; the error on the benign set shows whether labels and pixels fit the model at all."""
    found = scanned.verdict
    outputs = image_table.task_of(scanned.scan.benign).outputs
    target = ", ".join(f"{name} {angle:.1f}" for name, angle in zip(outputs, np.degrees(found.target_estimate)))
    told = found.summary()
    lines = words.decision(told)
    lines[-1] += f"; {found.agreement:.0%} of the runs agree"
    if found.backdoored:
        lines.append(f"estimated target: {target} degrees")
    lines += [said for said in (words.inside(told), words.its_own(told)) if said is not None]
    lines.append(f"clean error on the benign set: {benign_error_deg:.2f} degrees")
    doubt = words.few_people(found.summary(), scanned.scan.suspect.benign.people)
    if doubt is not None:
        lines.append(f"WARNING: {doubt}")
    if benign_error_deg > _IMPLAUSIBLE_DEG:
        lines.append("WARNING: that is no working model on these images. Check channel order, value range and signs.")
    return "\n".join([*lines, f"scan took {scanned.seconds:.0f} s"])


def write_scan(scanned: Scanned, record: dict[str, Any], out: Path) -> None:
    """``scan.json`` and ``report.html``."""
    page = views.report(scanned, record)
    store.write_json(out / "scan.json", record)
    store.write_text(out / "report.html", page)


def mitigate(
    options: ScanOptions,
    out: Path,
    *,
    test: Path | None,
    attack: Path | None,
    bar: Bar,
    say: Callable[[str], None],
    method: str = "drmguard",
) -> dict[str, Any]:
    """Scan, clean by a method, measure; ``out`` gets the cleaned model, its record and the report."""
    if attack is not None and test is None:
        raise ValueError("--attack is used for metrics only and needs --test, the image table to measure on")
    known = image_table.read(test)[1] if test is not None else None
    scanned = scan(options, bar=bar, say=say, out=out)
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
