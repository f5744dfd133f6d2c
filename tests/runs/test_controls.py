"""Benign controls."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from data_prep import image_table
from data_prep.augmentation import Augmentation
from data_prep.contract import GAZE, HEAD_POSE, Split
from drmguard_tf.baselines.neural_cleanse import NeuralCleanse
from drmguard_tf.models import small_resnet
from drmguard_tf.steered import SteeredSearch
from drmguard_tf.training import Training
from drmguard_tf.transfer import Witnesses
from runs import controls, safety
from runs.controls import Controls


def test_controls_learn_images_changed_at_random_with_the_signs_of_their_task():
    options = Controls(training=Training("small-resnet", steps=7))
    for task in (GAZE, HEAD_POSE):
        training = options.training_for(task)
        assert training.augmentation == Augmentation.of(task) and training.steps == 7


@pytest.fixture(scope="module")
def defender(tmp_path_factory) -> tuple[Path, Path]:
    """A suspect and a benign set: 24 pictures of noise."""
    folder, rng = tmp_path_factory.mktemp("defender"), np.random.default_rng(0)
    images = rng.integers(0, 256, (24, 32, 32, 3), dtype=np.uint8)
    (folder / "benign").mkdir()
    image_table.write(folder / "benign", GAZE, Split(images, rng.uniform(-0.3, 0.3, (24, 2)).astype(np.float32)))
    small_resnet((32, 32, 3), 2).save(folder / "model.h5", save_format="h5", include_optimizer=False)
    return folder / "model.h5", folder / "benign"


QUICK = Controls(count=3, training=Training("small-resnet", steps=2, batch=8))
STEERED = SteeredSearch(families=("patch", "warp"), restarts=1, steps=10, batch=8)


def test_every_control_is_shown_to_the_others_and_the_calibration_tells_what_they_did(defender, monkeypatch):
    shown = []
    monkeypatch.setattr(Witnesses, "transfer", lambda self, trigger, target: shown.append(len(self.models)) or 0.3)
    told: list[int] = []
    line = controls.calibrate(*defender, QUICK, STEERED, workers=1, progress=told.append)
    assert shown == [2] * 3 * 2  # the two others, for each of three controls and two families
    assert line.transfers == (("patch", (0.3,) * 3), ("warp", (0.3,) * 3))
    assert told == [1, 2, 3, 4, 5, 6]
    assert controls.calibrate(*defender, QUICK, STEERED, workers=1) == line and len(shown) == 6  # kept


def test_the_witnesses_of_a_scan_are_the_controls_themselves(defender):
    jobs = controls.all_jobs(*defender, QUICK, STEERED)
    models = controls.witnesses(jobs)
    assert [job.seed for job in jobs] == [1000, 1001, 1002] and [job.seed for job in jobs[1].others] == [1000, 1002]
    for job, model in zip(jobs, models):
        kept = safety.load_model(job.path)
        np.testing.assert_array_equal(model.get_weights()[0], kept.get_weights()[0])
    assert len({model.get_weights()[0].tobytes() for model in models}) == 3


def test_a_rival_shows_nobody_what_it_found(defender):
    assert controls.witnesses(controls.all_jobs(*defender, QUICK, NeuralCleanse())) == []
