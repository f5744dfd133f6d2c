"""Transfer (ours): whether models without a backdoor follow a found change to the same answer.

Every network can be led astray, and what leads one astray leads others of its kind too: it resembles what faces show. A
backdoor is a habit of one network, and others do not know it. So a change that benign models follow is no trigger,
whatever it costs, and one that they do not follow needs an explanation.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from drmguard_tf.families import ReversedTrigger
from drmguard_tf.reference import Reference

_COUNT = 128  # images that witnesses are shown


class Witnesses:
    """Benign models that are shown what a search found; their answers to benign images are computed once."""

    def __init__(self, reference: Reference) -> None:
        """Before the first change is shown.

        Args:
            reference: of the suspect, with its witnesses.

        Raises:
            ValueError: if there is no witness.
        """
        if not reference.witnesses:
            raise ValueError("transfer is measured on benign models of the same task; give at least one")
        total = len(reference.images)
        chosen = np.linspace(0, total - 1, min(_COUNT, total)).astype(int)
        self.images, self.attention = (tf.gather(x, chosen) for x in (reference.images, reference.attention))
        self.models: Sequence[tf.keras.Model] = reference.witnesses
        self.answers = [model(self.images, training=False).numpy() for model in self.models]

    def transfer(self, trigger: ReversedTrigger, target: np.ndarray) -> float:
        """How far the witnesses are led to an answer by a change, mean over them: :func:`way_led` of each.

        Args:
            trigger: the change.
            target: float (K,), radians, where it leads the suspect.
        """
        changed = trigger(self.images, self.attention).images
        led = [
            way_led(before, model(changed, training=False).numpy(), target)
            for model, before in zip(self.models, self.answers)
        ]
        return float(np.mean(led))


def way_led(before: np.ndarray, after: np.ndarray, target: np.ndarray) -> float:
    """Share of the way to a target that answers have gone: ``1 - mean_i(|after - t|) / mean_i(|before - t|)``.

    Args:
        before: (N, K), answers to images as they are.
        after: (N, K), to the changed ones.
        target: (K,).

    Returns:
        1 where all have arrived, 0 where they are no nearer, less than 0 where they have gone away from it.
    """
    distances = [float(np.linalg.norm(answers - target, axis=1).mean()) for answers in (before, after)]
    return 1 - distances[1] / max(distances[0], 1e-9)
