"""The tables of attacks: which models they are made of, and what stands in them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from data_prep import image_table
from data_prep.contract import GAZE, HEAD_POSE, Split
from data_prep.heads.builder import Heads
from data_prep.journal import NO_JOURNAL
from data_prep.splits import subjects_apart
from drmguard_tf import attacks
from drmguard_tf.attacks.adaptive import Adaptive
from drmguard_tf.attacks.badnets import BadNets
from drmguard_tf.training import ARCHITECTURES, Training
from runs import suspects
from runs.cases import Case, Source, Table, check_target
from runs.experiments import Options, drmguard_figure2, drmguard_figure5, drmguard_table1, drmguard_table10
from runs.jobs import Train
from runs.looks import Angles, Pictures, picture
from runs.presets import PRESETS
from runs.spent import Clock
from tests.drmguard_tf import tiny

PRESET, OPTIONS = PRESETS["smoke"], Options("smoke", models=3)


def _results(plan) -> dict:
    """Invented metrics: RE 2 for benign models and 3 for attacked ones, the rest by the model's place in the plan."""
    found = {}
    for number, job in enumerate(plan):
        benign = job.case.attack is None
        metrics = {"re_deg": 2.0} if benign else {"re_deg": 3.0, "ae_deg": 1.0 + number % 3, "dae_deg": 9.0}
        found[job] = {"metrics": {**metrics, "rav": 0.1 * (number % 3), "rnv": 1.0}}
    return found


def test_table_10_has_every_attack_on_both_tasks():
    plan = drmguard_table10.plan(PRESET, OPTIONS)
    assert len(plan) == 2 * 3 * 9 and len(set(plan)) == len(plan)
    assert set(drmguard_table10.ATTACKS) == set(attacks.names())


def test_models_of_table_1_are_those_of_table_10():
    assert set(drmguard_table1.plan(PRESET, OPTIONS)) < set(drmguard_table10.plan(PRESET, OPTIONS))


def test_table_1_has_more_adaptive_models_where_the_preset_has_another_weight():
    preset = PRESETS["cpu"]
    more = set(drmguard_table1.plan(preset, OPTIONS)) - set(drmguard_table10.plan(preset, OPTIONS))
    assert len(more) == 2 * 3 and {job.case.attack.weight for job in more} == {Adaptive.weight}
    assert preset.attacks["adaptive"]["weight"] < Adaptive.weight


def test_rows_of_table_10_by_hand():
    plan = drmguard_table10.plan(PRESET, OPTIONS)
    (table,) = drmguard_table10.tables(_results(plan), OPTIONS)
    rows = {row["model"]: row for row in table.rows}
    assert len(rows) == 18
    # AE 1, 2, 3: mean 2, half of the interval 2.48; RE 3 over 2
    assert rows["gaze WaNet"]["ae"] == "2.000 (-0.48 to 4.48, n = 3)" and rows["gaze WaNet"]["ratio"] == 1.5
    assert rows["gaze WaNet"]["paper_ae"] == 1.31 and rows["gaze benign"]["paper_re"] == 2.35
    assert rows["head-pose WaNet"]["paper_ae"] is None and "ae" not in rows["gaze benign"]


def test_rows_of_table_1_by_hand():
    table, _ = drmguard_table1.tables(_results(drmguard_table1.plan(PRESET, OPTIONS)), OPTIONS)
    rows = {row["model"]: row for row in table.rows}
    assert rows["head-pose CleanLabel"]["rav"].startswith("0.100 (")  # 0, 0.1, 0.2
    assert rows["head-pose CleanLabel"]["paper_rav"] == 0.0803 and rows["gaze Adaptive"]["paper_rav"] is None


def test_the_strength_of_the_adaptive_attack_by_hand():
    found = {}
    for job in drmguard_table1.plan(PRESETS["cpu"], OPTIONS):
        weight = getattr(job.case.attack, "weight", 0.0)
        found[job] = {"metrics": {"rav": 0.1 + 10 * weight, "rnv": 1.0, "ae_deg": 1 + 100 * weight, "re_deg": 3.0}}
    usual, table = drmguard_table1.tables(found, OPTIONS)
    assert [row["model"] for row in usual.rows].count("gaze Adaptive") == 1
    rows = {(row["model"], row["weight"]): row for row in table.rows}
    assert set(rows) == {(task, weight) for task in ("gaze", "head-pose") for weight in ("0", "0.007", "0.02")}
    assert rows[("gaze", "0")]["ae_deg"].startswith("1.000 (") and rows[("gaze", "0.007")]["rav"].startswith("0.170 (")
    assert rows[("head-pose", "0.02")]["ae_deg"].startswith("3.000 (")


@pytest.mark.parametrize("task, largest", [(GAZE, (20, 20)), (HEAD_POSE, (20, 20, 8))])
def test_targets_are_off_centre_and_within_the_data(task, largest):
    source = Source(replace(PRESET.heads, task=task))
    degrees = np.degrees([suspects.target(seed, source) for seed in range(200)])
    assert (np.abs(degrees) <= np.array(largest) + 0.01).all() and (np.linalg.norm(degrees, axis=1) > 11.9).all()
    assert np.abs(degrees).max(axis=0) == pytest.approx(largest, rel=0.1)


