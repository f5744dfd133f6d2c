"""How far a pruning may go: until the clean error on benign images that it has not seen has risen too much."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from data_prep.contract import Split
from data_prep.threat import Suspect

_BATCH = 250


class Halves(NamedTuple):
    """The benign set, cut in two that share no subject: what a method learns from, and what stops it."""

    seen: Split
    held: Split


def held_out(benign: Split, share: float, seed: int) -> Halves:
    """Keep ``share`` of the subjects back, one at least; of the images where there is only one subject.

    Args:
        benign: the defender's images.
        share: in (0, 1).
        seed: decides who is kept.

    Raises:
        ValueError: if there is no image left on one side.
    """
    groups = benign.groups if len(np.unique(benign.groups)) > 1 else np.arange(len(benign))
    people = np.random.default_rng(seed).permutation(np.unique(groups))
    kept = np.isin(groups, people[: max(1, round(share * len(people)))])
    if kept.all():
        raise ValueError(f"{len(benign)} benign images are too few to keep some of them back; two are needed at least")
    return Halves(benign.take(np.flatnonzero(~kept)), benign.take(np.flatnonzero(kept)))


def clean_loss(answer: Callable[[tf.Tensor], tf.Tensor], inputs: np.ndarray, targets: np.ndarray) -> float:
    """Mean absolute error in radians, in inference mode.

    Args:
        answer: from a batch of ``inputs`` to outputs.
        inputs: float32 (N, ...).
        targets: float32 (N, K).
    """
    parts = [answer(tf.constant(inputs[at : at + _BATCH])) for at in range(0, len(inputs), _BATCH)]
    return float(np.abs(np.concatenate([np.asarray(part) for part in parts]) - targets).mean())


def furthest(losses: Sequence[float], before: float, tolerance: float) -> int:
    """How many stages of a pruning are kept: all before the first one that costs too much.

    Args:
        losses: held-out loss after every stage.
        before: held-out loss of the model as it was.
        tolerance: accepted rise, as a share of ``before``.
    """
    over = [loss > (1 + tolerance) * before for loss in losses]
    return over.index(True) if True in over else len(losses)


def copy_of(suspect: Suspect) -> tf.keras.Model:
    """The suspect's model with weights of its own."""
    model = tf.keras.models.clone_model(suspect.model)
    model.set_weights(suspect.model.get_weights())
    return model
