"""Benign controls."""

from __future__ import annotations

from data_prep.augmentation import Augmentation
from data_prep.contract import GAZE, HEAD_POSE
from drmguard_tf.training import Training
from runs.controls import Controls


def test_controls_learn_images_changed_at_random_with_the_signs_of_their_task():
    controls = Controls(training=Training("small-resnet", steps=7))
    for task in (GAZE, HEAD_POSE):
        training = controls.training_for(task)
        assert training.augmentation == Augmentation.of(task) and training.steps == 7
