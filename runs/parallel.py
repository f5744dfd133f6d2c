"""The one place that spreads work over processes.

Small networks gain little from a second thread, so workers get one thread each and the cores are shared by processes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from joblib import Parallel, delayed

Job = TypeVar("Job")
Answer = TypeVar("Answer")


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def limit_threads(threads: int) -> None:
    """Keep TensorFlow in this process to a number of threads. Settled by the first call, before any computation."""
    import tensorflow as tf

    if tf.config.threading.get_intra_op_parallelism_threads() != threads:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)


def spread(
    work: Callable[[Job], Answer],
    jobs: Sequence[Job],
    *,
    workers: int,
    limit: Callable[[int], None] = limit_threads,
) -> Iterator[Answer]:
    """Answers to all jobs, in their order, as they are finished.

    Args:
        work: a function of the top level of a module; what it returns must be picklable.
        jobs: picklable.
        workers: processes; with 1 or a single job all is done in this process, with all its threads.
        limit: keeps a worker to a number of threads; work that needs no TensorFlow names its own, and is spared it.
    """
    if workers == 1 or len(jobs) == 1:
        return (work(job) for job in jobs)
    threads = max(1, cores() // workers)
    return Parallel(n_jobs=workers, return_as="generator")(delayed(_limited)(work, job, limit, threads) for job in jobs)


def _limited(work: Callable[[Job], Answer], job: Job, limit: Callable[[int], None], threads: int) -> Answer:
    limit(threads)
    return work(job)
