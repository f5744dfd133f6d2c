"""Triggers of unknown shape and place: a window moves over the image, and a heat map tells where it works.

The realistic defence of GDM's slides. In every window a trigger with an opacity for each pixel is searched for that
leads all images to one class. Strengths add up to a heat map; where they peak, the complete trigger is searched.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from data_prep.contract import pixels
from data_prep.threat import ClassSuspect
from dhbe_tf import logits
from dhbe_tf.gdm.staircase import check, kept_aside
from dhbe_tf.gdm.stamping import stamp
from dhbe_tf.optimizers import Adam


class Box(NamedTuple):
    """A rectangle of pixels; ``bottom`` and ``right`` are the first row and column outside."""

    top: int
    left: int
    bottom: int
    right: int

    def overlap(self, other: Box) -> float:
        """Intersection over union, in [0, 1]."""
        rows = min(self.bottom, other.bottom) - max(self.top, other.top)
        columns = min(self.right, other.right) - max(self.left, other.left)
        shared = max(rows, 0) * max(columns, 0)
        return shared / (self.area + other.area - shared)

    @property
    def area(self) -> int:
        """Pixels inside."""
        return (self.bottom - self.top) * (self.right - self.left)


@dataclass(frozen=True)
class MovingWindow:
    """How windows are searched.

    Attributes:
        size: side of the windows, pixels.
        stride: pixels from one window to the next; the last ones touch the border.
        steps: of the search in all windows of a class, which go on side by side, an image each in every step.
        complete_steps, batch: of the search for the complete trigger.
        learning_rate: of Adam, on raw values before a sigmoid.
        opacity: weight of the mean opacity in the loss; it keeps what is found small.
        judged: images on which a window's strength is measured.
        share: of the largest strength; windows above it say where the complete trigger is searched.
    """

    size: int = 15  # "a 15*15 pixel search window"
    stride: int = 3
    steps: int = 60
    complete_steps: int = 100
    batch: int = 32
    learning_rate: float = 0.2
    opacity: float = 1.0
    judged: int = 12
    share: float = 0.9

    def __post_init__(self) -> None:
        counts = (self.size, self.stride, self.steps, self.complete_steps, self.batch, self.judged)
        if min(counts) < 1 or self.learning_rate <= 0 or self.opacity < 0 or not 0 < self.share < 1:
            raise ValueError(
                "counts must be 1 or more, the learning rate above 0, opacity not negative and share inside (0, 1); "
                f"got {self}"
            )

    def places(self, side: int) -> np.ndarray:
        """First rows of the windows on an image of ``side`` pixels; columns are the same."""
        return np.unique(np.append(np.arange(0, side - self.size, self.stride), side - self.size))


@dataclass(frozen=True, eq=False)  # holds arrays, so identity is equality
class HeatMap:
    """What the windows found for one class.

    Attributes:
        target: the class.
        strengths: float64 (n, n), mean margin of the target under each window's trigger, by row and column.
        pixels: float64 (H, W) in [0, 1], strengths above 0 as shares of the largest, times opacities, a mean over the
            windows that cover a pixel.
    """

    target: int
    strengths: np.ndarray
    pixels: np.ndarray


@dataclass(frozen=True, eq=False)
class Found:
    """The complete trigger of a class.

    Attributes:
        heat: where it was searched.
        trigger: float32 (S, S, C + 1), the last channel its opacity.
        box: the window that it was searched in.
        response: mean probability of the target under it, on images kept aside.
    """

    heat: HeatMap
    trigger: np.ndarray
    box: Box
    response: float


def margin(answers: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    """The log-odds of the target: its logit minus the log of the others' summed exponentials.

    A probability is 1 in every window that works at all; odds go on growing towards the place that works best.

    Args:
        answers: logits (B, K).
        target: scalar, the class.

    Returns:
        (B,), nats.
    """
    tf.debugging.assert_shapes([(answers, ("B", "K")), (target, ())])
    wanted = tf.one_hot(target, answers.shape[1], on_value=True, off_value=False)
    others = tf.where(wanted, tf.constant(-np.inf, answers.dtype), answers)
    return tf.gather(answers, target, axis=1) - tf.reduce_logsumexp(others, axis=1)


def window_loss(margins: tf.Tensor, opacity: tf.Tensor, weight: float) -> tf.Tensor:
    """What the windows minimise: the mean opacity times its weight, minus the mean margin.

    Args:
        margins: (B,).
        opacity: (B, S, S, 1).
        weight: of the opacity.
    """
    tf.debugging.assert_shapes([(margins, ("B",)), (opacity, ("B", "S", "S", 1))])
    return weight * tf.reduce_mean(opacity) - tf.reduce_mean(margins)


def complete_loss(answers: tf.Tensor, target: tf.Tensor, opacity: tf.Tensor, weight: float) -> tf.Tensor:
    """What the complete trigger minimises: cross-entropy to the target plus the mean opacity times its weight.

    Args:
        answers: logits (B, K) under the trigger.
        target: scalar, the class.
        opacity: (S, S, 1).
        weight: of the opacity.
    """
    tf.debugging.assert_shapes([(answers, ("B", "K")), (target, ()), (opacity, ("S", "S", 1))])
    wanted = tf.fill([tf.shape(answers)[0]], target)
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(wanted, answers)
    return tf.reduce_mean(losses) + weight * tf.reduce_mean(opacity)


def accumulate(strengths: np.ndarray, opacities: np.ndarray, places: np.ndarray, side: int) -> np.ndarray:
    """The heat map's pixels; see :class:`HeatMap`.

    Args:
        strengths: (n, n).
        opacities: (n * n, S, S), row by row.
        places: (n,), first rows and columns of the windows.
        side: of the image.
    """
    total, covered = np.zeros((side, side)), np.zeros((side, side))
    size = opacities.shape[1]
    grid = [(top, left) for top in places for left in places]
    for (top, left), strength, opacity in zip(grid, strengths.ravel(), opacities):
        window = np.s_[top : top + size, left : left + size]
        total[window] += strength * opacity
        covered[window] += 1
    return total / np.maximum(covered, 1)


def locate(strengths: np.ndarray, places: np.ndarray, share: float) -> tuple[int, int]:
    """First row and column of the window where triggers work best: a mean over those above a share of the largest.

    Args:
        strengths: (n, n); where none is above 0, the largest window alone counts.
        places: (n,), first rows and columns of the windows.
        share: in (0, 1).
    """
    weights = np.maximum(strengths - share * abs(strengths.max()), 0)
    if not weights.any():
        weights = (strengths == strengths.max()).astype(float)
    return tuple(round(float(weights.sum(axis=axis) @ places / weights.sum())) for axis in (1, 0))  # type: ignore


class Sweep(tf.Module):
    """The state of all windows of a class; ``run`` starts anew, so one compiled step serves all classes."""

    def __init__(self, options: MovingWindow, *, suspect: ClassSuspect) -> None:
        """Before the first run.

        Raises:
            ValueError: if model, images and window do not fit.
        """
        super().__init__()
        check(suspect, options.size)
        self.options, self.suspect, self.model = options, suspect, logits.copy(suspect.model)
        self.side, self.channels = suspect.model.input_shape[1], suspect.model.input_shape[3]
        self.places = options.places(self.side)
        grid = [(top, left) for top in self.places for left in self.places]
        self.top, self.left = (tf.constant([place[k] for place in grid], tf.int32) for k in range(2))
        self.raw = tf.Variable(tf.zeros((len(grid), options.size, options.size, self.channels + 1)))
        self.optimizer = Adam([self.raw], learning_rate=options.learning_rate)
        self._new = [(variable, variable.numpy()) for variable in self.optimizer.variables]
        self.target = tf.Variable(0, trainable=False)
        self.completing = _Complete(self.model, options)
        held = kept_aside(suspect.benign.labels)
        self.searched, self.aside = (pixels(suspect.benign.images[chosen]) for chosen in (~held, held))
        self.aside_labels = suspect.benign.labels[held]

    def run(self, target: int, *, seed: int) -> HeatMap:
        """The heat map of a class.

        Args:
            target: the class.
            seed: of the start and of the order of the images.

        Raises:
            ValueError: if there is no such class.
        """
        logits.check_class(self.suspect.model, target)
        random = np.random.default_rng(seed)
        self._restart(target, random)
        for _ in range(self.options.steps):
            self.step(self.searched[random.integers(0, len(self.searched), len(self.top))])
        strengths = np.mean([self.margins(image).numpy() for image in self._judges(target, random)], axis=0)
        strengths = strengths.reshape(len(self.places), -1).astype(float)
        shares = np.maximum(strengths, 0) / max(strengths.max(), 1e-9)
        opacities = tf.sigmoid(self.raw[..., -1]).numpy()
        return HeatMap(target, strengths, accumulate(shares, opacities, self.places, self.side))

    @tf.function
    def step(self, images: tf.Tensor) -> tf.Tensor:
        """One step in all windows, an image (H, W, C) each; the loss, a mean over windows, is returned."""
        with tf.GradientTape() as tape:
            triggers = tf.sigmoid(self.raw)
            answers = self.model(stamp(images, triggers, self.top, self.left), training=False)
            loss = window_loss(margin(answers, self.target), triggers[..., -1:], self.options.opacity)
            summed = loss * tf.cast(tf.shape(images)[0], tf.float32)  # each window as if it were alone
        self.optimizer.apply([tape.gradient(summed, self.raw)], [self.raw])
        return loss

    @tf.function
    def margins(self, image: tf.Tensor) -> tf.Tensor:
        """Of the target, under each window's trigger on one image (H, W, C): (P,)."""
        images = tf.repeat(image[None], len(self.top), axis=0)
        answers = self.model(stamp(images, tf.sigmoid(self.raw), self.top, self.left), training=False)
        return margin(answers, self.target)

    def row(self, found: Found) -> np.ndarray:
        """What was found for a class as numbers, float64 (:attr:`length`,), for a journal."""
        first = np.array([found.heat.target, found.response, *found.box])
        parts = (first, found.heat.strengths, found.heat.pixels, found.trigger)
        return np.concatenate([part.ravel() for part in parts])

    def found(self, row: np.ndarray) -> Found:
        """What :meth:`row` was made of."""
        ends = np.cumsum([np.prod(shape) for shape in self._shapes])[:-1]
        parts = [part.reshape(shape) for part, shape in zip(np.split(row, ends), self._shapes)]
        (target, response, *box), strengths, heat, trigger = parts
        return Found(HeatMap(int(target), strengths, heat), trigger.astype(np.float32), Box(*map(int, box)), response)

    @property
    def length(self) -> int:
        """Numbers in a row."""
        return sum(int(np.prod(shape)) for shape in self._shapes)

    @property
    def _shapes(self) -> tuple[tuple[int, ...], ...]:
        windows, size = len(self.places), self.options.size
        return (6,), (windows, windows), (self.side, self.side), (size, size, self.channels + 1)

    def _restart(self, target: int, random: np.random.Generator) -> None:
        self.raw.assign(random.normal(0, 0.5, self.raw.shape).astype(np.float32))
        for variable, value in self._new:
            variable.assign(value)
        self.target.assign(target)

    def _judges(self, target: int, random: np.random.Generator) -> np.ndarray:
        """Images kept aside of other classes."""
        others = np.flatnonzero(self.aside_labels != target)
        if not len(others):
            raise ValueError(f"all benign images kept aside are of class {target}, so no window can be judged on them")
        return self.aside[random.permutation(others)[: self.options.judged]]


