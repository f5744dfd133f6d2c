"""Erasing a backdoor from a model file, without any data: load it safely, run DHBE, measure, write."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Optional

import numpy as np
import tensorflow as tf

from data_prep.contract import as_bytes
from dhbe_tf import logits
from dhbe_tf.dhbe import DHBE, Erasure, Losses
from dhbe_tf.domain import Domain, declared, read
from runs import export as exports
from runs import safety, store
from runs.bars import Bar
from runs.checkpoints import beside
from runs.measuring import measure_of
from runs.report.erasing import ErasingPage, Pictures, Row, render

_LEDE = (
    "DHBE copies a suspect model into a clean one without any data. One generator makes samples on which the two "
    "differ, and the copy follows the suspect there. Another makes small triggers, and the copy learns to ignore them."
)
_LIMITS = "Erased without data. Without test data nobody knows what accuracy was kept; measure it."
_CURVES = (
    "Student and teacher differ by, on generated samples",
    "The student's outputs move by, under generated triggers",
    "What the sample generator reaches",
    "What the trigger generator reaches",
)
_SHOWN = 8
_LOST = 0.8  # deviation


@dataclass(frozen=True)
class EraseOptions:
    """Options of ``drmguard erase``.

    Attributes:
        model: the file.
        white: value of a white pixel in the model's inputs; None reads it from the model.
        mean, std: of the training images in units of white, one number or one per channel; None reads them.
        test, attack: data to measure on and the train.json of a known attack (:mod:`runs.measuring`), for experiments;
            the erasing itself looks at neither.
        erasing: options of DHBE.
        seed: of all noise.
        tensorboard: folder for curves.
    """

    model: Path
    white: Optional[float]
    mean: Optional[tuple[float, ...]]
    std: Optional[tuple[float, ...]]
    test: Optional[str]
    attack: Optional[Path]
    erasing: DHBE
    seed: int
    tensorboard: Optional[Path] = None


def domain_of(options: EraseOptions, model: tf.keras.Model) -> Domain:
    """What the model takes, as declared or as it says itself.

    Raises:
        ValueError: if only one of mean and std is declared, or they do not fit, or the model does not say.
    """
    if (options.mean is None) != (options.std is None):
        raise ValueError("--mean and --std belong together: declare both, or neither to read them from the model")
    if options.mean is None or options.std is None:
        return read(model, white=options.white)
    channels = model.input_shape[-1]
    mean, std = (values * channels if len(values) == 1 else values for values in (options.mean, options.std))
    if len(mean) != channels or len(std) != channels:
        raise ValueError(f"--mean and --std need 1 or {channels} numbers for a model of {channels} channels")
    return declared(mean, std, white=options.white or 1.0)


def erase(options: EraseOptions, out: Path, *, bar: Bar, say: Callable[[str], None]) -> dict[str, Any]:
    """Everything; ``out`` gets the cleaned model, its export with a card, ``erase.json`` and ``report.html``.

    A run that was interrupted goes on where it was, if it is called again with the same settings.

    Raises:
        UnsafeModel, UnreadableModel, ValueError, FileNotFoundError: before any work, if something does not fit.
    """
    suspect = safety.load_model(options.model)
    logits.check(suspect)
    domain = domain_of(options, suspect)
    measure = measure_of(options.test, options.attack, suspect, domain.white)
    started, source = time.perf_counter(), store.digest_of_files(options.model)
    erasure = Erasure(options.erasing, model=suspect, domain=domain, seed=options.seed)
    journals = beside(out, (source, domain, options.erasing, options.seed), curves=options.tensorboard, say=say)
    with bar("erasing", options.erasing.total) as progress:
        history = erasure.run(progress, journals("erasing"))
    cleaned = erasure.cleaned(suspect)
    record: dict[str, Any] = {
        "model": str(options.model),
        "source_sha256": source,
        "domain": asdict(domain),
        "outputs_compared": "before the softmax" if logits.ends_in_softmax(suspect) else "as they are",
        "erasing": asdict(options.erasing),
        "seed": options.seed,
        "drawn_by_class": erasure.drawn_by_class,
        "deviation": erasure.deviation(),
        "last_losses": dict(zip(Losses._fields, history[-1].tolist())),
        "metrics": measure and {"before": measure(suspect), "after": measure(cleaned)},
        "seconds": round(time.perf_counter() - started, 1),
        "versions": exports.versions(),
    }
    kept = {name: history[:, k] for k, name in enumerate(Losses._fields)}
    write(out, cleaned, _page(erasure, history, record), record, kept, white=domain.white, limits=_LIMITS)
    journals.finish()
    return record


def _page(erasure: Erasure, history: np.ndarray, record: dict[str, Any]) -> ErasingPage:
    samples, patches = erasure.made(min(_SHOWN, erasure.options.batch))
    names = ("domain", "outputs_compared", "erasing", "seed", "seconds", "versions")
    return ErasingPage(
        title=f"Erasing of {Path(record['model']).name}",
        lede=_LEDE,
        rows=rows(record["metrics"]),
        shown=(
            Pictures("Generated samples. They need not look like anything.", as_bytes(samples)),
            Pictures("Generated triggers, added to samples; mid-grey changes nothing.", as_bytes((patches + 1) / 2)),
        ),
        curves={name: history[:, column] for column, name in enumerate(_CURVES)},
        settings={name.replace("_", " "): record[name] for name in names},
    )


def write(
    out: Path,
    cleaned: tf.keras.Model,
    page: ErasingPage,
    record: dict[str, Any],
    history: Mapping[str, np.ndarray],
    *,
    white: float,
    limits: str,
) -> None:
    """The whole result folder.

    Args:
        out: the folder.
        cleaned: the model.
        page: the report.
        record: goes into ``erase.json`` and onto the model card.
        history: goes into ``history.npz``, if there is any.
        white: value of a white pixel in the model's inputs.
        limits: what the card says of them.
    """
    probe = np.random.default_rng(record["seed"]).integers(0, 256, (8, *cleaned.input_shape[1:]), dtype=np.uint8)

    def fill(folder: Path) -> None:
        cleaned.save(folder / "model.h5", save_format="h5", include_optimizer=False)
        card = card_of(cleaned, record, white, limits)
        record["export"] = exports.ship(cleaned, folder / "export", probe, output="answers", card=card, white=white)
        record["export"]["path"] = "export/saved_model"
        if history:
            store.write_arrays(folder / "history.npz", **history)
        store.write_json(folder / "erase.json", record)
        store.write_text(folder / "report.html", render(page))

    store.write_directory(out, fill)


def rows(metrics: dict[str, Any] | None) -> list[Row]:
    """Metrics as rows of the report's table."""
    if metrics is None:
        return []
    before, after = metrics["before"], metrics["after"]
    counted = before.get("counted")
    shares = {
        "acc": f"accuracy on {before['images']} clean images (ACC)",
        "asr": f"attack success (ASR), over {counted} images of other classes that the suspect gets right",
        "asr_own": "the same over images that the model itself gets right, as the authors' code counts",
        "asr_x4": "ASR with the trigger in four corners",
        "asr_x9": "ASR with the trigger in nine places",
    }
    errors = {
        "re_deg": f"error on {before['images']} clean images (RE)",
        "ae_deg": "error to the attacker's target on triggered images (AE, large is good)",
        "dae_deg": "error to the truth on triggered images (DAE)",
    }
    found = [Row(text, _percent(before[key]), _percent(after[key])) for key, text in shares.items() if key in before]
    angles = [Row(text, f"{before[k]:.2f}°", f"{after[k]:.2f}°") for k, text in errors.items() if k in before]
    return found + angles


