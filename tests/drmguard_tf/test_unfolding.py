"""Unfolded models."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from drmguard_tf.models import ARCHITECTURES
from drmguard_tf.unfolding import unfolded

layers = tf.keras.layers
SIZE = 12
IMAGES = np.random.default_rng(0).uniform(size=(3, SIZE, SIZE, 3)).astype(np.float32)


def _backbone() -> tf.keras.Model:
    part = tf.keras.Input((SIZE, SIZE, 3))
    x = layers.Conv2D(4, 3, padding="same", activation="relu", name="inner")(part)
    shortcut = x = layers.BatchNormalization()(x)
    x = layers.Add()([tf.nn.relu6(layers.DepthwiseConv2D(3, padding="same", activation="tanh")(x)), shortcut])
    return tf.keras.Model(part, x, name="backbone")


def _received() -> tf.keras.Model:
    """A Sequential in a functional model, a backbone in that, called twice, and two operations."""
    images, backbone = tf.keras.Input((SIZE, SIZE, 3)), _backbone()
    both = layers.Concatenate()([backbone(images), backbone(1.0 - images, training=False)])
    stem = tf.keras.Sequential(
        [layers.SeparableConv2D(5, 3, activation="swish"), layers.ReLU(name="last")], name="stem"
    )
    x = tf.nn.relu(features=stem(both))
    return tf.keras.Model(images, layers.Dense(2)(layers.GlobalAveragePooling2D()(x)), name="received")


@pytest.fixture(scope="module")
def received() -> tf.keras.Model:
    tf.keras.utils.set_random_seed(0)
    model = _received()
    rng = np.random.default_rng(1)
    model.set_weights([rng.uniform(0.1, 0.9, weight.shape) for weight in model.get_weights()])
    return model


def test_an_unfolded_model_is_the_same_function(received):
    np.testing.assert_allclose(unfolded(received)(IMAGES), received(IMAGES), rtol=1e-5)


def test_no_layer_of_it_hides_another(received):
    flat = unfolded(received)
    assert not any(isinstance(layer, tf.keras.Model) for layer in flat.layers)
    kinds = (layers.Conv2D, layers.DepthwiseConv2D, layers.SeparableConv2D)
    fused = [layer for layer in flat.layers if isinstance(layer, kinds)]
    assert [layer.activation.__name__ for layer in fused] == ["linear"] * 3
    assert {"backbone/inner", "backbone/inner/activation", "stem/last"} <= {x.name for x in flat.layers}


def test_what_is_called_twice_stays_one_layer(received):
    inner = unfolded(received).get_layer("backbone/inner")
    assert len(inner.inbound_nodes) == 2


def test_operations_become_activation_layers(received):
    names = [type(layer).__name__ for layer in unfolded(received).layers]
    assert names.count("ReLU") == 3  # the stem's own, relu6 and relu
    assert names.count("TFOpLambda") == 1  # what turns the images around


def test_the_model_is_left_alone(received):
    before, nodes = received.get_weights(), [len(layer.inbound_nodes) for layer in received.layers]
    flat = unfolded(received)
    flat.set_weights([weight + 1 for weight in flat.get_weights()])
    for one, other in zip(before, received.get_weights()):
        np.testing.assert_array_equal(one, other)
    assert nodes == [len(layer.inbound_nodes) for layer in received.layers]


def test_a_flat_model_is_its_own():
    model = ARCHITECTURES["small-resnet"]((32, 32, 3), 2)
    assert unfolded(model) is model


def test_several_outputs_keep_their_order(received):
    head = received.layers[-1]
    both = tf.keras.Model(received.inputs, [head.input, head.output])
    for one, other in zip(unfolded(both)(IMAGES), both(IMAGES)):
        np.testing.assert_allclose(one, other, rtol=1e-5)


def test_a_backbone_in_training_mode_stays_closed():
    """Its batch norm goes by the batch, whatever the model around it is told."""
    images = tf.keras.Input((SIZE, SIZE, 3))
    model = tf.keras.Model(images, layers.Conv2D(2, 1, activation="relu")(_backbone()(images, training=True)))
    flat = unfolded(model)
    assert any(isinstance(layer, tf.keras.Model) for layer in flat.layers)
    np.testing.assert_allclose(flat(IMAGES), model(IMAGES), rtol=1e-5)


@pytest.mark.parametrize("name", ["elu", "relu", "relu6", "selu", "silu", "swish"])
def test_every_operation_that_is_replaced_is_what_replaces_it(name):
    images = tf.keras.Input((SIZE, SIZE, 3))
    model = tf.keras.Model(images, getattr(tf.nn, name)(20 * images - 9))
    flat = unfolded(model)
    assert flat is not model
    np.testing.assert_allclose(flat(IMAGES), model(IMAGES), rtol=1e-5, atol=1e-6)
