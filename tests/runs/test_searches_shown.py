"""What is shown of searches: where they change images, where their estimates go; and DRMGuard on classifiers."""

from __future__ import annotations

from dataclasses import asdict, replace
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from data_prep.contract import ClassSplit
from data_prep.journal import NO_JOURNAL
from data_prep.threat import Backdoored
from drmguard_tf.ablations import PrintedWithoutMomentum, WithoutMomentum, WithoutRav
from drmguard_tf.calibrate import Calibration, PaperThreshold
from drmguard_tf.families import Change
from drmguard_tf.reversal import Run
from drmguard_tf.steered import SteeredSearch
from drmguard_tf.verdict import decide
from runs import class_scans, classes, reversing, search_figures, suspects
from runs.cases import Case
from runs.class_scans import ClassControl, Defender, ScanClassifier
from runs.erasing_jobs import Implanted, Learned
from runs.experiments import (
    Options,
    drmguard_classifiers,
    drmguard_figure3,
    drmguard_figure4,
    drmguard_figure6,
    drmguard_table5,
    drmguard_table17,
)
from runs.jobs import ScanModel
from runs.looks import picture, png
from runs.presets import PRESETS
from runs.reversing import Reverse
from runs.spent import Clock
from tests.drmguard_tf import colours

PRESET, OPTIONS = PRESETS["smoke"], Options("smoke", models=2)
IMAGE = png(np.full((4, 4, 3), 0.5, np.float32))
OTHER = png(np.pad(np.full((3, 3, 3), 0.5, np.float32), ((1, 0), (1, 0), (0, 0)), constant_values=0.7))


def test_shares_of_a_change_by_hand():
    # two pixels of ten change by 3 and 1; the most attended one is the first
    change, attention = np.zeros((1, 2, 5, 3)), np.zeros((1, 2, 5, 1))
    change[0, 0, 0], change[0, 1, 4] = 1, (1, 0, 0)
    attention[0, 0, 0] = 0.9
    assert reversing.attended_share(change, attention) == pytest.approx(3 / 4)
    assert reversing.attended_share(change[:, ::-1, ::-1], attention) == pytest.approx(1 / 4)
    assert reversing.attended_share(np.ones_like(change), attention) == pytest.approx(0.1)
    by_attack = np.zeros_like(change)
    by_attack[0, 1, 4, 2] = 0.5
    assert reversing.covered_share(change, by_attack) == pytest.approx(1 / 4)


def test_a_path_has_the_means_of_its_stretches():
    answers = np.arange(400.0).reshape(200, 2)
    found = reversing.path(answers)
    assert found.shape == (100, 2) and found[0].tolist() == [1, 2] and found[-1].tolist() == [397, 398]
    assert reversing.path(answers[:3]).tolist() == answers[:3].tolist()


def test_a_residual_is_white_where_an_image_changed_most():
    clean, changed = np.zeros((1, 3, 3), np.uint8), np.uint8([[[0, 0, 0], [10, 40, 0], [0, 0, 20]]])
    assert search_figures.residual(clean, changed)[0, :, 0].tolist() == [0, 255, 128]
    assert not search_figures.residual(clean, clean).any()


def _reversed(score):
    path = [[0.0, 0.0], [3.0, 4.0]]
    runs = [{"cost": 9.0, "rav": 0.9}, {"cost": score, "rav": 0.1}]
    deg = {"target_deg": [4.0, 4.0], "reached_deg": [3.0, 2.0], "target_estimate_deg": [3.0, 4.0], "path_deg": path}
    shares = {"attended": 0.4, "covered": 0.2, "attended_by_attack": 0.05, "covered_pixels": 0.01}
    pictures = {"clean": [IMAGE] * 2, "triggered": [OTHER] * 2, "reversed": [OTHER] * 2}
    return {**deg, **shares, **pictures, "runs": runs, "score": score, "family": "patch", "verdict": "backdoored"}


