"""DHBE's Tables 1 and 2: computed from data alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from data_prep import digits
from runs import jobs
from runs.earth_movers import Costs, Distances
from runs.experiments import Options, dhbe_table1, dhbe_table2
from runs.presets import PRESETS


def test_costs_of_triggers():
    (job,) = dhbe_table1.plan(PRESETS["smoke"], Options("smoke"))
    found = {job: job.do(None)}
    (table,) = dhbe_table1.tables(found, Options("smoke"))
    rows = {row["model"]: row for row in table.rows}
    # on a black ground 5 of 9 pixels turn white, in 3 channels; digits reach the corner now and then
    assert 14 < rows["square, 3 px"]["cost"] <= 15
    assert rows["square, 3 px"]["share"] == f"{100 * found[job]['costs']['square, 3 px'] / 3072:.2f} %"
    assert rows["square, 3 px"]["cost"] < rows["SIG"]["cost"] < rows["watermark"]["cost"]


def test_the_closest_pair_of_digits_is_farther_apart_than_a_trigger_costs():
    job = Distances("digits", projections=50)
    found = job.do(None)
    (table,) = dhbe_table2.tables({job: found}, Options("smoke"))
    assert set(found["closest"]) < set(digits.CLASSES) and 0 < found["least"] < found["mean"]
    assert found["least"] > 2 * max(Costs("digits", images=50).do(None)["costs"].values())
    assert table.rows[0]["paper_least"] == pytest.approx(168.88) and table.rows[0]["model"] == "digits (3072)"


def test_photographs_stand_beside_the_paper_s_of_as_many_classes():
    result = {"closest": ["cat", "dog"], "least": 1.0, "mean": 2.0, "values": 3072, "images": 5, "classes": 100}
    (table,) = dhbe_table2.tables({Distances("x"): result}, Options("cpu", data=Path("somewhere/batches")))
    assert table.rows[0]["paper_mean"] == pytest.approx(1060.27) and table.rows[0]["model"] == "batches (3072)"


@pytest.mark.parametrize("table", [dhbe_table1, dhbe_table2])
def test_results_on_a_folder_belong_to_its_content(table, tmp_path):
    names = []
    for place in ("here", "there"):
        (tmp_path / place / "batches").mkdir(parents=True)
        (tmp_path / place / "batches" / "file").write_text("same")
        (job,) = table.plan(PRESETS["cpu"], Options("cpu", data=tmp_path / place / "batches"))
        names.append(jobs.key(job))
        assert str(tmp_path) not in str(jobs.settings(job))
    assert names[0] == names[1]
