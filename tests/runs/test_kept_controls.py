"""Benign controls, whatever they learn."""

from __future__ import annotations

import shutil
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from drmguard_tf.calibrate import Calibration, Control
from drmguard_tf.reversal import Run
from runs import checkpoints, kept_controls
from runs.kept_controls import KeptControl

STEPS = 5


class Killed(Exception):
    """In place of a signal."""


@dataclass(frozen=True)
class _Search:
    """Counts its steps, and finds a patch that costs as many hundredths."""

    families = ("patch",)

    def run(self, reference, *, seed, progress=None, journals=None):
        state, journal = tf.Variable(0), journals("patch")
        done = journal.resume({"state": state})
        began.append(done)
        count(journal, state, done)
        return [Run("patch", seed, state.numpy() / 100, 0.0, True, np.zeros(2), np.zeros((1, 5)), None)]


@dataclass(frozen=True)
class _Counting(KeptControl):
    """A network whose only weight is the number of its steps."""

    def learn(self, journal):
        model = tf.keras.Sequential([tf.keras.layers.Dense(1, use_bias=False, input_shape=(1,))])
        model.layers[0].kernel.assign([[0.0]])
        done = journal.resume({"model": model})
        began.append(done)
        count(journal, model.layers[0].kernel, done)
        return model

    def examine(self, model):
        return float(model.layers[0].kernel)

    @property
    def made_by(self):
        return {"of": "steps"}


began: list[int] = []
kill_at: list[int] = []


def count(journal, variable: tf.Variable, done: int) -> None:
    for step in range(done + 1, STEPS + 1):
        variable.assign_add(tf.ones_like(variable))
        journal.note(step, {})
        if step in kill_at:
            kill_at.remove(step)
            raise Killed
    journal.complete(STEPS)


@pytest.fixture
def control(tmp_path: Path) -> _Counting:
    began.clear()
    kill_at.clear()
    return _Counting(tmp_path / "none", tmp_path / "none", tmp_path / "kept", 7, _Search())


def test_a_killed_calibration_goes_on_where_training_and_search_stopped(control, monkeypatch):
    monkeypatch.setattr(checkpoints, "SECONDS", 0.0)
    other = _Counting(control.suspect, control.benign, control.folder, 8, control.search)
    for at in (3, 2):
        kill_at.append(at)
        with pytest.raises(Killed):
            kept_controls.calibrate([control, other], workers=1, progress=lambda done: None)
    told: list[int] = []
    line = kept_controls.calibrate([control, other], workers=1, progress=told.append)
    assert began[:2] == [0, 3] and 2 in began  # training of the first went on at 3, what was killed next at 2
    assert line.costs == (("patch", (STEPS / 100,) * 2),) and told == [1, 2, 3, 4]
    assert float(control.model().layers[0].kernel) == STEPS
    assert not list(control.folder.glob(".*"))  # no checkpoint is left


def test_what_is_kept_is_used_again_and_another_search_is_made_anew(control):
    kept_controls.train_control(control)
    first = kept_controls.search_control(control, checkpoints.Journals(control.folder / "j", seconds=60))
    assert first == Control(**first._asdict()) and began == [0, 0]
    assert kept_controls.search_control(control) == first and began == [0, 0]
    (found,) = control.folder.glob("control-7-*.json")
    found.write_text('{"costs": {}}')  # of an earlier version, which told less
    assert kept_controls.search_control(control, checkpoints.Journals(control.folder / "k", seconds=60)) == first
    assert len(began) == 3


def test_a_command_waits_for_another_that_makes_the_same_controls_and_uses_them(control):
    other = _Counting(control.suspect, control.benign, control.folder, 8, control.search)
    made: list[Calibration] = []

    def calibrate() -> None:
        made.append(kept_controls.calibrate([control, other], workers=1, progress=lambda done: None))

    commands = [threading.Thread(target=calibrate) for _ in range(2)]
    for command in commands:
        command.start()
    for command in commands:
        command.join(60)
    assert len(made) == 2 and made[0] == made[1] and began == [0, 0, 0, 0]  # two trainings, two searches


def test_what_is_kept_is_read_where_nothing_can_be_written(control):
    other = _Counting(control.suspect, control.benign, control.folder, 8, control.search)
    line = kept_controls.calibrate([control, other], workers=1, progress=lambda done: None)
    shutil.rmtree(control.folder / "locks")
    (control.folder / "locks").write_text("no folder")  # so no lock can be taken
    assert kept_controls.calibrate([control, other], workers=1, progress=lambda done: None) == line
