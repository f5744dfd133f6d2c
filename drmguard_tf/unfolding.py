"""Models as one flat graph in which every activation is a layer of its own.

Received models hide activations: in a backbone that is called like a layer, in the ``activation`` of a convolution, in
``tf.nn.relu``. What looks at the layers of a model finds all of them in its unfolded graph.
"""

from __future__ import annotations

import functools
from typing import Any, Optional

import tensorflow as tf

layers = tf.keras.layers

_FUSED = (layers.Conv2D, layers.Conv2DTranspose, layers.DepthwiseConv2D, layers.SeparableConv2D)
_FUNCTIONS = {
    "nn.relu": layers.ReLU,
    "nn.relu6": functools.partial(layers.ReLU, 6.0),
    **{f"nn.{name}": functools.partial(layers.Activation, name) for name in ("elu", "selu", "swish")},
    "nn.silu": functools.partial(layers.Activation, "swish"),
}

Twins = dict[int, list[tf.keras.layers.Layer]]  # by the identity of the layer that they stand for together


def unfolded(model: tf.keras.Model) -> tf.keras.Model:
    """The same function as a flat graph: nested models laid open, activations apart.

    Args:
        model: functional. A nested model that is none, or that is called in training mode, stays as it is.

    Returns:
        The model itself where there is nothing to unfold, else a copy with weights of its own. A layer of a nested
        model is called ``model/layer`` there, the activation of a convolution ``convolution/activation``.
    """
    if not any(_is_nested(layer) or _is_fused(layer) or _function(layer) for layer in model.layers):
        return model
    inputs = [tf.keras.Input(tensor.shape[1:], dtype=tensor.dtype) for tensor in model.inputs]
    return tf.keras.Model(inputs, _laid_open(model, inputs, "", {}), name=model.name)


def _laid_open(model: tf.keras.Model, inputs: list[tf.Tensor], prefix: str, twins: Twins) -> list[tf.Tensor]:
    """What twins of a model's layers make of these inputs."""
    made = {id(old): new for old, new in zip(model.inputs, inputs)}
    for _, nodes in sorted(model._nodes_by_depth.items(), reverse=True):
        for node in nodes:
            if node.is_input:
                continue
            args, kwargs = tf.nest.map_structure(lambda x: made.get(id(x), x), (node.call_args, node.call_kwargs))
            outputs = _called(node.layer, args, kwargs, prefix, twins)
            made |= {id(old): new for old, new in zip(tf.nest.flatten(node.outputs), tf.nest.flatten(outputs))}
    return [made[id(tensor)] for tensor in model.outputs]


def _called(layer: tf.keras.layers.Layer, args: tuple, kwargs: dict[str, Any], prefix: str, twins: Twins) -> Any:
    """What the twins of a layer return; they are made when it is called first."""
    name = prefix + layer.name
    if _is_nested(layer) and kwargs.get("training") is not True:
        return _laid_open(layer, tf.nest.flatten(args[0]), f"{name}/", twins)
    if _function(layer):
        args, kwargs = tuple(tf.nest.flatten((args, kwargs))[:1]), {}  # its other argument is a name
    if id(layer) not in twins:
        twins[id(layer)] = _twins(layer, name)
    first, *then = twins[id(layer)]
    outputs = first(*args, **kwargs)
    first.set_weights(layer.get_weights())
    return functools.reduce(lambda x, activation: activation(x), then, outputs)


def _twins(layer: tf.keras.layers.Layer, name: str) -> list[tf.keras.layers.Layer]:
    function = _function(layer)
    if function is not None:
        return [_FUNCTIONS[function](name=name)]
    config = {**layer.get_config(), "name": name}
    if not _is_fused(layer):
        return [type(layer).from_config(config)]
    bare = type(layer).from_config({**config, "activation": "linear"})
    return [bare, layers.Activation(layer.activation, name=f"{name}/activation")]


def _is_nested(layer: tf.keras.layers.Layer) -> bool:
    return isinstance(layer, tf.keras.Model) and layer._is_graph_network


def _is_fused(layer: tf.keras.layers.Layer) -> bool:
    return isinstance(layer, _FUSED) and layer.activation is not tf.keras.activations.linear


def _function(layer: tf.keras.layers.Layer) -> Optional[str]:
    """The activation function that a layer of TensorFlow's calls is."""
    name = layer.get_config()["function"] if type(layer).__name__ == "TFOpLambda" else None
    return name if name in _FUNCTIONS else None
