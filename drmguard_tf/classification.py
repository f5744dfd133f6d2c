"""DRMGuard for classifiers (App. A.9, Eq. 10): probabilities that no longer vary, without going through the labels."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import tensorflow as tf

from data_prep.contract import pixels
from data_prep.threat import Suspect
from drmguard_tf.ablations import WithoutRav
from drmguard_tf.calibrate import PaperThreshold
from drmguard_tf.detection import Detection
from drmguard_tf.reference import Reference, constants
from drmguard_tf.reversal import Search
from drmguard_tf.submodels import split_classifier
from drmguard_tf.verdict import Threshold, Verdict


@dataclass(frozen=True)
class ClassifierGuard(Detection):
    """Identification of a backdoored classifier.

    The suspect holds images with classes; the classes are not used. Angles have no part in Eq. 10, so the search must
    be one without the feature-space term.

    Attributes:
        search: the steered search without RAV, or ``PaperSearch(rav_weight=0)``, which is Eq. 10 as printed.
        threshold: the paper's constant, or a calibration on benign classifiers searched in the same way.
    """

    search: Search = field(default_factory=WithoutRav)
    threshold: Threshold = field(default_factory=PaperThreshold)

    def examine(self, suspect: Suspect) -> Reference:
        """The constants of a classifier; ``outputs`` are probabilities of classes.

        Raises:
            ValueError: if the model cannot be split, or does not take the benign images.
        """
        wanted, given = suspect.model.input_shape[1:], suspect.benign.images.shape[1:]
        if any(w not in (None, g) for w, g in zip(wanted, given)):
            raise ValueError(f"the classifier takes images of {wanted} (H, W, C), the benign images are {given}")
        return constants(split_classifier(suspect.model), tf.constant(pixels(suspect.benign.images)))


def infected_class(verdict: Verdict) -> int:
    """The class that the found trigger leads to, counted from 0: the largest of the mean probabilities.

    Args:
        verdict: of :class:`ClassifierGuard`; its ``target_estimate`` are probabilities, and neither they nor
            ``agreement`` mean angles.
    """
    return int(np.argmax(verdict.target_estimate))
