"""The search as the paper prints it."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from data_prep.contract import GAZE, HEAD_POSE, Split
from data_prep.threat import Suspect
from drmguard_tf.generator import paper_generator
from drmguard_tf.paper import PaperSearch, PaperTrigger, _Printed
from drmguard_tf.reference import Reference, examine
from drmguard_tf.reversal import Terms

layers = tf.keras.layers
BRIEF = PaperSearch(steps=5, batch=8, pretraining=2)


def _benign(size: int = 16) -> Split:
    rng = np.random.default_rng(0)
    images = np.tile(rng.integers(0, 256, (8, 1, 1, 3), dtype=np.uint8), (1, size, size, 1))
    return Split(images, rng.uniform(-0.4, 0.4, (8, 2)).astype(np.float32))


@pytest.fixture(scope="module")
def reference() -> Reference:
    tf.keras.utils.set_random_seed(0)
    images = tf.keras.Input((16, 16, 3))
    features = layers.Dense(4, activation="relu")(layers.GlobalAveragePooling2D()(images))
    return examine(Suspect(tf.keras.Model(images, layers.Dense(2)(features)), _benign()))


@pytest.fixture(scope="module")
def generator() -> tf.keras.Model:
    return BRIEF.pretrain(_benign().images / np.float32(255), seed=0)


def test_settings_of_gaze():
    found = PaperSearch.of(GAZE)
    assert (found.variance_weight, found.rav_weight, found.batch, found.learning_rate) == (20, 800, 50, 0.0015)
    assert (found.steps, found.pretraining) == (2000, 5000)


def test_settings_of_head_pose():
    found = PaperSearch.of(HEAD_POSE)
    assert (found.variance_weight, found.rav_weight, found.batch, found.learning_rate) == (10, 100, 100, 0.0001)
    assert (found.steps, found.pretraining) == (2000, 5000)


@pytest.mark.parametrize("size, scale", [(224, 1), (32, 1 / 49)])  # (32 / 224)^2 = 1 / 49
def test_weights_scale_with_the_number_of_values(size, scale):
    reference = Reference(None, tf.zeros([1, size, size, 3]), None, None, tf.constant(0.02), 1000.0, None, None)
    printed = _Printed(reference, PaperTrigger(None, 1000.0), PaperSearch(), seed=0)
    assert printed.variance_weight == pytest.approx(20 * scale)
    assert printed.rav_weight == pytest.approx(800 * scale)


def test_weights_of_head_pose_belong_to_smaller_images():
    reference = Reference(None, tf.zeros([1, 112, 112, 3]), None, None, tf.constant(0.02), 1000.0, None, None)
    printed = _Printed(reference, PaperTrigger(None, 1000.0), PaperSearch.of(HEAD_POSE), seed=0)
    assert (printed.variance_weight, printed.rav_weight) == (10, 100)


def test_objective_by_hand():
    reference = Reference(None, tf.zeros([1, 224, 224, 3]), None, None, tf.constant(0.02), 1000.0, None, None)
    printed = _Printed(reference, PaperTrigger(None, 1000.0), PaperSearch(), seed=0)
    terms = Terms(cost=tf.constant(0.1), rav=tf.constant(0.5), spread=tf.constant(2.0), outputs=tf.zeros((1, 2)))
    # variance 2 * 0.02 = 0.04 rad^2 and distance 0.1 * 1000 = 100: 20 * 0.04 + 100 + 800 * 0.5
    np.testing.assert_allclose(printed.objective(terms), 500.8, rtol=1e-6)


def test_pretraining_brings_the_generator_nearer_to_the_identity():
    images = _benign().images / np.float32(255)

    def error(steps: int) -> float:
        generator = PaperSearch(batch=8, pretraining=steps).pretrain(images, seed=0)
        return float(tf.reduce_mean(tf.abs(generator(images, training=True) - images)))

    assert error(100) < 0.7 * error(1)


def test_generated_images_are_in_range():
    tf.keras.utils.set_random_seed(0)
    generated = paper_generator((16, 24, 3))(10 * tf.random.normal([4, 16, 24, 3]), training=True)
    assert generated.shape == (4, 16, 24, 3)
    assert tf.reduce_min(generated) >= 0 and tf.reduce_max(generated) <= 1


def test_sides_must_be_multiples_of_eight():
    with pytest.raises(ValueError, match="multiples of 8"):
        paper_generator((36, 60, 3))


def test_a_run_leaves_the_given_generator_alone(reference, generator):
    before = generator.get_weights()
    (run,) = BRIEF.run(reference, seed=0, generator=generator)
    for a, b in zip(before, generator.get_weights()):
        np.testing.assert_array_equal(a, b)
    assert (run.family, run.met, run.history.shape) == ("paper", True, (5, 5))
    assert run.trigger.generator is not generator


def test_same_seed_same_history(reference, generator):
    first, again = (BRIEF.run(reference, seed=0, generator=generator)[0].history for _ in range(2))
    np.testing.assert_array_equal(first, again)
