"""The classifiers."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from dhbe_tf.models import ARCHITECTURES, build
from dhbe_tf.training import Classification

layers = tf.keras.layers
CONSTANTS = dict(mean=(0.5, 0.4, 0.3), std=(0.2, 0.25, 0.3))


def _convolutions(model: tf.keras.Model) -> int:
    return sum(isinstance(layer, layers.Conv2D) for layer in model.layers)


@pytest.mark.parametrize("name", ["narrow-resnet18", "tiny-resnet"])
def test_small_networks_map_images_to_logits(name):
    logits = build(name, (32, 32, 3), 7, **CONSTANTS)(tf.zeros([2, 32, 32, 3]), training=False)
    assert logits.shape == (2, 7)


def test_published_sizes():
    # parameters of torchvision's networks with the small stem: 11,173,962 trained ones for ten classes
    resnet18 = build("resnet18", (32, 32, 3), 10, **CONSTANTS)
    assert sum(int(tf.size(v)) for v in resnet18.trainable_variables) == 11_173_962
    assert _convolutions(resnet18) == 17 + 3  # and three shortcuts
    wide = build("wrn40-2", (32, 32, 3), 10, **CONSTANTS)
    assert sum(int(tf.size(v)) for v in wide.trainable_variables) == 2_243_546
    assert _convolutions(wide) == 37 + 3


def test_stages_halve_the_image():
    model = build("narrow-resnet18", (32, 32, 3), 10, **CONSTANTS)
    assert model.get_layer("features").input.shape[1:] == (4, 4, 128)


def test_stem_for_64_px_has_stride_two():
    model = build("tiny-resnet", (64, 64, 3), 10, **CONSTANTS)
    stem = next(layer for layer in model.layers if isinstance(layer, layers.Conv2D))
    assert stem.kernel_size == (5, 5) and stem.output.shape[1:3] == (31, 31)  # (64 + 2 - 5) // 2 + 1


def test_normalisation_is_inside():
    model = build("tiny-resnet", (32, 32, 3), 10, **CONSTANTS)
    inner = tf.keras.Model(model.inputs, model.get_layer("normalise").output)
    image = tf.reshape(tf.constant([0.7, 0.65, 0.6]), [1, 1, 1, 3]) * tf.ones([1, 32, 32, 1])
    np.testing.assert_allclose(inner(image)[0, 0, 0], [1, 1, 1], rtol=1e-5)  # one standard deviation above the mean


def test_unknown_names_and_wrong_constants_are_refused():
    with pytest.raises(ValueError, match="tiny-resnet"):
        build("resnet", (32, 32, 3), 10, **CONSTANTS)
    with pytest.raises(ValueError, match="1 channels"):
        build("tiny-resnet", (32, 32, 1), 10, **CONSTANTS)


def test_every_name_is_that_of_one_network():
    assert len({id(builder) for builder in ARCHITECTURES.values()}) == len(ARCHITECTURES)


def test_a_training_by_images_has_as_many_epochs_as_that_takes():
    training = Classification("tiny-resnet", epochs=3)
    assert [training.seeing(1000, count).epochs for count in (400, 1000, 5000)] == [2, 1, 1]  # 2.5 is rounded to even
    assert training.seeing(1000, 100) == Classification("tiny-resnet", epochs=10)
