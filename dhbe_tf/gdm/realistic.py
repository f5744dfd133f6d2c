"""The realistic defence of GDM's slides: triggers of unknown class, shape and place, natural ones included."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import tensorflow as tf

from data_prep.journal import NO_JOURNAL, Journal
from data_prep.threat import ClassSuspect
from dhbe_tf import logits
from dhbe_tf.gdm.retraining import Retraining, Stamped
from dhbe_tf.gdm.staircase import Distribution, Search, Staircase, distribution
from dhbe_tf.gdm.windows import Found, MovingWindow, Sweep, complete


@dataclass(frozen=True, eq=False)  # holds models, so identity is equality
class RealisticRepair:
    """What came of a realistic defence.

    Attributes:
        model: the repaired one.
        found: the complete trigger of every class that was looked at, the strongest first.
        repaired: how many of them the model was repaired against: the planted backdoor and natural ones alike.
        distributions: of the repaired ones' triggers, at their places.
    """

    model: tf.keras.Model
    found: tuple[Found, ...]
    repaired: int
    distributions: tuple[Distribution, ...]


@dataclass(frozen=True)
class Realistic:
    """Options of the defence.

    Attributes:
        window: how windows and complete triggers are searched.
        staircase: how the triggers at a place are modelled; size, place and transparency come from the search.
        retraining: how the model is repaired.
        least: response of a complete trigger from which on its class is repaired; the strongest always is.
        most: classes that are repaired.
    """

    window: MovingWindow = field(default_factory=MovingWindow)
    staircase: Staircase = field(default_factory=Staircase)
    retraining: Retraining = field(default_factory=Retraining)
    least: float = 0.5
    most: int = 3

    def __post_init__(self) -> None:
        if not 0 < self.least <= 1 or self.most < 1:
            raise ValueError(f"least must lie in (0, 1] and most be 1 or more, got {self}")

    def find(
        self,
        suspect: ClassSuspect,
        *,
        seed: int,
        targets: Sequence[int] | None = None,
        progress: Callable[[int], None] = lambda done: None,
        journal: Journal = NO_JOURNAL,
    ) -> tuple[Found, ...]:
        """The complete trigger of every class, the strongest first.

        Args:
            suspect: model and benign images.
            seed: of everything random.
            targets: classes to look at; by default all.
            progress: called with the number of classes done.
            journal: where an interrupted search goes on, with the class that it was at.

        Raises:
            ValueError: if model, images, window or a class do not fit.
        """
        wanted = range(suspect.model.output_shape[-1]) if targets is None else targets
        for target in wanted:
            logits.check_class(suspect.model, target)
        sweep = Sweep(self.window, suspect=suspect)
        rows = np.zeros((len(wanted), sweep.length))
        for done in range(journal.resume({}, rows), len(wanted)):
            one = complete(sweep, sweep.run(wanted[done], seed=seed), seed=seed)
            rows[done] = sweep.row(one)
            journal.note(done + 1, {"strength": strength(one)})
            progress(done + 1)
        journal.complete(len(wanted))
        return tuple(sorted((sweep.found(row) for row in rows), key=strength, reverse=True))

    def mitigate(
        self,
        suspect: ClassSuspect,
        found: Sequence[Found],
        *,
        seed: int,
        progress: Callable[[str], None] = lambda stage: None,
        journals: Callable[[str], Journal] = lambda name: NO_JOURNAL,
    ) -> RealisticRepair:
        """Model what was found and repair; the suspect stays as it is.

        Args:
            suspect: model and benign images.
            found: what :meth:`find` returned.
            seed: of everything random.
            progress: called with the name of every stage when it starts.
            journals: where each search and the repair go on after an interruption, by name.
        """
        treated = [one for one in found if one.response >= self.least][: self.most] or list(found[:1])
        models = []
        for one in treated:
            progress(f"modelling the triggers of class {one.heat.target}")
            options = replace(self.staircase, size=len(one.trigger), place=one.box[:2], transparent=True)
            search = Search(options, suspect=suspect)
            models.append(distribution(search, one.heat.target, seed=seed, journals=journals))
        progress("repairing")
        repaired = self.retraining.repair(
            suspect,
            lambda epoch, count: _drawn(treated, models, epoch, count),
            seed=seed,
            journal=journals("repair"),
        )
        return RealisticRepair(repaired, tuple(found), len(treated), tuple(models))


def strength(found: Found) -> float:
    """What classes are ranked by: the largest margin that a window reaches, nats."""
    return float(found.heat.strengths.max())


def _drawn(found: Sequence[Found], models: Sequence[Distribution], epoch: int, count: int) -> list[Stamped]:
    """New triggers for an epoch: each class's complete trigger in every fourth one, its distribution otherwise."""
    kinds = []
    for one, model in zip(found, models):
        part = Distribution(model.target, (model.parts[epoch % len(model.parts)],))
        triggers = np.repeat(one.trigger[None], count, axis=0) if epoch % 4 == 3 else part.sample(count, seed=epoch)
        kinds.append(Stamped(triggers, one.box[:2]))
    return kinds
