"""Erasing a backdoor with benign images, by one of DHBE's rivals: ``erase --method`` fine-tuning and the others."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Optional

import numpy as np

from data_prep.splits import random_share
from data_prep.threat import ClassSuspect
from dhbe_tf import logits
from dhbe_tf.baselines.neural_cleanse import NeuralCleanse
from dhbe_tf.baselines.rival import Rival, check
from runs import erasing
from runs import export as exports
from runs import safety, store
from runs.bars import Bar
from runs.checkpoints import beside
from runs.measuring import measure_of
from runs.report.erasing import ErasingPage, Pictures
from runs.spent import metered
from runs.trigger_finding import benign_of

_LEDES = {
    "fine-tuning": "The model went on learning from benign images. What these never touch is not unlearned.",
    "fine-pruning": "Features that benign images leave asleep were switched off, then the model went on learning.",
    "nad": "A copy was fine-tuned on benign images, and the model learned to look where that copy looks.",
    "mcr": "A curve through weight space was trained on benign images; this is the model in its middle.",
    "neural-cleanse": "The smallest trigger of every class was searched for; suspiciously small ones were unlearned.",
}
_LIMITS = "How much a clean-up leaves of a backdoor is not known without its trigger; measure what accuracy was kept."
_SHOWN = 8


@dataclass(frozen=True)
class CleanOptions:
    """What the command is told.

    Attributes:
        model: the file; it takes images in [0, 1].
        method: name of the rival.
        benign: table of classes with the defender's images, or "digits" for the defender's part of those.
        share: of these images that is used, drawn by ``seed``.
        target: for Neural Cleanse, the only class to look at; None takes all.
        test, attack: data to measure on and the train.json of a known attack, for experiments; the method itself looks
            at neither.
        seed: of everything random.
        tensorboard: folder for curves.
    """

    model: Path
    method: str
    benign: str
    share: float
    target: Optional[int]
    test: Optional[str]
    attack: Optional[Path]
    seed: int
    tensorboard: Optional[Path] = None


def clean(options: CleanOptions, rival: Rival, out: Path, *, bar: Bar, say: Callable[[str], None]) -> dict[str, Any]:
    """Everything; ``out`` gets the cleaned model, its export with a card, ``erase.json`` and ``report.html``.

    A run that was interrupted goes on where it was, if it is called again with the same settings.

    Raises:
        UnsafeModel, UnreadableModel, ValueError, FileNotFoundError: before any work, if something does not fit.
    """
    model = safety.load_model(options.model)
    suspect = ClassSuspect(model, random_share(benign_of(options.benign), options.share, seed=options.seed))
    check(suspect)
    if options.target is not None:
        logits.check_class(model, options.target)
    measure = measure_of(options.test, options.attack, model, 1.0)
    started, source = time.perf_counter(), store.digest_of_files(options.model)
    benign = store.digest_of_arrays(suspect.benign.images, suspect.benign.labels)
    asked = (source, benign, rival, options.seed, options.target)
    journals = beside(out, asked, curves=options.tensorboard, say=say)
    total, work = rival.total(suspect), partial(rival.mitigate, suspect, seed=options.seed)
    if isinstance(rival, NeuralCleanse):
        total, work = rival.total(suspect, options.target), partial(work, target=options.target)
    with bar(options.method, total) as progress:
        cleaned, spent = metered(lambda: work(progress=progress, journals=journals), journals.clock)
    record: dict[str, Any] = {
        "method": options.method,
        "model": str(options.model),
        "source_sha256": source,
        "benign": {"from": options.benign, "images": len(suspect.benign), "share": options.share},
        "class": options.target,
        "erasing": asdict(rival),
        "seed": options.seed,
        "metrics": measure and {"before": measure(model), "after": measure(cleaned)},
        "seconds_erasing": spent["seconds"],
        "peak_mib": spent["peak_mib"],
        "seconds": round(time.perf_counter() - started, 1),
        "versions": exports.versions(),
    }
    erasing.write(out, cleaned, _page(suspect, record), record, {}, white=1.0, limits=_LIMITS)
    journals.finish()
    return record


def _page(suspect: ClassSuspect, record: dict[str, Any]) -> ErasingPage:
    images = suspect.benign.images
    first = np.unique(suspect.benign.labels, return_index=True)[1][:_SHOWN]
    names = ("method", "benign", "class", "erasing", "seed", "seconds_erasing", "peak_mib", "versions")
    return ErasingPage(
        title=f"Erasing of {Path(record['model']).name}",
        lede=_LEDES[record["method"]],
        rows=erasing.rows(record["metrics"]),
        shown=[Pictures("Of the benign images, the first of each class.", images[first])],
        curves={},
        settings={name.replace("_", " "): record[name] for name in names},
    )


def describe(record: dict[str, Any]) -> str:
    """The result in words."""
    lines = [f"{record['method']} on {record['benign']['images']} benign images"]
    lines += [f"{row.name}: {row.before} -> {row.after}" for row in erasing.rows(record["metrics"])]
    if record["metrics"] is None:
        lines.append("not measured: give --test to see the accuracy, and --attack to see the attack's success")
    took, peak = record["seconds_erasing"], record["peak_mib"]
    return "\n".join([*lines, f"took {took:.0f} s, peak memory {peak:.0f} MiB"])
