"""Independent optimisations beside each other in one process.

One step of a search is a chain of small operations, so a second core hardly shortens it. A second search keeps that
core busy.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TypeVar

import tensorflow as tf

from data_prep.cores import cores

Result = TypeVar("Result")
Progress = Callable[[int], None]
Task = Callable[[Progress], Result]


class _Stopped(Exception):
    """Another task has failed, or nobody wants the results any more."""


def lanes() -> int:
    """How many optimisations are worth running at a time: as many as TensorFlow may run operations; one on a GPU."""
    if tf.config.list_physical_devices("GPU"):
        return 1
    return tf.config.threading.get_inter_op_parallelism_threads() or cores()


def abreast(tasks: Sequence[Task[Result]], count: int, progress: Progress = lambda step: None) -> list[Result]:
    """Do all tasks, ``count`` at a time, begun in their order.

    Args:
        tasks: each is called with a function that it calls after every step with the number of its steps done. They
            share no state; what they trace must be traced before.
        count: how many at a time; with 1 all is done in the calling thread.
        progress: called with the number of steps done over all tasks, by one thread at a time.

    Returns:
        Their results, in their order.

    Raises:
        Exception: the first failure. The other tasks end at their next step.
    """
    steps, lock, stop = [0] * len(tasks), threading.Lock(), threading.Event()

    def follow(index: int) -> Progress:
        def told(step: int) -> None:
            if stop.is_set():
                raise _Stopped
            with lock:
                steps[index] = step
                progress(sum(steps))

        return told

    if count == 1:
        return [task(follow(index)) for index, task in enumerate(tasks)]
    with ThreadPoolExecutor(count) as pool:
        futures = [pool.submit(task, follow(index)) for index, task in enumerate(tasks)]
        try:
            for future in as_completed(futures):
                future.result()
        except BaseException:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [future.result() for future in futures]
