"""Jobs: order, what is kept, what fails."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from runs import jobs, pipeline, results
from runs.parallel import Crew
from runs.pipeline import DONE, FAILED, KEPT, WAITING, Setting


@dataclass(frozen=True)
class Toy:
    """Notes in a file that it was done; fails where ``fails`` says so."""

    name: str
    needs: tuple[Toy, ...] = ()
    fails: bool = False

    def do(self, desk: Any) -> dict[str, Any]:
        with (desk.home / "done.txt").open("a") as file:
            file.write(f"{self.name}\n")
        if self.fails:
            raise RuntimeError("out of luck")
        return {"sum": 1 + sum(desk.result(need)["sum"] for need in self.needs)}


A = Toy("a")
B = Toy("b", (A,))
C = Toy("c", (A, B))


def _run(tmp_path, *wanted, told=lambda outcome: None, crew=Crew()):
    return pipeline.run(wanted, Setting(tmp_path), crew=crew, told=told)


def _done(tmp_path):
    return (tmp_path / "done.txt").read_text().split()


def test_jobs_come_once_and_after_what_they_need():
    assert jobs.in_order([C, B]) == [A, B, C]


def test_one_case_is_finished_before_the_next_is_begun(tmp_path):
    other, begun = Toy("d"), []
    wanted = [C, Toy("e", (other,)), Toy("f", (other,))]
    pipeline.run(wanted, Setting(tmp_path), crew=Crew(), begun=lambda job: begun.append(job.name))
    assert begun == ["a", "b", "c", "d", "e", "f"] == _done(tmp_path)


def test_every_job_is_done_once(tmp_path):
    outcomes = _run(tmp_path, C, B)
    assert {job.name: outcome.state for job, outcome in outcomes.items()} == {"a": DONE, "b": DONE, "c": DONE}
    assert _done(tmp_path) == ["a", "b", "c"]
    assert pipeline.record_of(tmp_path, C)["result"] == {"sum": 4}  # 1 + 1 + (1 + 1)


def test_what_is_there_is_kept(tmp_path):
    _run(tmp_path, C)
    assert {outcome.state for outcome in _run(tmp_path, C).values()} == {KEPT}
    assert _done(tmp_path) == ["a", "b", "c"]


def test_a_damaged_result_is_reported_and_redone(tmp_path):
    _run(tmp_path, C)
    path = results.path_of(tmp_path, jobs.key(B))
    path.write_text(path.read_text()[:50])
    outcomes = _run(tmp_path, C)
    assert outcomes[B].state == DONE and any("cut short" in remark for remark in outcomes[B].remarks)
    assert _done(tmp_path) == ["a", "b", "c", "b"]


def test_a_failure_stops_only_what_needs_it(tmp_path):
    bad = Toy("bad", fails=True)
    above = Toy("above", (bad,))
    outcomes = _run(tmp_path, above, C)
    assert (outcomes[bad].state, outcomes[above].state, outcomes[C].state) == (FAILED, WAITING, DONE)
    assert outcomes[bad].reason == "RuntimeError: out of luck" and "'bad'" in outcomes[above].reason
    (trace,) = (tmp_path / "failed").iterdir()
    assert "out of luck" in trace.read_text()


def test_a_failed_job_is_tried_again(tmp_path):
    bad = Toy("bad", fails=True)
    for _ in range(2):
        assert _run(tmp_path, bad)[bad].state == FAILED
    assert _done(tmp_path) == ["bad", "bad"]


def test_results_say_where_they_come_from(tmp_path):
    _run(tmp_path, A)
    record = pipeline.record_of(tmp_path, A)
    assert {"settings", "seconds", "versions", "commit", "device", "threads", "date"} <= record.keys()
    assert record["settings"]["kind"] == "Toy"


@pytest.mark.parametrize("setting", [{"name": "a2"}, {"needs": (Toy("x"),)}, {"fails": True}])
def test_a_changed_setting_is_another_job(setting):
    assert jobs.key(Toy(**{"name": "a", **setting})) != jobs.key(A)
