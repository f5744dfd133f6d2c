"""Identification: a search for triggers and a line to judge what it finds by."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from data_prep.journal import NO_JOURNAL, Journal
from data_prep.threat import Suspect
from drmguard_tf.reference import Reference, examine
from drmguard_tf.reversal import Search
from drmguard_tf.verdict import Threshold, Verdict, decide


@dataclass(frozen=True)
class Detection:
    """A defence that identifies. Its fields are its configuration.

    Attributes:
        search: how triggers are looked for: DRMGuard's, or that of :mod:`drmguard_tf.baselines`.
        threshold: a constant, or a calibration on benign controls made with the same search.
    """

    search: Search
    threshold: Threshold

    def detect(
        self,
        suspect: Suspect,
        *,
        seed: int,
        witnesses: Sequence[tf.keras.Model] = (),
        progress: Callable[[int], None] = lambda step: None,
        journals: Callable[[str], Journal] = lambda name: NO_JOURNAL,
        **extra: Any,
    ) -> Verdict:
        """Search for a trigger and decide.

        Args:
            suspect: model and benign set; the model's weights are left alone.
            seed: of the search.
            witnesses: the benign controls of the calibration; the steered search shows them what it found. For
                regression.
            progress: called with the number of search steps done, of ``search.total_steps``.
            journals: gives each run, by its name, the journal where it goes on after an interruption.
            extra: what only this search takes.

        Raises:
            ValueError: if the model cannot be judged, see :func:`drmguard_tf.reference.examine`.
        """
        reference = self.examine(suspect)._replace(witnesses=tuple(witnesses))
        return self.judge(reference, seed=seed, progress=progress, journals=journals, **extra)

    def judge(
        self,
        reference: Reference,
        *,
        seed: int,
        progress: Callable[[int], None] = lambda step: None,
        journals: Callable[[str], Journal] = lambda name: NO_JOURNAL,
        **extra: Any,
    ) -> Verdict:
        """As :meth:`detect`, for those who need the constants of the suspect afterwards too.

        Args:
            reference: of :meth:`examine`, with witnesses where there are some.
            seed, progress, journals, extra: as there.
        """
        runs = self.search.run(reference, seed=seed, progress=progress, journals=journals, **extra)
        return decide(runs, self.threshold, seed=seed)

    def examine(self, suspect: Suspect) -> Reference:
        """The constants of a suspect; a subclass reads other kinds of model."""
        return examine(suspect)
