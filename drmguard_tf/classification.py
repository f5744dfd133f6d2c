"""DRMGuard for classifiers (App. A.9, Eq. 10): probabilities that no longer vary, without going through the labels."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Union

import numpy as np
import tensorflow as tf
from scipy import optimize

from data_prep.contract import pixels
from data_prep.threat import ClassSuspect, Suspect
from drmguard_tf.ablations import WithoutRav
from drmguard_tf.calibrate import PaperThreshold
from drmguard_tf.detection import Detection
from drmguard_tf.reference import Reference, constants
from drmguard_tf.reversal import Search
from drmguard_tf.submodels import logits_of, split_classifier
from drmguard_tf.verdict import Threshold, Verdict

# Chance that a benign classifier is flagged, as far as controls tell. They learn a part of the data that suspects learn
# and pay more than these, so it is far below what is meant; backdoored ones pay a tenth (EQUATIONS.md, difference 27).
LEVEL = 0.001

_BATCH = 250
_HOTTEST = 90.0  # log of a temperature: no float32 is larger


@dataclass(frozen=True)
class ClassifierGuard(Detection):
    """Identification of a backdoored classifier.

    The suspect holds images with classes; the classes are not used. Angles have no part in Eq. 10, so the search must
    be one without the feature-space term.

    Attributes:
        search: the steered search without RAV, or ``PaperSearch(rav_weight=0)``, which is Eq. 10 as printed.
        threshold: the paper's constant, or a calibration on benign classifiers searched in the same way.
        confidence: what the largest probability of benign images is brought down to in the mean, by a temperature
            (ours). A network that is sure of itself has no gradient: small changes move no probability, and a search
            that begins with them only makes them smaller. Above ``1 / K`` for K classes; 1 leaves the probabilities
            alone, as the paper.
    """

    search: Search = field(default_factory=WithoutRav)
    threshold: Threshold = field(default_factory=PaperThreshold)
    confidence: float = 0.8

    def detect(self, suspect: Union[Suspect, ClassSuspect], **options: Any) -> Verdict:
        """As :meth:`Detection.detect`; of the benign images the labels are not looked at."""
        return self.judge(self.examine(suspect), **options)

    def examine(self, suspect: Union[Suspect, ClassSuspect]) -> Reference:
        """The constants of a classifier; ``outputs`` are probabilities of classes.

        Raises:
            ValueError: if the model cannot be split, or does not take the benign images.
        """
        wanted, given = suspect.model.input_shape[1:], suspect.benign.images.shape[1:]
        if any(w not in (None, g) for w, g in zip(wanted, given)):
            raise ValueError(f"the classifier takes images of {wanted} (H, W, C), the benign images are {given}")
        images, heat = tf.constant(pixels(suspect.benign.images)), 1.0
        if self.confidence < 1:
            logits = logits_of(suspect.model)
            parts = [logits(images[at : at + _BATCH], training=False) for at in range(0, len(images), _BATCH)]
            heat = temperature(np.concatenate(parts), self.confidence)
        return constants(split_classifier(suspect.model, heat), images)


def temperature(logits: np.ndarray, confidence: float) -> float:
    """The least temperature from 1 on at which the largest probability is at most ``confidence`` in the mean.

    Args:
        logits: (N, K).
        confidence: above ``1 / K``, which no temperature comes below.

    Raises:
        ValueError: if no temperature leads there.
    """
    if not 1 / logits.shape[1] < confidence:
        raise ValueError(f"a confidence must lie above 1 / {logits.shape[1]} classes, got {confidence}")
    below = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)

    def excess(log_temperature: float) -> float:
        return float((1 / np.exp(below / np.exp(log_temperature)).sum(axis=1)).mean()) - confidence

    return 1.0 if excess(0.0) <= 0 else float(np.exp(optimize.brentq(excess, 0.0, _HOTTEST)))


def infected_class(verdict: Verdict) -> int:
    """The class that the found trigger leads to, counted from 0: the largest of the mean probabilities.

    Args:
        verdict: of :class:`ClassifierGuard`; its ``target_estimate`` are probabilities, and neither they nor
            ``agreement`` mean angles.
    """
    return int(np.argmax(verdict.target_estimate))
