"""What a model takes, declared or read from the model; and its outputs before the softmax."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from dhbe_tf import logits
from dhbe_tf.domain import declared, read
from dhbe_tf.models import build

layers = tf.keras.layers


def _model(*first, shape=(16, 16, 3), ending="linear") -> tf.keras.Model:
    tail = [layers.GlobalAveragePooling2D(), layers.Dense(4, activation=ending)]
    return tf.keras.Sequential([tf.keras.Input(shape), *first, *tail])


def test_declared_constants_turn_samples_into_pixels_and_inputs():
    domain = declared([0.5], [0.25], white=255)
    pixels = domain.pixels(tf.constant([-2.0, 0.0, 2.0], shape=[3, 1, 1, 1]))
    np.testing.assert_allclose(pixels[:, 0, 0, 0], [0, 0.5, 1])
    np.testing.assert_allclose(domain.inputs(pixels)[:, 0, 0, 0], [0, 127.5, 255])


def test_own_networks_tell_their_constants():
    found = read(build("tiny-resnet", (32, 32, 3), 10, mean=(0.5, 0.4, 0.3), std=(0.2, 0.25, 0.3)))
    np.testing.assert_allclose(found.mean, (0.5, 0.4, 0.3), rtol=1e-5)
    np.testing.assert_allclose(found.std, (0.2, 0.25, 0.3), rtol=1e-5)
    assert found.white == 1 and "normalising layer" in found.source


def test_inputs_up_to_255_are_seen_from_the_first_layer():
    # x / 127.5 - 1: zero at 127.5, one unit is 127.5
    found = read(_model(layers.Rescaling(1 / 127.5, offset=-1)))
    assert found.white == 255
    np.testing.assert_allclose([found.mean, found.std], 0.5)


def test_a_normalization_layer_after_a_change_of_units():
    found = read(_model(layers.Rescaling(1 / 255), layers.Normalization(mean=[0.4] * 3, variance=[0.04] * 3)))
    np.testing.assert_allclose(found.mean, 0.4, rtol=1e-5)
    np.testing.assert_allclose(found.std, 0.2, rtol=1e-5)


def test_a_batch_norm_on_the_image_has_its_statistics():
    norm = layers.BatchNormalization()
    model = _model(norm)
    norm.set_weights([np.ones(3), np.zeros(3), np.float32([0.3, 0.4, 0.5]), np.full(3, 0.09, np.float32)])
    found = read(model)
    np.testing.assert_allclose(found.mean, (0.3, 0.4, 0.5), rtol=1e-5)
    np.testing.assert_allclose(found.std, 0.3, rtol=1e-4)
    assert "batch norm" in found.source


def test_constants_are_solved_for_behind_a_convolution():
    # statistics of photograph-like images: grey, neighbours alike, mean 0.4 and standard deviation 0.2
    tf.keras.utils.set_random_seed(0)
    convolution, norm = layers.Conv2D(16, 3, padding="same", use_bias=False), layers.BatchNormalization()
    model = _model(convolution, norm, shape=(32, 32, 3))
    rng = np.random.default_rng(0)
    smooth = tf.image.resize(rng.normal(size=(64, 6, 6, 1)), (32, 32), "bicubic").numpy()
    images = np.repeat(0.4 + 0.2 * smooth / smooth.std(), 3, axis=-1)
    seen = convolution(tf.constant(images, tf.float32)).numpy()
    norm.set_weights([np.ones(16), np.zeros(16), seen.mean(axis=(0, 1, 2)), seen.var(axis=(0, 1, 2))])
    found = read(model)
    np.testing.assert_allclose(found.mean, 0.4, atol=0.1)
    np.testing.assert_allclose(found.std, 0.2, atol=0.06)
    assert "solved" in found.source


def test_a_model_that_tells_nothing_asks_for_a_declaration():
    with pytest.raises(ValueError, match="Declare the mean"):
        read(_model(layers.Conv2D(4, 3)))


def test_a_contradicted_value_range_is_refused():
    with pytest.raises(ValueError, match="value range"):
        read(_model(layers.Rescaling(1 / 127.5, offset=-1)), white=1.0)


@pytest.mark.parametrize("ending", ["dense", "layer", "activation"])
def test_a_softmax_is_taken_off_a_copy(ending):
    tail = {"dense": [], "layer": [layers.Softmax()], "activation": [layers.Activation("softmax")]}[ending]
    tf.keras.utils.set_random_seed(0)
    model = tf.keras.Sequential(
        [
            tf.keras.Input((16, 16, 3)),
            layers.Flatten(),
            layers.Dense(4, activation="softmax" if ending == "dense" else None),
            *tail,
        ]
    )
    images = tf.random.Generator.from_seed(0).uniform((5, 16, 16, 3))
    bare = logits.copy(model)
    np.testing.assert_allclose(tf.nn.softmax(bare(images)), model(images), rtol=1e-4)
    assert np.abs(bare(images)).max() > 0.2 and not logits.ends_in_softmax(bare) and logits.ends_in_softmax(model)
    assert len(bare.get_weights()) == len(model.get_weights())


def test_a_copy_has_weights_of_its_own():
    model = _model()
    copy = logits.copy(model)
    copy.set_weights([w + 1 for w in copy.get_weights()])
    assert not np.array_equal(copy.get_weights()[0], model.get_weights()[0])


@pytest.mark.parametrize(
    "model, message",
    [
        (lambda: _model(ending="sigmoid"), "sigmoid"),
        (lambda: _model(shape=(None, None, 3)), "known size"),
        (lambda: _model(shape=(8, 8, 3)), "16 px"),
        (lambda: tf.keras.Sequential([tf.keras.Input((16, 16, 3)), layers.Conv2D(4, 3)]), "flat outputs"),
    ],
)
def test_what_cannot_be_erased_is_refused(model, message):
    with pytest.raises(ValueError, match=message):
        logits.check(model())
