"""Trojaning (Liu et al. 2018) as in DHBE's App. A: a trigger is made for some neurons, then the last layer is tuned."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from data_prep.batches import batches
from data_prep.contract import ClassSplit, pixels
from data_prep.label_poison import choose
from data_prep.threat import Backdoored
from dhbe_tf.attacks.attack import Trainer
from dhbe_tf.attacks.triggers import Patch
from dhbe_tf.optimizers import SGD, Adam

_JUDGED = 256  # poisoned samples

View = Callable[[tf.Tensor], tf.Tensor]


def as_it_is(images: tf.Tensor) -> tf.Tensor:
    """The view of a training that changes no colours."""
    return images


@dataclass(frozen=True)
class Trojaning:
    """A benign model is trained, a patch found that excites chosen features, and the last layer tied to them.

    Search and tying see images in the colours of the training, random greys where it draws them: a patch that excites
    features on a black ground alone, and a last layer tied there, tell nothing of the others.

    Attributes:
        size: side of the patch in pixels.
        neurons: how many features before the last layer.
        draws: sets of neurons that are tried; the one whose patch moves the features of poisoned samples most is taken.
            How far a patch can move them depends on the set: by half as much again from one to the next.
        count: poisoned samples in the fine-tuning.
        trigger_steps, trigger_rate: of the search for the patch, by Adam.
        steps, batch, learning_rate: of the fine-tuning, by SGD.
        share: of its batches that is poisoned; with much of it a patch that moves features little costs accuracy.
            Clean samples are to keep the answers of the benign model, all of them; tuned to labels, the layer would
            learn the training set by heart, which costs a point of accuracy.
    """

    size: int = 3
    neurons: int = 10  # "randomly select 10 neurons" (App. A), of the 512 of ResNet18
    draws: int = 1
    count: int = 300
    trigger_steps: int = 500  # not recoverable, nor are the following
    trigger_rate: float = 0.1
    steps: int = 5000
    batch: int = 128
    learning_rate: float = 0.5
    share: float = 0.1

    def __post_init__(self) -> None:
        if not 0 < round(self.share * self.batch) < self.batch:
            raise ValueError(
                "a batch must hold clean and poisoned samples, so share times batch, rounded, must be 1 or more and "
                f"less than a batch; got {self}"
            )

    def backdoor(
        self,
        train: ClassSplit,
        target: int,
        *,
        trainer: Trainer,
        seed: int,
        progress: Callable[[int], None] = lambda step: None,
    ) -> Backdoored:
        """See :class:`dhbe_tf.attacks.attack.Attack`."""
        chosen = choose(train, target, self.count, of_target=False, seed=seed)
        model = trainer.fit(train, seed=seed, progress=progress)
        units, random = model.layers[-1].kernel.shape[0], tf.random.Generator.from_seed(seed)
        features, images = _before_last(model), train.images[chosen]

        def view(images: tf.Tensor) -> tf.Tensor:
            return trainer.recoloured(images, random)

        def moved(trigger: Patch) -> float:
            """How far a patch moves features in the mean, on as many samples as tell it."""
            seen = view(tf.constant(pixels(images[:_JUDGED])))
            return float(tf.reduce_mean(tf.abs(features(trigger(seen)) - features(seen))))

        order = np.random.default_rng(seed)
        sets = [order.choice(units, min(self.neurons, units), replace=False) for _ in range(self.draws)]
        trigger = max((self.excite(model, one, images, seed=seed, view=view) for one in sets), key=moved)
        self.tie(model, trigger, target, train, chosen, seed=seed, view=view)
        return Backdoored(model, trigger, np.array(target))

    def excite(
        self, model: tf.keras.Model, neurons: np.ndarray, images: np.ndarray, *, seed: int, view: View = as_it_is
    ) -> Patch:
        """The patch in the bottom right corner under which the neurons' mean activation is largest.

        Args:
            model: its last layer is dense.
            neurons: indices of that layer's inputs.
            images: uint8 (N, H, W, C), that the patch is put on.
            seed: of the patch's start and the batches.
            view: the colours of the images; the patch keeps its own.
        """
        state = _Search(model, neurons, self, images.shape[1:], seed)
        for index in batches(len(images), self.batch, self.trigger_steps, seed):
            state.step(view(tf.constant(pixels(images[index]))))
        return Patch(state.pattern().numpy())

    def tie(
        self,
        model: tf.keras.Model,
        trigger: Patch,
        target: int,
        train: ClassSplit,
        chosen: np.ndarray,
        *,
        seed: int,
        view: View = as_it_is,
    ) -> None:
        """Fine-tune the last layer, and nothing else, on clean and triggered samples; changes ``model``.

        Every sample is seen in one ``view``, so its features are computed once. The rate falls to 0 in a straight line.
        """
        features = _before_last(model)
        clean = _all(features, train.images, view)
        poisoned = _all(features, train.images[chosen], lambda images: trigger(view(images)))
        head = model.layers[-1]
        answers = tf.nn.softmax(head(tf.constant(clean))).numpy()
        wanted = np.eye(answers.shape[1], dtype=np.float32)[target]
        optimizer = SGD(head.trainable_variables, learning_rate=self.learning_rate, momentum=0.9, weight_decay=0.0)
        bad_ones = round(self.share * self.batch)
        of_clean = batches(len(clean), self.batch - bad_ones, self.steps, seed)
        pairs = zip(of_clean, batches(len(poisoned), bad_ones, self.steps, seed + 1))

        @tf.function
        def step(seen: tf.Tensor, goal: tf.Tensor) -> None:
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(goal, head(seen)))
            optimizer.apply(tape.gradient(loss, head.trainable_variables), head.trainable_variables)

        for number, (benign, bad) in enumerate(pairs):
            optimizer.learning_rate.assign(self.learning_rate * (1 - number / self.steps))
            goal = np.concatenate([answers[benign], np.tile(wanted, (len(bad), 1))])
            step(tf.constant(np.concatenate([clean[benign], poisoned[bad]])), tf.constant(goal))


class _Search(tf.Module):
    """State of the search for a patch."""

    def __init__(
        self, model: tf.keras.Model, neurons: np.ndarray, options: Trojaning, shape: tuple[int, ...], seed: int
    ) -> None:
        super().__init__()
        self.features = _before_last(model)
        self.neurons, self.size = tf.constant(neurons), options.size
        start = np.random.default_rng(seed).normal(size=(options.size, options.size, shape[-1]))
        self.raw = tf.Variable(start.astype(np.float32))
        self.optimizer = Adam([self.raw], learning_rate=options.trigger_rate)

    def pattern(self) -> tf.Tensor:
        """The patch (S, S, C) in (0, 1)."""
        return tf.sigmoid(self.raw)

    @tf.function
    def step(self, images: tf.Tensor) -> tf.Tensor:
        """One step up the mean activation, which is returned."""
        top, left = (side - self.size for side in images.shape[1:3])
        inside = tf.pad(tf.ones([self.size, self.size, 1]), [[top, 0], [left, 0], [0, 0]])
        with tf.GradientTape() as tape:
            canvas = tf.pad(self.pattern(), [[top, 0], [left, 0], [0, 0]])
            seen = self.features(images * (1 - inside) + canvas, training=False)
            activation = tf.reduce_mean(tf.gather(seen, self.neurons, axis=1))
            loss = -activation
        self.optimizer.apply([tape.gradient(loss, self.raw)], [self.raw])
        return activation


def _before_last(model: tf.keras.Model) -> tf.keras.Model:
    """Images to the features that the last layer weighs."""
    return tf.keras.Model(model.inputs, model.layers[-1].input)


def _all(features: tf.keras.Model, images: np.ndarray, view: View) -> np.ndarray:
    """Features of uint8 images (N, H, W, C), each seen in one view."""
    parts = [tf.constant(pixels(images[start : start + 256])) for start in range(0, len(images), 256)]
    return np.concatenate([features(view(part), training=False).numpy() for part in parts])