def test_figure_3_searches_one_model_without_and_with_the_momentum_reverse_trigger():
    plan = drmguard_figure3.plan(PRESET, OPTIONS)
    kinds = [type(job.scan.search) for job in plan]
    assert (
        kinds[0] is PrintedWithoutMomentum and kinds[2] is WithoutMomentum and len({job.scan.case for job in plan}) == 1
    )
    assert vars(plan[0].scan.search) == vars(plan[1].scan.search) and vars(plan[2].scan.search) == vars(
        plan[3].scan.search
    )
    found = {job: _reversed(0.5 + number) for number, job in enumerate(plan)}
    (table,), (figure,) = (make(found, OPTIONS) for make in (drmguard_figure3.tables, drmguard_figure3.figures))
    rows = {row["search"]: row for row in table.rows}
    assert rows["printed"]["score"] == 1.5 and rows["printed"]["rav"] == 0.1
    assert rows["attacker's trigger"]["attended"] == 0.05 and rows["a change everywhere"]["covered"] == 0.01
    names = [axes.get_ylabel() for axes in figure.drawing.axes[::2]]
    assert names == ["benign", "triggered", "trigger's change", *drmguard_figure3.searches(PRESET, OPTIONS)]


def test_figure_4_uses_the_models_and_controls_of_table_5():
    plan = drmguard_figure4.plan(PRESET, OPTIONS)
    needed = {need for job in drmguard_table5.plan(PRESET, OPTIONS) for need in job.needs}
    assert {need for job in plan for need in job.needs} < needed and len(plan) == 4
    assert len({job.name for job in plan}) == 4 and plan[0].name == "reverse badnets-100"
    found = {job: _reversed(0.5) for job in plan}
    (table,), (figure,) = (make(found, OPTIONS) for make in (drmguard_figure4.tables, drmguard_figure4.figures))
    row = table.rows[0]
    assert row["apart"] == 2 and row["missed"] == pytest.approx(5**0.5) and row["target_estimate"] == "[3.0, 4.0]"
    axes = figure.drawing.axes[0]
    assert axes.get_title() == "gaze BadNets: patch"
    assert axes.lines[0].get_xydata().tolist() == [[0, 0], [4, 3]]  # gaze is pitch, yaw; yaw is drawn to the right


class _Recorder:
    """A found trigger that greys images wherever nothing protects them, and remembers what protected them."""

    def __call__(self, images, attention):
        self.attention = attention
        return Change(attention * images + (1 - attention) * 0.5, tf.constant(0.1))


@pytest.mark.parametrize("search, heeded", [(SteeredSearch(), True), (WithoutMomentum(), False)])
def test_the_deciding_run_is_applied_as_it_was_searched(monkeypatch, search, heeded):
    suspect, trigger = colours.suspect(20.0), _Recorder()
    images = (suspect.benign.images[:2] / 255).astype(np.float32)
    history = np.tile(np.float32([0.1, 0.05, 0.1, 0.0, np.radians(3.0)]), (10, 1))
    run = Run("patch", 0, 0.1, 0.05, True, history[0, 3:], history, trigger)
    verdict = decide([run], PaperThreshold(0.2), seed=0)

    place = np.zeros((16, 16, 1), bool)
    place[:2, :2] = True

    def corner(shown):
        return tf.where(place, 1.0, shown)

    known = Backdoored(suspect.model, corner, np.radians(np.float32([10, -10])))
    question = SimpleNamespace(suspect=suspect, model=SimpleNamespace(parent=None))
    monkeypatch.setattr(ScanModel, "question", lambda scan, desk: (question, None))
    monkeypatch.setattr(Case, "backdoored", lambda case, model, folder: known)
    monkeypatch.setattr(reversing.inspection, "scan_model", lambda *_, **__: SimpleNamespace(verdict=verdict))
    monkeypatch.setattr(reversing, "shown", lambda source, home, count: images)
    case = suspects.attacked(PRESET, suspects.sources(PRESET, None)[0], ("badnets",), 1)[0]
    desk = SimpleNamespace(journal=None, home=None)
    found = Reverse(ScanModel(case, case, search, None), images=2).do(desk)
    assert bool(np.any(trigger.attention)) is heeded and len(trigger.attention) == 32 + 2
    assert len(found["clean"]) == len(found["triggered"]) == len(found["reversed"]) == 2
    if not heeded:
        assert (picture(found["reversed"][1]) == 128).all()
    # the corner silences all colours: the answer is that of black images
    np.testing.assert_allclose(found["reached_deg"], np.degrees(colours.target()), atol=0.01)
    assert found["covered_pixels"] == pytest.approx(4 / 256) and found["target_deg"].tolist() == [10, -10]
    assert found["path_deg"].shape == (10, 2) and found["path_deg"][0, 1] == 3