def complete(sweep: Sweep, heat: HeatMap, *, seed: int) -> Found:
    """Search the complete trigger in the window where a heat map peaks, with the map as its first opacity.

    Args:
        sweep: of the model that the map was made from.
        heat: of the class.
        seed: of the colours and of the order of the images.
    """
    options, random = sweep.options, np.random.default_rng(seed)
    top, left = locate(heat.strengths, sweep.places, options.share)
    box = Box(top, left, top + options.size, left + options.size)
    near = heat.pixels[box.top : box.bottom, box.left : box.right] / max(heat.pixels.max(), 1e-9)
    state = sweep.completing
    state.restart(heat.target, box, np.clip(near, 0.1, 0.9), random)
    for _ in range(options.complete_steps):
        state.step(sweep.searched[random.integers(0, len(sweep.searched), options.batch)])
    others = sweep.aside[sweep.aside_labels != heat.target]
    answers = tf.nn.softmax(sweep.model(state.stamped(tf.constant(others)), training=False))
    return Found(heat, tf.sigmoid(state.raw).numpy(), box, float(tf.reduce_mean(answers[:, heat.target])))


class _Complete(tf.Module):
    """State of the search for one complete trigger; ``restart`` makes it new."""

    def __init__(self, model: tf.keras.Model, options: MovingWindow) -> None:
        super().__init__()
        self.model, self.weight = model, options.opacity
        self.raw = tf.Variable(tf.zeros((options.size, options.size, model.input_shape[-1] + 1)))
        self.optimizer = Adam([self.raw], learning_rate=options.learning_rate)
        self._new = [(variable, variable.numpy()) for variable in self.optimizer.variables]
        self.target, self.top, self.left = (tf.Variable(0, trainable=False) for _ in range(3))

    def restart(self, target: int, box: Box, opacity: np.ndarray, random: np.random.Generator) -> None:
        """Random colours, with a first opacity (S, S) in (0, 1)."""
        colours = random.normal(0, 0.5, (*opacity.shape, self.raw.shape[-1] - 1))
        start = np.concatenate([colours, np.log(opacity / (1 - opacity))[..., None]], axis=-1)
        for variable, value in [*self._new, (self.raw, start.astype(np.float32))]:
            variable.assign(value)
        for variable, value in ((self.target, target), (self.top, box.top), (self.left, box.left)):
            variable.assign(value)

    def stamped(self, images: tf.Tensor) -> tf.Tensor:
        """Images with the trigger as it is now."""
        count = len(images)
        triggers = tf.repeat(tf.sigmoid(self.raw)[None], count, axis=0)
        return stamp(images, triggers, tf.fill([count], self.top), tf.fill([count], self.left))

    @tf.function
    def step(self, images: tf.Tensor) -> tf.Tensor:
        """One step down the loss, which is returned."""
        with tf.GradientTape() as tape:
            answers = self.model(self.stamped(images), training=False)
            loss = complete_loss(answers, self.target, tf.sigmoid(self.raw)[..., -1:], self.weight)
        self.optimizer.apply([tape.gradient(loss, self.raw)], [self.raw])
        return loss