def card_of(
    model: tf.keras.Model, record: dict[str, Any], white: float, limits: str
) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Makes the model card of a cleaned model."""
    height, width, channels = model.input_shape[1:]

    def card(result: dict[str, Any]) -> dict[str, Any]:
        kept = {name: value for name, value in record.items() if name not in ("model", "export")}
        return {
            "task": "classification" if logits.ends_in_softmax(model) else "classification (logits) or regression",
            "input": {
                "serving_default": f"uint8 (B, {height}, {width}, {channels}), 0 to 255, argument 'images'",
                "keras model": f"float32 (B, {height}, {width}, {channels}), 0 to {white:g}",
                "white": white,
            },
            "output": {"name": "answers", "shape": f"(B, {model.output_shape[-1]})"},
            "saved_model_sha256": result["sha256"],
            "max_abs_difference": result["max_abs_difference"],
            "limits": limits,
            **kept,
        }

    return card


def _rare(record: dict[str, Any]) -> list[str]:
    """A warning, if drawn pictures of some classes are few: what the suspect knows of these is copied less well."""
    counts = record["drawn_by_class"]
    if counts is None or len(counts) < 2:
        return []
    few = [f"{count} of class {label}" for label, count in enumerate(counts) if count < max(counts) / 4]
    return [f"of {sum(counts)} drawn pictures only {', '.join(few)}: these classes are copied less well"] if few else []


def describe(record: dict[str, Any]) -> str:
    """The result in words."""
    lines = [f"inputs: white is {record['domain']['white']:g}, mean and std {record['domain']['source']}"]
    lines += _rare(record)
    lines.append(f"deviation from the suspect on drawn pictures: {record['deviation']:.2f} (1: it ignores its input)")
    if record["deviation"] > _LOST:
        lines.append("the student lost what the suspect knew; lower --weight, or take another --seed")
    lines += [f"{row.name}: {row.before} -> {row.after}" for row in rows(record["metrics"])]
    if record["metrics"] is None:
        lines.append("not measured: give --test to see the accuracy, and --attack to see the attack's success")
    return "\n".join([*lines, f"took {record['seconds']:.0f} s"])


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
