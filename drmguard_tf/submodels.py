"""The split f = H o F of any Keras functional model that ends in one linear Dense layer."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf


class SubModels(NamedTuple):
    """The two halves of a deep regression model (DRMGuard, Sec. 3.2).

    Attributes:
        features: F, images (B, H, W, C) -> features (B, D).
        kernel: weight of H, (D, K); its columns are the w_j of Eq. 2.
        bias: of H, (K,), or zeros.
        joint: images -> (features, outputs) in one pass.
    """

    features: tf.keras.Model
    kernel: tf.Tensor
    bias: tf.Tensor
    joint: tf.keras.Model


def split(model: tf.keras.Model) -> SubModels:
    """Split a model before its last layer, whatever its other layers are.

    The halves share the model's variables; nothing is copied.

    Raises:
        ValueError: if the model is no functional graph with one image input and one output, or does not end in a
            linear Dense layer on a flat feature vector.
    """
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
    head, call, _ = model.outputs[0]._keras_history  # which call of which layer: a shared layer has several
    if type(head) is not tf.keras.layers.Dense or head.activation is not tf.keras.activations.linear:
        activation = getattr(getattr(head, "activation", None), "__name__", None)
        ending = type(head).__name__ + (f" with activation {activation!r}" if activation else "")
        raise ValueError(
            "DRMGuard reads the head's weights, so the last layer must be a linear Dense layer; "
            f"{model.name!r} ends in {ending}. A softmax head is a classifier, which this method does not judge; for a "
            "regression model, move the activation into a layer of its own and scan the model up to the Dense layer."
        )
    seen = head.get_input_at(call)
    if len(seen.shape) != 2:
        raise ValueError(
            f"the last layer of {model.name!r} must see one flat feature vector (B, D), it sees {seen.shape}. "
            "Add a pooling or Flatten layer before it."
        )
    bias = head.bias if head.use_bias else tf.zeros(head.units)
    return SubModels(
        features=tf.keras.Model(model.inputs, seen, name="features"),
        kernel=head.kernel,
        bias=bias,
        joint=tf.keras.Model(model.inputs, [seen, model.outputs[0]], name="features_and_outputs"),
    )
