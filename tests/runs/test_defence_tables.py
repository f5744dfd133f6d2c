"""The tables that compare defences: which jobs they are made of, and what stands in them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from drmguard_tf.ablations import PrintedWithoutMomentum, WithoutMomentum, WithoutRav
from drmguard_tf.paper import PaperSearch
from drmguard_tf.steered import SteeredSearch
from runs import identification, jobs
from runs.experiments import Options, drmguard_table5, drmguard_table6, drmguard_table9
from runs.jobs import CleanModel, ScanModel, ScanWithFewer
from runs.presets import PRESETS
from runs.tables import paper

PRESET, OPTIONS = PRESETS["smoke"], Options("smoke", models=2)


def _scan(attack, margin, **more):
    """A scan as the tables read it."""
    verdict = "backdoored" if margin >= 1 else "benign"
    spent = {"seconds": 10.0, "peak_mib": 900.0}
    found = {"attack": attack, "verdict": verdict, "margin": margin, "distance": 0.1, "spent": spent, "device": "here"}
    return {**found, **more}


def _cleaned(re, ae, dae):
    return {"re_deg": re, "ae_deg": ae, "dae_deg": dae}


def _found(plan, margins):
    """Invented scans: ``margins`` of (benign, backdoored) models by search."""
    found = {}
    for job in plan:
        attack = type(job.case.attack).__name__ if job.case.attack else None
        if isinstance(job, ScanModel):
            margin = margins[type(job.search).__name__][attack is not None]
            errors = {"metrics": _cleaned(2.0, 1.0, 20.0), "never_attacked": _cleaned(1.9, 18.0, 4.0)}
            found[job] = _scan(attack, margin, **errors, runs=[])
    return found


def test_counts_by_hand():
    scans = [_scan(None, 0.5), _scan(None, 2), _scan("WaNet", 2), _scan("WaNet", 0.5), _scan("WaNet", 3)]
    assert identification.counts(scans) == (2, 1, 1, 1)
    assert identification.right(scans) == [True, False, True, False, True]


def test_auc_by_margin_and_by_distance():
    scans = [_scan(None, 0.5, distance=0.1), _scan("WaNet", 2, distance=0.3), _scan("WaNet", 3, distance=0.05)]
    assert identification.auc(scans).value == 1
    assert identification.auc(scans, by_distance=True).value == 0.5  # a large change speaks against a backdoor


def test_table_5_scans_every_model_by_every_method():
    plan = drmguard_table5.plan(PRESET, OPTIONS)
    assert len(plan) == len(set(plan)) == 2 * (2 + 4 * 2) * 3  # tasks, models, methods
    by_case = {job.case for job in plan}
    assert all(sum(job.case == case for job in plan) == 3 for case in by_case)


def test_scans_of_table_6_are_those_of_table_5():
    scans = {job for job in drmguard_table6.plan(PRESET, OPTIONS) if isinstance(job, ScanModel)}
    assert scans and scans < set(drmguard_table5.plan(PRESET, OPTIONS))


def test_rows_of_table_5_by_hand():
    margins = {"SteeredSearch": (0.5, 2.0), "NeuralCleanse": (2.0, 0.5), "FeatureRE": (0.5, 0.5)}
    found = _found(drmguard_table5.plan(PRESET, OPTIONS), margins)
    auc, distance, accuracy, takes = drmguard_table5.tables(found, OPTIONS)
    rows = {row["models"]: row for row in auc.rows}
    assert list(rows)[:5] == ["gaze BadNets", "gaze InputAware", "gaze WaNet", "gaze CleanLabel", "gaze all attacks"]
    first = rows["gaze WaNet"]
    assert [first[m].split()[0] for m in ("DRMGuard", "NeuralCleanse", "FeatureRE")] == ["1.000", "0.000", "0.500"]
    assert first["paper_NeuralCleanse"] == 0.94 and rows["head-pose WaNet"]["paper_DRMGuard"] is None
    assert {row["DRMGuard"].split()[0] for row in distance.rows} == {"0.500"}  # all distances are equal
    row = next(row for row in accuracy.rows if row["models"] == "gaze all attacks")
    assert row["DRMGuard"].startswith("1.000") and row["NeuralCleanse"].startswith("0.000")
    assert row["p_NeuralCleanse"] == pytest.approx(2 * 0.5**10)  # 10 of 10 models, two-sided
    assert row["FeatureRE"].startswith("0.200")  # the 2 benign ones of 10
    assert [line["n"] for line in takes.rows] == [20, 20, 20]


def test_table_5_of_the_cases_that_are_there():
    margins = {"SteeredSearch": (0.5, 2.0), "NeuralCleanse": (2.0, 0.5), "FeatureRE": (0.5, 0.5)}
    plan = drmguard_table5.plan(PRESET, OPTIONS)
    fewer = [job for job in plan if job.case.source == plan[0].case.source and "FeatureRE" not in job.name]
    fewer = [job for job in fewer if (type(job.search).__name__, job.case.seed) != ("SteeredSearch", 201)]
    auc, _, accuracy, takes = drmguard_table5.tables(_found(fewer, margins), OPTIONS)
    assert [row["models"] for row in auc.rows][-1] == "gaze all attacks" and len(auc.rows) == 5  # no head pose
    assert {row["FeatureRE"] for row in auc.rows} == {None} == {row.get("p_FeatureRE") for row in accuracy.rows}
    wanet = next(row for row in accuracy.rows if row["models"] == "gaze WaNet")
    assert "n = 3" in wanet["DRMGuard"] and "n = 4" in wanet["NeuralCleanse"]
    assert wanet["p_NeuralCleanse"] == pytest.approx(2 * 0.5**3)  # the models that both have scanned
    assert [line["method"] for line in takes.rows] == ["DRMGuard", "NeuralCleanse"]
    alone = [job for job in fewer if job.case.attack is None]
    assert drmguard_table5.tables(_found(alone, margins), OPTIONS)[0].rows[0]["DRMGuard"] is None  # no AUC of one kind


def test_figures_of_table_5_have_a_name_each():
    margins = {"SteeredSearch": (0.5, 2.0), "NeuralCleanse": (2.0, 0.5), "FeatureRE": (0.5, 0.5)}
    drawn = drmguard_table5.figures(_found(drmguard_table5.plan(PRESET, OPTIONS), margins), OPTIONS)
    assert len({figure.name for figure in drawn}) == 6 and "identification_gaze_FeatureRE" in {f.name for f in drawn}


def test_rows_of_table_6_by_hand():
    plan = drmguard_table6.plan(PRESET, OPTIONS)
    found = _found(plan, {"SteeredSearch": (0.5, 2.0)})
    spent = {"seconds": 3.0, "peak_mib": 800.0}
    after = {"FineTuning": _cleaned(2.0, 9.0, 6.0), "FinePruning": _cleaned(3.0, 2.0, 18.0), "ANP": _cleaned(4, 3, 15)}
    missed = 0
    for job in plan:
        if isinstance(job, CleanModel):
            attack = type(job.case.attack).__name__
            found[job] = {"attack": attack, "metrics": {}, "after": after[type(job.method).__name__]}
            found[job] |= {"spent": spent, "device": "here"}
        elif missed < 1:
            missed += 1  # the first model has no mitigation
        else:
            pairs = {"re": {"after_deg": 2.2}, "ae": {"after_deg": 15.0}, "dae": {"after_deg": 3.0}, "spent": spent}
            found[job]["mitigation"] = pairs
    errors, takes = drmguard_table6.tables(found, OPTIONS)
    rows = {row["model"]: row for row in errors.rows}
    ours = rows["gaze WaNet DRMGuard"]
    assert ours["ae"].startswith("15.000") and ours["re_ratio"] == pytest.approx(1.1) and ours["ae_ratio"] == 15
    assert ours["gain"] == 3 and ours["dae_over_re"] == pytest.approx(3 / 2.2)
    assert ours["paper_dae"] == 3.29 and rows["gaze WaNet ANP"]["paper_ae"] == 4.92
    assert rows["gaze WaNet FineTuning"]["gain"] == 0 and rows["gaze WaNet ANP"]["gain"] == -9
    assert "gain" not in rows["gaze WaNet undefended"] and rows["gaze WaNet undefended"]["dae"].startswith("20.000")
    never = rows["gaze WaNet never attacked"]
    assert never["dae"].startswith("4.000") and never["re_ratio"] == pytest.approx(0.95) and "gain" not in never
    assert rows["gaze BadNets DRMGuard"]["dae"].startswith("11.500")  # (20 + 3) / 2: the missed model stays as it was
    assert "1 times" in errors.notes[1]
    assert {row["method"]: row["seconds"] for row in takes.rows}["DRMGuard, unlearning"] == 3


def test_table_6_of_the_cases_that_are_there():
    plan = [job for job in drmguard_table6.plan(PRESET, OPTIONS) if "WaNet" in type(job.case.attack).__name__]
    scan = next(job for job in plan if isinstance(job, ScanModel))
    tuned, pruned = (next(job for job in plan if name in job.name) for name in ("FineTuning", "FinePruning"))
    found = _found([scan], {"SteeredSearch": (0.5, 2.0)})
    errors, _ = drmguard_table6.tables(found, OPTIONS)
    ours = next(row for row in errors.rows if row["model"] == "gaze WaNet DRMGuard")
    assert ours["ae"] == "1.000 (n = 1)" and ours["ae_ratio"] == 1 and "gain" not in ours
    other = next(job for job in plan if isinstance(job, ScanModel) and job.case != scan.case)
    found |= _found([other], {"SteeredSearch": (0.5, 2.0)})
    found[other]["metrics"] = {**found[other]["metrics"], "ae_deg": 5.0}
    for job in (tuned, pruned, replace(tuned, case=other.case)):
        found[job] = {"after": _cleaned(2.0, 9.0, 6.0), "spent": {"seconds": 3.0, "peak_mib": 800.0}, "device": "here"}
    rows = {row["model"]: row for row in drmguard_table6.tables(found, OPTIONS)[0].rows}
    assert {row["n"] for row in rows.values() if "n" in row} == {1}  # fine-pruning has cleaned one
    assert rows["gaze WaNet undefended"]["ae"] == rows["gaze WaNet DRMGuard"]["ae"] == "1.000 (n = 1)"
    assert rows["gaze WaNet FinePruning"]["gain"] == 0 and rows["gaze WaNet FinePruning"]["ae_ratio"] == 9


def test_table_6_shows_no_figures_where_no_model_was_cleaned_by_all():
    plan = [job for job in drmguard_table6.plan(PRESET, OPTIONS) if "WaNet" in type(job.case.attack).__name__]
    one, other = [job for job in plan if isinstance(job, ScanModel)][:2]
    found = _found([one, other], {"SteeredSearch": (0.5, 2.0)})
    for scan, name in ((one, "FineTuning"), (other, "ANP")):
        job = next(job for job in plan if job.case == scan.case and isinstance(job, CleanModel) and name in job.name)
        found[job] = {"after": _cleaned(2.0, 9.0, 6.0), "spent": {"seconds": 3.0, "peak_mib": 800.0}, "device": "here"}
    rows = drmguard_table6.tables(found, OPTIONS)[0].rows
    ours = [row for row in rows if "n" in row]  # the others are the paper's
    assert [(row["n"], "dae" in row) for row in ours] == [(0, False)] * 5


def test_table_9_varies_one_thing_at_a_time():
    variants = drmguard_table9.variants(PRESET, OPTIONS)
    printed = variants["printed, lambda_1 = 20, lambda_2 = 800"][0]
    assert variants["printed, lambda_2 = 600"][0] == replace(printed, rav_weight=600.0)
    assert variants["printed, lambda_1 = 30"][0] == replace(printed, variance_weight=30.0)
    assert variants["printed, without RAV"][0].rav_weight == 0
    without = variants["printed, without momentum reverse trigger"][0]
    assert isinstance(without, PrintedWithoutMomentum) and vars(without) == vars(printed)
    steered = variants["steered, without RAV"][0]
    assert isinstance(steered, WithoutRav) and vars(steered) == vars(PRESET.search)


def test_every_setting_of_table_9_has_its_own_jobs():
    plan = drmguard_table9.plan(PRESET, OPTIONS)
    variants = drmguard_table9.variants(PRESET, OPTIONS)
    assert len(set(plan)) == len(plan) == 4 * len(variants) and len({jobs.key(job) for job in plan}) == len(plan)
    assert {job.share for job in plan if isinstance(job, ScanWithFewer)} == {0.25, 0.5}
    constant = [job for job in plan if job.controls is None]
    assert constant and all(isinstance(job.search, PaperSearch) for job in constant)
    assert all(need.share == job.share for job in plan if isinstance(job, ScanWithFewer) for need in job.needs[2:])
    assert {job for job in plan if job.search == PRESET.search and type(job) is ScanModel} <= set(
        drmguard_table5.plan(PRESET, OPTIONS)
    )


def test_rows_of_table_9_by_hand():
    plan = drmguard_table9.plan(PRESET, OPTIONS)
    found = {}
    for job in plan:
        attack = type(job.case.attack).__name__ if job.case.attack else None
        blind = isinstance(job.search, (WithoutRav, PrintedWithoutMomentum))
        margin = 2.0 if blind or attack else 0.5
        found[job] = _scan(attack, margin, runs=[{"met": True}, {"met": attack is None}])
    (table,) = drmguard_table9.tables(found, OPTIONS)
    steered = {job: scan for job, scan in found.items() if job.search == PRESET.search and type(job) is ScanModel}
    assert [row["setting"] for row in drmguard_table9.tables(steered, OPTIONS)[0].rows] == ["steered"]
    rows = {row["setting"]: row for row in table.rows}
    collapsed = rows["printed, without momentum reverse trigger"]
    assert (collapsed["tp"], collapsed["fp"], collapsed["fn"], collapsed["tn"]) == (2, 2, 0, 0)
    assert collapsed["accuracy"].startswith("0.500") and collapsed["paper_accuracy"] == 0.5
    assert rows["steered"]["accuracy"].startswith("1.000") and rows["steered"]["met"] == 0.75
    told = [note for note in table.notes if note.startswith("Right without")]
    assert "without the RAV term" in told[0] and "printed 4 of 4 (4 of 4), steered 2 of 4 (4 of 4)." in told[0]
    assert "printed 2 of 4 (4 of 4), generator alone 4 of 4 (4 of 4)." in told[1]
    assert table.notes[-1].startswith("Where as many are right without")


def test_table_9_gives_no_reason_where_identification_collapses():
    found = {}
    for job in drmguard_table9.plan(PRESET, OPTIONS):
        blind = isinstance(job.search, (WithoutRav, PrintedWithoutMomentum, WithoutMomentum))
        blind |= isinstance(job.search, PaperSearch) and not job.search.rav_weight
        attack = type(job.case.attack).__name__ if job.case.attack else None
        found[job] = _scan(attack, 2.0 if blind or attack else 0.5, runs=[{"met": True}])
    notes = drmguard_table9.tables(found, OPTIONS)[0].notes
    assert sum("2 of 4 (4 of 4)" in note for note in notes) == 2 and not any("as many" in note for note in notes)


@pytest.mark.parametrize("number", [5, 6, 9])
def test_the_papers_numbers_have_rows_in_the_tables(number):
    module = {5: drmguard_table5, 6: drmguard_table6, 9: drmguard_table9}[number]
    published = {row for row, _ in paper(f"drmguard_table{number}")}
    if number == 9:
        known = set(drmguard_table9.variants(PRESET, OPTIONS)) | {
            f"printed, {size} benign set" for size in ("smallest", "middle", "largest")
        }
        assert published <= known
    else:
        kinds = {"BadNets", "InputAware", "WaNet", "CleanLabel", "all"}
        assert {row.split()[1] for row in published} <= kinds and len(module.ATTACKS) == 4


def test_names_of_jobs_say_the_method():
    names = {job.name for job in drmguard_table5.plan(PRESET, OPTIONS)}
    assert {"scan benign-0", "scan by NeuralCleanse benign-0", "scan by FeatureRE benign-0"} <= names
    assert isinstance(PRESET.search, SteeredSearch)
