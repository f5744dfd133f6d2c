"""What a model takes: the value range of its inputs, and constants that turn normalised samples into inputs.

DHBE has no data, so these come from the user or from the model itself: from a layer that normalises, or, solved for,
from the statistics in its first batch norm.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

layers = tf.keras.layers

_PASSED = (layers.InputLayer, layers.ZeroPadding2D, layers.Dropout, layers.GaussianNoise, layers.Activation)
_NEIGHBOURS = 0.95  # correlation of neighbouring pixels in photographs; used only where a batch norm is solved for


@dataclass(frozen=True)
class Domain:
    """How normalised samples become a model's inputs: ``(sample * std + mean) * white``.

    Attributes:
        mean, std: per channel, in units where black is 0 and white is 1.
        white: the value of a white pixel in the model's inputs, 1 or 255.
        source: where mean and std come from, in words.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    white: float
    source: str

    def __post_init__(self) -> None:
        if len(self.mean) != len(self.std) or not np.isfinite(self.mean).all() or not np.all(np.array(self.std) > 0):
            raise ValueError(f"mean and std must be equally many finite numbers, std above 0; got {self}")
        if self.white <= 0:
            raise ValueError(f"the value of a white pixel must be above 0, got {self.white:g}")

    def pixels(self, samples: tf.Tensor) -> tf.Tensor:
        """Normalised samples (B, H, W, C) as pixels, mostly in [0, 1]."""
        return samples * tf.constant(self.std, tf.float32) + tf.constant(self.mean, tf.float32)

    def inputs(self, pixels: tf.Tensor) -> tf.Tensor:
        """Pixels as the model takes them."""
        return pixels * self.white


def declared(mean: Sequence[float], std: Sequence[float], *, white: float = 1.0) -> Domain:
    """A domain that the user declares, black 0 and white 1."""
    return Domain(tuple(map(float, mean)), tuple(map(float, std)), white, "declared")


def read(model: tf.keras.Model, *, white: float | None = None) -> Domain:
    """A domain from what the model holds.

    Args:
        model: functional, with one image input.
        white: the value of a white pixel, 1 or 255. By default 255 if a first layer divides by more than 100, else 1.

    Raises:
        ValueError: if neither a normalising layer nor a batch norm near the input says what to use, or if they
            contradict ``white``.
    """
    channels = model.input_shape[-1]
    scale, offset = np.ones(channels), np.zeros(channels)  # what the layers so far make of an input: x * scale + offset
    kernel, large = None, False  # large: a layer changes from 0 to 255
    for layer in _from_the_input(model):
        if isinstance(layer, layers.Rescaling) and kernel is None:
            factor = np.array(layer.scale, float)
            scale, offset = scale * factor, offset * factor + np.array(layer.offset, float)
            large = large or bool(np.max(factor) < 1 / 100)
        elif isinstance(layer, layers.Normalization) and kernel is None:
            factor = 1 / np.maximum(np.sqrt(np.ravel(layer.variance)), 1e-7)
            scale, offset = scale * factor, (offset - np.ravel(layer.mean)) * factor
        elif isinstance(layer, layers.Conv2D) and kernel is None and layer.groups == 1:
            kernel = layer
        elif isinstance(layer, layers.BatchNormalization):
            break
        elif not isinstance(layer, _PASSED):
            layer = None
            break
    else:
        layer = None
    limit = white if white is not None else (255.0 if large else 1.0)
    if np.any(offset != 0):
        return _domain(-offset / scale, 1 / scale, limit, "the model's own normalising layer")
    if layer is None:
        raise ValueError(
            f"{model.name!r} has no layer that says how its inputs are distributed. Declare the mean and standard "
            "deviation of its training images, per channel in [0, 1]; when unknown, 0.5 and 0.25 are a fair start."
        )
    if kernel is None:
        mean, std = layer.moving_mean.numpy(), np.sqrt(layer.moving_variance.numpy())
        return _domain((mean - offset) / scale, std / scale, limit, "the model's first batch norm")
    mean, std = _solve(kernel, layer)
    return _domain(mean / scale, std / scale, limit, "solved for from the model's first convolution and batch norm")


def _domain(mean: np.ndarray, std: np.ndarray, white: float, source: str) -> Domain:
    mean, std = mean / white, std / white
    if not (np.all(mean > -0.5) and np.all(mean < 1.5) and np.all(std < 2)):
        raise ValueError(
            f"with a white pixel at {white:g}, {source} gives a mean of {np.round(mean, 3)} and a standard deviation "
            f"of {np.round(std, 3)}, which no images have. Declare the value range of the inputs (1 or 255)."
        )
    return Domain(tuple(map(float, mean)), tuple(map(float, std)), white, source)


def _from_the_input(model: tf.keras.Model) -> Iterator[tf.keras.layers.Layer]:
    """The layers after the input, for as long as they form a chain."""
    layer = model.inputs[0]._keras_history.layer
    if not getattr(model, "_is_graph_network", False):
        return
    mine = {id(node) for nodes in model._nodes_by_depth.values() for node in nodes}
    while True:
        nodes = [node for node in layer._outbound_nodes if id(node) in mine]
        if len(nodes) != 1:
            return
        layer = nodes[0].layer if hasattr(nodes[0], "layer") else nodes[0].outbound_layer
        yield layer


def _solve(convolution: tf.keras.layers.Layer, norm: tf.keras.layers.Layer) -> tuple[np.ndarray, np.ndarray]:
    """Mean per channel and one standard deviation of the images that gave a batch norm its statistics.

    Least squares over the convolution's filters: the mean of an output is the filter's sum per channel times the mean,
    its variance is ``w' R w`` times that of a pixel, R the correlations of a photograph's pixels.
    """
    weights = convolution.kernel.numpy().astype(float)  # (h, w, C, D)
    bias = convolution.bias.numpy() if convolution.use_bias else 0.0
    mean = np.linalg.lstsq(weights.sum(axis=(0, 1)).T, norm.moving_mean.numpy() - bias, rcond=None)[0]
    rows, columns = np.indices(weights.shape[:2]).reshape(2, -1)
    apart = np.hypot(rows[:, None] - rows, columns[:, None] - columns)
    correlation = _NEIGHBOURS**apart
    planes = weights.reshape(-1, *weights.shape[2:])
    summed = planes.sum(axis=1)  # channels of a photograph are nearly one
    unit = np.einsum("pd,pq,qd->d", summed, correlation, summed)
    variance = float(unit @ norm.moving_variance.numpy() / (unit @ unit))
    return mean, np.full(len(mean), np.sqrt(max(variance, 1e-12)))
