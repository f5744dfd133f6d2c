"""Optimisations beside each other."""

from __future__ import annotations

import threading

import pytest
import tensorflow as tf

from data_prep.cores import cores
from drmguard_tf.lanes import abreast, lanes

COUNTS = pytest.mark.parametrize("count", [1, 2, 5])


def _counting(steps: int):
    def task(progress):
        for step in range(steps):
            progress(step + 1)
        return steps

    return task


@COUNTS
def test_results_come_in_the_order_of_the_tasks(count):
    assert abreast([_counting(3), _counting(0), _counting(2)], count) == [3, 0, 2]


@COUNTS
def test_progress_counts_the_steps_of_all_tasks(count):
    told: list[int] = []
    abreast([_counting(3), _counting(4)], count, told.append)
    assert told == [1, 2, 3, 4, 5, 6, 7]


def test_two_tasks_are_under_way_at_a_time():
    both = threading.Barrier(2, timeout=30)
    abreast([lambda progress: both.wait(), lambda progress: both.wait()], 2)


def test_a_failure_is_raised_and_ends_the_others():
    begun, failed = threading.Event(), threading.Event()
    reached: list[int] = []

    def failing(progress):
        begun.wait(30)
        failed.set()
        raise FloatingPointError("the cost is not finite")

    def endless(progress):
        begun.set()
        failed.wait(30)
        for step in range(10_000_000):
            progress(step)
            reached.append(step)

    with pytest.raises(FloatingPointError, match="not finite"):
        abreast([failing, endless, _counting(1)], 2)
    assert len(reached) < 10_000_000


def test_whoever_gives_up_ends_all_tasks():
    def give_up(step: int) -> None:
        if step == 5:
            raise KeyboardInterrupt

    reached: list[int] = []

    def endless(progress):
        for step in range(10_000_000):
            progress(step)
            reached.append(step)

    with pytest.raises(KeyboardInterrupt):
        abreast([endless, endless], 2, give_up)
    assert len(reached) < 10_000_000


@pytest.mark.parametrize("gpus, threads, count", [([], 3, 3), ([], 0, cores()), (["GPU:0"], 3, 1)])
def test_lanes_are_tensorflows_threads_or_one_on_a_gpu(monkeypatch, gpus, threads, count):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: gpus)
    monkeypatch.setattr(tf.config.threading, "get_inter_op_parallelism_threads", lambda: threads)
    assert lanes() == count
