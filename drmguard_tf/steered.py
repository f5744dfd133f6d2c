"""The steered search (ours): the smallest change of the images that collapses the outputs.

Same three terms as the paper's Eq. 5 and the same momentum reverse trigger, but the weight of the input distance is
steered instead of fixed: it rises while the ratio of angle variance and the output variance stay below their bounds and
falls when one of them does not. Both enter as ratios to their benign values, so nothing depends on units, image size or
task. Half of the runs start with a wide bound on the output variance and a small weight, so that some collapse is found
first, and tighten on the way; they ask for nothing in feature space, where an attacker who knows the method keeps his
trigger apart. The others start tight and ask for both. Where the suspect has a compromised channel, the generators of
the latter wake it first, and all generators where several channels speak. What was found is shown to benign models,
where there are some.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Optional, Union

import tensorflow as tf

from data_prep.journal import NO_JOURNAL, Journal
from drmguard_tf.families import FAMILIES, ReversedTrigger, UniversalPatch, UniversalWarp
from drmguard_tf.lanes import Progress, abreast, lanes
from drmguard_tf.probing import Square, collapsing_square
from drmguard_tf.reference import Reference
from drmguard_tf.reversal import Reversal, Run, Terms
from drmguard_tf.stimulation import Channel, channels, waking
from drmguard_tf.transfer import Witnesses

Ratio = Union[tf.Tensor, float]

_TIGHTENED = 0.25, 0.6  # shares of the steps between which the bound on the outputs falls
_TOLERANCE = 2.0  # steering keeps a ratio's geometric mean at its bound; where few batches fail, its mean lies above


@dataclass(frozen=True)
class SteeredSearch:
    """Options of the steered search.

    Attributes:
        families: which trigger families, in :data:`drmguard_tf.families.FAMILIES`.
        restarts: runs per family, the same for every model.
        steps: Adam steps per run.
        generator_length: how many times as many a generator has: a network is found more slowly than pixels. With 1 an
            input-aware trigger costs nearly what benign models pay, with 4 these pay little too.
        batch: images a step.
        bound: the ratio of angle variance to reach.
        output_bound: the ratio of output variance to reach. An attacker's answer is learned to a fraction of a degree;
            a benign network that is pushed anywhere still varies, and pays many times more to be as constant. Runs with
            an even seed begin with ``bound`` here too; some backdoors are found on that way, others from the start.
        start_weight: of the cost, while both bounds are ``bound``.
        least_weight: of the cost.
        gain: of the steering: each step multiplies the weight by ``(bound / recent ratio) ** gain``, for the ratio that
            is further from its bound.
        spacings: of the warp's grids, pixels, the coarsest first.
        waking: share of a generator's steps in which runs with an odd seed wake a compromised channel, if there is one
            (:mod:`drmguard_tf.stimulation`), and all runs where several channels speak; 0 looks for none.
        every_rav: whether runs with an even seed ask for the ratio of angle variance too.
    """

    families: tuple[str, ...] = ("patch", "warp", "generator")
    restarts: int = 2
    steps: int = 200
    generator_length: int = 2
    batch: int = 24
    bound: float = 0.1  # all attacks of the paper's Table 1 stay below it
    output_bound: float = 0.01
    start_weight: float = 2.0
    least_weight: float = 1.0
    gain: float = 0.05
    spacings: tuple[int, ...] = (16, 8, 4)
    waking: float = 0.25
    every_rav: bool = False

    def __post_init__(self) -> None:
        unknown = set(self.families) - set(FAMILIES)
        if unknown or not self.families:
            raise ValueError(f"unknown trigger families {sorted(unknown)}; choose from {', '.join(FAMILIES)}")
        if min(self.restarts, self.generator_length) < 1 or self.steps < 10 or self.batch < 2:
            raise ValueError(
                "a search needs 1 restart, 10 steps and batches of 2 at least, and a generator length of 1 or more; "
                f"got {self}"
            )
        if not 0 < self.output_bound <= self.bound < 1 or not 0 < self.least_weight <= self.start_weight:
            raise ValueError(
                "bounds are shares of 1, that of the output variance the smaller one, and weights above 0, the least "
                f"at most the first; got {self}"
            )
        if not 0 <= self.waking <= 0.5:
            raise ValueError(f"waking is a share of the steps, at most half of them, got {self.waking}")
        if not self.spacings or min(self.spacings) < 1 or list(self.spacings) != sorted(self.spacings, reverse=True):
            raise ValueError(f"spacings are pixels, the coarsest first, one or more; got {self.spacings}")

    @property
    def total_steps(self) -> int:
        """Steps over all runs."""
        return self.restarts * sum(map(self.steps_of, self.families))

    def steps_of(self, family: str) -> int:
        """Steps of one run."""
        return self.steps * (self.generator_length if family == "generator" else 1)

    def run(
        self,
        reference: Reference,
        *,
        seed: int,
        progress: Callable[[int], None] = lambda step: None,
        journals: Callable[[str], Journal] = lambda name: NO_JOURNAL,
    ) -> list[Run]:
        """Search all families with all restarts; runs beside each other where there are several cores.

        Args:
            reference: constants of the suspect.
            seed: of all runs.
            progress: called with the number of steps done over all runs.
            journals: gives each run, by family and seed, the journal where it goes on after an interruption.

        Returns:
            One run per family and restart.
        """
        count, restarts = lanes(), range(seed, seed + self.restarts)
        per_family = min(count, self.restarts)
        early = any(map(_early, restarts))
        looks = self.waking > 0 and "generator" in self.families  # whatever the seed, so that controls tell alike
        told = channels(reference, self.output_bound) if looks else None
        wake = Wake(told.compromised, told.several) if told and told.compromised else None
        wake = wake if wake and any(map(wake.by, restarts)) else None
        square = collapsing_square(reference, self.bound) if early and "patch" in self.families else None
        tasks = [
            self._task(reference, family, restarts[first::per_family], journals, wake, square)
            for family in sorted(self.families, key=self.steps_of, reverse=True)  # a long run begun last ends alone
            for first in range(per_family)
        ]
        found = itertools.chain.from_iterable(abreast(tasks, count, progress))
        runs = sorted(found, key=lambda run: (self.families.index(run.family), run.seed))
        runs = [run._replace(channel_share=told and told.share) for run in runs]
        if not reference.witnesses:
            return runs
        show = Witnesses(reference)
        return [run._replace(transfer=show.transfer(run.trigger, run.target_estimate)) for run in runs]

    def _task(
        self,
        reference: Reference,
        family: str,
        seeds: Sequence[int],
        journals: Callable[[str], Journal],
        wake: Optional[Wake],
        square: Optional[Square],
    ) -> Callable[[Progress], list[Run]]:
        """Runs of one family, one after the other, ready to begin: traced, and with their starts drawn."""
        wake, square = wake if family == "generator" else None, square if family == "patch" else None
        reversal, steps = self.reversal(reference, family, seeds[0], wake), self.steps_of(family)
        reversal.trace()
        starts = [self.start(reference, family, seed, square) for seed in seeds]

        def search(progress: Progress) -> list[Run]:
            runs: list[Run] = []
            for seed, start in zip(seeds, starts):
                journal, told = journals(f"{family}-{seed}"), _after(len(runs) * steps, progress)
                run = reversal.run(steps, start, seed, told, journal)
                woken = str(wake.channel) if wake and wake.by(seed) else None
                begun = str(square) if square and _early(seed) else None
                runs.append(run._replace(woken=woken, square=begun))
            return runs

        return search

    def reversal(self, reference: Reference, family: str, seed: int, wake: Optional[Wake] = None) -> SteeredReversal:
        """A run of one family before its first step; ``wake`` is what is woken first."""
        return SteeredReversal(reference, self.start(reference, family, seed), self, seed, wake)

    def start(self, reference: Reference, family: str, seed: int, square: Optional[Square] = None) -> ReversedTrigger:
        """A trigger of one family before its first step; ``square`` is what patches with an odd seed begin as."""
        if family == "warp":
            return UniversalWarp(reference, seed, self.spacings)
        trigger = FAMILIES[family](reference, seed)
        if isinstance(trigger, UniversalPatch) and square and _early(seed):
            trigger.begin(square)
        return trigger


class Wake(NamedTuple):
    """What generators wake first.

    Attributes:
        channel: a compromised one.
        always: whether all runs do, not only those with an odd seed.
    """

    channel: Channel
    always: bool

    def by(self, seed: int) -> bool:
        """Whether the run of a seed does."""
        return self.always or _early(seed)


def _early(seed: int) -> bool:
    """Whether a run is at the tight bound from its start."""
    return seed % 2 == 1


def _after(done: int, progress: Progress) -> Progress:
    return lambda step: progress(done + step)


class SteeredReversal(Reversal):
    """State of one run: the weight of the cost and the ratio that it follows."""

    def __init__(
        self,
        reference: Reference,
        trigger: ReversedTrigger,
        options: SteeredSearch,
        seed: int,
        wake: Optional[Wake] = None,
    ) -> None:
        rate = FAMILIES[trigger.name].learning_rate
        super().__init__(reference, trigger, learning_rate=rate, batch=options.batch, seed=seed)
        self.options, self.steps, self.wake = options, options.steps_of(trigger.name), wake
        self.inside = None if wake is None else waking(reference, wake.channel)
        self.weight = tf.Variable(options.start_weight, name="weight")
        self.heeded = tf.Variable(1.0, name="heeded")  # 1 where the ratio of angle variance is asked for, else 0
        self.age = tf.Variable(0.0, name="age")  # steps done; runs that begin at the tight bound are past it
        self.recent = tf.Variable(1.0, name="recent")  # moving average of the ratio that is further from its bound
        self.waking = tf.Variable(0.0, name="waking")  # steps left in which the channel is woken and nothing steered

    def restart(self, start: ReversedTrigger, seed: int) -> None:
        super().restart(start, seed)
        early, tightness = _early(seed), self.options.bound / self.options.output_bound
        wakes = self.wake is not None and self.wake.by(seed)
        self.weight.assign(self.options.start_weight * (tightness if early and not wakes else 1.0))
        self.heeded.assign(1.0 if early or self.options.every_rav else 0.0)
        self.recent.assign(1.0)
        self.age.assign(float(self.steps) if early else 0.0)
        self.waking.assign(self.options.waking * self.steps if wakes else 0.0)

    def state(self) -> dict[str, Any]:
        steering = {"weight": self.weight, "recent": self.recent, "age": self.age, "waking": self.waking}
        return {**super().state(), **steering}

    def look(self, images: tf.Tensor) -> Sequence[tf.Tensor]:
        return super().look(images) if self.inside is None else self.inside(images, training=False)

    def objective(self, terms: Terms) -> tf.Tensor:
        collapsed = sum(self.ratios(terms.rav, terms.spread, self.tightened())) + self.weight * terms.cost
        if self.wake is None:
            return collapsed
        awake = tf.reduce_mean(tf.minimum(terms.inside[0] / self.wake.channel.level, 1.0))
        return tf.where(self.waking > 0, self.weight * terms.cost - awake, collapsed)

    def steer(self, terms: Terms) -> None:
        ratios = self.ratios(terms.rav, terms.spread, self.tightened())
        recent = 0.8 * self.recent + 0.2 * tf.reduce_max(ratios)
        ratio = tf.clip_by_value(self.options.bound / recent, 0.1, 10.0)  # a complete collapse has ratio 0
        weight = tf.maximum(self.weight * ratio**self.options.gain, self.options.least_weight)
        wakes = self.waking > 0
        self.recent.assign(tf.where(wakes, self.recent, recent))
        self.weight.assign(tf.where(wakes, self.weight, weight))
        self.waking.assign(tf.maximum(self.waking - 1, 0.0))
        self.age.assign_add(1.0)

    def met(self, rav: float, spread: float) -> bool:
        return bool(max(self.ratios(rav, spread, 1.0)) <= _TOLERANCE * self.options.bound)

    def tightened(self) -> tf.Tensor:
        """How far the bound on the outputs has come: 0 where it is that of the angles, 1 where it is its own."""
        begin, end = _TIGHTENED
        return tf.clip_by_value((self.age / self.steps - begin) / (end - begin), 0.0, 1.0)

    def ratios(self, rav: Ratio, spread: Ratio, tightened: Ratio) -> tuple[Ratio, ...]:
        """What is pressed to the bound of the ratio of angle variance: that ratio, and that of the output variance, the
        latter in units in which both bounds are one."""
        return self.heeded * rav, (self.options.bound / self.options.output_bound) ** tightened * spread
