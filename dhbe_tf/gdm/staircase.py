"""The max-entropy staircase approximator: one generator per level of success, together the distribution of triggers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from data_prep.batches import batches
from data_prep.contract import pixels
from data_prep.diverged import watch
from data_prep.journal import NO_JOURNAL, Journal
from data_prep.threat import ClassSuspect
from dhbe_tf import logits
from dhbe_tf.gdm.generator import trigger_generator
from dhbe_tf.gdm.mine import Mine
from dhbe_tf.gdm.stamping import random_places, stamp
from dhbe_tf.optimizers import Adam

_KEPT_ASIDE = 4  # one benign image in so many tells how triggers do, and is not searched with


@dataclass(frozen=True)
class Staircase:
    """How the distribution of a class's triggers is modelled; defaults are those of the authors' code.

    Attributes:
        size: side of the triggers in pixels.
        levels: success beyond which a sub-model gains nothing, one each.
        entropy: weight of the mutual information.
        noise: standard deviation of what is added to triggers on their way through the classifier.
        steps, batch: of each sub-model.
        draws: triggers that the information is estimated on in each step, the batch among them; None takes the batch.
            They cost little, since only the batch goes through the classifier.
        blur: standard deviation of what is added to triggers on their way to the statistics network. With it,
            information is the entropy of blurred triggers but for a constant, and only spread raises it; without, a
            narrow generator tells as much of its noise as a wide one, and only the estimate of it is raised.
        climbing: whether levels are searched from the lowest to the highest, each going on from the one below and the
            lowest from a search for information alone. Triggers are then all over before they are drawn to where they
            work, to each of several places; otherwise all start as one grey trigger.
        statistics_steps: of the statistics network after each one of the generator; the published one takes one.
        latent, width: of the generator's noise and of both networks' hidden layers.
        learning_rate: of both networks' Adam, with betas of 0.5 and 0.999.
        placement: "batch": all triggers of a batch go to one random place. "sample": each to a place of its own.
        place: (top, left), where all triggers go; None draws places.
        transparent: whether triggers have an opacity for every pixel.
    """

    size: int = 3
    levels: tuple[float, ...] = (0.9, 0.8, 0.5)
    entropy: float = 0.1
    noise: float = 0.1
    steps: int = 620  # ten epochs of 8,000 images in batches of 128
    batch: int = 128
    draws: int | None = None
    blur: float = 0.0
    climbing: bool = False
    statistics_steps: int = 1
    latent: int = 64
    width: int = 512
    learning_rate: float = 2e-4
    placement: str = "batch"
    place: tuple[int, int] | None = None
    transparent: bool = False

    def __post_init__(self) -> None:
        if min(self.size, self.steps, self.width, self.statistics_steps) < 1 or self.batch < 2:
            raise ValueError(f"size, width and all steps must be 1 or more and batch 2 or more, got {self}")
        if not self.levels or not all(0 < level <= 1 for level in self.levels):
            raise ValueError(f"levels are shares above 0 and up to 1, one or more; got {self.levels}")
        if min(self.entropy, self.noise, self.blur) < 0 or self.learning_rate <= 0:
            raise ValueError(f"entropy, noise and blur must not be negative, the learning rate above 0; got {self}")
        if self.draws is not None and self.draws < self.batch:
            raise ValueError(f"the batch is among the draws, so there must be {self.batch} or more; got {self.draws}")
        if self.placement not in ("batch", "sample"):
            raise ValueError(f'placement must be "batch" or "sample", got {self.placement!r}')


@dataclass(frozen=True, eq=False)  # holds networks, so identity is equality
class SubModel:
    """One step of the staircase.

    Attributes:
        level: its level.
        generator: noise to triggers.
        response: mean probability of the target under its triggers, on benign images that it was not trained on.
        information: nats; what the triggers tell of their noise, by the statistics network at the end.
    """

    level: float
    generator: tf.keras.Model
    response: float
    information: float


@dataclass(frozen=True, eq=False)
class Distribution:
    """The distribution of one class's triggers: sub-models that take turns.

    Attributes:
        target: the class.
        parts: the sub-models.
    """

    target: int
    parts: tuple[SubModel, ...]

    @property
    def response(self) -> float:
        """Mean probability of the target under the triggers of all parts."""
        return float(np.mean([part.response for part in self.parts]))

    def sample(self, count: int, *, seed: int) -> np.ndarray:
        """Triggers of all parts in turn, float32 (count, S, S, C or C + 1) in (0, 1), always the same for a seed."""
        share = -(-count // len(self.parts))
        drawn = [samples(part.generator, share, seed=seed + number) for number, part in enumerate(self.parts)]
        return np.stack(drawn, axis=1).reshape(-1, *drawn[0].shape[1:])[:count]


def samples(generator: tf.keras.Model, count: int, *, seed: int) -> np.ndarray:
    """Triggers of one generator, in inference mode; see :meth:`Distribution.sample`."""
    noise = tf.random.Generator.from_seed(seed).uniform((count, generator.input_shape[-1]))
    return generator(noise, training=False).numpy()


def staircase_loss(probabilities: tf.Tensor, level: tf.Tensor, information: tf.Tensor, entropy: float) -> tf.Tensor:
    """What a generator minimises: ``-mean(min(probability, level)) - entropy * information`` (GDM, Alg. 1).

    Args:
        probabilities: of the target class under the generated triggers (B,).
        level: scalar; beyond it, more success gains nothing, and only the entropy grows.
        information: scalar, nats.
        entropy: its weight.
    """
    tf.debugging.assert_shapes([(probabilities, ("B",)), (level, ()), (information, ())])
    return -tf.reduce_mean(tf.minimum(probabilities, level)) - entropy * information


def check(suspect: ClassSuspect, size: int) -> None:
    """Refuse what triggers of ``size`` cannot be searched on.

    Raises:
        ValueError: saying what is expected.
    """
    logits.check(suspect.model)
    shape, data = suspect.model.input_shape[1:], suspect.benign
    if data is None:
        raise ValueError("GDM searches on benign images of the defender's own, and there are none")
    if data.image_shape != shape or len(data.classes) != suspect.model.output_shape[-1]:
        raise ValueError(
            f"the model maps {shape} to {suspect.model.output_shape[-1]} classes, the benign images are "
            f"{data.image_shape} of {len(data.classes)} classes"
        )
    if shape[0] != shape[1]:
        raise ValueError(
            f"the search takes square images, and these are {shape[0]} x {shape[1]}. Cut or stretch them in front of "
            "the model, as an input of (side, side, channels) and a Resizing layer."
        )
    if not 0 < size <= shape[0]:
        raise ValueError(f"a window of {size} px does not fit into images of {shape[0]} x {shape[1]}")


def kept_aside(labels: np.ndarray) -> np.ndarray:
    """Which of the benign images judge triggers and are not searched with: a fourth of every class; bool (N,)."""
    aside = np.zeros(len(labels), bool)
    aside[np.argsort(labels, kind="stable")[::_KEPT_ASIDE]] = True
    return aside


class Search(tf.Module):
    """The state of one sub-model's search; ``restart`` makes it new, so one compiled step serves all classes."""

    def __init__(self, options: Staircase, *, suspect: ClassSuspect) -> None:
        """Before the first restart.

        Args:
            options: the settings.
            suspect: the model and the images that are searched with.

        Raises:
            ValueError: if they do not fit.
        """
        super().__init__()
        check(suspect, options.size)
        self.options, self.suspect = options, suspect
        self.model = logits.copy(suspect.model)
        channels = suspect.model.input_shape[-1]
        self.generator = trigger_generator(
            options.size,
            channels,
            latent=options.latent,
            width=options.width,
            transparent=options.transparent,
            seed=0,
        )
        values = int(np.prod(self.generator.output_shape[1:]))
        self.mine = Mine(options.latent, values, width=options.width, learning_rate=options.learning_rate, seed=10)
        self.optimizer = Adam(
            self.generator.trainable_variables, learning_rate=options.learning_rate, betas=(0.5, 0.999)
        )
        self.information = tf.Variable(0.0, trainable=False)  # of the last step, nats
        self.random = tf.random.Generator.from_seed(0)
        self.target, self.level = tf.Variable(0, trainable=False), tf.Variable(0.5, trainable=False)
        held = kept_aside(suspect.benign.labels)
        self.searched, self.aside = (pixels(suspect.benign.images[chosen]) for chosen in (~held, held))
        self.aside_labels = suspect.benign.labels[held]
        trained = (*self.generator.variables, *self.mine.variables, *self.optimizer.variables)
        self._new = [(variable, variable.numpy()) for variable in trained]

    def run(
        self,
        target: int,
        level: float,
        *,
        seed: int,
        steps: int | None = None,
        going_on: bool = False,
        progress: Callable[[int], None] = lambda step: None,
        journal: Journal = NO_JOURNAL,
    ) -> SubModel:
        """One sub-model.

        Args:
            target: the class that its triggers are to lead to.
            level: of the staircase; at 0 only the information counts.
            seed: of all noise and the order of the images.
            steps: instead of the options' own.
            going_on: whether the networks of the last search are trained on, or new ones.
            progress: called with the number of steps done.
            journal: where an interrupted search goes on.

        Raises:
            ValueError: if there is no such class.
            Diverged: if the search does.
        """
        logits.check_class(self.suspect.model, target)
        if not going_on:
            self.renew()
        self.aim(target, level, seed=seed)
        total = steps or self.options.steps
        done = journal.resume(self._state)
        for step, index in enumerate(batches(len(self.searched), self.options.batch, total, seed), 1):
            if step <= done:
                continue
            probability, information = self.step(self.searched[index])
            watch(information, step, total, f"search for triggers of class {target}")
            journal.note(step, {"probability": probability, "information": information})
            progress(step)
        journal.complete(total)
        made = tf.keras.models.clone_model(self.generator)
        made.set_weights(self.generator.get_weights())
        response = self.response(samples(made, len(self.aside), seed=seed), target, seed=seed)
        return SubModel(level, made, response, float(self.information))

    @property
    def _state(self) -> dict[str, Any]:
        """All that changes in a run."""
        return {
            "generator": self.generator,
            "mine": self.mine,
            "optimizer": self.optimizer,
            "random": self.random,
            "information": self.information,
        }

    def restart(self, target: int, level: float, *, seed: int) -> None:
        """New networks and new noise."""
        self.renew()
        self.aim(target, level, seed=seed)

    def renew(self) -> None:
        """New networks, which always start alike."""
        for variable, value in self._new:
            variable.assign(value)

    def aim(self, target: int, level: float, *, seed: int) -> None:
        """New noise for a class and a level; the networks stay as they are."""
        self.random.reset_from_seed(seed)
        self.target.assign(target)
        self.level.assign(level)

    @tf.function
    def step(self, images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """One step of the generator, then those of the statistics network, with new noise each.

        Args:
            images: (B, H, W, C) in [0, 1].

        Returns:
            Mean probability of the target, and the mutual information in nats.
        """
        variables = self.generator.trainable_variables
        count = images.shape[0]
        noise, other = self._noise(count), self._noise(count)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(variables)
            triggers = self.generator(noise, training=True)
            information = self.mine.estimate(noise, other, self._blurred(triggers))
            stamped = triggers[:count] + self.random.normal(tf.shape(triggers[:count]), stddev=self.options.noise)
            probabilities = self._probabilities(images, stamped)
            loss = staircase_loss(probabilities, self.level, information, self.options.entropy)
        self.optimizer.apply(tape.gradient(loss, variables), variables)
        for _ in range(self.options.statistics_steps):
            noise, other = self._noise(count), self._noise(count)
            self.mine.step(noise, other, self._blurred(self.generator(noise, training=True)))
        return tf.reduce_mean(probabilities), self.information.assign(information)

    def response(self, triggers: np.ndarray, target: int, *, seed: int) -> float:
        """Mean probability of a class under triggers, on the images kept aside that are of another class.

        Args:
            triggers: (n, S, S, C or C + 1); they are put on the images in turn.
            target: the class.
            seed: of the places.
        """
        images = self.aside[self.aside_labels != target]
        if not len(images):
            raise ValueError(f"all benign images kept aside are of class {target}, so no trigger can be judged on them")
        self.random.reset_from_seed(seed)
        self.target.assign(target)
        chosen = tf.gather(tf.constant(triggers), np.arange(len(images)) % len(triggers))
        return float(tf.reduce_mean(self._probabilities(tf.constant(images), chosen)))

    def _probabilities(self, images: tf.Tensor, triggers: tf.Tensor) -> tf.Tensor:
        size, count = self.options.size, images.shape[0]
        if self.options.place is None:
            shared = self.options.placement == "batch"
            top, left = random_places(self.random, count, images.shape[1:3], size, shared=shared)
        else:
            top, left = (tf.fill([count], side) for side in self.options.place)
        answers = self.model(stamp(images, triggers, top, left), training=False)
        return tf.gather(tf.nn.softmax(answers), self.target, axis=1)

    def _noise(self, batch: int) -> tf.Tensor:
        """For all draws; without them for a batch, which is smaller than the options' where there are few images."""
        return self.random.uniform((self.options.draws or batch, self.options.latent))

    def _blurred(self, triggers: tf.Tensor) -> tf.Tensor:
        """What the statistics network sees of triggers: (n, values)."""
        values = tf.reshape(triggers, [tf.shape(triggers)[0], int(np.prod(triggers.shape[1:]))])
        if not self.options.blur:
            return values
        return values + self.random.normal(tf.shape(values), stddev=self.options.blur)


def responses(
    search: Search,
    *,
    steps: int,
    seed: int,
    progress: Callable[[int], None] = lambda label: None,
    journal: Journal = NO_JOURNAL,
) -> np.ndarray:
    """How far a short search comes for every class, at the highest level: float64 (K,), mean probabilities.

    Args:
        search: serves all classes.
        steps: of each class.
        seed: of all noise.
        progress: called with the number of classes done.
        journal: where an interrupted search goes on, with the class that it was at.
    """
    found = np.zeros((len(search.suspect.benign.classes), 1))
    for target in range(journal.resume({}, found), len(found)):
        found[target] = search.run(target, max(search.options.levels), seed=seed, steps=steps).response
        journal.note(target + 1, {"response": found[target, 0]})
        progress(target + 1)
    journal.complete(len(found))
    return found[:, 0]


def distribution(
    search: Search,
    target: int,
    *,
    seed: int,
    journals: Callable[[str], Journal] = lambda name: NO_JOURNAL,
) -> Distribution:
    """All sub-models of a class.

    Args:
        search: serves all levels.
        target: the class.
        seed: of all noise.
        journals: where the search of a level goes on after an interruption, by a name that has class and level in it.
    """
    levels, climbing = search.options.levels, search.options.climbing
    if climbing:
        search.run(target, 0.0, seed=seed + len(levels), journal=journals(f"class-{target}-level-0"))
    parts = {
        number: search.run(
            target,
            level,
            seed=seed + number,
            going_on=climbing,
            journal=journals(f"class-{target}-level-{level:g}"),
        )
        for number, level in sorted(enumerate(levels), key=lambda step: step[1] if climbing else step[0])
    }
    return Distribution(target, tuple(parts[number] for number in range(len(levels))))
