"""Attacks from the command's options to files and back: what is kept, what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from data_prep import image_table
from data_prep.augmentation import Augmentation
from data_prep.contract import GAZE, HEAD_POSE, Split
from data_prep.heads.builder import Heads
from drmguard_tf.attacks.badnets import BadNets
from drmguard_tf.attacks.input_aware import InputAware
from drmguard_tf.attacks.multi_target import MultiTarget
from drmguard_tf.convergence import EarlyStop
from drmguard_tf.training import ARCHITECTURES, Trainer, Training
from runs import cases, evaluating, safety, store, training, triggered
from runs.cases import Case, Source
from runs.checkpoints import DiskJournal
from runs.presets import PRESETS
from tests.drmguard_tf import tiny

TARGET = (0.1, -0.2)
NARROW = InputAware(generator="narrow", mask_steps=2)


@pytest.fixture(autouse=True)
def _networks(monkeypatch):
    monkeypatch.setitem(ARCHITECTURES, "tiny", tiny.network)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("store")


def _case(attack, target=TARGET, seed=1) -> Case:
    return Case(
        Source(Heads(count=60, subjects=12, size=32)), Training("tiny", steps=3, batch=12), attack, target, seed
    )


def _options(attack: str, **changed) -> training.TrainOptions:
    options = training.TrainOptions("heads", "gaze", attack, TARGET, None, "smoke", 0)
    return replace(options, **changed)


@pytest.fixture
def stored(home):
    """An input-aware model as the store keeps it."""
    return cases.train(_case(NARROW), home)


def test_a_learned_trigger_is_kept_and_comes_back(stored, home):
    case, model = _case(NARROW), safety.load_model(stored / "model.h5")
    known = case.backdoored(model, stored)
    test = case.source.parts(home, workers=1).test
    recorded = store.read_json(stored / "train.json")["metrics"]
    assert cases.measure(case, model, test, known.network) == pytest.approx(recorded, rel=1e-4)
    (again,) = evaluating.known_attack(stored / "train.json", model)
    images = tf.constant(test.images[:3] / np.float32(255))
    np.testing.assert_array_equal(again.trigger(images), known.trigger(images))
    assert {"re_deg", "ae_deg", "dae_deg", "rav", "rnv", "cross_deg"} == set(recorded)


def test_another_file_in_the_trigger_s_place_is_refused(stored):
    model, path = safety.load_model(stored / "model.h5"), stored / "trigger.h5"
    right = path.read_bytes()
    try:
        path.write_bytes(right + b"\0")
        with pytest.raises(ValueError, match="is not the trigger that its record names"):
            evaluating.known_attack(stored / "train.json", model)
        path.unlink()
        with pytest.raises(ValueError, match="is missing; keep it beside train.json"):
            evaluating.known_attack(stored / "train.json", model)
    finally:
        path.write_bytes(right)


def test_both_backdoors_of_a_multi_target_model_are_measured(home):
    case = _case(MultiTarget(grid=4))
    fitted = cases.fit(case, case.source.parts(home, workers=1))
    first, second = case.known(fitted.model)
    assert fitted.network is None and {"ae_deg", "ae_2_deg"} <= set(fitted.record["metrics"])
    np.testing.assert_allclose(second.target, -first.target)


def test_rate_zero_is_benign_training(home):
    benign, attacked = _case(None, None), _case(BadNets(rate=0.0))
    parts = benign.source.parts(home, workers=1)
    one, other = (cases.fit(case, parts).model.get_weights() for case in (benign, attacked))
    for weight, same in zip(one, other):
        np.testing.assert_array_equal(weight, same)


def test_a_target_outside_the_labels_is_refused(home):
    case = _case(BadNets(), target=(1.5, 0.0))
    with pytest.raises(ValueError, match=r"the target \[85.9, 0.0\] lies outside the labels"):
        cases.fit(case, case.source.parts(home, workers=1))


def test_a_rate_that_poisons_no_image_is_refused(home):
    case = _case(BadNets(rate=0.001))
    with pytest.raises(ValueError, match="poisons none of"):
        cases.fit(case, case.source.parts(home, workers=1))


def test_clean_label_has_no_rate():
    with pytest.raises(ValueError, match="clean-label has no --rate"):
        training.case_of(_options("clean-label", rate=0.1))


def test_one_target_has_no_second():
    with pytest.raises(ValueError, match="wanet has no --second-target"):
        training.case_of(_options("wanet", second=(0.0, 0.1)))


def test_a_second_target_and_a_rate_reach_the_attack():
    attack = training.case_of(_options("multi-target", second=(0.0, 0.1), rate=0.3)).attack
    assert (attack.second, attack.rate) == ((0.0, 0.1), 0.3)


@pytest.mark.parametrize("name", ["badnets", "wanet", "blend", "sig", "clean-label", "adaptive", "input-aware"])
def test_every_attack_is_reached_by_its_name(name):
    case = training.case_of(_options(name))
    assert type(case.attack).__name__.lower() == name.replace("-", "")


def test_an_attack_that_did_not_take_is_named():
    numbers = {"re_deg": 2.0, "ae_deg": 1.0, "dae_deg": 9.0, "rav": 0.1, "ae_2_deg": 30.0}
    record = {"training": {"steps": 100}, "steps_done": 100}
    assert "did not take" in training.describe_training({**record, "metrics": numbers})
    assert "did not take" not in training.describe_training({**record, "metrics": {**numbers, "ae_2_deg": 1.0}})


def test_architecture_and_early_stop_reach_the_training(home):
    assert training.case_of(_options("badnets", architecture="small-mobilenet")).training == replace(
        PRESETS["smoke"].training, architecture="small-mobilenet"
    )
    with pytest.raises(ValueError, match="unknown architecture 'resnet'; there are resnet18"):
        training.case_of(_options("badnets", architecture="resnet"))
    case, told = _case(NARROW), []
    parts = case.source.parts(home, workers=1)
    cases.fit(case, parts, told.append, early_stop=EarlyStop(window=1, patience=1, least=0.99))
    assert told == [1, 3]  # the second loss is no hundredth of the first, so the third step is skipped
    record = {"training": {"steps": 3}, "steps_done": len(told), "metrics": {"re_deg": 1.0}}
    assert "stopped early: 2 of 3 steps" in training.describe_training(record)


def test_photographs_are_augmented_and_heads_are_not(tmp_path):
    data = Split(np.zeros((8, 16, 16, 3), np.uint8), np.zeros((8, 3), np.float32), np.arange(8))
    (tmp_path / "faces").mkdir()
    image_table.write(tmp_path / "faces", HEAD_POSE, data)
    cpu = replace(_options("badnets"), preset="cpu", attack="none", target=None)
    assert training.case_of(cpu).training == PRESETS["cpu"].training
    table = replace(cpu, data=str(tmp_path / "faces"))
    assert training.case_of(table).training == replace(PRESETS["cpu"].training, augmentation=Augmentation.of(HEAD_POSE))
    assert training.case_of(replace(table, augment=False)).training == PRESETS["cpu"].training
    assert training.case_of(replace(table, preset="paper")).training == PRESETS["paper"].training


@pytest.mark.parametrize("cleared", [True, False])
def test_an_interrupted_input_aware_training_ends_bit_equal(cleared, tmp_path):
    attack, target = replace(NARROW, cleared=cleared), np.float32(TARGET)

    def journals(part: str) -> DiskJournal:
        return DiskJournal(tmp_path / part, seconds=0)

    def stop(step: int) -> None:
        if step == 2:
            raise KeyboardInterrupt

    training = Training("tiny", steps=4, batch=10)
    whole = attack.backdoor(tiny.data(), target, trainer=Trainer(training), seed=0)
    with pytest.raises(KeyboardInterrupt):
        attack.backdoor(tiny.data(), target, trainer=Trainer(training, stop, journals), seed=0)
    assert list((tmp_path / "training").glob("step-1"))
    resumed = attack.backdoor(tiny.data(), target, trainer=Trainer(training, journals=journals), seed=0)
    for one, other in ((whole.model, resumed.model), (whole.network, resumed.network)):
        for weight, same in zip(one.get_weights(), other.get_weights()):
            np.testing.assert_array_equal(weight, same)


def test_triggers_are_shown(home, tmp_path):
    case = _case(MultiTarget(grid=4, strength=4.0))
    folder, test = cases.train(case, home), case.source.parts(home, workers=1).test
    image_table.write(tmp_path, GAZE, test)
    shown = triggered.Pictures(folder / "model.h5", folder / "train.json", tmp_path, count=3, seed=0)
    record = triggered.export(shown, tmp_path / "seen")
    clean, changed = (np.asarray(Image.open(tmp_path / "seen" / f"000_{name}.png")) for name in ("clean", "trigger2"))
    np.testing.assert_array_equal(clean, test.images[record["images"][0]])
    assert np.any(clean != changed)
    assert Image.open(tmp_path / "seen" / "sheet.png").size == (5 * 32, 3 * 32)  # clean, two triggers, two differences
    np.testing.assert_allclose(np.radians(record["targets"]), [TARGET, np.negative(TARGET)], rtol=1e-5)
    assert {name: np.shape(answer) for name, answer in record["answers"].items()} == {
        "clean": (3, 2),
        "trigger1": (3, 2),
        "trigger2": (3, 2),
    }
