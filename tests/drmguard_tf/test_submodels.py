"""f = H o F on models of every kind that Keras can build."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from drmguard_tf.models import small_resnet
from drmguard_tf.submodels import split

layers = tf.keras.layers
SHAPE = (6, 6, 3)


def _batch(size: int = 6) -> tf.Tensor:
    return tf.random.Generator.from_seed(0).uniform([3, size, size, 3])


def _sequential(*ending: layers.Layer) -> tf.keras.Model:
    tf.keras.utils.set_random_seed(0)
    return tf.keras.Sequential([tf.keras.Input(SHAPE), layers.Conv2D(4, 3), layers.GlobalAveragePooling2D(), *ending])


def _assert_halves_fit(model: tf.keras.Model, images: tf.Tensor) -> None:
    halves = split(model)
    outputs = model(images, training=False)
    head_of_features = halves.features(images, training=False) @ halves.kernel + halves.bias
    np.testing.assert_allclose(head_of_features, outputs, atol=1e-6)
    features, joint_outputs = halves.joint(images, training=False)
    np.testing.assert_allclose(features, halves.features(images, training=False), atol=1e-6)
    np.testing.assert_allclose(joint_outputs, outputs, atol=1e-6)


def test_head_of_features_is_the_output_of_a_resnet():
    _assert_halves_fit(small_resnet((32, 32, 3), 2), _batch(32))


def test_head_of_features_is_the_output_of_a_sequential_model():
    _assert_halves_fit(_sequential(layers.Dense(3)), _batch())


def test_a_head_without_bias_has_a_bias_of_zero():
    model = _sequential(layers.Dense(3, use_bias=False))
    np.testing.assert_array_equal(split(model).bias, [0, 0, 0])
    _assert_halves_fit(model, _batch())


def test_a_sequential_model_that_learned_its_shape_from_data_is_split():
    model = tf.keras.Sequential([layers.Conv2D(4, 3), layers.Flatten(), layers.Dense(2)])
    model(_batch())
    _assert_halves_fit(model, _batch())


def test_a_saved_and_loaded_model_is_split(tmp_path):
    model = small_resnet((32, 32, 3), 2)
    model.save(tmp_path / "model.h5")
    loaded = tf.keras.models.load_model(tmp_path / "model.h5", compile=False)
    _assert_halves_fit(loaded, _batch(32))
    np.testing.assert_array_equal(split(loaded).kernel, split(model).kernel)


def test_features_and_kernel_have_the_documented_shapes():
    halves = split(_sequential(layers.Dense(8, activation="relu"), layers.Dense(3)))
    assert halves.features.output_shape == (None, 8)
    assert halves.kernel.shape == (8, 3) and halves.bias.shape == (3,)


def test_halves_share_the_variables_of_the_model():
    model = _sequential(layers.Dense(2))
    halves = split(model)
    model.layers[-1].kernel.assign_add(tf.ones([4, 2]))
    np.testing.assert_array_equal(halves.kernel, model.layers[-1].kernel)
    assert {id(weight) for weight in halves.joint.weights} == {id(weight) for weight in model.weights}


def test_splitting_changes_no_weight():
    model = _sequential(layers.Dense(2))
    before = [weight.numpy() for weight in model.weights]
    split(model)
    for weight, old in zip(model.weights, before):
        np.testing.assert_array_equal(weight, old)


def test_a_model_can_be_split_twice():
    model = _sequential(layers.Dense(2))
    split(model)
    _assert_halves_fit(model, _batch())


def test_a_classifier_is_refused_by_the_name_of_its_activation():
    with pytest.raises(ValueError, match="Dense with activation 'softmax'"):
        split(_sequential(layers.Dense(10, activation="softmax")))


@pytest.mark.parametrize(
    "ending",
    [
        (layers.Dense(2, activation="sigmoid"),),
        (layers.Dense(2), layers.Activation("sigmoid"), layers.Rescaling(3.0, offset=-1.5)),
        (layers.Dense(2, activation="softplus", use_bias=False),),
    ],
    ids=["inside", "layers", "no bias"],
)
def test_a_head_with_an_activation_is_split_before_its_weights(ending):
    # Eq. 2 with its sigma: the angles belong to the features and the weights, the outputs to what comes after
    model, images = _sequential(*ending), _batch()
    halves = split(model)
    assert halves.features.output_shape == (None, 4) and halves.kernel.shape == (4, 2)
    features, outputs = halves.joint(images, training=False)
    np.testing.assert_allclose(outputs, model(images), atol=1e-6)
    np.testing.assert_allclose(halves.head(features), outputs, atol=1e-6)
    assert np.abs(features @ halves.kernel + halves.bias - outputs).max() > 0.01


def test_a_softmax_layer_of_its_own_is_a_classifier_too():
    with pytest.raises(ValueError, match="ends in Activation with activation 'softmax'"):
        split(_sequential(layers.Dense(10), layers.Activation("softmax")))
    with pytest.raises(ValueError, match="ends in Softmax"):
        split(_sequential(layers.Dense(10), layers.Softmax()))


def test_a_convolution_at_the_end_is_refused():
    model = tf.keras.Sequential([tf.keras.Input(SHAPE), layers.Conv2D(2, 3)])
    with pytest.raises(ValueError, match="ends in Conv2D"):
        split(model)


def test_a_dense_layer_on_a_feature_map_is_refused():
    model = tf.keras.Sequential([tf.keras.Input(SHAPE), layers.Conv2D(4, 3), layers.Dense(2)])
    with pytest.raises(ValueError, match="one flat feature vector"):
        split(model)


def test_two_outputs_are_refused():
    images = tf.keras.Input(SHAPE)
    features = layers.Flatten()(images)
    with pytest.raises(ValueError, match="one output"):
        split(tf.keras.Model(images, [layers.Dense(1)(features), layers.Dense(1)(features)]))


def test_two_inputs_are_refused():
    images, head_pose = tf.keras.Input(SHAPE), tf.keras.Input([3])
    features = layers.Concatenate()([layers.Flatten()(images), head_pose])
    with pytest.raises(ValueError, match="one image input"):
        split(tf.keras.Model([images, head_pose], layers.Dense(2)(features)))


def test_an_input_that_is_no_image_is_refused():
    with pytest.raises(ValueError, match="one image input"):
        split(tf.keras.Sequential([tf.keras.Input([7]), layers.Dense(2)]))


def test_a_subclassed_model_is_refused():
    class Subclassed(tf.keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.head = layers.Dense(2)

        def call(self, images: tf.Tensor) -> tf.Tensor:
            return self.head(layers.Flatten()(images))

    model = Subclassed()
    model(_batch())
    with pytest.raises(ValueError, match="not a functional Keras model"):
        split(model)


def test_a_model_inside_a_model_is_refused():
    inner = _sequential(layers.Dense(2))
    images = tf.keras.Input(SHAPE)
    with pytest.raises(ValueError, match="the last layer must be a Dense layer"):
        split(tf.keras.Model(images, inner(images)))
    _assert_halves_fit(inner, _batch())  # the inner one can still be split


def test_a_head_shared_with_another_model_is_split_where_this_model_calls_it():
    images, head = tf.keras.Input(SHAPE), layers.Dense(3)
    head(layers.GlobalAveragePooling2D()(images))  # the other model's
    _assert_halves_fit(tf.keras.Model(images, head(layers.GlobalMaxPooling2D()(images))), _batch())


def test_a_head_that_is_called_twice_in_a_row_is_split_at_the_last_call():
    images, head = tf.keras.Input(SHAPE), layers.Dense(3)
    _assert_halves_fit(tf.keras.Model(images, head(head(layers.GlobalAveragePooling2D()(images)))), _batch())
