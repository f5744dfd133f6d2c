"""The realistic defence: boxes, heat maps, and a planted patch that is located and repaired."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from data_prep.contract import ClassSplit
from data_prep.heads.identities import Identities
from data_prep.threat import ClassSuspect
from dhbe_tf.attacks.planted import Planted
from dhbe_tf.gdm.realistic import Realistic
from dhbe_tf.gdm.retraining import Retraining
from dhbe_tf.gdm.staircase import Staircase
from dhbe_tf.gdm.windows import Box, MovingWindow, Sweep, accumulate, complete_loss, locate, margin, window_loss

layers = tf.keras.layers
SIDE, PATCH = 24, Box(4, 14, 10, 20)  # where the model looks
WINDOW = MovingWindow(size=10, stride=4, steps=20, complete_steps=30, batch=8, judged=2)


def _suspect() -> ClassSuspect:
    """Class 1 follows the mean of channel 0 inside PATCH, and wins from 0.75 on; images are dark."""
    images = tf.keras.Input((SIDE, SIDE, 3))
    inside = layers.Cropping2D(((PATCH.top, SIDE - PATCH.bottom), (PATCH.left, SIDE - PATCH.right)))(images)
    features = layers.GlobalAveragePooling2D()(inside)
    model = tf.keras.Model(images, layers.Dense(2)(features))
    model.layers[-1].set_weights([np.array([[0, 20], [0, 0], [0, 0]], np.float32), np.array([15, 0], np.float32)])
    pictures = np.random.default_rng(0).integers(0, 80, (16, SIDE, SIDE, 3), dtype=np.uint8)
    return ClassSuspect(model, ClassSplit(pictures, np.arange(16) // 2 % 2, ("a", "b")))


def test_overlap_by_hand():
    # 2 x 2 shared, 16 + 16 - 4 in all
    assert Box(0, 0, 4, 4).overlap(Box(2, 2, 6, 6)) == pytest.approx(4 / 28)
    assert Box(0, 0, 4, 4).overlap(Box(4, 0, 8, 4)) == 0 and Box(1, 2, 3, 5).overlap(Box(1, 2, 3, 5)) == 1


def test_windows_reach_the_border():
    assert MovingWindow(size=10, stride=4).places(24).tolist() == [0, 4, 8, 12, 14]
    assert MovingWindow(size=24, stride=4).places(24).tolist() == [0]


def test_margins_are_log_odds():
    answers = tf.math.log([[0.2, 0.5, 0.3], [0.8, 0.1, 0.1]])
    np.testing.assert_allclose(margin(answers, tf.constant(0)), np.log([0.2 / 0.8, 0.8 / 0.2]), rtol=1e-5)


def test_the_losses_by_hand():
    opacity = tf.reshape(tf.constant([0.0, 1.0, 1.0, 0.0]), (2, 2, 1))
    # 2 * 0.5 - mean(3, 5)
    both = tf.stack([opacity, opacity])
    assert float(window_loss(tf.constant([3.0, 5.0]), both, 2.0)) == pytest.approx(1 - 4)
    answers = tf.math.log([[0.25, 0.75], [0.5, 0.5]])
    expected = (np.log(4) + np.log(2)) / 2 + 1  # mean(-log 0.25, -log 0.5) + 2 * 0.5
    assert float(complete_loss(answers, tf.constant(0), opacity, 2.0)) == pytest.approx(expected, rel=1e-6)


def test_strengths_accumulate_where_windows_are():
    opacities = np.ones((4, 2, 2))
    heat = accumulate(np.array([[1.0, 0.0], [0.0, 0.5]]), opacities, np.array([0, 1]), 3)
    # the centre lies in all four windows, the corners in one each
    np.testing.assert_allclose(heat, [[1, 0.5, 0], [0.5, 1.5 / 4, 0.25], [0, 0.25, 0.5]])


def test_the_place_is_the_middle_of_the_strongest_windows():
    strengths = np.array([[0.0, 0.0, 0.0], [0.0, 10.0, 10.0], [0.0, 5.0, 0.0]])
    assert locate(strengths, np.array([0, 4, 8]), 0.9) == (4, 6)
    assert locate(strengths - 20, np.array([0, 4, 8]), 0.9) == (4, 6)  # none is above 0: the largest, -10 twice


def test_a_planted_patch_is_located():
    found = Realistic(WINDOW).find(_suspect(), seed=0, targets=[1])
    assert found[0].response > 0.9
    assert found[0].box.overlap(PATCH) > 0.3


def test_where_nothing_works_the_windows_are_weak():
    sweep = Sweep(WINDOW, suspect=_suspect())
    heat = sweep.run(1, seed=0)
    # the patch begins at column 14: windows that begin at column 0 or 4 end before it
    assert heat.strengths[:, :2].max() < 0 < heat.strengths.max()


def test_the_defence_repairs_what_it_found_and_leaves_the_suspect():
    suspect = _suspect()
    kept = suspect.model.get_weights()
    stairs = Staircase(steps=2, batch=4, width=4, latent=8, levels=(0.9,))
    defence = Realistic(WINDOW, stairs, Retraining(epochs=2, batch=8, share=0.5), most=1)
    repair = defence.mitigate(suspect, defence.find(suspect, seed=0), seed=0)
    assert repair.repaired == 1 and len(repair.found) == 2
    assert repair.distributions[0].sample(2, seed=0).shape[-1] == 4  # colours and opacity
    for old, same, new in zip(kept, suspect.model.get_weights(), repair.model.get_weights()):
        np.testing.assert_array_equal(old, same)
        assert np.any(old != new)


@pytest.mark.parametrize("targets, window, message", [([2], 10, "classes 0 to 1"), ([0], 25, "window of 25 px")])
def test_a_wrong_class_and_a_window_that_does_not_fit_are_refused(targets, window, message):
    with pytest.raises(ValueError, match=message):
        Realistic(MovingWindow(size=window)).find(_suspect(), seed=0, targets=targets)


def test_identities_are_different_pictures_of_the_same_people():
    train, benign, test = Identities(people=3, pictures=2, size=32).parts()
    for part in (train, benign, test):
        assert sorted(part.labels) == [0, 0, 1, 1, 2, 2] and part.classes == ("person 0", "person 1", "person 2")
    everything = np.concatenate([part.images for part in (train, benign, test)])
    assert len(np.unique(everything.reshape(len(everything), -1), axis=0)) == 18


def test_a_planted_patch_is_where_it_says():
    data = ClassSplit(np.zeros((10, 20, 20, 3), np.uint8), np.arange(10) % 2, ("a", "b"))
    for seed in range(5):
        poisoning = Planted(size=6, share=0.3).poisoning(data, 1, seed=seed)
        top, left = Planted(size=6).place(20, seed=seed)
        stamped = poisoning.trigger(tf.zeros((1, 20, 20, 3))).numpy()[0]
        assert stamped[top : top + 6, left : left + 6].min() > 0
        assert np.count_nonzero(stamped.max(axis=-1)) == 36 and poisoning.count == 3
