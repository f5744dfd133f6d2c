"""DHBE's ablations and remaining figures: what they plan, and what comes out of results that are given."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data_prep.contract import ClassSplit
from data_prep.diverged import Diverged
from data_prep.journal import NO_JOURNAL
from dhbe_tf.attacks.badnets import BadNets
from dhbe_tf.attacks.triggers import NINE, Patch, RandomSquare
from dhbe_tf.baselines.fine_tuning import FineTuning
from dhbe_tf.dhbe import DHBE
from runs import classes, inversion_jobs, jobs, rivals
from runs.ablation_jobs import Moved, Tried
from runs.ablation_tables import by_setting
from runs.earth_movers import Amplified
from runs.erasing_jobs import QUANTILES, Erase, Implanted
from runs.experiments import Options, experiment
from runs.inversion_jobs import Invert
from runs.looks import picture
from runs.tables import paper

SUSPECT = Implanted("digits", classes.PRESETS["smoke"].digits, BadNets(), None, 0)
ERASING = Erase(SUSPECT, DHBE())
FIGURE_12 = experiment("dhbe_figure12")


def _result(acc: float, asr: float, block: float = 2.0) -> dict:
    before = {"acc": 0.9, "asr": 1.0, "asr_x9": 1.0, "block_l1": 8.0, "block_l2": 4.0}
    after = {"acc": acc, "asr": asr, "asr_x9": asr, "block_l1": block, "block_l2": 1.0}
    return {"before": before, "after": after, "images": 0, "spent": {"seconds": 1.0, "peak_mib": 1.0}, "device": "here"}


class _Desk:
    """Has results; notes what it is asked to do again."""

    def __init__(self, *results):
        self.results, self.repeated, self.said = list(results), [], []

    def result(self, job):
        found = self.results[0]
        if isinstance(found, Exception):
            raise found
        return found

    def again(self, job):
        self.repeated.append(job)
        self.results.pop(0)
        return self.result(job)

    def say(self, text):
        self.said.append(text)


def test_an_erasing_that_diverges_is_a_result_and_other_errors_are_not():
    assert Tried(ERASING).needs == (SUSPECT,)  # so that the erasing's failure stops nobody else
    assert Tried(ERASING).do(_Desk({"after": 1})) == {"after": 1}
    assert Tried(ERASING).do(_Desk(Diverged("in iteration 3"))) == {"diverged": "in iteration 3"}
    with pytest.raises(ValueError, match="patches do not fit"):
        Tried(ERASING).do(_Desk(ValueError("patches do not fit")))


def test_single_activations_are_measured_where_an_older_result_has_none():
    moved = {"before": {"block_l1": [1.0]}, "after": {"block_l1": [0.0]}}
    desk = _Desk({"after": {}}, {"after": {}, "moved": moved})
    assert Moved(ERASING).do(desk) == moved and desk.repeated == [ERASING] and "done again" in desk.said[0]
    desk = _Desk({"after": {}, "moved": moved})
    assert Moved(ERASING).do(desk) == moved and not desk.repeated


def test_rows_by_setting_by_hand():
    some = [Erase(replace(SUSPECT, seed=seed), DHBE()) for seed in range(4)]
    results = [_result(0.8, 0.1), _result(0.9, 0.3), {"diverged": "so"}, _result(0.5, 0.0, block=1.0)]
    settings = {job: {"weight": name, "paper_asr": 7.0} for job, name in zip(some, ("a", "a", "a", "b"))}
    table = by_setting(dict(zip(some, results)), settings, {"weight": "weight"}, "t", printed={"paper_asr": "paper"})
    first, second = table.rows
    assert (first["n"], first["diverged"], second["diverged"]) == (3, 1, None)
    figures = [first[key] for key in ("acc", "asr", "worst", "acc_before", "block_l1")]
    assert figures == pytest.approx([85, 20, 30, 90, 2]) and second["block_l1"] == 1
    assert list(table.columns)[0] == "weight" and list(table.columns)[-1] == "paper_asr" and "diverged" in table.columns
    calm = by_setting({some[3]: results[3]}, {some[3]: settings[some[3]]}, {"weight": "weight"}, "t")
    assert "diverged" not in calm.columns
    lost = by_setting({some[2]: results[2]}, {some[2]: settings[some[2]]}, {"weight": "weight"}, "t")
    assert lost.rows[0]["asr"] is None and lost.rows[0]["worst"] is None


def test_weights_are_the_paper_s_and_its_zero_is_not_distillation_alone():
    plan = experiment("dhbe_figure8").plan(None, Options("paper", models=1))
    assert [job.erasing.method.weight for job in plan] == [0, 1e-9, 0.01, 0.02, 0.05, 0.1, 0.2]
    assert [job.erasing.alone for job in plan] == [True] + 6 * [False]  # the second makes patches
    assert plan[5].erasing == Erase(plan[0].erasing.suspect, DHBE())  # the main table's own
    brief = experiment("dhbe_figure8").plan(None, Options("cpu", models=2))
    assert [job.erasing.method.weight for job in brief[::2]] == [0, 0.2, 0.4, 1, 2, 4]  # digits


def test_rates_go_together_from_a_tenth_to_twice():
    plan = experiment("dhbe_figure10").plan(None, Options("paper", models=1))
    rates = [(job.erasing.method.learning_rate, job.erasing.method.generator_rate) for job in plan]
    assert rates == [(0.01, 1e-4), (0.02, 2e-4), (0.05, 5e-4), (0.1, 1e-3), (0.2, 2e-3)]
    assert plan[3].erasing.method == DHBE()


@pytest.mark.parametrize("name, labels", [("dhbe_figure8", ["alone", "2"]), ("dhbe_figure10", ["0.002", "0.004"])])
def test_sweeps_are_drawn_with_what_diverged(name, labels):
    options, one = Options("smoke"), experiment(name)
    plan = one.plan(None, options)
    found = {plan[0]: _result(0.8, 0.5), plan[1]: {"diverged": "so"}}
    (figure,), (table,) = one.figures(found, options), one.tables(found, options)
    shares = figure.drawing.axes[0]
    assert [tick.get_text() for tick in shares.get_xticklabels()] == [labels[0], f"{labels[1]}\n(1 diverged)"]
    means = {line.get_label(): line.get_ydata() for line in shares.lines}
    assert means["ACC"][0] == 80 and means["ASR"][0] == 50 and np.isnan(means["ASR"][1])
    assert [row[next(iter(row))] for row in table.rows] == labels and figure.png()[:4] == b"\x89PNG"


def test_sizes_of_triggers_and_generated_ones_make_a_grid():
    one, options = experiment("dhbe_figure11"), Options("cpu")
    plan = one.plan(None, options)
    sizes = [(job.erasing.suspect.attack.size, job.erasing.method.trigger_size) for job in plan]
    assert sizes == [(real, made) for real in (3, 5, 7) for made in (3, 5, 7, 9)]
    found = {job: _result(0.9 - made / 100, real / 10) for job, (real, made) in zip(plan, sizes)}
    (figure,) = one.figures(found, options)
    asr, lost = (np.asarray(axes.images[0].get_array()) for axes in figure.drawing.axes)
    np.testing.assert_allclose(asr[:, 0], [30, 50, 70])
    np.testing.assert_allclose(lost[0], [3, 5, 7, 9])
    assert one.tables(found, options)[0].rows[1]["generated"] == 5


def test_random_squares_have_a_suspect_each_under_all_methods():
    one, options = experiment("dhbe_figure6"), Options("smoke", models=3)
    plan = one.plan(None, options)
    assert [job.suspect.attack.wide.seed for job in plan[::4]] == [0, 1, 2]
    assert [job.name.split(" on ")[0] for job in plan[:4]] == [
        "GDM with 4 %",
        "GDM told with 4 %",
        "DHBE",
        "distillation alone",
    ]
    gdm, told, dhbe, alone = (0.1, 0.2, 0.0), (0.0, 0.0, 0.03), (0.0, 0.0, 0.3), (0.5, 0.9, 0.1)
    asr = [value for square in zip(gdm, told, dhbe, alone) for value in square]
    found = {job: _result(0.8, one) for job, one in zip(plan, asr)}
    (table,) = one.tables(found, options)
    rows = {row["method"]: row for row in table.rows}
    assert rows["distillation alone"]["asr"] == pytest.approx(50) and rows["distillation alone"]["worst"] == 90
    assert (rows["distillation alone"]["paper_asr"], rows["distillation alone"]["paper_worst"]) == (50, 98)
    assert rows["GDM"]["asr"] == pytest.approx(10) and rows["DHBE"]["paper_asr"] == 0
    assert rows["GDM, told"]["asr"] == pytest.approx(1) and rows["GDM, told"]["worst"] == pytest.approx(3)
    (figure,) = one.figures(found, options)
    lines = {line.get_label(): list(line.get_ydata()) for line in figure.drawing.axes[0].lines}
    assert lines["distillation alone"] == [0.1, 0.5, 0.9]


def test_a_random_square_is_its_seed_s_and_is_known_again():
    images = np.zeros((2, 16, 16, 3), np.float32)
    stamped = RandomSquare(3, 1)(images).numpy()
    np.testing.assert_array_equal(stamped[0, 13:, 13:], stamped[1, 13:, 13:])
    assert stamped[:, :13].max() == 0 and len(np.unique(stamped[0, 13:, 13:])) == 27
    assert np.abs(stamped - RandomSquare(3, 2)(images)).max() > 0.1
    pattern = stamped[0, 13:, 13:]
    np.testing.assert_array_equal(RandomSquare(3, 1, NINE)(images), Patch(pattern, NINE)(images))
    again, target = classes.known_trigger({"trigger": {"RandomSquare": {"size": 3, "seed": 1}}, "target_class": 4})
    assert again == RandomSquare(3, 1) and target == 4
    with_square = replace(SUSPECT, attack=BadNets(wide=again))
    other = replace(SUSPECT, attack=BadNets(wide=RandomSquare(3, 2)))
    assert len({jobs.key(job) for job in (SUSPECT, with_square, other)}) == 3


def test_boxes_stand_beside_the_backdoored_model_s():
    one, options = experiment("dhbe_figure7"), Options("smoke")
    plan = one.plan(None, options)
    shared = experiment("dhbe_table3").plan(None, options)
    assert {job.erasing for job in plan} < set(shared)  # so what the main table has made is used again
    quantiles = {key: [1.0, 2.0, 3.0, 4.0, 5.0] for key in ("block_l1", "block_l2", "output_l1", "output_l2")}
    halved = {key: [value / 2 for value in values] for key, values in quantiles.items()}
    found = {job: {"before": quantiles, "after": halved} for job in plan}
    (table,), (figure,) = one.tables(found, options), one.figures(found, options)
    assert [row["method"] for row in table.rows] == ["backdoored", *_names()] and QUANTILES[2] == 0.5
    assert table.rows[0]["output_l2"] == 3 and table.rows[1]["output_l2"] == 1.5
    assert [text.get_text() for text in figure.drawing.axes[0].get_yticklabels()] == ["backdoored", *_names()]
    assert figure.drawing.axes[0].patches[1].get_width() == pytest.approx(1)  # from 1 to 2
    assert len(figure.drawing.axes) == 4 and figure.svg()


def _names() -> list[str]:
    return ["Fine-tuning", "Fine-pruning", "NAD", "MCR", "Neural Cleanse, told", "GDM, told", "DHBE"]


def test_other_data_stands_beside_the_paper_s_by_its_name(tmp_path):
    one, options = experiment("dhbe_table4"), Options("smoke", tmp_path / "cifar-100-python")
    options.data.mkdir()
    plan = one.plan(None, options)
    assert len(plan) == 7 and {job.suspect.data for job in plan} == {str(options.data.resolve())}
    (table,) = one.tables({job: _result(0.7, 0.2) for job in plan}, options)
    names = [f"{name}, {rate}" for name in ("Fine-tuning", "NAD") for rate in (0.01, 0.001)]
    assert [row["method"] for row in table.rows] == [*names, "Neural Cleanse, told", "GDM, told", "DHBE"]
    assert [row["paper_asr"] for row in table.rows] == [86.51, 86.51, 83.47, 83.47, 0.70, 0.12, 0.66]
    assert table.rows[0]["paper_acc_before"] == 77.30
    other = replace(options, data=Path("my-pictures"))
    assert {row["paper_asr"] for row in one.tables({j: _result(0.7, 0.2) for j in plan}, other)[0].rows} == {None}
    assert len(paper("dhbe_table4")) == 3 * 2 * 6 * 2


def test_a_rate_is_the_tuning_s_and_of_attention_distillation_the_student_s():
    fine, nad = (rivals.rivals("cpu", digits=True)[name] for name in ("fine-tuning", "nad"))
    assert rivals.at_rate(fine, 0.5) == FineTuning(replace(fine.tuning, learning_rate=0.5))
    slow = rivals.at_rate(nad, 0.5)
    assert slow.student.learning_rate == 0.5 and slow.teacher == nad.teacher


def test_pictures_of_amplified_triggers_count_their_squares(monkeypatch):
    images = np.zeros((6, 16, 16, 3), np.uint8)
    split = ClassSplit(images, np.array([1, 0, 1, 0, 2, 2]), ("a", "b", "c"))
    monkeypatch.setattr(classes, "read", lambda name: (split, split))
    one = experiment("dhbe_figure5")
    (job,) = one.plan(None, Options("cpu"))
    result = job.do(None)
    assert job == Amplified("digits", 3) and len(result["clean"]) == 3
    # a checkerboard of 3 px with a white corner has 5 white pixels, 3 channels each
    assert result["costs"] == {"1": 15, "4": 60, "9": 135}
    assert [int((each[0] == 255).sum()) for each in result["triggered"].values()] == [15, 60, 135]
    (figure,), (table,) = one.figures({job: result}, Options("cpu")), one.tables({job: result}, Options("cpu"))
    named = [axes.get_ylabel() for axes in figure.drawing.axes if axes.get_ylabel()]
    assert named == ["clean", "1 trigger", "4 triggers", "9 triggers"] and table.rows[1] == {"count": "4", "cost": 60}


class _Way:
    """Inverts to grey and distils nothing."""

    def pool(self, model, *, domain, seed):
        return ClassSplit(np.full((12, 8, 8, 3), 128, np.uint8), np.arange(12) % 4, ("a", "b", "c", "d"))

    def distil(self, model, pool, *, seed, journal):
        return "student"


class _Erasure:
    """Makes white samples, a little beyond their range, and erases nothing."""

    def __init__(self, method, *, model, domain, seed):
        pass

    def run(self, *, journal):
        return None

    def made(self, count):
        return np.full((count, 8, 8, 3), 1.2, np.float32), None

    def cleaned(self, model):
        return "erased"


def test_pictures_of_inversion_are_kept_whole_and_shown(monkeypatch):
    images = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 3), dtype=np.uint8)
    train = ClassSplit(images, np.arange(20) % 4, ("a", "b", "c", "d"))
    acc = {"student": 0.5, "erased": 0.75}
    monkeypatch.setattr(classes, "read", lambda data: (train, train))
    monkeypatch.setattr(classes, "measure", lambda model, test, known: {"acc": acc[model], "asr": 0.25})
    monkeypatch.setattr(inversion_jobs, "model_of", lambda job, desk: None)
    monkeypatch.setattr(inversion_jobs, "read", lambda model: None)
    monkeypatch.setattr(inversion_jobs, "Erasure", _Erasure)
    record = {"metrics": {"acc": 1.0, "asr": 1.0}, "trigger": {"Checkerboard": {"size": 3}}, "target_class": 3}
    desk = _Desk(record)
    desk.journal, desk.clock = (lambda name: NO_JOURNAL), (lambda: 0.0)
    monkeypatch.setattr(inversion_jobs, "metered", lambda work, clock=None: (work(), {"seconds": 0.0}))
    job = Invert(SUSPECT, _Way(), DHBE(), 0)
    found = job.do(desk)
    first = found["pictures"]["training data"]
    assert len(first) == 4 and all(np.array_equal(picture(text), images[place]) for place, text in enumerate(first))
    assert np.unique(picture(found["pictures"]["inverted"][0])) == [128]
    assert np.unique(picture(found["pictures"]["DHBE's samples"][0])) == [255]
    (table,), (figure,) = (make({job: found}, Options("cpu")) for make in (FIGURE_12.tables, FIGURE_12.figures))
    assert [row["acc"] for row in table.rows] == [100, 50, 75] and len(figure.drawing.axes) == 3 * 4


def test_a_partial_trade_off_has_rows_of_what_was_done():
    plan = experiment("dhbe_figure3").plan(None, Options("cpu"))
    tried = [job for job in plan if isinstance(job, Tried)]
    (table,) = experiment("dhbe_figure3").tables({tried[0]: _result(0.8, 0.5)}, Options("cpu"))
    assert [(row["n"], row["acc"], row["asr"]) for row in table.rows] == [(1, 80, 50)]
