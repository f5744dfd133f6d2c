"""Mitigation: a cleaned copy."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from data_prep.contract import Split
from data_prep.threat import Suspect
from drmguard_tf.families import Amplifiable, Change
from drmguard_tf.reference import Reference, examine
from drmguard_tf.unlearning import Unlearning, _Unlearning

layers = tf.keras.layers
SIZE = 16


class Dark(Amplifiable):
    """A trigger that turns images black and notes how many it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.given: list[int] = []

    def __call__(self, images: tf.Tensor, attention: tf.Tensor) -> Change:
        self.given.append(int(images.shape[0]))
        assert attention.shape == (*images.shape[:3], 1)
        return Change(tf.zeros_like(images), tf.constant(1.0))


@pytest.fixture(scope="module")
def suspect() -> Suspect:
    tf.keras.utils.set_random_seed(0)
    images = tf.keras.Input((SIZE, SIZE, 3))
    x = layers.ReLU()(layers.BatchNormalization(name="norm")(layers.Conv2D(4, 3, strides=2)(images)))
    model = tf.keras.Model(images, layers.Dense(2)(layers.GlobalAveragePooling2D()(x)))
    rng = np.random.default_rng(0)
    data = rng.integers(0, 256, (8, SIZE, SIZE, 3), dtype=np.uint8)
    return Suspect(model, Split(data, rng.uniform(-0.4, 0.4, (8, 2)).astype(np.float32)))


@pytest.fixture(scope="module")
def reference(suspect: Suspect) -> Reference:
    return examine(suspect)


def test_the_suspect_stays_and_the_copy_differs(suspect, reference):
    before = suspect.model.get_weights()
    cleaned = Unlearning(steps=3, batch=8).run(suspect, reference, [Dark()], seed=0)
    for a, b in zip(before, suspect.model.get_weights()):
        np.testing.assert_array_equal(a, b)
    assert cleaned is not suspect.model
    assert (cleaned.layers[-1].kernel.numpy() != suspect.model.layers[-1].kernel.numpy()).any()


def test_batch_norm_keeps_its_statistics(suspect, reference):
    cleaned = Unlearning(steps=3, batch=8).run(suspect, reference, [Dark()], seed=0)
    for name in ("moving_mean", "moving_variance"):
        kept, found = (getattr(model.get_layer("norm"), name) for model in (suspect.model, cleaned))
        np.testing.assert_array_equal(kept, found)


@pytest.mark.parametrize("share, each", [(1 / 3, 1), (0.5, 2), (0.7, 3)])
def test_triggers_divide_the_reversed_share_of_a_batch(suspect, reference, share, each):
    triggers = [Dark(), Dark()]
    Unlearning(steps=1, batch=8, share=share).run(suspect, reference, triggers, seed=0)
    assert [set(trigger.given) for trigger in triggers] == [{each}, {each}]


def test_a_batch_too_small_for_all_triggers_is_refused(suspect, reference):
    with pytest.raises(ValueError, match="0.33 of 4 images are fewer than the 2 triggers"):
        Unlearning(steps=1, batch=4).run(suspect, reference, [Dark(), Dark()], seed=0)


def test_without_triggers_it_is_plain_fine_tuning(suspect, reference):
    rate = 1e-3
    tuned = Unlearning(steps=1, batch=8, learning_rate=rate).run(suspect, reference, [], seed=0)
    with tf.GradientTape() as tape:  # a batch as large as the set is the whole set
        loss = tf.reduce_mean(tf.abs(suspect.model(reference.images, training=False) - suspect.benign.targets))
    variables = suspect.model.trainable_variables
    for gradient, before, after in zip(tape.gradient(loss, variables), variables, tuned.trainable_variables):
        clear = np.abs(gradient) > 1e-3
        # Adam's first step is the rate times g / (|g| + 1e-7 / sqrt(1 - 0.999)): the gradient's sign
        moved = after.numpy() - before.numpy()
        np.testing.assert_allclose(moved[clear], -rate * np.sign(gradient)[clear], rtol=1e-2)


def test_same_seed_same_model(suspect, reference):
    options = Unlearning(steps=3, batch=4)
    first, again = (options.run(suspect, reference, [Dark()], seed=1).get_weights() for _ in range(2))
    for a, b in zip(first, again):
        np.testing.assert_array_equal(a, b)


def test_progress_counts_steps(suspect, reference):
    done: list[int] = []
    Unlearning(steps=3, batch=4).run(suspect, reference, [], seed=0, progress=done.append)
    assert done == [1, 2, 3]


class Faint(Amplifiable):
    """A trigger that brightens images by a hundredth."""

    def __call__(self, images: tf.Tensor, attention: tf.Tensor) -> Change:
        return Change(images + 0.01, tf.constant(0.01))


def test_changes_are_amplified_up_to_their_strength(suspect, reference):
    state = _Unlearning(suspect.model, reference, tf.constant(suspect.benign.targets), [], Unlearning(), seed=0)
    factor = state._strength(500).numpy().ravel()
    most = Unlearning().strength
    assert 1 <= factor.min() < 1.1 and 0.95 * most < factor.max() <= 1.0001 * most
    np.testing.assert_allclose(np.median(factor), most**0.5, rtol=0.1)  # log-uniform between 1 and that
    grey = tf.fill((500, SIZE, SIZE, 3), 0.5)
    brightened = Faint().amplified(grey, grey[..., :1], tf.constant(factor)[:, None, None, None]) - grey
    np.testing.assert_allclose(brightened.numpy()[:, 0, 0, 0], 0.01 * factor, rtol=1e-3)


def test_amplified_images_stay_in_range():
    nearly_white = tf.fill((1, SIZE, SIZE, 3), 0.98)
    assert Faint().amplified(nearly_white, nearly_white[..., :1], tf.fill((1, 1, 1, 1), 4.0)).numpy().max() <= 1


def test_a_strength_below_one_is_refused():
    with pytest.raises(ValueError, match="strength"):
        Unlearning(strength=0.5)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_share_that_leaves_no_reversed_or_no_benign_images_is_refused(share):
    with pytest.raises(ValueError, match="share"):
        Unlearning(share=share)
