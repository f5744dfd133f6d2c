"""Erasing as jobs: what a job hands to a method, and the tables from results that are given."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from data_prep.contract import ClassSplit
from data_prep.journal import NO_JOURNAL
from data_prep.splits import random_share
from data_prep.threat import ClassSuspect, Suspect
from dhbe_tf.attacks.badnets import BadNets
from dhbe_tf.attacks.clean_label import CleanLabel
from dhbe_tf.baselines.fine_tuning import FineTuning
from dhbe_tf.baselines.neural_cleanse import NeuralCleanse
from dhbe_tf.dhbe import DHBE
from runs import classes, erasing_jobs, erasing_tables, store
from runs.ablation_jobs import Tried
from runs.erasing_figures import Logistic, logistic
from runs.erasing_jobs import Erase, Implanted, Learned, Told, Untouched
from runs.experiments import Options, experiment
from runs.spent import Clock
from runs.tables import paper

SMOKE = Options("smoke")
SUSPECT = Implanted("digits", classes.PRESETS["smoke"].digits, BadNets(), None, 0)


def _model(answer: int) -> tf.keras.Model:
    images = tf.keras.Input((16, 16, 3))
    model = tf.keras.Model(images, tf.keras.layers.Dense(3)(tf.keras.layers.GlobalAveragePooling2D()(images)))
    model.layers[-1].set_weights([np.zeros((3, 3)), np.eye(3)[answer]])
    return model


class _Method(FineTuning):
    """Keeps what it is given, and answers with class 2 always."""

    def mitigate(self, suspect, **_):
        self.__dict__["seen"] = suspect
        return _model(2)


class _Targeted(NeuralCleanse):
    """The same, with the class that it is told."""

    def mitigate(self, suspect, *, target, **_):
        self.__dict__.update(seen=suspect, told=target)
        return _model(2)


class _WithoutData(DHBE):
    """The same for a method that gets the model alone."""

    mitigate = _Method.mitigate


class _Desk:
    home = None
    clock = Clock()

    def result(self, job):
        return {"trigger": {"Checkerboard": {"size": 3}}, "target_class": 2, "metrics": {"acc": 0.5, "asr": 0.0}}

    def journal(self, name):
        raise AssertionError("not asked for here")


@pytest.fixture
def data(monkeypatch) -> ClassSplit:
    images = np.random.default_rng(0).integers(0, 256, (20, 16, 16, 3), dtype=np.uint8)
    split, model = ClassSplit(images, np.arange(20) % 2, ("a", "b", "c")), _model(0)
    monkeypatch.setattr(classes, "read", lambda name: (split, split))
    monkeypatch.setattr(erasing_jobs, "model_of", lambda job, desk: model)
    return split


def test_a_method_gets_model_and_its_share_of_the_training_set_and_is_measured(data):
    method = _Method()
    result = Erase(SUSPECT, method, 0.2, seed=3).do(_Desk())
    assert isinstance(method.seen, ClassSuspect)
    np.testing.assert_array_equal(method.seen.benign.images, random_share(data, 0.2, seed=3).images)
    # the suspect gets all images of class 0 right, and all of them become 2; class 2 is nobody's
    assert result["after"]["asr"] == 1 and result["after"]["counted"] == 10 and result["after"]["acc"] == 0
    assert result["before"]["acc"] == 0.5 and result["images"] == 4 and result["spent"]["peak_mib"] > 0
    assert store.plain(result)["after"]["asr_x9"] == 1 and store.plain(asdict(SUSPECT))["attack"]["size"] == 3
    boxes = store.plain(result)["moved"]
    assert list(boxes) == ["before", "after"] and boxes["after"]["output_l1"] == [0] * 5  # the answer never changes
    assert len(boxes["before"]["block_l1"]) == 5 and min(boxes["before"]["block_l1"]) > 1  # the image itself is last


def test_dhbe_gets_the_model_alone(data):
    with pytest.raises(ValueError, match="holds no images"):
        Erase(SUSPECT, DHBE(), 0.04)
    with pytest.raises(ValueError, match="every other method some"):
        Erase(SUSPECT, FineTuning())
    method = _WithoutData()
    desk = _Desk()
    desk.journal = lambda name: None
    assert Erase(SUSPECT, method).do(desk)["images"] == 0
    assert isinstance(method.seen, Suspect) and method.seen.benign is None


def test_a_targeted_method_is_told_the_class_where_the_paper_s_is(data):
    method = _Targeted()
    Erase(SUSPECT, Told(method), 0.2).do(_Desk())
    assert method.told == 2 and isinstance(method.seen, ClassSuspect)
    Erase(SUSPECT, method, 0.2).do(_Desk())
    assert method.told is None
    assert Erase(SUSPECT, Told(method), 0.2).name == "_Targeted told with 20 % on badnets-3-0"
    named = erasing_tables.with_told(SMOKE)
    assert [name for name in named if name.endswith("told")] == ["Neural Cleanse, told", "GDM, told"]
    assert named["Neural Cleanse, told"] == Told(named["Neural Cleanse"]) and list(named)[-1] == "DHBE"
    tuned = replace(named["GDM"].retraining, epochs=20)
    assert named["GDM, told"] == Told(replace(named["GDM"], retraining=tuned))
    # the paper's numbers stand beside what its authors did
    papers = erasing_tables.as_in_the_paper(SMOKE)
    assert list(papers)[-3:] == ["Neural Cleanse, told", "GDM, told", "DHBE"] and len(papers) == 7
    printed = [erasing_tables.printed_as(name, named) for name in ("GDM", "GDM, told", "NAD")]
    assert printed == ["", "GDM", "NAD"] and erasing_tables.printed_as("GDM", erasing_tables.methods(SMOKE)) == "GDM"


def test_the_main_table_plans_every_method_on_the_same_suspects():
    jobs = experiment("dhbe_table3").plan(None, Options("paper"))
    assert len(jobs) == 3 * 3 * 3 * 9 and len({job.suspect for job in jobs}) == 27 and len(set(jobs)) == len(jobs)
    jobs = experiment("dhbe_table3").plan(None, Options("cpu"))
    assert len(jobs) == 3 * 3 * 9 and len({(job.suspect.attack, job.suspect.seed) for job in jobs}) == 9
    assert {job.share for job in jobs} == {None, 0.04}
    assert all(job.seed == job.suspect.seed for job in jobs)  # so all methods hold the same images


def _result(acc: float, asr: float, nine: float) -> dict:
    before = {"acc": 0.9, "asr": 1.0, "asr_x4": 1.0, "asr_x9": 1.0}
    after = {"acc": acc, "asr": asr, "asr_x4": asr, "asr_x9": nine}
    return {
        "before": before,
        "after": after,
        "images": 57,
        "spent": {"seconds": 2.0, "peak_mib": 100.0},
        "device": "here",
    }


def test_recipes_stand_beside_those_of_dhbe_s_authors():
    options = Options("cpu")
    jobs = experiment("dhbe_recipes").plan(None, options)
    assert len(jobs) == 3 * (5 * 2 + 1) and len(set(jobs)) == len(jobs)
    usual = set(experiment("dhbe_table3").plan(None, options))
    assert len(usual & set(jobs)) == 3 * 6  # of these the main table has the results: five rivals and DHBE
    result = {**_result(0.8, 0.1, 0.5), "after": {**_result(0.8, 0.1, 0.5)["after"], "block_l1": 1.0, "block_l2": 2.0}}
    measured, taken = experiment("dhbe_recipes").tables({job: result for job in jobs}, options)
    assert len(measured.rows) == 11 and {row["n"] for row in measured.rows} == {3}
    by_name = {(row["method"], row["whose"]): row for row in measured.rows}
    assert by_name["NAD", "DHBE's authors"]["paper_asr"] == 0.38 and by_name["NAD", "NAD"]["share"] == 5
    assert [row["method"] for row in taken.rows][-1] == "DHBE, ours" and len(taken.rows) == 11
    smoke = experiment("dhbe_recipes").plan(None, SMOKE)
    assert {job.suspect.seed for job in smoke} == {0}


def test_means_largest_and_notes_by_hand():
    methods = erasing_tables.methods(SMOKE)
    which = erasing_tables.suspects(SMOKE, ("badnets",), (3,), seeds=2)
    named = {name: methods[name] for name in ("NAD", "MCR", "DHBE")}
    jobs = erasing_tables.erasings(which, named)
    results = [(0.8, 0.0, 0.9), (0.9, 0.2, 0.1), (0.7, 0.02, 0.3), (0.86, 0.06, 0.7), (0.9, 0.1, 0.1), (0.7, 0.0, 0.3)]
    found = {job: _result(*figures) for job, figures in zip(jobs, results)}
    table = erasing_tables.summary(found, named, "t")
    rows = {row["method"]: row for row in table.rows}
    assert list(rows) == ["backdoored", "NAD", "MCR", "DHBE"]
    nad = rows["NAD"]  # of both suspects: 80 and 86 % right, 0 and 6 % attacked
    assert [round(nad[key], 6) for key in ("acc", "drop", "asr", "worst", "asr_x9")] == [83, 7, 3, 6, 80]
    assert rows["backdoored"]["n"] == 2 and rows["DHBE"]["paper_acc"] == 94.27
    # MCR's mean ASR is 15 %, so of NAD (83) and DHBE (70) NAD is the most accurate one that erases
    assert "has NAD." in table.notes[0] and "has MCR; on BadNets alone" in table.notes[1]
    detail = erasing_tables.by_attack(found, named, "t")
    assert [row["method"] for row in detail.rows] == ["backdoored", "NAD", "MCR", "DHBE"]
    assert detail.rows[1]["paper_asr"] == 0.38 and detail.rows[1]["n"] == 2


def test_told_methods_compete_in_a_note_of_their_own():
    told = erasing_tables.with_told(SMOKE)
    named = {name: told[name] for name in ("GDM", "GDM, told", "DHBE")}
    which = erasing_tables.suspects(SMOKE, ("badnets",), (3,), seeds=1)
    jobs = erasing_tables.erasings(which, named)
    found = {
        job: _result(*figures) for job, figures in zip(jobs, [(0.9, 0.5, 0.9), (0.85, 0.01, 0.1), (0.8, 0.0, 0.3)])
    }
    table = erasing_tables.summary(found, named, "t")
    assert "has DHBE." in table.notes[0] and "has DHBE;" in table.notes[1]
    assert "with those, GDM, told has the highest, and the lowest with nine triggers GDM, told;" in table.notes[5]
    assert table.notes[3] == f"DHBE's learning rate: {named['DHBE'].learning_rate:g}."
    assert "Table 6, GDM, told" in table.notes[5]
    assert [(row["amplified"], row["paper_amplified"]) for row in table.rows[2:]] == [(10, 11.63), (30, 1.20)]
    assert [row["paper_acc"] for row in table.rows[1:3]] == [None, paper("dhbe_table3")["mean GDM", "acc"]]
    assert "none is here" in erasing_tables.summary(found, {"DHBE": told["DHBE"]}, "t").notes[5]


def test_the_paper_s_means_are_those_of_its_rows():
    published = paper("dhbe_table3")
    rows = [f"{attack} {size}" for attack in erasing_tables.ATTACKS.values() for size in (1, 2, 3)]
    for method in ("backdoored", *erasing_tables.METHODS.values()):
        for column in ("acc", "asr"):
            mean = np.mean([published[f"{row} {method}", column] for row in rows])
            assert abs(mean - published[f"mean {method}", column]) < 0.02


def test_a_logistic_curve_is_recovered_from_its_points():
    curve = Logistic(-30.0, 40.0)
    acc = np.linspace(0.6, 0.9, 12)
    again = logistic(acc, curve(acc))
    np.testing.assert_allclose(again(acc), curve(acc), atol=0.01)
    assert curve(0.75) == 0.5 and abs(again(0.75) - 0.5) < 0.01
    steep = logistic([0.7, 0.8], [0.0, 1.0])  # could be a step; stays finite
    assert np.isfinite(steep).all() and steep.slope > 0


def test_the_rates_of_two_cores_reach_where_its_suspects_lose_their_backdoor():
    jobs = [getattr(job, "erasing", job) for job in experiment("dhbe_figure3").plan(None, Options("cpu"))]
    rates = {job.method.tuning.learning_rate for job in jobs if type(job.method).__name__ == "FineTuning"}
    assert rates == {0.01, 0.03, 0.05, 0.07}


@pytest.mark.parametrize(
    "preset, data, times", [("cpu", Path("batches"), 10), ("cpu", None, 1), ("paper", Path("a"), 1)]
)
def test_tables_that_were_measured_at_the_former_rate_keep_it_where_it_was_another(preset, data, times):
    options = Options(preset, data=data)
    now, then = erasing_tables.erasing(options), erasing_tables.erasing_at_former_rate(options)
    assert then == replace(now, learning_rate=then.learning_rate)
    assert then.learning_rate == pytest.approx(times * now.learning_rate)
    assert erasing_tables.methods(options)["DHBE"] == then


def test_the_figure_sweeps_rates_shares_and_subsets():
    plan = experiment("dhbe_figure3").plan(None, Options("paper", models=2))
    assert len(plan) == 3 * (1 + 4 * 2 * 2 * 10) and len({getattr(job, "erasing", job).suspect for job in plan}) == 3
    jobs = [getattr(job, "erasing", job) for job in plan]
    assert sum(isinstance(job.method, Told) for job in jobs) == 3 * 2 * 2 * 10  # Neural Cleanse
    rates = {getattr(job.method, "tuning", None) and job.method.tuning.learning_rate for job in jobs}
    assert {0.002, 0.004, 0.02} <= rates and {job.share for job in jobs} == {None, 0.04, 0.01}


def test_other_classes_and_networks_stand_beside_the_paper_s():
    options = Options("paper", models=1)
    jobs = experiment("dhbe_table8").plan(None, options)
    found = {job: _result(0.8 + k / 100, 0.01, 0.0) for k, job in enumerate(jobs)}
    (table,) = experiment("dhbe_table8").tables(found, options)
    assert [row["kind"] for row in table.rows] == ["resnet34", "wrn40-1", "wrn40-2"]
    row = table.rows[1]
    assert row["acc_after"] == pytest.approx(81) and row["acc_before"] == pytest.approx(90)
    assert (row["paper_acc_after"], row["paper_asr_before"]) == (92.5, 99.99)
    assert [job.suspect.target for job in experiment("dhbe_table7").plan(None, options)] == list(range(9))
    assert paper("dhbe_table7")["ship DHBE", "asr"] == 0.08


def test_the_figure_of_trade_offs_is_drawn_from_results():
    options = Options("smoke")
    one = experiment("dhbe_figure3")
    jobs = one.plan(None, options)
    found = {job: _result(0.8, 0.5, 0.0) for job in jobs}
    (figure,) = one.figures(found, options)
    assert figure.png()[:4] == b"\x89PNG"
    (table,) = one.tables(found, options)
    assert len(table.rows) == 4 * 2 and table.rows[0]["asr"] == 50 and table.rows[0]["diverged"] == 0
    diverging = next(job for job in jobs if isinstance(job, Tried))
    (table,) = one.tables({**found, diverging: {"diverged": "at step 50"}}, options)
    assert (table.rows[0]["n"], table.rows[0]["diverged"], table.rows[0]["asr"]) == (1, 1, None)
    one.figures({**found, diverging: {"diverged": "at step 50"}}, options)


def test_a_benign_model_meets_the_trigger_of_a_suspect(data):
    found = Untouched(SUSPECT).do(_Desk())["benign"]  # it answers with class 0 always: half of the images are right
    assert (found["acc"], found["asr"], found["counted"]) == (0.5, 0.0, 10) and found["asr_x9"] == 0
    assert Untouched(SUSPECT).needs == (SUSPECT, Learned("digits", SUSPECT.training, 0))


def test_distillation_alone_stands_beside_dhbe_by_hand():
    one = experiment("dhbe_erasing")
    plan = one.plan(None, Options("cpu"))
    jobs, floors = ([job for job in plan if isinstance(job, kind)] for kind in (Erase, Untouched))
    assert [job.suspect for job in floors] == [job.suspect for job in jobs[::2]]
    assert [(type(job.suspect.attack).__name__, job.suspect.attack.size) for job in jobs[::2]] == [
        ("BadNets", 3),
        ("BadNets", 5),
        ("CleanLabel", 5),
        ("Trojaning", 7),
    ]
    assert [bool(job.method.weight) for job in jobs] == [True, False] * 4
    assert "distillation alone on" in jobs[1].name and "DHBE on" in jobs[0].name
    figures = [(0.88, 0.02, 0.1), (0.9, 0.98, 1.0)] * 3 + [(0.8, 0.1, 0.2), (0.9, 1.0, 1.0)]
    found = {job: _result(*figure) for job, figure in zip(jobs, figures)}
    found |= {job: {"benign": {"acc": 0.9, "asr": 0.01, "asr_x4": 0.1, "asr_x9": 0.6}} for job in floors}
    table, took = one.tables(found, Options("cpu"))
    assert [(row["method"], row["n"]) for row in took.rows] == [("DHBE", 4), ("distillation alone", 4)]
    assert [row["model"] for row in table.rows[:4]] == ["backdoored", "DHBE", "distillation alone", "benign"]
    assert [row["asr"] for row in table.rows[:4]] == pytest.approx([100, 2, 98, 1])
    assert "ASR 4.0 in the mean and 10.0 at most; ACC 4.0 points lower" in table.notes[1]  # 2, 2, 2, 10; 2, 2, 2, 10


def test_attacks_fit_their_data():
    cpu = classes.PRESETS["cpu"]
    assert cpu.attack("clean-label", "digits").count == 60 and cpu.attack("clean-label", "photographs").count == 1500
    with pytest.raises(ValueError, match="there are badnets, clean-label"):
        cpu.attack("blend", "digits")


def test_every_training_of_an_attack_goes_on_by_itself(data, monkeypatch):
    asked = []
    monkeypatch.setattr(classes, "measure", lambda *_: {})  # a step's model classifies nothing
    training = classes.PRESETS["smoke"].digits
    brief = CleanLabel(size=3, count=4, steps=1)
    classes.train(training, "any", brief, 1, 0, journals=lambda part: asked.append(part) or NO_JOURNAL)
    assert asked == ["training-1", "training-2"]  # the benign model whose images are perturbed, and the backdoored one


def test_attacks_that_begin_with_a_benign_model_share_it(data, monkeypatch):
    monkeypatch.setattr(classes, "measure", lambda *_: {})
    training, asked = classes.PRESETS["smoke"].digits, []
    monkeypatch.setattr(erasing_jobs, "keep", lambda model, job, home: {"sha256": "0"})
    monkeypatch.setattr(erasing_jobs, "model_of", lambda job, desk: asked.append(job) or training.fit(data, seed=0))
    desk = _Desk()
    desk.journal = lambda name: NO_JOURNAL
    suspects = [Implanted("here/any", training, kind, 1, 5) for kind in (BadNets(), CleanLabel(3, count=4, steps=1))]
    assert suspects[0].needs == () and suspects[1].needs == (Learned("here/any", training, 5),)
    result = suspects[1].do(desk)
    assert asked == [Learned("here/any", training, 5)]
    assert "here" not in repr(result)  # a record is kept by the data's content, and read on other machines
