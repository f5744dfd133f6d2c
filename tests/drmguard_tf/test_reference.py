"""The constants of a search."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from data_prep.contract import Split
from data_prep.threat import Suspect
from drmguard_tf import reference
from drmguard_tf.reference import check_fit, examine
from drmguard_tf.steered import SteeredSearch

layers = tf.keras.layers
SIZE = 32


def _benign(size: int = SIZE) -> Split:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (12, size, size, 3), dtype=np.uint8)
    return Split(images, rng.uniform(-0.4, 0.4, (12, 2)).astype(np.float32))


def _network(outputs: int = 2) -> tf.keras.Model:
    tf.keras.utils.set_random_seed(0)
    images = tf.keras.Input((SIZE, SIZE, 3))
    x = layers.Conv2D(4, 3, strides=4, activation="relu")(images)
    return tf.keras.Model(images, layers.Dense(outputs)(layers.GlobalAveragePooling2D()(x)))


@pytest.fixture(scope="module")
def suspect() -> Suspect:
    return Suspect(_network(), _benign())


def test_variances_are_those_of_the_benign_images(suspect):
    found = examine(suspect)
    features = found.sub.features(found.images, training=False).numpy().astype(np.float64)
    outputs = suspect.model(found.images, training=False).numpy().astype(np.float64)
    np.testing.assert_allclose(found.output_variance, outputs.var(axis=0).mean(), rtol=1e-4)
    kernel = found.sub.kernel.numpy()
    norms = np.linalg.norm(features, axis=1)[:, None] * np.linalg.norm(kernel, axis=0)
    np.testing.assert_allclose(found.angle_variance, np.arccos(features @ kernel / norms).var(axis=0), rtol=1e-2)


def test_largest_norm_by_hand():
    images = np.zeros((12, SIZE, SIZE, 3), np.uint8)
    images[3, :, :8] = 255  # 32 * 8 pixels of three channels at 1
    found = examine(Suspect(_network(), Split(images, np.zeros((12, 2), np.float32))))
    assert found.largest_norm == pytest.approx(32 * 8 * 3)


def test_attention_is_below_one_and_reaches_almost_one_in_every_image(suspect):
    attention = examine(suspect).attention.numpy()
    assert attention.shape == (12, SIZE, SIZE, 1)
    assert attention.min() >= 0
    np.testing.assert_allclose(attention.max(axis=(1, 2, 3)), 1 / 1.001, rtol=1e-4)


def test_a_model_that_looks_everywhere_alike_has_flat_attention():
    images = tf.keras.Input((SIZE, SIZE, 3))
    model = tf.keras.Model(images, layers.Dense(2)(layers.GlobalAveragePooling2D()(images)))
    np.testing.assert_allclose(examine(Suspect(model, _benign())).attention, 1 / 1.001, rtol=1e-4)


def test_large_sets_are_examined_in_parts(suspect, monkeypatch):
    whole = examine(suspect)
    monkeypatch.setattr(reference, "_BATCH", 5)  # 5 + 5 + 2 images
    for part, full in zip(examine(suspect)[2:], whole[2:]):
        np.testing.assert_allclose(part, full, rtol=1e-3, atol=1e-6)


def test_constants_are_computed_once(suspect):
    found = examine(suspect)
    for constant in (found.images, found.attention, found.angle_variance, found.output_variance):
        assert isinstance(constant, tf.Tensor)
    calls = []

    def joint(images: tf.Tensor, training: bool) -> tuple[tf.Tensor, tf.Tensor]:
        calls.append(images.shape)
        return found.sub.joint(images, training=training)

    watched = found._replace(sub=found.sub._replace(joint=joint))
    reversal = SteeredSearch(batch=4).reversal(watched, "patch", seed=0)
    tf.config.run_functions_eagerly(True)  # tracing would call twice, the first time to make the optimizer's variables
    try:
        reversal.step()
    finally:
        tf.config.run_functions_eagerly(False)
    assert calls == [(4, SIZE, SIZE, 3)]  # the changed images of the step, and no benign image


def test_images_of_another_size_are_refused():
    with pytest.raises(ValueError, match=r"\(32, 32, 3\).*\(24, 24, 3\).*resize"):
        check_fit(Suspect(_network(), _benign(size=24)))


def test_another_number_of_outputs_is_refused():
    with pytest.raises(ValueError, match="3 outputs.*2 columns.*task"):
        check_fit(Suspect(_network(outputs=3), _benign()))


def test_outputs_that_are_not_finite_are_refused():
    model = _network()
    model.set_weights([np.full_like(weight, np.nan) for weight in model.get_weights()])
    with pytest.raises(ValueError, match="not finite"):
        check_fit(Suspect(model, _benign()))
