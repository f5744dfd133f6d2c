"""Neural Cleanse (Wang et al. 2019): the smallest trigger of every class, an outlier test, and unlearning."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import tensorflow as tf

from data_prep.batches import batches
from data_prep.contract import ClassSplit, pixels
from data_prep.cost_schedule import CostSchedule, CostState
from data_prep.journal import NO_JOURNAL, Journal
from data_prep.threat import ClassSuspect
from dhbe_tf import logits
from dhbe_tf.baselines.rival import check, with_weights_of
from dhbe_tf.baselines.tuning import Tuning
from dhbe_tf.optimizers import Adam

_ROOM = 2 + 1e-7  # keeps the mask off 0 and 1, where tanh has no slope
_PIXELS = 32 * 32  # the schedule's weights belong to the summed mask of images of this size
_CONSISTENT = 1.4826  # times the median absolute deviation, it estimates a normal standard deviation


@dataclass(frozen=True, eq=False)  # holds arrays, so identity is equality
class Reversed:
    """The smallest trigger that was found for a class.

    Attributes:
        target: the class.
        mask: float32 (H, W, 1) in (0, 1).
        pattern: float32 (H, W, C) in (0, 1).
        norm: L1 of the mask, in pixels of a 32 x 32 image.
        worked: whether it led enough images to the class; if not, these are the last ones that were tried.
    """

    target: int
    mask: np.ndarray
    pattern: np.ndarray
    norm: float
    worked: bool

    def stamped(self, images: np.ndarray) -> np.ndarray:
        """uint8 images (N, H, W, C) with the trigger: ``(1 - m) * x + m * p``."""
        mixed = (1 - self.mask) * pixels(images) + self.mask * self.pattern
        return np.round(mixed * 255).astype(np.uint8)


@dataclass(frozen=True)
class NeuralCleanse:
    """Options; those of the search are the authors' code's, those of the unlearning DHBE's.

    Attributes:
        steps: at most, per class; the weight of the mask may change after each.
        minibatches: Adam steps that make a step.
        batch: images per mini-batch.
        search_rate: learning rate of the search.
        success: share of a step's images that a trigger must lead to its class.
        schedule: of the mask's weight.
        outlier: anomaly index above which a class with a small trigger is flagged.
        share: of the images of an unlearning that get a trigger.
        tuning: the unlearning.
    """

    steps: int = 1000
    minibatches: int = 31  # 1,000 samples in batches of 32
    batch: int = 32
    search_rate: float = 0.1
    success: float = 0.99
    schedule: CostSchedule = field(default_factory=CostSchedule)
    outlier: float = 2.0
    share: float = 0.2  # Wang et al.; DHBE's text has lost its share and its rate
    tuning: Tuning = field(default_factory=lambda: Tuning(learning_rate=1e-3))

    def __post_init__(self) -> None:
        if min(self.steps, self.minibatches, self.batch) < 1 or self.search_rate <= 0 or self.outlier <= 0:
            raise ValueError(f"steps, mini-batches and batch must be 1 or more, rate and outlier above 0; got {self}")
        if not 0 < self.success <= 1 or not 0 <= self.share <= 1:
            raise ValueError(f"success lies in (0, 1] and the share in [0, 1], got {self}")

    def total(self, suspect: ClassSuspect, target: int | None = None) -> int:
        """Steps of all searches, if none stops early, and of the unlearning; see :meth:`mitigate`."""
        classes = suspect.model.output_shape[-1] if target is None else 1
        return self.steps * classes + self.tuning.total_steps

    def mitigate(
        self,
        suspect: ClassSuspect,
        *,
        seed: int,
        target: int | None = None,
        progress: Callable[[int], None] = lambda step: None,
        journals: Callable[[str], Journal] = lambda name: NO_JOURNAL,
    ) -> tf.keras.Model:
        """Search, test, unlearn; see :class:`dhbe_tf.baselines.rival.Rival`.

        Args:
            suspect, seed, progress, journals: as there.
            target: the only class to look at; by default all are searched.

        Raises:
            ValueError: also if there is no such class.
        """
        found = self.find(suspect, seed=seed, target=target, progress=progress, journals=journals)
        chosen = flagged(found, self.outlier)
        searched = self.steps * len(found)
        work = logits.copy(suspect.model)
        self.tuning.run(
            work,
            self.stamped(suspect.benign, chosen, seed),
            seed=seed,
            progress=lambda step: progress(searched + step),
            journal=journals("unlearning"),
        )
        return with_weights_of(work, suspect)

    def find(
        self,
        suspect: ClassSuspect,
        *,
        seed: int,
        target: int | None = None,
        progress: Callable[[int], None] = lambda step: None,
        journals: Callable[[str], Journal] = lambda name: NO_JOURNAL,
    ) -> list[Reversed]:
        """The smallest trigger of every class, in the order of the classes; of ``target`` alone, if it is given.

        Raises:
            ValueError: if model and images do not fit each other, or there is no such class.
        """
        check(suspect)
        if target is not None:
            logits.check_class(suspect.model, target)
        search = _Search(suspect, self, seed)
        found: list[Reversed] = []
        for label in range(suspect.model.output_shape[-1]) if target is None else (target,):
            search.restart(label, seed)
            done = len(found) * self.steps
            found.append(search.run(lambda step: progress(done + step), journals(f"class {label}")))
        progress(self.steps * len(found))
        return found

    def stamped(self, benign: ClassSplit, triggers: Sequence[Reversed], seed: int) -> ClassSplit:
        """What an unlearning loads: a share of the images has a trigger, and all their right labels.

        Args:
            benign: the images.
            triggers: they take turns; if there is none, no image is changed.
            seed: decides which images are stamped.
        """
        data = self.tuning.loaded(benign)
        if not triggers:
            return data
        images = data.images.copy()
        chosen = np.random.default_rng(seed).permutation(len(data))[: round(self.share * len(data))]
        for number, trigger in enumerate(triggers):
            mine = chosen[number :: len(triggers)]
            images[mine] = trigger.stamped(images[mine])
        return ClassSplit(images, data.labels, data.classes)


def anomaly(norms: np.ndarray) -> np.ndarray:
    """How far each norm is from the median, in deviations: ``abs(n - median) / (1.4826 * MAD)``.

    MAD is the median absolute deviation. Where it is 0, a norm at the median has an index of 0, any other of infinity.
    """
    away = np.abs(norms - np.median(norms))
    spread = _CONSISTENT * np.median(away)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(away == 0, 0.0, away / spread)


def flagged(found: Sequence[Reversed], outlier: float) -> list[Reversed]:
    """Classes whose trigger is an outlier below the median, of those whose trigger works; at least the smallest one.

    Args:
        found: of every class.
        outlier: anomaly index above which a class counts.
    """
    working = [one for one in found if one.worked]
    if not working:
        return []
    norms = np.array([one.norm for one in working])
    index = anomaly(norms)
    low = [one for one, far in zip(working, index) if far > outlier and one.norm < np.median(norms)]
    return low or [working[int(norms.argmin())]]


class _Search(tf.Module):
    """State of the search for one class's trigger; ``restart`` makes it new, so one compiled step serves all."""

    def __init__(self, suspect: ClassSuspect, options: NeuralCleanse, seed: int) -> None:
        super().__init__()
        self.suspect, self.options, self.seed = suspect, options, seed
        self.model = logits.copy(suspect.model)
        height, width, channels = suspect.model.input_shape[1:]
        self.raw = [tf.Variable(tf.zeros((height, width, depth))) for depth in (1, channels)]
        self.best = [tf.Variable(tf.zeros_like(raw)) for raw in self.raw]
        self.optimizer = Adam(self.raw, learning_rate=options.search_rate, betas=(0.5, 0.9))
        self.schedule = tf.Variable(CostState(), dtype=tf.float32)
        self.target = tf.Variable(0, dtype=tf.int64)

    @property
    def stand(self) -> CostState:
        """Of the weight's schedule."""
        return CostState(*self.schedule.numpy().tolist())

    def restart(self, target: int, seed: int) -> None:
        """Begin anew, for a class, from a random mask and pattern."""
        random = np.random.default_rng([seed, target])
        for raw in self.raw:
            raw.assign(np.arctanh((random.uniform(size=raw.shape) - 0.5) * _ROOM * (1 - 1e-6)).astype(np.float32))
        self.optimizer.restart()
        self.schedule.assign(CostState())
        self.target.assign(target)

    def run(self, progress: Callable[[int], None], journal: Journal) -> Reversed:
        """Go on until the schedule is exhausted or all steps are done; the smallest mask that worked is returned."""
        options, data = self.options, self.suspect.benign
        step, target = journal.resume({"search": self}), int(self.target)
        order = list(batches(len(data), options.batch, options.steps * options.minibatches, self.seed))
        while step < options.steps and not options.schedule.exhausted(self.stand):
            rows = order[step * options.minibatches : (step + 1) * options.minibatches]
            norm, success = np.mean([self.step(data.images[index]).numpy() for index in rows], axis=0)
            before = self.stand
            self.schedule.assign(options.schedule.advance(before, bool(success >= options.success), float(norm)))
            if self.stand.best < before.best:
                _copy(self.raw, self.best)
            step += 1
            journal.note(step, {"norm": norm, "success": success, "weight": before.weight})
            progress(step)
        journal.complete(step)
        worked = self.stand.best < float("inf")
        mask, pattern = (_squashed(raw).numpy() for raw in (self.best if worked else self.raw))
        return Reversed(target, mask, pattern, float(mask.mean()) * _PIXELS, worked)

    @tf.function
    def step(self, images: tf.Tensor) -> tf.Tensor:
        """One Adam step on uint8 images (B, H, W, C). Returns the mask's norm and the share led to the class."""
        seen = tf.cast(images, tf.float32) / 255
        labels = tf.fill([images.shape[0]], self.target)
        with tf.GradientTape() as tape:
            mask, pattern = (_squashed(raw) for raw in self.raw)
            answers = self.model((1 - mask) * seen + mask * pattern, training=False)
            entropy = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, answers))
            norm = _PIXELS * tf.reduce_mean(mask)
            loss = entropy + self.schedule[0] * norm
        self.optimizer.apply(tape.gradient(loss, self.raw), self.raw)
        return tf.stack([norm, tf.reduce_mean(tf.cast(tf.argmax(answers, axis=1) == labels, tf.float32))])


def _squashed(raw: tf.Tensor) -> tf.Tensor:
    return tf.tanh(raw) / _ROOM + 0.5


def _copy(source: Sequence[tf.Variable], into: Sequence[tf.Variable]) -> None:
    for theirs, mine in zip(source, into):
        mine.assign(theirs)
