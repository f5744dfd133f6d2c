"""Seconds and memory of a piece of work."""

from __future__ import annotations

import time

import numpy as np

from runs.spent import Clock, metered


def test_result_and_seconds_are_those_of_the_work():
    result, spent = metered(lambda: time.sleep(0.3) or "done")
    assert result == "done" and 0.3 <= spent["seconds"] < 5


def test_what_earlier_processes_did_counts():
    clock = Clock()

    def work() -> None:
        clock.resume(100.0)
        clock.resume(70.0)  # another part of the same work, which came less far

    _, spent = metered(work, clock)
    assert 100 <= spent["seconds"] < 105
    _, next_piece = metered(lambda: None, clock)
    assert next_piece["seconds"] < 5


def test_the_peak_is_that_of_the_work_and_not_of_what_came_before():
    _, before = metered(lambda: None)
    _, large = metered(lambda: float(np.ones(50_000_000).sum()))  # 400 MB, given back
    _, after = metered(lambda: None)
    assert large["peak_mib"] > before["peak_mib"] + 300
    assert after["peak_mib"] < large["peak_mib"] - 300
