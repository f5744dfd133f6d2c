"""RE, AE, DAE and the spread of features on models whose answers are known."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from data_prep.contract import GAZE, HEAD_POSE, Split
from data_prep.threat import Backdoored
from drmguard_tf.metrics import attack_errors, clean_error, feature_spread, predict, regression_error

layers = tf.keras.layers
TENTH = 5.729578  # 0.1 radians in degrees: 18 / pi


def _constant(*answer: float) -> tf.keras.Model:
    """A model that always answers the same."""
    bias = tf.keras.initializers.Constant(np.float32(answer))
    head = layers.Dense(len(answer), kernel_initializer="zeros", bias_initializer=bias)
    return tf.keras.Sequential([tf.keras.Input((2, 2, 3)), layers.Flatten(), head])


def _linear(kernel: list[list[float]]) -> tf.keras.Model:
    """A model of images of one pixel: features are its channels, the head has the given kernel and no bias."""
    head = layers.Dense(len(kernel[0]), use_bias=False)
    model = tf.keras.Sequential([tf.keras.Input((1, 1, len(kernel))), layers.Flatten(), head])
    head.set_weights([np.float32(kernel)])
    return model


def _split(*targets: list[float]) -> Split:
    return Split(np.zeros((len(targets), 2, 2, 3), np.uint8), np.float32(targets))


def _pixel_images(*values: list[int]) -> np.ndarray:
    return np.uint8(values)[:, None, None, :]


def _white(images: tf.Tensor) -> tf.Tensor:
    return tf.ones_like(images)


def _half(images: tf.Tensor) -> tf.Tensor:
    return 0.5 * images


def test_gaze_error_is_the_angle_between_directions():
    error = regression_error(GAZE, np.zeros((2, 2)), np.array([[0, np.pi / 2], [np.pi / 6, 0]]))
    np.testing.assert_allclose(error, [90, 30])


def test_head_pose_error_is_the_mean_absolute_angle():
    # (|0.1| + |-0.2| + |0.3|) / 3 = 0.2 and (0.3 + 0 + 0) / 3 = 0.1 radians
    error = regression_error(HEAD_POSE, np.array([[0.1, -0.2, 0.3], [0.3, 0, 0]]), np.zeros((2, 3)))
    np.testing.assert_allclose(error, [2 * TENTH, TENTH], rtol=1e-6)


def test_one_target_serves_all_predictions():
    error = regression_error(HEAD_POSE, np.array([[0.3, 0, 0], [0, 0, 0]]), np.array([0.3, 0, 0]))
    np.testing.assert_allclose(error, [0, TENTH], rtol=1e-6)


def test_clean_error_is_the_mean_over_images():
    # labels 0.1 and 0.3 to the side of a constant answer: 0.2 radians on average
    assert clean_error(GAZE, _constant(0, 0), _split([0, 0.1], [0, -0.3])) == pytest.approx(2 * TENTH, rel=1e-5)


def test_a_model_deaf_to_the_trigger_is_as_wrong_with_it_as_without():
    backdoored = Backdoored(_constant(0, 0), _white, np.float32([0, 0.2]))
    errors = attack_errors(GAZE, backdoored, _split([0, 0.1], [0.1, 0]))
    # 0.1 from both labels, 0.2 from the target
    np.testing.assert_allclose(errors, (TENTH, 2 * TENTH, TENTH), rtol=1e-5)


def test_a_model_that_obeys_the_trigger_has_no_error_to_the_target():
    # black images answer 0, white ones 12 * 0.025 = 0.3 in yaw
    model = _constant(0, 0)
    model.layers[-1].kernel.assign(np.float32([[0, 0.025]] * 12))
    errors = attack_errors(GAZE, Backdoored(model, _white, np.float32([0, 0.3])), _split([0, 0], [0, 0]))
    np.testing.assert_allclose(errors, (0, 0, 3 * TENTH), atol=1e-4)
    assert errors.dae == pytest.approx(3 * TENTH, rel=1e-5)


def test_head_pose_attacks_are_judged_by_mean_absolute_angle():
    backdoored = Backdoored(_constant(0, 0, 0), _white, np.float32([0.3, 0.3, 0.6]))
    errors = attack_errors(HEAD_POSE, backdoored, _split([0.3, 0, 0]))
    np.testing.assert_allclose(errors, (TENTH, 4 * TENTH, TENTH), rtol=1e-5)  # 1.2 / 3 = 0.4


def test_predictions_come_in_the_order_of_the_images():
    images = np.arange(600, dtype=np.uint16).view(np.uint8).reshape(600, 1, 1, 2)  # more than two batches
    predicted = predict(_linear([[1.0], [256.0]]), images)
    np.testing.assert_allclose(predicted[:, 0] * 255, np.arange(600), atol=0.01)


def test_predictions_see_the_trigger():
    predicted = predict(_linear([[2.0]]), _pixel_images([0], [255]), lambda images: 1 - images)
    np.testing.assert_array_equal(predicted, [[2], [0]])


def test_predictions_are_made_in_inference_mode():
    model = tf.keras.Sequential([tf.keras.Input((1, 1, 1)), layers.Flatten(), layers.Dropout(0.9)])
    np.testing.assert_array_equal(predict(model, np.full((50, 1, 1, 1), 255, np.uint8)), np.ones((50, 1)))


def test_halved_features_keep_their_angles_and_a_quarter_of_their_norm_variance():
    # halving changes no direction: RAV = 1; norms are halved, so their variance falls to 1/4
    test = Split(_pixel_images([255, 0], [0, 51], [102, 102]), np.zeros((3, 2), np.float32))
    spread = feature_spread(Backdoored(_linear([[1.0, 0.0], [0.0, 1.0]]), _half, np.zeros(2, np.float32)), test)
    np.testing.assert_allclose(spread, (1, 0.25), rtol=1e-4)


def test_a_trigger_that_makes_all_features_equal_leaves_no_spread():
    test = Split(_pixel_images([255, 0], [0, 51]), np.zeros((2, 2), np.float32))
    spread = feature_spread(Backdoored(_linear([[1.0, 0.0], [0.0, 1.0]]), _white, np.zeros(2, np.float32)), test)
    np.testing.assert_allclose(spread, (0, 0), atol=1e-9)


def test_spread_of_angles_by_hand():
    # clean features lie at 0 and 90 degrees from the only weight vector, triggered ones (1, 0) and (1, 1) at 0 and 45:
    # variances of 45**2 and 22.5**2 square degrees, a quarter
    def lift(images: tf.Tensor) -> tf.Tensor:
        return tf.maximum(images, tf.constant([1.0, 0.0]))

    test = Split(_pixel_images([255, 0], [0, 255]), np.zeros((2, 1), np.float32))
    spread = feature_spread(Backdoored(_linear([[1.0], [0.0]]), lift, np.zeros(1, np.float32)), test)
    assert spread.rav == pytest.approx(0.25, rel=0.01)  # the smallest angle is 0.0014 radians instead of 0