def test_a_defender_trains_controls_on_half_as_many_images():
    training = replace(classes.PRESETS["cpu"].digits, epochs=50)
    defender = Defender("digits", training, 0.25, WithoutRav(), 4)
    assert defender.of_controls == replace(training, epochs=100)  # 100 * 0.25 = 25 = 50 / 2
    benign = defender.benign()
    assert len(benign) == round(0.25 * len(classes.read("digits")[0]))


def test_table_17_has_a_target_of_its_own_for_every_model():
    plan = drmguard_table17.plan(PRESETS["cpu"], Options("cpu"))
    attacked = [job.suspect for job in plan if isinstance(job.suspect, Implanted)]
    assert len(plan) == 20 and {suspect.target for suspect in attacked} == set(range(10))
    assert len({job.defender for job in plan}) == 1 and isinstance(plan[0].defender.search, WithoutRav)
    assert asdict(plan[0].defender.search) == asdict(PRESETS["cpu"].search)


def _class_scan(attack, margin, target, infected):
    verdict = "backdoored" if margin >= 1 else "benign"
    decision = {"attack": attack, "margin": margin, "verdict": verdict, "distance": 0.02, "target": target}
    metrics = {"acc": 0.9, **({"asr": 0.99} if attack else {})}
    pictures = {"clean": [IMAGE] * 2, "triggered": [OTHER] * 2 if attack else [], "reversed": [OTHER] * 2}
    more = {
        "infected": infected,
        "family": "patch",
        "answers": [infected, 9],
        "spent": {"seconds": 4.0, "peak_mib": 900.0},
        "device": "here",
    }
    return {**decision, "metrics": metrics, **pictures, **more}


def _class_scans(plan):
    values = iter([(None, 0.5, None, 7), (None, 0.6, None, 7), ("BadNets", 3.0, 0, 0), ("BadNets", 2.0, 1, 4)])
    return {job: _class_scan(*next(values)) for job in plan}


def test_rows_of_table_17_by_hand():
    found = _class_scans(drmguard_table17.plan(PRESET, OPTIONS))
    table, took = drmguard_table17.tables(found, OPTIONS)
    assert [(row["device"], row["seconds"], row["n"]) for row in took.rows] == [("here", 4, len(found))]
    (row,) = table.rows
    assert [row[key] for key in ("tp", "fp", "fn", "tn")] == [2, 0, 0, 2] and row["infected"] == "1 of 2"
    assert row["asr"].startswith("99.000") and row["benign_acc"].startswith("90.000") and row["paper_fn"] == 3
    assert row["constant"].startswith("0.500")  # all changes are small enough for the paper's constant


def test_other_attacks_on_classifiers_have_a_row_each():
    plan = drmguard_classifiers.plan(PRESETS["cpu"], Options("cpu"))
    assert len(plan) == 3 + 9 and set(plan[:3]) <= set(drmguard_table17.plan(PRESETS["cpu"], Options("cpu")))
    assert len({job.defender for job in plan}) == 1
    scans = [(None, 0.5, None, 7), (None, 0.6, None, 7), ("BadNets", 3.0, 9, 9), ("Trojaning", 0.7, 9, 4)]
    found = {job: _class_scan(*values) for job, values in zip(plan[1:5], scans)}
    attacks, models, took = drmguard_classifiers.tables(found, OPTIONS)
    assert [(row["models"], row["tp"], row["fn"], row["tn"]) for row in attacks.rows] == [
        ("BadNets", 1, 0, 2),
        ("Trojaning", 0, 1, 2),
    ]
    assert [row["margin"] for row in models.rows] == [0.5, 0.6, 3.0, 0.7] and models.rows[0]["asr"] is None
    (figure,) = drmguard_classifiers.figures(found, OPTIONS)
    assert figure.drawing.axes


