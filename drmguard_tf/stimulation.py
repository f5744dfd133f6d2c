"""Channels that betray a backdoor: dormant on benign images, and once stimulated all outputs are one.

After ABS (Liu et al., "ABS: Scanning Neural Networks for Back-doors by Artificial Brain Stimulation", CCS 2019), which
looks for single neurons that decide a class. Here, in a regression model, a compromised channel is one that leaves the
outputs no variance; a search that begins by waking it starts beside the trigger, where a search that begins with small
changes may get no hint of it. Several channels that come close to that are evidence of their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Optional

import numpy as np
import tensorflow as tf

from drmguard_tf import losses
from drmguard_tf.reference import Reference
from drmguard_tf.unfolding import unfolded

_IMAGES = 16  # benign ones that are looked at
_AT_ONCE = 4  # channels in a batch
_STRONG = 90  # percentile of a layer's channels, by their largest value; that value is strong in the layer
_FACTOR = 4.0  # how many times that a channel is stimulated to; as far as triggers drive theirs
_DORMANT = 0.01  # share of a strong value that benign images give a dormant channel at most, in the mean
_RESTING = 0.1  # the same of channels that are looked at at all
_SEVERAL = 5  # channels that speak for a model (reports say five): single ones rest and decide in some benign models
_SPEAKING = 0.02  # share of the fifth at which they do; least of 24 benign controls of the small network: 0.033
_LOOSER = 2.0  # times the bound on the output variance for a compromised channel of a model in which several speak
_LEAST = 1e-6  # share that is told apart from nothing
_ACTIVATIONS = (
    tf.keras.layers.Activation,
    tf.keras.layers.ELU,
    tf.keras.layers.LeakyReLU,
    tf.keras.layers.PReLU,
    tf.keras.layers.ReLU,
)


class Channel(NamedTuple):
    """A channel of an activation layer and what its stimulation does.

    Attributes:
        layer: name of the layer in the unfolded graph.
        place: of the channel there.
        level: what is strong in that layer; the channel is set to four times that.
        use: mean value on benign images, as a share of ``level``; near 0 in a dormant channel.
        spread: output variance under stimulation, as a share of that of benign images.
        outputs: float32 (K,), mean output under stimulation.
    """

    layer: str
    place: int
    level: float
    use: float
    spread: float
    outputs: np.ndarray

    def __str__(self) -> str:
        return f"{self.layer}[{self.place}]"


class Channels(NamedTuple):
    """What the channels of a model tell.

    Attributes:
        compromised: a channel that is dormant on benign images and collapses the outputs when it is stimulated, or all
            but collapses them where several speak; None where there is none.
        share: what benign images make of a channel and what its stimulation leaves of the output variance, the larger
            of the two; that of the fifth channel, the smallest first, and 0.1 at most. Small in a model that has
            several channels which rest and can decide alone.
    """

    compromised: Optional[Channel]
    share: float

    @property
    def several(self) -> bool:
        """Whether several channels speak: one may rest and decide by chance, five at once hardly."""
        return self.share <= _SPEAKING


def channels(reference: Reference, bound: float) -> Channels:
    """Look for channels that betray a backdoor.

    Of several compromised ones that with the smallest output variance in the deepest layer is told: the deepest sees
    most of the image, so a trigger wakes it anywhere, one far from it only in part.

    Args:
        reference: constants of the suspect.
        bound: on the output variance that a compromised channel leaves, as a share of that of benign images.
    """
    found = list(stimulate(reference, most=_RESTING))
    shares = sorted(max(channel.use, channel.spread) for channel in found)
    share = min([*shares, *[_RESTING] * _SEVERAL][_SEVERAL - 1], _RESTING)
    told = Channels(_compromised(found, bound), max(share, _LEAST))
    if told.compromised is None and told.several:
        return told._replace(compromised=_compromised(found, _LOOSER * bound))
    return told


def _compromised(found: Sequence[Channel], bound: float) -> Optional[Channel]:
    dormant = [channel for channel in found if channel.use <= _DORMANT and channel.spread <= bound]
    deepest = [channel for channel in dormant if channel.layer == dormant[-1].layer]
    return min(deepest, key=lambda channel: channel.spread, default=None)


def stimulate(reference: Reference, *, most: float = np.inf) -> Iterator[Channel]:
    """Stimulate the channels of the activation layers on maps, all layers but the last, one after the other.

    The last layer's channels only shift the features. Activations in nested models and in convolutions count too.

    Args:
        reference: constants of the suspect.
        most: channels of which benign images make more use are left alone, which saves their time.

    Yields:
        The channels in the order of the graph.
    """
    joint, count = unfolded(reference.sub.joint), len(reference.images)
    names = _activations(joint)[:-1]
    if not names:
        return
    images = tf.gather(reference.images, np.linspace(0, count - 1, min(_IMAGES, count)).astype(int))
    maps = tf.keras.Model(joint.inputs, [joint.get_layer(name).output for name in names])
    stimulated = _copy(joint, names)
    many = tf.tile(images, (_AT_ONCE, 1, 1, 1))

    @tf.function
    def answer() -> tf.Tensor:
        _, outputs = stimulated(many, training=False)
        return tf.reshape(outputs, (_AT_ONCE, len(images), -1))

    benign = losses.output_variance(joint(images, training=False)[1])
    values = maps(images, training=False)
    for name, value in zip(names, values if len(names) > 1 else [values]):
        layer, channels = stimulated.get_layer(name), value.shape[-1]
        level = float(np.percentile(tf.reduce_max(value, axis=[0, 1, 2]), _STRONG))
        use = tf.reduce_mean(value, axis=[0, 1, 2]).numpy() / max(level, 1e-12)
        layer.level.assign(_FACTOR * level)
        few = np.flatnonzero(use <= most)
        for first in range(0, len(few), _AT_ONCE):
            picked = few[first : first + _AT_ONCE]
            layer.chosen.assign(tf.one_hot(np.resize(picked, _AT_ONCE), channels))
            for channel, outputs in zip(picked, answer()):
                spread = float(losses.output_variance(outputs) / benign)
                mean = tf.reduce_mean(outputs, axis=0).numpy()
                yield Channel(name, int(channel), level, float(use[channel]), spread, mean)
        layer.chosen.assign(tf.zeros_like(layer.chosen))


def waking(reference: Reference, channel: Channel) -> tf.keras.Model:
    """The joint pass with a third output: what goes into the activation of a channel, (B, h, w).

    Before the activation, because a dormant ReLU has no slope.
    """
    joint = unfolded(reference.sub.joint)
    before = joint.get_layer(channel.layer).get_input_at(0)
    return tf.keras.Model(joint.inputs, [*joint.outputs, before[..., channel.place]])


def _activations(model: tf.keras.Model) -> list[str]:
    """Names of activation layers on maps, in the order of the graph; what is used several times is left out."""
    once = [x for x in model.layers if isinstance(x, _ACTIVATIONS) and len(x.inbound_nodes) == 1]
    return [x.name for x in once if len(x.output_shape) == 4]


class _Stimulated(tf.keras.layers.Layer):
    """A layer, one channel of whose values is replaced; another one for every part of the batch."""

    def __init__(self, inner: tf.keras.layers.Layer) -> None:
        super().__init__(name=inner.name, trainable=False)
        self.inner = inner

    def build(self, shape: tf.TensorShape) -> None:
        """Nothing is chosen yet."""
        self.chosen = self.add_weight("chosen", (_AT_ONCE, shape[-1]), initializer="zeros", trainable=False)
        self.level = self.add_weight("level", (), initializer="zeros", trainable=False)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        values = self.inner(inputs)
        chosen = tf.repeat(self.chosen, tf.shape(values)[0] // _AT_ONCE, axis=0)[:, None, None]
        return values + chosen * (self.level - values)


def _copy(model: tf.keras.Model, names: list[str]) -> tf.keras.Model:
    """A copy with weights of its own, in which channels of the named layers can be stimulated."""

    def copied(layer: tf.keras.layers.Layer) -> tf.keras.layers.Layer:
        twin = type(layer).from_config(layer.get_config())
        return _Stimulated(twin) if layer.name in names else twin

    copy = tf.keras.models.clone_model(model, clone_function=copied)
    for layer in model.layers:
        twin = copy.get_layer(layer.name)
        (twin.inner if layer.name in names else twin).set_weights(layer.get_weights())
    return copy
