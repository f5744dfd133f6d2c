"""Tables of DRMGuard's experiments that have one shape: their jobs, their rows, and the paper's rows beside them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runs import guard_tables, identification, suspects
from runs.experiments import (
    Options,
    drmguard_table3,
    drmguard_table5,
    drmguard_table6,
    drmguard_table9_adaptive,
    drmguard_table11,
    drmguard_table13,
    drmguard_table15,
    drmguard_table16,
)
from runs.jobs import CleanModel, ScanModel
from runs.presets import PRESETS
from runs.tables import Table

PRESET, OPTIONS = PRESETS["smoke"], Options("smoke", models=2)
MODULES = (
    drmguard_table3,
    drmguard_table9_adaptive,
    drmguard_table11,
    drmguard_table13,
    drmguard_table15,
    drmguard_table16,
)


def _found(plan, *, missed=()):
    """Invented results: benign models cleared but for the first of each kind, backdoored ones found but for some."""
    found = {}
    for job in plan:
        attack = type(job.case.attack).__name__ if job.case.attack else None
        if isinstance(job, CleanModel):
            found[job] = {"attack": attack, "after": {"re_deg": 2.0, "ae_deg": 9.0, "dae_deg": 6.0}}
            continue
        backdoored = job.case.seed == 0 if attack is None else job not in missed
        errors = {"re_deg": 3.0, "ae_deg": 1.0, "dae_deg": 20.0, "ae_2_deg": 2.0}
        estimate = [-1.0, 2.0] if job.case.seed % 2 else [0.0, 0.0]
        after = {"re": {"after_deg": 2.2}, "ae": {"after_deg": 15.0}, "dae": {"after_deg": 3.0}}
        found[job] = {
            "attack": attack,
            "verdict": "backdoored" if backdoored else "benign",
            "margin": 2.0 if backdoored else 0.5,
            "distance": 0.01 if attack else 0.05,
            "metrics": errors if attack else {"re_deg": 2.5},
            "never_attacked": {"re_deg": 2.5, "ae_deg": 18.0, "dae_deg": 4.0},
            "target_estimate_deg": estimate,
            **({"mitigation": after} if attack and backdoored else {}),
        }
    return found


def test_what_is_asked_twice_is_done_once():
    scans = {job for job in drmguard_table5.plan(PRESET, OPTIONS) if type(job.search) is type(PRESET.search)}
    assert set(drmguard_table3.plan(PRESET, OPTIONS)) == scans
    larger = set(drmguard_table16.plan(PRESET, replace(OPTIONS, models=3)))
    assert {job for job in scans if job in larger} and len(larger) == 6
    first = [job for job in drmguard_table13.plan(PRESET, OPTIONS) if isinstance(job, ScanModel)][:4]
    assert set(first) < scans  # the preset's own network
    backdoored = {job for job in scans if job.case.attack}
    assert {job for job in drmguard_table6.plan(PRESET, OPTIONS) if isinstance(job, ScanModel)} == backdoored


def test_a_fine_tuning_follows_the_scan_of_its_model():
    plan = drmguard_table15.plan(PRESET, OPTIONS)
    kinds = [(type(job).__name__, job.case.attack is not None) for job in plan]
    assert kinds == [("ScanModel", False)] * 2 + [("ScanModel", True), ("CleanModel", True)] * 4
    assert all(tuned.case == scan.case for scan, tuned in zip(plan[2::2], plan[3::2]))


def test_the_larger_set_is_the_papers_unless_told_otherwise():
    assert len(drmguard_table16.plan(PRESETS["cpu"], Options("cpu"))) == 60
    assert [guard_tables.models(Options(name)) for name in ("cpu", "smoke")] == [10, 2]


def test_the_rule_of_a_constant_asks_for_a_collapse_too():
    scans = [
        {"attack": "WaNet", "distance": 0.03, "margin": 0.5},  # at the constant: backdoored, though the margin says no
        {"attack": "WaNet", "distance": 0.031, "margin": 2.0},
        {"attack": None, "distance": 0.0, "margin": 0.0},  # nothing collapsed
    ]
    assert identification.right_at(scans, 0.03) == [True, False, True]


def test_rows_of_table_3_by_hand():
    plan = drmguard_table3.plan(PRESET, OPTIONS)
    missed = [job for job in plan if job.case.seed == 201]  # one WaNet model of each task
    attacks, data = drmguard_table3.tables(_found(plan, missed=missed), OPTIONS)
    rows = {row["models"]: row for row in attacks.rows}
    assert len(rows) == 8
    wanet = rows["gaze WaNet"]
    assert [wanet[key] for key in ("tp", "fp", "fn", "tn")] == [1, 1, 1, 1]
    assert wanet["accuracy"].startswith("0.500") and rows["gaze BadNets"]["accuracy"].startswith("0.750")
    # margins 0.5 and 2 of benign models against 2 and 2: half of the pairs are ties
    assert rows["gaze BadNets"]["auc"].startswith("0.750") and wanet["auc"].startswith("0.500")
    assert wanet["constant"].startswith("1.000")  # 0.01 against 0.05; all collapse
    assert wanet["ae"].startswith("1.000") and wanet["benign_re"].startswith("2.500")
    assert (wanet["paper_tp"], wanet["paper_fp"], rows["head-pose WaNet"]["paper_tp"]) == (10, 1, None)
    assert [row["models"] for row in data.rows] == [
        "heads, gaze",
        "heads, head-pose",
        "MPIIFaceGaze",
        "ColumbiaGaze",
        "Biwi Kinect",
        "Pandora",
    ]
    assert data.columns["models"] == "data set" and data.rows[3]["paper_accuracy"] == 0.7
    assert data.rows[0]["tp"] == 1 and "tp" not in data.rows[3]


@pytest.mark.parametrize(
    "folder, name", [("columbia-strips", "ColumbiaGaze"), ("BIWI", "Biwi Kinect"), ("faces", None)]
)
def test_an_image_table_stands_beside_the_data_set_that_it_is_named_after(monkeypatch, folder, name):
    (case,) = suspects.attacked(PRESET, suspects.sources(PRESET, None)[0], ("wanet",), 1)
    spec = replace(case.source.data.spec, name=folder)
    monkeypatch.setattr(type(case.source.data), "spec", spec)
    assert drmguard_table3._data_set(case) == (name or "faces, gaze")
    assert drmguard_table3._data_set(replace(case, attack=PRESET.attack("multi-target", spec))) is None


def test_networks_have_benign_models_and_controls_of_their_own():
    plan = drmguard_table13.plan(PRESET, OPTIONS)
    scans = [job for job in plan if isinstance(job, ScanModel)]
    assert len(scans) == 3 * 4 and len(plan) == len(set(plan)) == 3 * (4 + 2)
    assert all(job.template.training == job.case.training and job.template.attack is None for job in scans)
    found = _found(plan)
    for job in scans:  # every network but one has false alarms
        if job.case.attack is None and job.case.training.architecture == "small-mobilenet":
            found[job] = {**found[job], "verdict": "benign", "margin": 0.5}
    identified, errors = drmguard_table13.tables(found, OPTIONS)
    rows = {row["models"]: row for row in identified.rows}
    assert [rows[name]["fp"] for name in ("small-resnet", "small-resnet34", "small-mobilenet")] == [1, 1, 0]
    assert rows["mobilenet-v1"]["paper_fn"] == 3 and "fn" not in rows["mobilenet-v1"]
    assert {row["model"] for row in errors.rows if "gain" in row} == {
        f"{network} {method}"
        for network in ("small-resnet", "small-resnet34", "small-mobilenet")
        for method in ("DRMGuard", "FineTuning")
    }
    assert len(drmguard_table13.figures(found, OPTIONS)) == 3


def test_rows_of_table_15_by_hand():
    plan = drmguard_table15.plan(PRESET, OPTIONS)
    missed = [job for job in plan if isinstance(job, ScanModel) and job.case.seed == 700]  # a Blend model
    identified, errors = drmguard_table15.tables(_found(plan, missed=missed), OPTIONS)
    assert [row["models"] for row in identified.rows] == ["gaze Blend", "gaze Sig"]
    rows = {row["model"]: row for row in errors.rows}
    sig, blend = rows["gaze Sig DRMGuard"], rows["gaze Blend DRMGuard"]
    assert sig["ae"].startswith("15.000") and sig["ae_ratio"] == 15 and sig["gain"] == 3
    assert sig["re_ratio"] == pytest.approx(2.2 / 3) and sig["dae_over_re"] == pytest.approx(3 / 2.2)
    assert blend["dae"].startswith("11.500") and blend["gain"] == -5.5  # (20 + 3) / 2 against 6
    assert (sig["paper_ae"], sig["paper_dae"]) == (16.11, 2.93) and "1 times" in errors.notes[1]


def test_table_11_says_which_target_was_found():
    plan = drmguard_table11.plan(PRESET, replace(OPTIONS, models=3))
    found = _found(plan)
    for job, scan in found.items():
        if job.case.attack:
            target = guard_tables.suspects.target(job.case.seed, job.case.source)
            sign = {600: 1, 601: -1, 602: 3}[job.case.seed]
            scan["target_estimate_deg"] = [sign * angle * 180 / 3.141592653589793 for angle in target]
    identified, targets = drmguard_table11.tables(found, OPTIONS)
    (row,) = targets.rows
    assert (row["first"], row["second"], row["neither"]) == (1, 1, 1)
    assert row["ae_2"].startswith("2.000") and identified.rows[0]["paper_accuracy"] == 0.95


def test_the_adaptive_attack_stands_beside_wanet():
    (table,) = drmguard_table9_adaptive.tables(_found(drmguard_table9_adaptive.plan(PRESET, OPTIONS)), OPTIONS)
    assert [row["models"] for row in table.rows] == ["gaze WaNet", "gaze Adaptive"]
    assert table.rows[1]["paper_ae"] == 5.71 and table.columns["paper_ae"] == "AE, paper"


def test_the_papers_columns_come_in_the_tables_order():
    table = Table("t", "T", {"name": "name", "a": "A", "b": "B"}, [{"name": "x", "a": 1, "b": 2}])
    printed = {("x", "b"): 5.0, ("y", "a"): 6.0, ("y", "b"): 7.0}
    beside = guard_tables.beside_the_papers(table, printed)
    assert list(beside.columns) == ["name", "a", "b", "paper_a", "paper_b"] and beside.columns["paper_b"] == "B, paper"
    assert beside.rows == [
        {"name": "x", "a": 1, "b": 2, "paper_a": None, "paper_b": 5.0},
        {"name": "y", "paper_a": 6.0, "paper_b": 7.0},
    ]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__.rsplit(".", 1)[1])
def test_figures_have_a_lane_for_every_kind(module):
    found = _found(module.plan(PRESET, OPTIONS))
    for figure in module.figures(found, OPTIONS):
        lanes = [label.get_text() for label in figure.drawing.axes[0].get_yticklabels()]
        assert lanes[0] == "benign" and len(lanes) >= 2
