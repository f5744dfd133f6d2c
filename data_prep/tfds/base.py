"""What all builders share: features with units, official parts as splits, examples from entries."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Optional

import numpy as np
import tensorflow_datasets as tfds
from absl import logging

from data_prep.contract import Task
from data_prep.raw import BrokenSample, Entry, Problem, RawData

Example = tuple[str, dict[str, Any]]


@dataclasses.dataclass
class RawConfig(tfds.core.BuilderConfig):
    """A way to prepare a data set.

    Attributes:
        data: the data set and its settings.
        shape: (H, W) of the images.
        classes: number of classes, for data sets that have a fixed number of them.
        beam: make the examples in Apache Beam.
    """

    data: Optional[RawData] = None
    shape: tuple[int, int] = (0, 0)
    classes: Optional[int] = None
    beam: bool = False


def configs(*plain: RawConfig) -> list[RawConfig]:
    """The given configs, each followed by its like for Apache Beam."""
    both = []
    for config in plain:
        changed: dict[str, Any] = {"name": f"{config.name}_beam", "beam": True}
        both += [config, dataclasses.replace(config, **changed)]
    return both


class RawBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):  # type: ignore[call-arg]  # has no types
    """A builder whose config names a :class:`data_prep.raw.RawData`.

    Features: ``image`` uint8 (H, W, 3) RGB; ``target`` float32 (K,) in radians, or ``label`` and ``class_name``;
    ``subject``, the number of the person, -1 where nobody is shown; ``source``, the original file.

    Damaged samples are logged as warnings and left out; ``drmguard prepare --strict`` stops at them.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES: ClassVar[dict[str, str]] = {"1.0.0": "First release."}

    def _info(self) -> tfds.core.DatasetInfo:
        config = self.builder_config
        height, width = config.shape
        target = (
            {"target": _target(config.data.task)}
            if config.data.task
            else {"label": _label(config.classes), "class_name": tfds.features.Text(doc="Name of the class.")}
        )
        return tfds.core.DatasetInfo(
            builder=self,
            description=f"{config.data.source}. {config.data!r}",
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(height, width, 3), doc="RGB, uint8 in [0, 255]."),
                    **target,
                    "subject": tfds.features.Scalar(np.int64, doc="Number of the person shown; -1: nobody is."),
                    "source": tfds.features.Text(doc="Original file, below the raw folder."),
                }
            ),
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Any]:
        folder = Path(dl_manager.manual_dir) if self.MANUAL_DOWNLOAD_INSTRUCTIONS else Path()
        listing = self.builder_config.data.entries(folder)
        for problem in listing.problems:
            _warn(problem)
        parts: dict[str, list[Entry]] = {}
        for entry in listing.entries:
            parts.setdefault(entry.part or "train", []).append(entry)
        return {part: self._generate_examples(folder, entries, listing.classes) for part, entries in parts.items()}

    def _generate_examples(self, folder: Path, entries: Sequence[Entry], classes: tuple[str, ...]) -> Any:
        make = partial(example, self.builder_config.data, folder, classes)
        if not self.builder_config.beam:
            return (made for entry in entries for made in make(entry))
        beam = tfds.core.lazy_imports.apache_beam
        return beam.Create(list(entries)) | beam.FlatMap(make)


def example(data: RawData, folder: Path, classes: tuple[str, ...], entry: Entry) -> Iterator[Example]:
    """The example of an entry with its key; none if it is damaged."""
    try:
        sample = data.sample(folder, entry)
    except BrokenSample as error:
        _warn(Problem(entry.source, str(error)))
        return
    target: dict[str, Any] = {"target": sample.target}
    if classes:
        label = int(sample.target[0])
        target = {"label": label, "class_name": classes[label]}
    yield entry.source, {"image": sample.image, **target, "subject": entry.subject, "source": entry.source}


def _warn(problem: Problem) -> None:
    logging.warning("left out: %s: %s", problem.source, problem.text)


def _target(task: Task) -> tfds.features.Tensor:
    doc = tfds.features.Documentation(desc=f"[{', '.join(task.outputs)}] in radians.", value_range="[-pi, pi]")
    return tfds.features.Tensor(shape=(task.size,), dtype=np.float32, doc=doc)


def _label(classes: Optional[int]) -> Any:
    doc = "Number of the class, from 0."
    return (
        tfds.features.ClassLabel(num_classes=classes, doc=doc) if classes else tfds.features.Scalar(np.int64, doc=doc)
    )