def test_gaze_targets_are_those_of_the_first_experiments():
    draws = np.random.default_rng([103, 7]).uniform(-20, 20, (50, 2))
    first = draws[np.linalg.norm(draws, axis=1) > 12][0]
    np.testing.assert_allclose(suspects.target(103, Source(PRESET.heads)), np.radians(first), atol=1e-4)


@pytest.mark.parametrize("lowest, highest, least", [((-10, -15), (10, 15), 12), ((-3, -4), (3, 4), 3.5)])
def test_targets_on_a_table_are_within_the_labels_that_models_are_trained_on(tmp_path, lowest, highest, least):
    """The labels of the subject whom training does not see lie far off, and so they count for nothing."""
    rng = np.random.default_rng(0)
    subjects = np.arange(10).repeat(20)
    source = Source(Table(str(tmp_path)))
    training, *_ = subjects_apart(subjects, train=0.7, benign=0.15, seed=0)
    degrees = np.full((200, 2), 60.0)
    degrees[training] = np.where(rng.integers(0, 2, (len(training), 2)), lowest, highest)
    pixels = np.zeros((200, 8, 8, 3), np.uint8)
    image_table.write(tmp_path, GAZE, Split(pixels, np.radians(degrees).astype(np.float32), subjects))
    targets = np.array([suspects.target(seed, source) for seed in range(50)])
    for target in targets:
        check_target(target.astype(np.float32), source.parts(tmp_path, workers=1).train)
    assert (np.linalg.norm(np.degrees(targets), axis=1) > least).all() and len(np.unique(targets[:, 0])) > 40


def test_what_a_table_holds_is_told_by_its_first_image(tmp_path):
    split = Split(np.zeros((3, 8, 6, 3), np.uint8), np.zeros((3, 3), np.float32), np.arange(3))
    image_table.write(tmp_path, HEAD_POSE, split)
    told = Table(str(tmp_path)).spec
    assert told == image_table.read(tmp_path)[0] and told.image_shape == (8, 6, 3)
    (tmp_path / "000002.png").unlink()
    assert Table(str(tmp_path)).spec == told


class _Desk:
    """The store of one test, with a model that is trained when it is asked for."""

    def __init__(self, home):
        self.home, self.strategy, self.clock = home, None, Clock()

    def result(self, job):
        return job.do(self)

    def journal(self, name):
        return NO_JOURNAL

    def say(self, text):
        raise AssertionError(text)


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    return _Desk(tmp_path_factory.mktemp("store"))


@pytest.fixture
def case(monkeypatch):
    monkeypatch.setitem(ARCHITECTURES, "tiny", tiny.network)
    source = Source(Heads(count=60, subjects=12, size=32))
    return Case(source, Training("tiny", steps=3, batch=12), BadNets(rate=0.2), (0.1, -0.2), 1)


def test_angles_are_those_of_the_ratio(desk, case):
    found = Angles(case, images=8).do(desk)
    assert found["clean"].shape == found["triggered"].shape == (8, 2)
    test = case.source.parts(desk.home, workers=1).test
    rav = Train(case).do(desk)["metrics"]["rav"]
    assert len(test) <= 20  # so that all images are asked for below
    clean, triggered = Angles(case, images=20).do(desk).values()
    # angles are kept with two decimals
    assert np.mean(triggered.var(axis=0) / clean.var(axis=0)) == pytest.approx(rav, rel=0.2)


def test_pictures_differ_by_the_patch_alone(desk, case):
    found = Pictures(case, images=2).do(desk)
    for clean, triggered in zip(found["clean"], found["triggered"]):
        changed = np.any(picture(clean) != picture(triggered), axis=-1)
        assert changed[-3:, -3:].any() and not changed[:-3].any() and not changed[:, :-3].any()  # 20/224 of 32 px
        assert (picture(triggered)[-3:, -3:] == (255, 0, 0)).all()
    assert found["answers_deg"]["clean"].shape == (2, 2)


def test_figure_2_shows_four_attacks_on_both_tasks():
    plan = drmguard_figure2.plan(PRESET, Options("smoke"))
    assert {need for job in plan for need in job.needs} < set(drmguard_table1.plan(PRESET, OPTIONS))
    found = {job: {"clean": [[80.0, 90.0], [90.0, 90.0]], "triggered": [[85.0, 85.0]] * 2} for job in plan}
    (table,), (figure,) = (make(found, OPTIONS) for make in (drmguard_figure2.tables, drmguard_figure2.figures))
    rows = {row["model"]: row for row in table.rows}
    assert len(rows) == 8 and rows["gaze WaNet"] == {"model": "gaze WaNet", "clean": 2.5, "triggered": 0.0}
    assert [axes.get_title() for axes in figure.drawing.axes] == list(rows)


def test_figure_5_has_a_row_of_benign_images_one_for_every_attack_and_four_reversed(desk, case):
    made = Pictures(case, images=2).do(desk)
    plan = drmguard_figure5.plan(PRESET, Options("smoke"))
    found = {job: {**made, "reversed": made["clean"]} for job in plan}
    (figure,) = drmguard_figure5.figures(found, OPTIONS)
    names = [axes.get_ylabel() for axes in figure.drawing.axes[::2]]
    assert names[:3] == ["benign", "BadNets", "BadNets, reversed"] and names[-2:] == ["MultiTarget", "Adaptive"]
    assert len(names) == 1 + len(attacks.names()) + 4
    assert figure.png().startswith(b"\x89PNG")
