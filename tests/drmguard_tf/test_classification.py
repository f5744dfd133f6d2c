"""DRMGuard for classifiers, Eq. 10."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from data_prep.contract import ClassSplit
from data_prep.threat import Suspect
from drmguard_tf.ablations import WithoutRav
from drmguard_tf.calibrate import PaperThreshold
from drmguard_tf.classification import ClassifierGuard, infected_class, temperature
from drmguard_tf.paper import PaperSearch, PaperTrigger, _Printed
from drmguard_tf.reference import Reference
from drmguard_tf.reversal import Terms
from drmguard_tf.submodels import split_classifier
from tests.drmguard_tf import colours

layers = tf.keras.layers
QUICK = WithoutRav(families=("patch",), restarts=1, steps=60, batch=16)


def _suspect(corner_weight: float, activation: str = "softmax", sureness: float = 12.0) -> Suspect:
    """Which of three colours is strongest; a bright corner silences them, and the last class is left."""
    regressor = colours.suspect(corner_weight)
    head = layers.Dense(4, activation=activation)
    model = tf.keras.Model(regressor.model.inputs, head(regressor.model.get_layer("features").output))
    head.set_weights([sureness * np.eye(4, dtype=np.float32), np.float32([0, 0, 0, 0])])
    images = regressor.benign.images
    labels = images.mean(axis=(1, 2)).argmax(axis=1).astype(np.int64)
    return Suspect(model, ClassSplit(images, labels, ("red", "green", "blue", "none")))


@pytest.mark.parametrize("activation", ["softmax", "linear"])
def test_outputs_are_probabilities_whatever_the_model_ends_in(activation):
    suspect = _suspect(2.0, activation)
    sub = split_classifier(suspect.model)
    images = tf.constant(suspect.benign.images[:5] / np.float32(255))
    features, probabilities = sub.joint(images, training=False)
    np.testing.assert_allclose(tf.reduce_sum(probabilities, axis=1), np.ones(5), rtol=1e-6)
    np.testing.assert_allclose(probabilities, tf.nn.softmax(features @ sub.kernel + sub.bias), atol=1e-6)


@pytest.mark.parametrize("ending", ["activation", "softmax", "layer", "logits"])
def test_a_temperature_divides_the_logits_of_any_classifier(ending):
    logits = _suspect(2.0, "linear").model
    softmax = {"softmax": layers.Softmax(), "layer": layers.Activation("softmax")}.get(ending, lambda x: x)
    model = tf.keras.Model(logits.inputs, softmax(logits.output))
    model = _suspect(2.0).model if ending == "activation" else model
    images = tf.constant(_suspect(2.0).benign.images[:5] / np.float32(255))
    found = split_classifier(model, 3.0)
    np.testing.assert_allclose(found.joint(images)[1], tf.nn.softmax(logits(images) / 3), atol=1e-6)
    np.testing.assert_allclose(found.head(found.features(images)), tf.nn.softmax(logits(images) / 3), atol=1e-6)


def test_a_softmax_inside_is_refused():
    model = _suspect(2.0).model
    with pytest.raises(ValueError, match="goes on behind it"):
        split_classifier(tf.keras.Model(model.inputs, layers.Rescaling(2.0)(model.output)))


def test_the_temperature_by_hand():
    # of two classes, logits apart by 6: 1 / (1 + exp(-6 / T)) = 0.8 at T = 6 / ln 4
    logits = np.float32([[6, 0], [0, 6]])
    assert temperature(logits, 0.8) == pytest.approx(6 / np.log(4))
    assert temperature(1e6 * logits, 0.8) == pytest.approx(6e6 / np.log(4))  # probabilities of 1 and 0
    assert temperature(logits, 0.999) == 1.0  # they are below that already
    with pytest.raises(ValueError, match="above 1 / 2 classes"):
        temperature(logits, 0.5)


def _slope(reference: Reference) -> float:
    """How fast probabilities change with the pixels, the median over images."""
    with tf.GradientTape() as tape:
        tape.watch(reference.images)
        loss = tf.reduce_sum(reference.sub.joint(reference.images, training=False)[1] ** 2)
    return float(np.median(np.abs(tape.gradient(loss, reference.images)).max(axis=(1, 2, 3))))


def test_a_classifier_that_is_sure_of_itself_has_gradients_all_the_same():
    suspect = _suspect(20.0, sureness=3000.0)
    softened, printed = (ClassifierGuard(QUICK, confidence=share).examine(suspect) for share in (0.8, 1.0))
    largest = [float(tf.reduce_mean(tf.reduce_max(each.outputs, axis=1))) for each in (softened, printed)]
    assert largest == pytest.approx([0.8, 1.0], abs=1e-4)
    assert _slope(printed) < 0.01 * _slope(softened)


def test_the_printed_objective_has_no_angles():
    # lambda_1 * mean over classes of the variance of the softmax + D: 20 * 2 * 0.05 + 0.1 * 1000
    reference = (
        ClassifierGuard().examine(_suspect(0.0))._replace(output_variance=tf.constant(0.05), largest_norm=1000.0)
    )
    search = PaperSearch(rav_weight=0.0, side=16)
    printed = _Printed(reference, PaperTrigger(tf.keras.Sequential([layers.ReLU()]), 1000.0), search, seed=0)
    terms = Terms(tf.constant(0.1), tf.constant(7.0), tf.constant(2.0), tf.zeros((1, 4)))
    assert float(printed.objective(terms)) == pytest.approx(20 * 2 * 0.05 + 100)


def test_without_rav_only_outputs_are_pressed():
    reference = ClassifierGuard().examine(_suspect(0.0))
    reversal = QUICK.reversal(reference, "patch", 0)
    reversal.weight.assign(5.0)
    terms = Terms(tf.constant(0.1), tf.constant(7.0), tf.constant(2.0), tf.zeros((1, 4)))
    assert float(reversal.objective(terms)) == pytest.approx(2.0 + 5 * 0.1)
    reversal.recent.assign(0.1)
    reversal.steer(terms._replace(spread=tf.constant(0.1)))
    assert float(reversal.recent) == pytest.approx(0.1)  # an RAV of 7 moves nothing


def test_a_planted_class_is_found_without_trying_the_others():
    backdoored, benign = (
        ClassifierGuard(QUICK, PaperThreshold(0.02)).detect(_suspect(corner), seed=0) for corner in (20.0, 0.0)
    )
    assert backdoored.score < 0.5 * benign.score
    assert infected_class(backdoored) == 3
    assert len(backdoored.runs) == 1  # one run for four classes


def test_images_of_another_size_are_refused():
    suspect = _suspect(0.0)
    small = ClassSplit(suspect.benign.images[:, :8], suspect.benign.labels, suspect.benign.classes)
    with pytest.raises(ValueError, match=r"\(16, 16, 3\).*\(8, 16, 3\)"):
        ClassifierGuard(QUICK).detect(Suspect(suspect.model, small), seed=0)
