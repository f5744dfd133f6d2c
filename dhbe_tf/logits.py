"""The outputs that DHBE compares: what a model computes before its softmax, if it ends in one."""

from __future__ import annotations

import tensorflow as tf

layers = tf.keras.layers


def copy(model: tf.keras.Model) -> tf.keras.Model:
    """A copy with weights of its own that returns logits; its weights are in the model's order.

    Args:
        model: functional, one image input with known sides, one flat output: softmax, logits, or regression values.

    Raises:
        ValueError: if it is something else, or ends in another activation.
    """
    check(model)
    clone = tf.keras.models.clone_model(model, clone_function=_without_softmax)
    clone.set_weights(model.get_weights())
    last = clone.outputs[0]._keras_history.layer
    if isinstance(last, layers.Softmax) or (isinstance(last, layers.Activation) and _activation(last) == "softmax"):
        clone = tf.keras.Model(clone.inputs, last.input, name=model.name)
    return clone


def ends_in_softmax(model: tf.keras.Model) -> bool:
    """Whether the outputs are probabilities of classes."""
    last = model.outputs[0]._keras_history.layer
    return isinstance(last, layers.Softmax) or _activation(last) == "softmax"


def check_class(model: tf.keras.Model, label: int) -> None:
    """Refuse a class that a model does not have.

    Raises:
        ValueError: if there is no such class.
    """
    count = model.output_shape[-1]
    if not 0 <= label < count:
        raise ValueError(f"the model has the classes 0 to {count - 1}, so {label} cannot be searched for")


def check(model: tf.keras.Model) -> None:
    """Refuse what DHBE cannot work on.

    Raises:
        ValueError: saying what is expected.
    """
    if not getattr(model, "_is_graph_network", False):
        raise ValueError(
            f"{model.name!r} is not a functional Keras model, so it cannot be copied and followed. "
            "Rebuild it as tf.keras.Sequential or tf.keras.Model(inputs, outputs), load the weights, save it again."
        )
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise ValueError(f"one image input and one output are needed; {model.name!r} takes {model.input_shape}")
    shape, outputs = model.input_shape, model.output_shape
    if len(shape) != 4 or None in shape[1:] or len(outputs) != 2:
        raise ValueError(
            f"images (B, H, W, C) of known size and flat outputs (B, K) are needed; {model.name!r} maps {shape} to "
            f"{outputs}. Rebuild it with a fixed input shape, and with pooling or Flatten before its last layer."
        )
    if min(shape[1:3]) < 16 or shape[3] not in (1, 3):
        raise ValueError(f"images must be grey or RGB, 16 px or larger; {model.name!r} takes {shape[1:]}")
    last = model.outputs[0]._keras_history.layer
    if not isinstance(last, layers.Softmax) and _activation(last) not in ("linear", "softmax"):
        raise ValueError(
            f"{model.name!r} ends in the activation {_activation(last)!r}. Outputs are compared before a softmax or as "
            "they are, and a squashed output hides how strongly a trigger acts. Remove the last activation."
        )


def _activation(layer: tf.keras.layers.Layer) -> str:
    return getattr(getattr(layer, "activation", None), "__name__", "linear")


def _without_softmax(layer: tf.keras.layers.Layer) -> tf.keras.layers.Layer:
    config = layer.get_config()
    if isinstance(layer, layers.Dense) and config.get("activation") == "softmax":
        config["activation"] = "linear"
    return layer.__class__.from_config(config)
