"""All of GDM: which classes have triggers, how these are distributed, and a model that ignores them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from data_prep.journal import NO_JOURNAL, Journal
from data_prep.threat import ClassSuspect
from dhbe_tf import logits
from dhbe_tf.gdm.retraining import Retraining, Stamped
from dhbe_tf.gdm.staircase import Distribution, Search, Staircase, distribution, responses


@dataclass(frozen=True, eq=False)  # holds models, so identity is equality
class Repair:
    """What came of a repair.

    Attributes:
        model: the repaired one.
        responses: float64 (K,), how far the short search came for every class; not a number where it was not asked.
        distributions: of the classes that were repaired.
    """

    model: tf.keras.Model
    responses: np.ndarray
    distributions: tuple[Distribution, ...]


class Screening(NamedTuple):
    """What the short searches say.

    Attributes:
        responses: float64 (K,), how far each class's search came; not a number where it was not asked.
        chosen: classes to model, the strongest first.
    """

    responses: np.ndarray
    chosen: list[int]


@dataclass(frozen=True)
class GDM:
    """Options of the defence.

    Attributes:
        staircase: how triggers are modelled.
        retraining: how the model is repaired.
        screening: steps of the short search that every class gets first.
        found: mean probability of the target that a short search must reach for its class to be modelled; the class
            that comes farthest always is.
    """

    staircase: Staircase = field(default_factory=Staircase)
    retraining: Retraining = field(default_factory=Retraining)
    screening: int = 150
    found: float = 0.5

    def __post_init__(self) -> None:
        if self.screening < 1 or not 0 < self.found <= 1:
            raise ValueError(f"screening must be 1 or more steps and found lie in (0, 1], got {self}")

    def mitigate(
        self,
        suspect: ClassSuspect,
        *,
        seed: int,
        target: int | None = None,
        progress: Callable[[str], None] = lambda stage: None,
        journals: Callable[[str], Journal] = lambda name: NO_JOURNAL,
    ) -> Repair:
        """Search, model, repair; the suspect stays as it is.

        Args:
            suspect: model and benign images.
            seed: of everything random.
            target: the only class to look at; by default all are searched.
            progress: called with the name of every stage when it starts.
            journals: where each search and the repair go on after an interruption, by name.

        Raises:
            ValueError: if model, images, class or trigger size do not fit.
            Diverged: if a search or the repair does.
        """
        search = Search(self.staircase, suspect=suspect)
        if target is None:
            progress("searching all classes")
        found, chosen = self.screen(search, seed=seed, target=target, journals=journals)
        models = self.model(search, chosen, seed=seed, progress=progress, journals=journals)
        progress("repairing")
        return Repair(self.repair(suspect, models, seed=seed, journal=journals("repair")), found, tuple(models))

    def screen(
        self,
        search: Search,
        *,
        seed: int,
        target: int | None = None,
        journals: Callable[[str], Journal] = lambda name: NO_JOURNAL,
    ) -> Screening:
        """First step: which classes have triggers; see :meth:`mitigate`."""
        if target is not None:
            logits.check_class(search.suspect.model, target)
            return Screening(np.full(search.suspect.model.output_shape[-1], np.nan), [target])
        found = responses(search, steps=self.screening, seed=seed, journal=journals("screening"))
        return Screening(found, attacked(found, self.found))

    def model(
        self,
        search: Search,
        classes: Sequence[int],
        *,
        seed: int,
        progress: Callable[[str], None] = lambda stage: None,
        journals: Callable[[str], Journal] = lambda name: NO_JOURNAL,
    ) -> list[Distribution]:
        """Second step: how the triggers of these classes are distributed; see :meth:`mitigate`."""
        models = []
        for target in classes:
            progress(f"modelling the triggers of class {target}")
            models.append(distribution(search, target, seed=seed, journals=journals))
        return models

    def repair(
        self, suspect: ClassSuspect, models: Sequence[Distribution], *, seed: int, journal: Journal = NO_JOURNAL
    ) -> tf.keras.Model:
        """Third step: the model, retrained against triggers drawn from the distributions; see :meth:`mitigate`."""
        return self.retraining.repair(
            suspect, lambda epoch, count: drawn(models, epoch, count), seed=seed, journal=journal
        )


def attacked(found: np.ndarray, least: float) -> list[int]:
    """Classes to model, the strongest first: those from ``least`` on, and the strongest whatever it has."""
    order = [int(label) for label in np.argsort(-found, kind="stable")]
    return [label for label in order if found[label] >= least] or order[:1]


def drawn(models: Sequence[Distribution], epoch: int, count: int) -> list[Stamped]:
    """New triggers for an epoch: of every class, from one sub-model, another in every epoch."""
    kinds = []
    for model in models:
        part = Distribution(model.target, (model.parts[epoch % len(model.parts)],))
        kinds.append(Stamped(part.sample(count, seed=epoch)))
    return kinds


def typicality(samples: np.ndarray, points: np.ndarray, *, axes: int | None = 2, neighbours: int = 5) -> np.ndarray:
    """Whether triggers lie inside a modelled distribution: the share of its samples that are at least as lonely.

    Loneliness is the Euclidean distance to the k-th nearest of the other samples. From 0.05 on a trigger counts as
    inside: it is no farther from the samples than they are from each other.

    Args:
        samples: (n, ...) triggers of the distribution, more than ``neighbours`` + 1.
        points: (m, ...) the triggers that are asked about, each by itself.
        axes: how many of the samples' main axes they are asked on, as in the slides' pictures; None asks in full. A
            black and white trigger is a corner of the cube of all triggers, and in full even uniform samples leave it
            alone.
        neighbours: k.

    Returns:
        float64 (m,) in [0, 1].
    """
    flat, asked = (each.reshape(len(each), -1).astype(float) for each in (samples, points))
    if axes is not None:
        directions = main_axes(flat, axes)
        flat, asked = flat @ directions.T, asked @ directions.T
    between = _squares(flat, flat)
    np.fill_diagonal(between, np.inf)
    own = np.sort(between, axis=1)[:, neighbours - 1]
    away = np.sort(_squares(asked, flat), axis=1)[:, neighbours - 1]
    return np.mean(own[None] >= away[:, None], axis=1)


def _squares(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Squared distances (m, n) of points (m, d) from points (n, d)."""
    sums = (left**2).sum(axis=1)[:, None] + (right**2).sum(axis=1)[None]
    return np.maximum(sums - 2 * left @ right.T, 0)


def main_axes(samples: np.ndarray, count: int) -> np.ndarray:
    """Directions in which samples (n, V) vary most, unit vectors (count, V)."""
    return np.linalg.svd(samples - samples.mean(axis=0), full_matrices=False)[2][:count]
