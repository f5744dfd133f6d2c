"""Journals on disk: an interrupted optimisation ends as an undisturbed one."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from data_prep.contract import Split, pixels
from data_prep.threat import Suspect
from drmguard_tf.attacks.wanet import WaNet
from drmguard_tf.models import small_resnet
from drmguard_tf.paper import PaperSearch
from drmguard_tf.reference import examine
from drmguard_tf.steered import SteeredSearch
from drmguard_tf.training import Training
from runs.checkpoints import DiskJournal, Journals, beside
from runs.spent import metered

TRAINING = Training("small-resnet", steps=8, batch=8, learning_rate=0.002, milestones=(0.5,))
SEARCH = SteeredSearch(families=("patch", "generator"), restarts=2, steps=10, batch=4)


class Killed(Exception):
    """The process ends here."""


def _killer(at: int):
    def progress(step: int) -> None:
        if step == at:
            raise Killed

    return progress


def _data(count: int = 24) -> Split:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
    return Split(images, rng.uniform(-0.4, 0.4, (count, 2)).astype(np.float32))


def _fit(**extra) -> tf.keras.Model:
    poisoning = WaNet(grid=4, strength=2.0, rate=0.3, cross_rate=0.3).poisoning((32, 32, 3), np.float32([0.1, 0.2]), 1)
    return TRAINING.fit(_data(), seed=1, poisoning=poisoning, **extra)


def _journal(folder: Path, **options) -> DiskJournal:
    return DiskJournal(folder, **{"seconds": 0, **options})  # a checkpoint after every step


@pytest.fixture(scope="module")
def undisturbed() -> list[np.ndarray]:
    return _fit().get_weights()


@pytest.mark.parametrize("at", [1, 4, 5, 8])
def test_an_interrupted_training_ends_as_an_undisturbed_one(tmp_path, undisturbed, at):
    with pytest.raises(Killed):
        _fit(journal=_journal(tmp_path / "kept"), progress=_killer(at))
    steps: list[int] = []
    resumed = _fit(journal=_journal(tmp_path / "kept"), progress=steps.append)
    assert steps[0] == max(1, at)  # progress comes before the note, so the step of the kill is repeated
    for mine, theirs in zip(resumed.get_weights(), undisturbed):
        np.testing.assert_array_equal(mine, theirs)


def test_seconds_of_a_killed_process_count_up_to_its_last_checkpoint(tmp_path):
    def work(journals: Journals, steps: int):
        weight = tf.Variable(0.0)

        def run() -> float:
            journal = journals("search")
            for step in range(journal.resume({"weight": weight}) + 1, steps + 1):
                time.sleep(0.2)
                weight.assign_add(1.0)
                journal.note(step, {})
            return float(weight)

        return run

    killed, resumed = Journals(tmp_path, seconds=0), Journals(tmp_path, seconds=0)
    metered(work(killed, 3), killed.clock)
    result, spent = metered(work(resumed, 4), resumed.clock)
    assert result == 4.0 and 0.8 <= spent["seconds"] < 5  # a step takes 0.2 s, and the last process did one


@pytest.fixture(scope="module")
def reference():
    tf.keras.utils.set_random_seed(0)
    return examine(Suspect(small_resnet((32, 32, 3), 2), _data()))


@pytest.fixture(scope="module")
def searched(reference):
    return SEARCH.run(reference, seed=3)


@pytest.mark.parametrize("at", [3, 10, 11, 20, 27, 40])
def test_an_interrupted_search_ends_as_an_undisturbed_one(tmp_path, reference, searched, at):
    def journals(name: str) -> DiskJournal:
        return _journal(tmp_path / name)

    with pytest.raises(Killed):
        SEARCH.run(reference, seed=3, progress=_killer(at), journals=journals)
    resumed = SEARCH.run(reference, seed=3, journals=journals)
    for mine, theirs in zip(resumed, searched):
        np.testing.assert_array_equal(mine.history, theirs.history)
        for found, expected in zip(mine.trigger.variables, theirs.trigger.variables):
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("at", [1, 4])
def test_an_interrupted_pretraining_ends_as_an_undisturbed_one(tmp_path, at):
    images, printed = pixels(_data(8).images), PaperSearch(batch=4, pretraining=4)
    with pytest.raises(Killed):
        printed.pretrain(images, seed=2, progress=_killer(at), journal=_journal(tmp_path / "kept"))
    steps: list[int] = []
    resumed = printed.pretrain(images, seed=2, progress=steps.append, journal=_journal(tmp_path / "kept"))
    assert steps == list(range(max(1, at), 5))
    for mine, theirs in zip(resumed.get_weights(), printed.pretrain(images, seed=2).get_weights()):
        np.testing.assert_array_equal(mine, theirs)


def test_one_checkpoint_is_kept_and_finish_removes_it(tmp_path):
    journal = _journal(tmp_path / "kept")
    _fit(journal=journal)
    assert [path.name for path in (tmp_path / "kept").iterdir()] == ["step-8"]
    journal.finish()
    assert not (tmp_path / "kept").exists()


def test_a_checkpoint_that_is_written_again_at_its_own_step_stays(tmp_path):
    journal, state = _journal(tmp_path / "kept"), tf.Variable(1.0)
    assert journal.resume({"state": state}) == 0
    journal.note(4, {})
    journal.complete(4)
    state.assign(2.0)
    assert _journal(tmp_path / "kept").resume({"state": state}) == 4 and float(state) == 1


def test_journals_of_a_command_lie_beside_its_output_and_end_together(tmp_path):
    said: list[str] = []
    journals = beside(tmp_path / "out", ("model", 3), say=said.append)
    journals("first").resume({})
    journals.opened[0].complete(2)
    (folder,) = tmp_path.iterdir()
    assert folder.name.startswith(".out.unfinished-")
    another = beside(tmp_path / "out", ("model", 4))
    another("first").resume({})
    another.opened[0].complete(1)
    assert another.folder != folder and another.folder.is_dir()
    assert journals("first").resume({}) == 2 and said == ["first: going on at step 2"]
    journals.finish()
    assert not list(tmp_path.iterdir())


def test_a_damaged_checkpoint_is_reported_and_passed_over(tmp_path, undisturbed):
    with pytest.raises(Killed):
        _fit(journal=_journal(tmp_path / "kept"), progress=_killer(5))
    (damaged,) = (tmp_path / "kept").rglob("state.data*")
    damaged.write_bytes(damaged.read_bytes()[:-7])
    said: list[str] = []
    resumed = _fit(journal=_journal(tmp_path / "kept", say=said.append))
    assert len(said) == 1 and "damaged" in said[0]
    for mine, theirs in zip(resumed.get_weights(), undisturbed):
        np.testing.assert_array_equal(mine, theirs)


def test_no_checkpoint_before_its_time(tmp_path):
    _fit(journal=_journal(tmp_path / "kept", seconds=3600))
    assert not (tmp_path / "kept").exists()


def test_curves_are_written_for_tensorboard(tmp_path):
    journal = _journal(tmp_path / "kept", seconds=3600, curves=tmp_path / "curves")
    journal.resume({})
    for step in range(1, 21):
        journal.note(step, {"loss": tf.constant(float(step))})
    journal.finish()
    (events,) = (tmp_path / "curves").iterdir()
    values = [
        (event.step, float(tf.make_ndarray(value.tensor)))
        for event in tf.compat.v1.train.summary_iterator(str(events))
        for value in event.summary.value
    ]
    assert values == [(10, 10.0), (20, 20.0)]
