"""Neural Cleanse (Wang et al. 2019) for regression: one mask and pattern for all images, DRMGuard's Eq. 8."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tensorflow as tf

from data_prep.cost_schedule import CostSchedule, CostState
from data_prep.journal import NO_JOURNAL, Journal
from drmguard_tf.baselines.target import LearnableTarget
from drmguard_tf.families import Amplifiable, Change, ReversedTrigger
from drmguard_tf.reference import Reference
from drmguard_tf.reversal import Reversal, Run, Terms, settled

_ROOM = 2 + 1e-7  # keeps the mask off 0 and 1, where tanh has no slope
_PIXELS = 32 * 32  # the original's weights belong to the summed mask of images of this size


@dataclass(frozen=True)
class NeuralCleanse:
    """Options of the search; defaults are those of the authors' code, where labels are classes.

    Attributes:
        restarts: runs, each from another mask, pattern and target; the smallest mask decides.
        steps: at most, per run; the weight of the mask may change after each.
        minibatches: Adam steps that make a step.
        batch: images per mini-batch.
        learning_rate: of Adam.
        tolerance: error to the target up to which the trigger works, as a share of that of the mean answer.
        schedule: of the mask's weight.
    """

    restarts: int = 4
    steps: int = 1000
    minibatches: int = 31  # 1,000 samples in batches of 32
    batch: int = 32
    learning_rate: float = 0.1
    tolerance: float = 0.1  # as strict as DRMGuard's bound on the outputs: a hundredth of the variance
    schedule: CostSchedule = field(default_factory=CostSchedule)

    def __post_init__(self) -> None:
        if min(self.restarts, self.steps, self.minibatches) < 1 or self.batch < 2:
            raise ValueError(f"a restart, a step, a mini-batch of 2 images are the least, got {self}")
        if self.learning_rate <= 0 or self.tolerance <= 0:
            raise ValueError(f"learning rate and tolerance must be above 0, got {self}")

    @property
    def families(self) -> tuple[str, ...]:
        """The one kind of trigger."""
        return ("neural_cleanse",)

    @property
    def total_steps(self) -> int:
        """Steps over all runs, if none stops early."""
        return self.restarts * self.steps

    def run(
        self,
        reference: Reference,
        *,
        seed: int,
        progress: Callable[[int], None] = lambda step: None,
        journals: Callable[[str], Journal] = lambda name: NO_JOURNAL,
    ) -> list[Run]:
        """One run per restart; see :class:`drmguard_tf.reversal.Search`."""
        cleansing = _Cleansing(reference, MaskedPattern(reference, seed, 0), self, seed)
        runs = []
        for restart in range(self.restarts):
            start = MaskedPattern(reference, seed, restart)
            done = restart * self.steps
            journal = journals(f"neural_cleanse-{seed + restart}")
            runs.append(cleansing.search(start, seed + restart, lambda step: progress(done + step), journal))
        progress(self.total_steps)
        return runs


class MaskedPattern(Amplifiable):
    """``(1 - m) * x + m * p`` with one mask m for all channels, and the target that it leads to."""

    def __init__(self, reference: Reference, seed: int, restart: int) -> None:
        super().__init__(name="neural_cleanse")
        _, height, width, channels = reference.images.shape
        rng = np.random.default_rng([seed, restart])
        self.raw_mask = _raw(rng.uniform(size=(height, width, 1)), "mask")
        self.raw_pattern = _raw(rng.uniform(size=(height, width, channels)), "pattern")
        self.target = LearnableTarget(reference, seed, restart)

    @property
    def mask(self) -> tf.Tensor:
        """float32 (H, W, 1) in (0, 1)."""
        return tf.tanh(self.raw_mask) / _ROOM + 0.5

    @property
    def pattern(self) -> tf.Tensor:
        """float32 (H, W, C) in (0, 1)."""
        return tf.tanh(self.raw_pattern) / _ROOM + 0.5

    def __call__(self, images: tf.Tensor, attention: tf.Tensor) -> Change:
        """Blend the pattern into float32 images (B, H, W, C) in [0, 1]; ``attention`` is not used.

        The price is the mask's L1 norm as a share of the pixels.
        """
        mask = self.mask
        return Change((1 - mask) * images + mask * self.pattern, tf.reduce_mean(mask))


def _raw(values: np.ndarray, name: str) -> tf.Variable:
    """A variable whose squashed value is ``values``, in [0, 1)."""
    return tf.Variable(np.arctanh((values - 0.5) * _ROOM * (1 - 1e-6)).astype(np.float32), name=name)


class _Cleansing(Reversal):
    """State of one run."""

    trigger: MaskedPattern

    def __init__(self, reference: Reference, trigger: MaskedPattern, options: NeuralCleanse, seed: int) -> None:
        rate, batch = options.learning_rate, options.batch
        super().__init__(reference, trigger, learning_rate=rate, batch=batch, seed=seed, betas=(0.5, 0.9))
        self.options, self.best = options, MaskedPattern(reference, seed, 0)
        self.schedule = tf.Variable(CostState(), dtype=tf.float32, name="schedule")
        self.error, self.found = tf.Variable(0.0, name="error"), tf.Variable(0, name="found")

    @property
    def stand(self) -> CostState:
        """Of the weight's schedule."""
        return CostState(*self.schedule.numpy().tolist())

    def restart(self, start: ReversedTrigger, seed: int) -> None:
        super().restart(start, seed)
        self.schedule.assign(CostState())
        self.found.assign(0)

    def state(self) -> dict[str, Any]:
        return {**super().state(), "best": self.best, "schedule": self.schedule, "found": self.found}

    def objective(self, terms: Terms) -> tf.Tensor:
        """Eq. 8: error to the target + weight * norm of the mask."""
        return self.trigger.target.error(terms.outputs) + self.schedule[0] * _PIXELS * terms.cost

    def steer(self, terms: Terms) -> None:
        self.error.assign_add(self.trigger.target.error(terms.outputs) / self.options.minibatches)

    def search(self, start: MaskedPattern, seed: int, progress: Callable[[int], None], journal: Journal) -> Run:
        """Go on until the schedule is exhausted or all steps are done; keep the smallest mask that worked."""
        steps = self.options.steps
        self.restart(start, seed)
        history = np.empty((steps, 3 + self.reference.outputs.shape[1]), np.float32)
        step = journal.resume(self.state(), history)
        while step < steps and not self.options.schedule.exhausted(self.stand):
            record = self.stand.best
            history[step] = self.advance()
            step += 1
            if self.stand.best < record:
                self.found.assign(step)
                _copy(self.trigger, self.best)
            progress(step)
            journal.note(step, {"norm": history[step - 1, 0], "error": self.error, "weight": self.schedule[0]})
        journal.complete(step)
        return self.outcome(start, seed, history[:step])

    def advance(self) -> np.ndarray:
        """One step: mini-batches, then the schedule. Returns the mean row of the history."""
        self.error.assign(0)
        row = np.mean([self.step().numpy() for _ in range(self.options.minibatches)], axis=0)
        worked = float(self.error) <= self.options.tolerance
        self.schedule.assign(self.options.schedule.advance(self.stand, worked, float(row[0])))
        return row

    def outcome(self, start: MaskedPattern, seed: int, history: np.ndarray) -> Run:
        """The best step, or where none worked the last ones."""
        found = int(self.found)
        _copy(self.best if found else self.trigger, start)
        last = history[found - 1] if found else settled(history).mean(axis=0)
        cost, rav = float(last[0]), float(last[1])
        return Run(start.name, seed, cost, rav, bool(found), last[3:], history, start, np.array([cost]))


def _copy(source: tf.Module, into: tf.Module) -> None:
    for theirs, mine in zip(source.variables, into.variables):
        mine.assign(theirs)
