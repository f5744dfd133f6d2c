"""DRMGuard: detect a backdoor in a deep regression model, and remove it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import tensorflow as tf

from data_prep.threat import Suspect
from drmguard_tf.calibrate import PaperThreshold
from drmguard_tf.detection import Detection
from drmguard_tf.families import ReversedTrigger
from drmguard_tf.paper import PaperSearch
from drmguard_tf.reference import examine
from drmguard_tf.reversal import Search
from drmguard_tf.unlearning import Unlearning
from drmguard_tf.verdict import Threshold, Verdict


@dataclass(frozen=True)
class DRMGuard(Detection):
    """The defence. Its fields are its configuration; the default is the paper's.

    Attributes:
        search: the printed search or the steered one.
        threshold: the paper's constant, or a calibration on benign controls made with the same search.
        unlearning: how a found backdoor is removed.
    """

    search: Search = field(default_factory=PaperSearch)
    threshold: Threshold = field(default_factory=PaperThreshold)
    unlearning: Unlearning = field(default_factory=Unlearning)

    def detect(self, suspect: Suspect, *, generator: tf.keras.Model | None = None, **options: Any) -> Verdict:
        """As :meth:`Detection.detect`.

        Args:
            suspect: model and benign set; the model's weights are left alone.
            generator: for the printed search, a generator that :meth:`PaperSearch.pretrain` made from the same benign
                images; pre-trained here when None.
            options: the others of :meth:`Detection.detect`.
        """
        extra: dict[str, Any] = {"generator": generator} if isinstance(self.search, PaperSearch) else {}
        return super().detect(suspect, **options, **extra)

    def mitigate(
        self,
        suspect: Suspect,
        verdict: Verdict,
        *,
        seed: int,
        progress: Callable[[int], None] = lambda step: None,
    ) -> tf.keras.Model:
        """Unlearn what the search found.

        Args:
            suspect: as it was examined.
            verdict: of :meth:`detect` on the same suspect.
            seed: of the fine-tuning.
            progress: called with the number of fine-tuning steps done.

        Returns:
            A cleaned copy of the model.
        """
        triggers = self.triggers(verdict)
        return self.unlearning.run(suspect, examine(suspect), triggers, seed=seed, progress=progress)

    def fine_tune(self, suspect: Suspect, *, seed: int) -> tf.keras.Model:
        """Plain fine-tuning with the budget of :meth:`mitigate`, the control beside every mitigation."""
        return self.unlearning.run(suspect, examine(suspect), [], seed=seed)

    def triggers(self, verdict: Verdict) -> list[ReversedTrigger]:
        """The found triggers that count as backdoors; the decider's alone where none does."""
        families, share = {run.family for run in verdict.runs}, verdict.channel_share
        lines = {family: self.threshold.of(family, channel_share=share) for family in families}
        cheap = [run for run in verdict.runs if run.met and self.threshold.price(run) <= lines[run.family]]
        return [run.trigger for run in cheap or verdict.runs if cheap or run.family == verdict.family]
