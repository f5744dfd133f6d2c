"""GDM's experiments: what their tables say of results, and one suspect of each from training to repair."""

from __future__ import annotations

from typing import Any

import pytest

from dhbe_tf.attacks.fine_tuned import FineTuned
from runs import pipeline, trigger_figures, trigger_tables
from runs.experiments import Options
from runs.parallel import Crew

OPTIONS = Options("smoke", models=2)
JOBS = trigger_tables.compared(OPTIONS, [FineTuned(pattern=19), FineTuned(pattern=24)])
LOCATED = trigger_tables.located(OPTIONS)


def _compared(gdm: float, pixels: float, acc: float, inside: float | None) -> dict[str, Any]:
    """A result of a suspect with ACC 0.9 and ASR 1 whose repairs all keep ``acc``."""
    return {
        "before": {"acc": 0.9, "asr": 1.0, "counted": 100},
        "after": {way: {"acc": acc, "asr": asr} for way, asr in (("gdm", gdm), ("pixels", pixels), ("clean", 0.8))},
        "target": 3,
        "chosen": [3],
        "inside": inside,
        "inside_in_full": inside,
        "strangers": [
            {"response": 0.9, "inside": 0.5},
            {"response": 0.9, "inside": 0.0},
            {"response": 0.1, "inside": 0},
        ],
        "true_response": 0.95,
        "single_distance": 0.4,
        "peak_mib": 100.0,
        **{f"seconds_{kind}_per_class": 2.0 for kind in ("screening", "modelling", "single")},
    }


def test_repairs_are_told_by_mean_and_worst_case():
    found = dict(zip(JOBS, (_compared(0.02, 0.01, 0.88, 0.3), _compared(0.04, 0.09, 0.91, 0.01))))
    summary, suspects = trigger_tables.comparison(found, "two")
    rows = {row["way"]: row for row in summary.rows}
    assert rows["none"]["mean"] == 1 and rows["none"]["drop"] == 0
    assert (rows["GDM"]["mean"], rows["GDM"]["worst"], rows["GDM"]["least"]) == pytest.approx((0.03, 0.04, 0.02))
    assert (rows["one trigger"]["mean"], rows["one trigger"]["worst"]) == pytest.approx((0.05, 0.09))
    assert (rows["GDM"]["drop"], rows["GDM"]["drop_worst"]) == pytest.approx((0.005, 0.02))
    notes = " ".join(summary.notes)
    assert "found in 2; on average 1.0 classes" in notes and "smaller ASR than one trigger on 1." in notes
    assert "in 1 of 2. Random triggers of its kind lie inside: 50% of 4 that work (0.5 or more); 0% of 2" in notes
    assert [row["pattern"] for row in suspects.rows] == [19, 24]


def test_a_class_that_was_not_found_has_nothing_inside():
    missed = {**_compared(0.5, 0.5, 0.9, None), "chosen": [1], "strangers": [], "single_distance": None}
    summary, _ = trigger_tables.comparison({JOBS[0]: missed}, "one")
    notes = " ".join(summary.notes)
    assert "found in 0;" in notes and "in 0 of 1." in notes and "none was there that work" in notes


@pytest.mark.parametrize("chosen, shown", [([1, 3], "class 3"), ([1, 5], "class 1 (missed: 3)")])
def test_figures_name_the_class_that_they_show(chosen, shown):
    projection = {"levels": [0.9], "points": [[[0.0, 1.0], [1.0, 0.0]]], "true": [0.5, 0.5]}
    samples = [[[[[0.5] * 3] * 3] * 3] * 2]
    result = {
        "target": 3,
        "chosen": chosen,
        "projection": projection,
        "samples": samples,
        "true": [[[1.0] * 3] * 3] * 3,
    }
    (rows,) = trigger_figures.triggers([result], "one").drawing.axes
    (panel,) = trigger_figures.projections([result], "one").drawing.axes
    assert [label.get_text() for label in rows.get_yticklabels()] == [f"{shown}, 0.9"]
    assert panel.get_title() == shown


def _done(tmp_path, job) -> dict[str, Any]:
    outcomes = pipeline.run([job], pipeline.Setting(tmp_path, curves=False), crew=Crew())
    assert {outcome.state for outcome in outcomes.values()} == {pipeline.DONE}
    record = pipeline.record_of(tmp_path, job)
    assert record is not None
    return record["result"]


@pytest.mark.slow
def test_a_suspect_is_made_modelled_and_repaired_three_ways(tmp_path):
    result = _done(tmp_path, JOBS[0])
    implanted = pipeline.record_of(tmp_path, JOBS[0].suspect)["result"]
    assert result["before"] == {name: implanted[name] for name in ("acc", "asr", "counted")}
    assert {way: one["counted"] for way, one in result["after"].items()} == dict.fromkeys(
        ("gdm", "pixels", "clean"), implanted["counted"]
    )
    assert len(result["responses"]) == 10 and len(result["levels"][0]) == 4
    assert (result["inside"] is None) == (result["target"] not in result["chosen"])
    assert len(trigger_tables.comparison({JOBS[0]: result}, "one")) == 2
    success, triggers, projections = trigger_tables.drawings({JOBS[0]: result}, "one")
    assert all(figure.png() and figure.svg() for figure in (success, triggers, projections))
    (legend,) = projections.drawing.legends
    levels = [f"level {one['level']:g}" for one in result["levels"][0]]
    assert [text.get_text() for text in legend.get_texts()] == [*levels, "true trigger"]


@pytest.mark.slow
def test_a_planted_patch_is_looked_for_and_the_model_repaired(tmp_path):
    result = _done(tmp_path, LOCATED[0])
    assert 0 <= result["overlap"] <= 1 and 0 <= result["rank"] < 3
    assert result["before"]["counted"] == result["after"]["counted"] and len(result["repaired"]) == 1
    summary, models, backdoors = trigger_tables.locations({LOCATED[0]: result}, "one")
    assert summary.rows[0]["figure"] == "attacked class ranked first" and len(models.rows) == 1
    assert {row["kind"] for row in backdoors.rows} <= {"planted", "natural"}
    assert all(figure.png() for figure in trigger_tables.heat_maps({LOCATED[0]: result}, "one"))
