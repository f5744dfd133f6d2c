"""Work spread over processes."""

from __future__ import annotations

import math

import pytest

from runs import parallel

NUMBERS = [9.0, 1.0, 16.0, 0.0, 4.0]


@pytest.mark.parametrize("workers", [1, 2])
def test_answers_come_in_the_order_of_the_jobs(workers):
    assert list(parallel.spread(math.sqrt, NUMBERS, workers=workers)) == [3, 1, 4, 0, 2]


def test_a_single_job_needs_no_process():
    assert list(parallel.spread(lambda job: job + 1, [1], workers=2)) == [2]


def test_an_error_in_a_job_is_raised():
    with pytest.raises(ValueError, match="math domain"):
        list(parallel.spread(math.sqrt, [1.0, -1.0], workers=1))


def test_there_is_a_core():
    assert parallel.cores() >= 1
