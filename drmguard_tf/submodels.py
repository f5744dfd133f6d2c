"""The split f = H o F of any Keras functional model that ends in one Dense layer, with or without an activation."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

_ACTIVATIONS = (
    tf.keras.layers.Activation,
    tf.keras.layers.LeakyReLU,
    tf.keras.layers.ReLU,
    tf.keras.layers.Rescaling,
    tf.keras.layers.Softmax,
)


class SubModels(NamedTuple):
    """The two halves of a deep regression model (DRMGuard, Sec. 3.2).

    Attributes:
        features: F, images (B, H, W, C) -> features (B, D).
        kernel: weight of H, (D, K); its columns are the w_j of Eq. 2.
        bias: of H, (K,), or zeros.
        head: H, features (B, D) -> outputs (B, K), its activation (sigma of Eq. 2) included.
        joint: images -> (features, outputs) in one pass.
    """

    features: tf.keras.Model
    kernel: tf.Tensor
    bias: tf.Tensor
    head: Callable[[tf.Tensor], tf.Tensor]
    joint: tf.keras.Model


def split(model: tf.keras.Model) -> SubModels:
    """Split a model before its last layer, whatever its other layers are.

    The halves share the model's variables; nothing is copied.

    Raises:
        ValueError: if the model is no functional graph with one image input and one output, or does not end in a
            Dense layer on a flat feature vector, or is a classifier.
    """
    _check(model)
    head, _, after = _ending(model)
    if type(head) is not tf.keras.layers.Dense or any(_is_softmax(layer) for layer in (head, *after)):
        last = model.outputs[0]._keras_history.layer
        activation = getattr(getattr(last, "activation", None), "__name__", "linear")
        ending = type(last).__name__ + (f" with activation {activation!r}" if activation != "linear" else "")
        raise ValueError(
            "DRMGuard reads the head's weights, so the last layer must be a Dense layer, alone or with an activation; "
            f"{model.name!r} ends in {ending}. A softmax head is a classifier: scan it with a table of classes "
            "(drmguard_tf.classification)."
        )
    return _halves(model)


def split_classifier(model: tf.keras.Model, temperature: float = 1.0) -> SubModels:
    """The same of a classifier; its outputs are probabilities, whether the model ends in a softmax or in logits.

    Where the Dense layer has the softmax itself, the head is a copy of it.

    Args:
        model: the classifier.
        temperature: by which logits are divided before the softmax.

    Raises:
        ValueError: as :func:`split`, but for the last reason; also if a softmax is not the last layer.
    """
    softened = tf.keras.layers.Rescaling(1 / temperature)(logits_of(model).output)
    return _halves(tf.keras.Model(model.inputs, tf.keras.layers.Softmax()(softened), name=model.name))


def logits_of(model: tf.keras.Model) -> tf.keras.Model:
    """From images to what goes into a classifier's softmax, or to what it returns if it has none.

    Raises:
        ValueError: as :func:`split_classifier`.
    """
    _check(model)
    return tf.keras.Model(model.inputs, _logits(model), name=model.name)


def _logits(model: tf.keras.Model) -> tf.Tensor:
    head, call, after = _ending(model)
    if type(head) is not tf.keras.layers.Dense:
        raise ValueError(f"a classifier must end in a Dense layer, alone or with a softmax; {model.name!r} does not")
    last = (head, *after)[-1]
    if any(_is_softmax(layer) for layer in (head, *after)[:-1]):
        raise ValueError(f"a softmax must be the last layer of a classifier; {model.name!r} goes on behind it")
    if not _is_softmax(last):
        return model.outputs[0]
    if after:
        return last.get_input_at(model.outputs[0]._keras_history.node_index)
    linear = tf.keras.layers.Dense(head.units, use_bias=head.use_bias)  # the head computes both at once
    logits = linear(head.get_input_at(call))
    linear.set_weights(head.get_weights())
    return logits


def _check(model: tf.keras.Model) -> None:
    if not getattr(model, "_is_graph_network", False):
        raise ValueError(
            f"{model.name!r} is not a functional Keras model, so its layers cannot be followed. "
            "Rebuild it as tf.keras.Sequential or tf.keras.Model(inputs, outputs), load the weights, save it again."
        )
    if len(model.inputs) != 1 or len(model.outputs) != 1 or len(model.inputs[0].shape) != 4:
        raise ValueError(
            f"one image input (B, H, W, C) and one output are needed; {model.name!r} takes {model.input_shape} "
            f"and returns {model.output_shape}. Wrap the part that sees the image in a model of its own."
        )


class _Ending(NamedTuple):
    head: tf.keras.layers.Layer
    call: int  # a shared layer has several
    after: list[tf.keras.layers.Layer]


def _ending(model: tf.keras.Model) -> _Ending:
    """The last layer that is more than an activation, and the activations behind it."""
    tensor = model.outputs[0]
    after: list[tf.keras.layers.Layer] = []
    while type(tensor._keras_history.layer) in _ACTIVATIONS:
        layer, call, _ = tensor._keras_history
        after.insert(0, layer)
        tensor = layer.get_input_at(call)
    head, call, _ = tensor._keras_history
    return _Ending(head, call, after)


def _is_softmax(layer: tf.keras.layers.Layer) -> bool:
    activation = getattr(layer, "activation", None)
    return isinstance(layer, tf.keras.layers.Softmax) or activation is tf.keras.activations.softmax


def _halves(model: tf.keras.Model) -> SubModels:
    head, call, after = _ending(model)
    seen = head.get_input_at(call)
    if len(seen.shape) != 2:
        raise ValueError(
            f"the last layer of {model.name!r} must see one flat feature vector (B, D), it sees {seen.shape}. "
            "Add a pooling or Flatten layer before it."
        )
    bias = head.bias if head.use_bias else tf.zeros(head.units)

    def answer(features: tf.Tensor) -> tf.Tensor:
        return functools.reduce(lambda x, layer: layer(x), after, head.activation(features @ head.kernel + bias))

    return SubModels(
        features=tf.keras.Model(model.inputs, seen, name="features"),
        kernel=head.kernel,
        bias=bias,
        head=answer,
        joint=tf.keras.Model(model.inputs, [seen, model.outputs[0]], name="features_and_outputs"),
    )
