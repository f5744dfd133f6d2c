"""The networks: their size, their range of inputs, their head."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from drmguard_tf.models import ARCHITECTURES, resnet18, small_resnet
from drmguard_tf.submodels import split


@pytest.fixture(scope="module")
def small() -> tf.keras.Model:
    tf.keras.utils.set_random_seed(0)
    return small_resnet((32, 32, 3), 2)


def _trainable(model: tf.keras.Model) -> int:
    return sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)


def test_resnet18_has_the_size_of_a_resnet18():
    # torchvision's 11,689,512 less its head of 512 * 1000 + 1000: 11,176,512
    # biases of the convolutions: stem 64; stages 4 * 64, 5 * 128, 5 * 256, 5 * 512 (the fifth is the shortcut): 4,800
    # this head: 512 * 2 + 2 = 1,026
    assert _trainable(resnet18((32, 32, 3), 2)) == 11_176_512 + 4_800 + 1_026


def test_small_resnet_has_a_quarter_of_the_width(small):
    assert small.get_layer("features").output_shape == (None, 128)  # of 512


def test_small_resnet_has_the_size_worked_out_by_hand(small):
    # a convolution k from a to b channels: k * k * a * b + b, its batch norm: 2 * b
    stem = 9 * 3 * 16 + 16 + 2 * 16  # 480
    first = 2 * (9 * 16 * 16 + 16 + 2 * 16)  # 4,704
    halving = 0
    for width in (16, 32, 64):  # in: width, out: 2 * width, with a 1x1 shortcut
        double = 2 * width
        halving += 9 * width * double + 9 * double * double + width * double + 3 * (double + 2 * double)
    head = 128 * 2 + 2
    assert _trainable(small) == stem + first + halving + head


@pytest.mark.parametrize("size, outputs", [(32, 3), (64, 2)])
def test_outputs_are_one_angle_each(size, outputs):
    model = small_resnet((size, size, 3), outputs)
    assert model(tf.zeros([2, size, size, 3]), training=False).shape == (2, outputs)


def test_grey_and_oblong_images_are_taken():
    assert small_resnet((32, 48, 1), 2)(tf.zeros([1, 32, 48, 1]), training=False).shape == (1, 2)


def test_normalisation_is_inside(small):
    normalise = small.get_layer("normalise")
    np.testing.assert_array_equal(normalise(tf.constant([0.0, 0.5, 1.0])), [-1, 0, 1])  # 2 x - 1
    assert small.layers[1] is normalise


def test_head_is_linear_and_starts_at_a_bias_of_a_hundredth(small):
    head = small.layers[-1]
    assert head.activation is tf.keras.activations.linear
    np.testing.assert_allclose(head.bias, [0.01, 0.01])


def test_only_the_head_bias_is_penalised(small):
    np.testing.assert_allclose(tf.add_n(small.losses), 2e-8)  # 1e-4 * (0.01**2 + 0.01**2)


def test_features_are_never_negative(small):
    images = tf.random.Generator.from_seed(0).uniform([4, 32, 32, 3])
    features = tf.keras.Model(small.inputs, small.layers[-1].input)(images, training=False)
    assert features.numpy().min() >= 0 and features.numpy().max() > 0  # a mean of ReLUs


def test_inference_treats_every_image_alone(small):
    images = tf.random.Generator.from_seed(0).uniform([3, 32, 32, 3])
    np.testing.assert_allclose(small(images, training=False)[:1], small(images[:1], training=False), atol=1e-6)


def test_inference_changes_no_weight(small):
    before = [weight.numpy() for weight in small.weights]
    small(tf.ones([2, 32, 32, 3]), training=False)
    for weight, old in zip(small.weights, before):
        np.testing.assert_array_equal(weight, old)


def test_same_seed_same_initial_weights():
    one, other = (_seeded(3) for _ in range(2))
    for weight, same in zip(one.weights, other.weights):
        np.testing.assert_array_equal(weight, same)


def _seeded(seed: int) -> tf.keras.Model:
    tf.keras.utils.set_random_seed(seed)
    return small_resnet((32, 32, 3), 2)


def test_architectures_are_found_by_name():
    assert ARCHITECTURES["resnet18"] is resnet18 and ARCHITECTURES["small-resnet"] is small_resnet


def test_resnet34_has_the_size_of_a_resnet34():
    # torchvision's 21,797,672 less its head of 513,000; biases: 64 + 6 * 64 + 9 * 128 + 13 * 256 + 7 * 512 = 8,512
    assert _trainable(ARCHITECTURES["resnet34"]((32, 32, 3), 2)) == 21_284_672 + 8_512 + 1_026


def test_mobilenet_has_the_size_of_keras_s_mobilenet():
    keras = tf.keras.applications.MobileNet(input_shape=(32, 32, 3), include_top=False, weights=None)
    ours = ARCHITECTURES["mobilenet-v1"]((32, 32, 3), 2)
    assert _trainable(ours) == _trainable(keras) + 1024 * 2 + 2
    assert ours.get_layer("features").output_shape == (None, 1024)


def test_small_networks_of_the_other_families():
    deep, light = (ARCHITECTURES[name]((32, 32, 3), 2) for name in ("small-resnet34", "small-mobilenet"))
    assert deep.get_layer("features").output_shape == (None, 128)
    assert light.get_layer("features").output_shape == (None, 256)  # a quarter of 1024
    convolutions = [sum("conv2d" in layer.name for layer in model.layers) for model in (deep, _seeded(0))]
    assert convolutions == [20, 12]  # stem and shortcuts 4; two a block, eight blocks instead of four


@pytest.mark.parametrize("name", ["resnet34", "mobilenet-v1", "small-resnet34", "small-mobilenet"])
def test_the_other_families_can_be_split(name):
    model = ARCHITECTURES[name]((32, 32, 3), 2)
    images = tf.random.Generator.from_seed(0).uniform([2, 32, 32, 3])
    sub = split(model)
    np.testing.assert_allclose(sub.features(images) @ sub.kernel + sub.bias, model(images), atol=1e-4)
