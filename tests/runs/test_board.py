"""The live table of a run: it counts jobs, whatever they are called."""

from __future__ import annotations

from dataclasses import dataclass
from queue import Queue

import pytest

from runs.board import Board, shown
from runs.jobs import key
from runs.pipeline import DONE, KEPT, Outcome, reached


@dataclass(frozen=True)
class _Job:
    number: int
    name: str = "train badnets-100"
    needs: tuple = ()


def _begin(board: Board, *jobs: _Job) -> None:
    for job in jobs:
        board.begun(job)


JOBS = [_Job(0), _Job(1), _Job(2, "scan badnets-100"), _Job(3)]


def test_jobs_of_one_name_count_each():
    board = Board(JOBS, workers=2)
    _begin(board, *JOBS)
    assert board.seconds_left() is None
    for job, state, seconds in ((JOBS[0], KEPT, 0.0), (JOBS[1], DONE, 8.0)):
        board.told(Outcome(job, state, seconds))
    assert board.title().startswith("2 of 4 after 0 s, about 8 s left")  # two jobs of 8 s, two at a time
    states = list(board.table().columns[1].cells)
    assert states == ["was there", "done", "running", "running"]


def test_lines_where_there_is_no_terminal():
    lines = []
    with shown(JOBS[:2], 1, lines.append) as board:
        board.told(Outcome(JOBS[0], DONE, 3.0, remarks=("going on at step 7",)))
        board.told(Outcome(JOBS[1], DONE, 3.0))
    assert lines[0] == "  train badnets-100: going on at step 7"
    assert "(1 of 2 after" in lines[1] and "(2 of 2 after" in lines[2]


@pytest.mark.parametrize("workers", [1, 3])
def test_as_many_run_as_there_are_workers(workers):
    board = Board(JOBS, workers)
    _begin(board, *JOBS)
    assert list(board.table().columns[1].cells).count("running") == workers


def test_what_runs_is_what_was_begun_and_is_not_over_whatever_the_order_of_the_table():
    board = Board(JOBS, 2)
    assert board.running() == []
    _begin(board, JOBS[2], JOBS[0], JOBS[2])  # that job's process has died
    assert board.running() == [JOBS[0], JOBS[2]]
    board.told(Outcome(JOBS[2], DONE))
    _begin(board, JOBS[3])
    assert board.running() == [JOBS[0], JOBS[3]]


def test_what_runs_is_said_now_and_then_with_its_last_step():
    beats = Queue()
    with shown(JOBS, 2, beats.put, lambda job: 40 * job.number or None, every=0.01) as board:
        _begin(board, *JOBS)
        line = next(line for line in iter(lambda: beats.get(timeout=5), None) if "train" in line)
    assert line.startswith("running: train badnets-100; train badnets-100, step 40 (0 of 4 after")


def test_the_step_reached_is_that_of_the_last_checkpoint(tmp_path):
    job = _Job(0)
    assert reached(tmp_path, job) is None
    for name in ("training-1/step-90", "training-1/step-115", "training-1/.step-200.part"):
        (tmp_path / "checkpoints" / key(job) / name).mkdir(parents=True)
    assert reached(tmp_path, job) == 115
