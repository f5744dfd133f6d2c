"""Work spread over processes."""

from __future__ import annotations

import math
import os
import signal
import sys
import time
from concurrent.futures import Future
from pathlib import Path

import pytest
from joblib.externals.loky.process_executor import TerminatedWorkerError

from runs import parallel
from runs.parallel import Crew

NUMBERS = [9.0, 1.0, 16.0, 0.0, 4.0]


@pytest.mark.parametrize("workers", [1, 2])
def test_answers_come_in_the_order_of_the_jobs(workers):
    assert list(parallel.spread(math.sqrt, NUMBERS, workers=workers)) == [3, 1, 4, 0, 2]


def test_a_single_job_needs_no_process():
    assert list(parallel.spread(lambda job: job + 1, [1], workers=2)) == [2]


def test_an_error_in_a_job_is_raised():
    with pytest.raises(ValueError, match="math domain"):
        list(parallel.spread(math.sqrt, [1.0, -1.0], workers=1))


def _die_once(piece: tuple[str, int]) -> int:
    """Kill the own process the first time that a number is met; a file remembers."""
    folder, number = piece
    mark = Path(folder) / str(number)
    if number == 1 and not mark.exists():
        mark.write_text("")
        os.kill(os.getpid(), signal.SIGKILL)
    return number * number


@pytest.mark.parametrize("crew", [Crew(workers=1), Crew(workers=2, threads=1)], ids=["here", "two processes"])
def test_a_crew_answers_everything(crew):
    assert sorted(crew.spread(math.sqrt, NUMBERS)) == sorted(math.sqrt(number) for number in NUMBERS)


def test_what_is_lost_with_a_process_is_done_again(tmp_path):
    pieces = [(str(tmp_path), number) for number in range(4)]
    assert sorted(Crew(workers=2, threads=1).spread(_die_once, pieces)) == [0, 1, 4, 9]


def _halved(number: int) -> list[int]:
    return [number // 2] if number > 1 else []


@pytest.mark.parametrize("crew", [Crew(workers=1), Crew(workers=2, threads=1)], ids=["here", "two processes"])
def test_an_answer_makes_further_pieces_possible(crew):
    assert sorted(crew.spread(abs, [8, -3], then=_halved)) == [1, 1, 2, 3, 4, 8]


def test_the_lowest_rank_is_begun_first_and_no_more_than_there_are_workers():
    begun: list[int] = []
    answers = Crew().spread(abs, [3, 5], then=lambda n: [1, 4] if n == 3 else [], rank=abs, begun=begun.append)
    assert next(answers) == 3 and begun == [3]
    assert list(answers) == [1, 4, 5] and begun == [3, 1, 4, 5]


def test_processes_get_no_more_pieces_than_there_are_workers():
    begun: list[int] = []
    answers = Crew(workers=2, threads=1).spread(abs, [5, 3, 4], rank=abs, begun=begun.append)
    next(answers)
    assert begun == [3, 4]
    assert len(list(answers)) == 2 and begun == [3, 4, 5]


def test_a_piece_that_could_not_be_handed_over_waits_on(monkeypatch):
    executors = [_Breaking(1), _Breaking(9)]
    monkeypatch.setattr(parallel, "get_reusable_executor", lambda **options: executors.pop(0))
    assert sorted(Crew(workers=2, threads=1).spread(abs, [0, 1, 2, 3])) == [0, 1, 2, 3]
    assert not executors


class _Breaking:
    """An executor that does everything at once, ``pieces`` times; then a worker has died."""

    def __init__(self, pieces: int) -> None:
        self.left = pieces

    def submit(self, limited, work, piece, threads):
        if not self.left:
            raise TerminatedWorkerError("killed")
        self.left -= 1
        future: Future = Future()
        future.set_result(work(piece))
        return future


def test_nobody_waits_for_those_beside_him(tmp_path):
    # The first piece ends when the file is there that the last one writes; that one follows from the second.
    pieces = [(str(tmp_path), "waits"), (str(tmp_path), "passes")]
    found = Crew(workers=2, threads=1).spread(_meet, pieces, then=lambda name: follow.pop(name, []))
    follow = {"passes": [(str(tmp_path), "frees")]}
    first, *others = found
    assert first == "passes" and sorted(others) == ["frees", "waits"]


def _meet(piece: tuple[str, str]) -> str:
    folder, name = piece
    if name == "frees":
        (Path(folder) / "free").write_text("")
    until = time.monotonic() + 60
    while name == "waits" and not (Path(folder) / "free").exists():
        assert time.monotonic() < until, "nobody came"
        time.sleep(0.01)
    return name


def test_an_error_in_a_process_is_raised_and_the_next_crew_works():
    with pytest.raises(ValueError, match="math domain"):
        list(Crew(workers=2, threads=1).spread(math.sqrt, [1.0, -1.0]))
    assert list(Crew(workers=2, threads=1).spread(math.sqrt, [4.0])) == [2]


def test_both_ways_to_spread_work_go_in_one_process():
    for _ in range(2):
        assert sorted(Crew(workers=2, threads=1).spread(math.sqrt, NUMBERS)) == [0, 1, 2, 3, 4]
        assert list(parallel.spread(math.sqrt, NUMBERS, workers=2)) == [3, 1, 4, 0, 2]


def test_threads_are_shared_out():
    assert Crew(workers=2, threads=3).threads_each == 3
    assert Crew(workers=10**6).threads_each == 1


@pytest.mark.slow
@pytest.mark.cluster
def test_ray_loses_nothing_when_a_worker_is_killed(tmp_path):
    ray = pytest.importorskip("ray")
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers cannot import a test
    crew = Crew(workers=2, threads=1, backend="ray")
    try:
        pieces = [(str(tmp_path), number) for number in range(4)]
        assert sorted(crew.spread(_die_once, pieces)) == [0, 1, 4, 9]
    finally:
        ray.shutdown()


@pytest.mark.slow
@pytest.mark.cluster
def test_a_ray_address_that_does_not_answer():
    pytest.importorskip("ray")
    with pytest.raises(ValueError, match="no Ray cluster answers at 127.0.0.1:1"):
        Crew(backend="ray", address="127.0.0.1:1").check()
