"""Benign controls: networks of a suspect's architecture that the defender trains on the benign set and keeps beside it,
to see what benign models cost.

What they learn, and how they are examined, differs between regression and classes; what is done with them is here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

import tensorflow as tf

from data_prep.journal import NO_JOURNAL, Journal
from drmguard_tf.calibrate import Calibration, Control
from drmguard_tf.lanes import Progress
from drmguard_tf.reference import Reference
from drmguard_tf.reversal import Search
from runs import checkpoints, parallel, results, safety, store
from runs.checkpoints import Journals


@dataclass(frozen=True)
class KeptControl(ABC):
    """One control.

    Attributes:
        suspect: model file whose architecture it copies; scanned before it is opened.
        benign: folder of the benign set.
        folder: where it is kept.
        seed: of its training and its search.
        search: what will judge the suspect; None searches nothing.
    """

    suspect: Path
    benign: Path
    folder: Path
    seed: int
    search: Optional[Search]

    @abstractmethod
    def learn(self, journal: Journal) -> tf.keras.Model:
        """A network that knows nothing but the benign set."""

    @abstractmethod
    def examine(self, model: tf.keras.Model) -> Reference:
        """What the search must know of the learned network."""

    @property
    @abstractmethod
    def made_by(self) -> dict[str, Any]:
        """What its costs depend on, beside search and seed: for its record."""

    @property
    def judged_by(self) -> Any:
        """What its costs depend on, beside its folder and seed: another one is searched anew."""
        return self.search

    @property
    def path(self) -> Path:
        """Where the trained network is kept."""
        return self.folder / f"control-{self.seed}.h5"

    def model(self, journal: Journal = NO_JOURNAL) -> tf.keras.Model:
        """The trained network; learns unless that was done before."""
        if self.path.is_file():
            return safety.load_model(self.path)
        model = self.learn(journal)
        store.write_file(self.path, lambda temporary: model.save(temporary, save_format="h5", include_optimizer=False))
        return model


def train_control(kept: KeptControl, journal: Journal = NO_JOURNAL) -> str:
    """Train a control unless that was done before. Returns the hash of its file."""
    kept.model(journal)
    return store.digest_of_files(kept.path)


def search_control(kept: KeptControl, journal: Callable[[str], Journal] = lambda name: NO_JOURNAL) -> Control:
    """What one control costs; trained and searched unless that was done before."""
    known = _known(kept)
    if known is not None:
        return known
    assert kept.search is not None
    reference = kept.examine(kept.model(journal("training")))
    control = Control.of(kept.search.run(reference, seed=kept.seed, journals=journal))
    store.write_json(_found(kept), {**control._asdict(), "search": kept.search, "seed": kept.seed, **kept.made_by})
    return control


def calibrate(jobs: Sequence[KeptControl], *, workers: int, progress: Progress) -> Calibration:
    """Thresholds from all controls; what exists already is used, and what was interrupted goes on.

    Args:
        jobs: two or more.
        workers: processes.
        progress: called with the number of controls trained and searched, twice as many as there are at the end.
    """
    for trained, _ in enumerate(parallel.spread(_train, jobs, workers=workers), 1):
        progress(trained)
    found = []
    for control in parallel.spread(_search, jobs, workers=workers):
        found.append(control)
        progress(len(jobs) + len(found))
    return Calibration.of_controls(found)


def _train(kept: KeptControl) -> None:
    if not kept.path.is_file():
        with _alone(kept, "training") as journals:
            train_control(kept, journals("training"))


def _search(kept: KeptControl) -> Control:
    known = _known(kept)
    if known is not None:
        return known
    with _alone(kept, store.digest(kept.judged_by)) as journals:
        return search_control(kept, journals)


@contextmanager
def _alone(kept: KeptControl, what: str) -> Iterator[Journals]:
    """Where a killed command goes on, beside the control; one command at a time, the others find what it has made."""
    with results.locked(kept.folder, f"control-{kept.seed}"):
        journals = Journals(kept.folder / f".control-{kept.seed}.unfinished-{what}", seconds=checkpoints.SECONDS)
        yield journals
        journals.finish()


def _known(kept: KeptControl) -> Optional[Control]:
    """What the control costs, if it was searched before; records of earlier versions tell less and do not count."""
    found = _found(kept)
    told = store.read_json(found) if found.is_file() else {}
    return Control(**{name: told[name] for name in Control._fields}) if told.keys() >= set(Control._fields) else None


def _found(kept: KeptControl) -> Path:
    return kept.folder / f"control-{kept.seed}-{store.digest(kept.judged_by)}.json"


def architecture(model: tf.keras.Model) -> str:
    """The layers and their settings, without names."""
    layers = [
        (type(layer).__name__, {k: v for k, v in layer.get_config().items() if k != "name"}) for layer in model.layers
    ]
    return repr(layers)
