"""Fine-pruning (Liu et al. 2018): switch off what benign images leave asleep, then fine-tune."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, Optional

import numpy as np
import tensorflow as tf

from data_prep.contract import pixels
from data_prep.threat import Suspect
from drmguard_tf.baselines.held_out import clean_loss, copy_of, furthest, held_out
from drmguard_tf.reference import examine
from drmguard_tf.unlearning import Unlearning

layers = tf.keras.layers

_FLATTENING = (
    layers.GlobalAveragePooling2D,
    layers.GlobalMaxPooling2D,
    layers.AveragePooling2D,
    layers.MaxPooling2D,
    layers.Flatten,
    layers.Dropout,
)
_BATCH = 250


@dataclass(frozen=True)
class FinePruning:
    """Options.

    Attributes:
        tolerance: pruning stops before the held-out clean error has risen by this share.
        share: of the benign subjects, kept back to measure that.
        budget: of the fine-tuning that follows.
    """

    tolerance: float = 0.1
    share: float = 0.2
    budget: Unlearning = field(default_factory=Unlearning)

    def __post_init__(self) -> None:
        if self.tolerance < 0 or not 0 < self.share < 1:
            raise ValueError(f"the tolerance must be 0 or more and the held-out share in (0, 1), got {self}")

    @property
    def total_steps(self) -> int:
        """Steps of the fine-tuning."""
        return self.budget.steps

    def mitigate(
        self, suspect: Suspect, *, seed: int, progress: Callable[[int], None] = lambda step: None
    ) -> tf.keras.Model:
        """A pruned and fine-tuned copy of the suspect.

        Args:
            suspect: model and benign set; the model's weights are left alone.
            seed: of the held-out subjects and the order of the images.
            progress: called with the number of fine-tuning steps done.

        Raises:
            ValueError: if model and benign set do not fit each other, or the model has no feature maps to prune.
        """
        seen, held = held_out(suspect.benign, self.share, seed)
        pruned = self.prune(suspect.model, pixels(seen.images), pixels(held.images), held.targets)
        reader, rows = _deaf(suspect.model, pruned)

        def silence(model: tf.keras.Model) -> None:
            kernel = model.get_layer(reader).kernel
            kernel.assign(kernel * rows[:, None])

        model = copy_of(suspect)
        silence(model)
        left = Suspect(model, seen)
        return self.budget.run(left, examine(left), [], seed=seed, progress=progress, after=silence)

    def prune(self, model: tf.keras.Model, seen: np.ndarray, held: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Which channels of the last feature maps are pruned: the least active ones, as many as the tolerance allows.

        Args:
            model: the suspect.
            seen: float32 (N, H, W, C) in [0, 1], images that rank the channels.
            held: the same of the held-out images.
            targets: float32 (M, K), labels of the held-out images.

        Returns:
            int (P,), channels, least active first; one channel is always left.
        """
        maps = last_maps(model)
        order = np.argsort(activity(maps.front, seen), kind="stable")
        ahead = _through(maps.front, held)
        losses = [
            clean_loss(_behind(maps, keep), ahead, targets)
            for keep in (_mask(len(order), order[:count]) for count in range(len(order)))
        ]
        return order[: furthest(losses[1:], losses[0], self.tolerance)]


def _behind(maps: Maps, keep: np.ndarray) -> Callable[[tf.Tensor], tf.Tensor]:
    """The part of a model behind its last feature maps, of which it sees some channels as zeros."""
    return lambda x: maps.back(x * keep, training=False)


class Maps(NamedTuple):
    """A model cut at its last feature maps.

    Attributes:
        front: images -> maps (B, H, W, C).
        back: maps -> outputs.
        reader: name of the Dense layer that reads them; its inputs repeat the C channels.
    """

    front: tf.keras.Model
    back: tf.keras.Model
    reader: str


def last_maps(model: tf.keras.Model) -> Maps:
    """Find the last feature maps of a functional model.

    Raises:
        ValueError: if no Dense layer reads pooled or flattened feature maps.
    """
    tensor = model.outputs[0]
    reader: Optional[tf.keras.layers.Dense] = None
    after: list[tf.keras.layers.Layer] = []
    between: list[tf.keras.layers.Layer] = []
    while len(tensor.shape) == 2 or isinstance(tensor._keras_history.layer, _FLATTENING):
        layer, call, _ = tensor._keras_history
        after.insert(0, layer)
        between.append(layer)
        if isinstance(layer, layers.Dense):
            reader, between = layer, []
        tensor = layer.get_input_at(call)
        if isinstance(tensor, (list, tuple)):
            break
    found = not isinstance(tensor, (list, tuple)) and len(tensor.shape) == 4
    if reader is None or not found or not all(isinstance(layer, _FLATTENING) for layer in between):
        raise ValueError(
            f"fine-pruning switches off channels of the last feature maps, and {model.name!r} has no Dense layer that "
            "reads pooled or flattened ones. Use another method, such as fine-tuning."
        )
    ahead = x = tf.keras.Input(tensor.shape[1:])
    for layer in after:
        x = layer(x)
    return Maps(tf.keras.Model(model.inputs, tensor), tf.keras.Model(ahead, x), reader.name)


def activity(front: tf.keras.Model, images: np.ndarray) -> np.ndarray:
    """Mean absolute value of every channel over images and places.

    Args:
        front: images -> maps.
        images: float32 (N, H, W, C) in [0, 1].

    Returns:
        float32 (channels,).
    """
    return np.abs(_through(front, images)).mean(axis=(0, 1, 2))


def _through(front: tf.keras.Model, images: np.ndarray) -> np.ndarray:
    step = tf.function(lambda batch: front(batch, training=False))
    return np.concatenate([step(tf.constant(images[at : at + _BATCH])) for at in range(0, len(images), _BATCH)])


def _mask(channels: int, pruned: np.ndarray) -> np.ndarray:
    keep = np.ones(channels, np.float32)
    keep[pruned] = 0
    return keep


def _deaf(model: tf.keras.Model, pruned: np.ndarray) -> tuple[str, np.ndarray]:
    """The layer that reads the maps, and a factor for every row of its kernel: 0 for those of pruned channels.

    That does the same as pruned maps, in a model of the same layers.
    """
    maps = last_maps(model)
    channels, read = maps.front.output_shape[-1], model.get_layer(maps.reader).kernel.shape[0]
    return maps.reader, np.tile(_mask(channels, pruned), read // channels)  # flattened maps have the channel last