def test_figure_6_shows_a_backdoored_and_a_benign_classifier():
    found = _class_scans(drmguard_table17.plan(PRESET, OPTIONS))
    mine = {job: found[job] for job in drmguard_figure6.plan(PRESET, OPTIONS)}
    assert [result["attack"] for result in mine.values()] == ["BadNets", None]
    (table,), (figure,) = (make(mine, OPTIONS) for make in (drmguard_figure6.tables, drmguard_figure6.figures))
    assert [row["same"] for row in table.rows] == ["1 of 2", "1 of 2"]
    names = [axes.get_ylabel() for axes in figure.drawing.axes[::2]]
    assert names[:4] == ["images, BadNets", "poisoned", "reversed, BadNets", "change, BadNets"] and len(names) == 7


class _Desk:
    """Answers for other jobs: the record of a suspect, the costs of a control."""

    clock = Clock()

    def result(self, job):
        if isinstance(job, ClassControl):
            return {"costs": {"patch": 0.1 + 0.01 * job.index}, "channel_share": None}
        if isinstance(job, Learned):
            return {"metrics": {}, "trigger": None, "target_class": None}
        return {"metrics": {}, "trigger": {"Checkerboard": {"size": 3}}, "target_class": 3}

    def journal(self, name):
        return NO_JOURNAL


@pytest.mark.parametrize("corner", [20.0, 0.0])
def test_a_classifier_is_scanned_and_its_reversed_images_are_kept(monkeypatch, corner):
    regressor = colours.suspect(corner)
    head = tf.keras.layers.Dense(4)
    model = tf.keras.Model(regressor.model.inputs, head(regressor.model.get_layer("features").output))
    head.set_weights([12 * np.eye(4, dtype=np.float32), np.zeros(4, np.float32)])
    images = regressor.benign.images
    data = ClassSplit(images, images.mean(axis=(1, 2)).argmax(axis=1).astype(np.int64), ("r", "g", "b", "none"))
    monkeypatch.setattr(class_scans, "model_of", lambda job, desk: model)
    monkeypatch.setattr(classes, "read", lambda name: (data, data))
    training, attack = classes.PRESETS["smoke"].digits, classes.PRESETS["smoke"].digits_attacks["badnets"]
    search = WithoutRav(**{**asdict(SteeredSearch()), "families": ("patch",), "restarts": 1, "steps": 60, "batch": 16})
    defender = Defender("digits", training, 1.0, search, 2)
    suspect = Implanted("digits", training, attack, 3, 1) if corner else Learned("digits", training, 1)
    found = ScanClassifier(suspect, defender, images=len(images)).do(_Desk())
    assert found["verdict"] == ("backdoored" if corner else "benign") and found["runs"] == 1
    strict = Calibration((("patch", (0.1, 0.11)),), level=0.001)
    assert found["threshold"] == strict.of("patch") < Calibration(strict.costs).of("patch")
    clean, changed = (np.stack([picture(text) / 255 for text in found[kind]]) for kind in ("clean", "reversed"))
    assert len(clean) == len(changed) == len(images) and len(found["triggered"]) == (len(images) if corner else 0)
    change = np.abs(changed - clean).sum(axis=(1, 2, 3)).mean() / clean.sum(axis=(1, 2, 3)).max()
    assert found["distance"] == pytest.approx(change, rel=0.05, abs=0.003)  # pictures have 8 bits
    if corner:
        assert found["infected"] == found["target"] == 3 and set(found["answers"]) == {3}
