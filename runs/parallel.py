"""The one place that spreads work over processes.

Small networks gain little from a second thread, so workers get one thread each and the cores are shared by processes.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Optional, TypeVar

from joblib import Parallel, delayed
from joblib.externals.loky.process_executor import TerminatedWorkerError

Work = TypeVar("Work")
Answer = TypeVar("Answer")

_RETRIES = 3  # for work that was lost with its process
_PATIENCE = 10  # seconds for an address to answer


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class Crew:
    """Who works.

    Attributes:
        workers: processes; with 1 all is done in this process.
        threads: per worker; None shares the cores out. Equal threads give bit-equal results.
        backend: "local", or "ray" for a cluster.
        address: of the Ray cluster; None starts one on this machine.
    """

    workers: int = 1
    threads: Optional[int] = None
    backend: str = "local"
    address: Optional[str] = None

    @property
    def threads_each(self) -> int:
        """Threads per worker."""
        return self.threads or max(1, cores() // self.workers)

    def check(self) -> None:
        """Reach the cluster, if one is asked for.

        Raises:
            ValueError: if it does not answer, or Ray is not installed.
        """
        if self.backend == "ray":
            _connect(self)

    def spread(self, work: Callable[[Work], Answer], pieces: Sequence[Work]) -> Iterator[Answer]:
        """Answers, as they are finished, in any order.

        Args:
            work: a function of the top level of a module that may be done twice: it is, if its process dies.
            pieces: picklable.
        """
        if self.backend == "ray":
            return _on_ray(self, work, pieces)
        if self.workers == 1:
            if self.threads is not None:
                limit_threads(self.threads)
            return (work(piece) for piece in pieces)
        return _in_processes(self, work, pieces)


def strategy(name: str) -> Any:
    """How the devices of this machine train: "one" of them, as None, or "mirrored", all of them together."""
    import tensorflow as tf

    return tf.distribute.MirroredStrategy() if name == "mirrored" else None


def limit_threads(threads: int) -> None:
    """Keep TensorFlow in this process to a number of threads. Settled by the first call, before any computation."""
    import tensorflow as tf

    if tf.config.threading.get_intra_op_parallelism_threads() != threads:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)


def spread(
    work: Callable[[Work], Answer],
    pieces: Sequence[Work],
    *,
    workers: int,
    limit: Callable[[int], None] = limit_threads,
) -> Iterator[Answer]:
    """Answers to all pieces, in their order, as they are finished.

    Args:
        work: a function of the top level of a module; what it returns must be picklable.
        pieces: picklable.
        workers: processes; with 1 or a single piece all is done in this process, with all its threads.
        limit: keeps a worker to a number of threads; work without TensorFlow names its own and is spared its import.
    """
    if workers == 1 or len(pieces) == 1:
        return (work(piece) for piece in pieces)
    threads = max(1, cores() // workers)
    calls = (delayed(_limited)(work, piece, threads, limit) for piece in pieces)
    return Parallel(n_jobs=workers, return_as="generator")(calls)


def _limited(
    work: Callable[[Work], Answer], piece: Work, threads: int, limit: Callable[[int], None] = limit_threads
) -> Answer:
    limit(threads)
    return work(piece)


def _numbered(work: Callable[[Work], Answer], number: int, piece: Work, threads: int) -> tuple[int, Answer]:
    return number, _limited(work, piece, threads)


def _in_processes(crew: Crew, work: Callable[[Work], Answer], pieces: Sequence[Work]) -> Iterator[Answer]:
    left = dict(enumerate(pieces))
    for trial in range(1 + _RETRIES):
        calls = [delayed(_numbered)(work, number, piece, crew.threads_each) for number, piece in left.items()]
        try:
            for number, answer in Parallel(n_jobs=crew.workers, return_as="generator_unordered", pre_dispatch="all")(
                calls
            ):
                del left[number]
                yield answer
            return
        except TerminatedWorkerError:  # killed from outside, for want of memory for example
            if trial == _RETRIES:
                raise


def _on_ray(crew: Crew, work: Callable[[Work], Answer], pieces: Sequence[Work]) -> Iterator[Answer]:
    ray = _connect(crew)
    remote = ray.remote(max_retries=_RETRIES, num_cpus=crew.threads_each)(_limited)
    waiting = [remote.remote(work, piece, crew.threads_each) for piece in pieces]
    while waiting:
        (finished, *_), waiting = ray.wait(waiting, num_returns=1)
        yield ray.get(finished)


def _connect(crew: Crew) -> Any:
    try:
        import ray
    except ImportError as error:
        raise ValueError("--backend ray needs Ray: pip install 'drmguard-tf[cluster]'") from error
    if not ray.is_initialized():
        _check_answers(crew.address)
        options = {"address": crew.address} if crew.address else {"num_cpus": crew.workers * crew.threads_each}
        try:
            ray.init(log_to_driver=False, logging_level=logging.ERROR, **options)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise ValueError(f"no Ray cluster could be joined ({error}). Start one with `ray start --head`.") from error
    return ray


def _check_answers(address: Optional[str]) -> None:
    """Ray itself waits minutes for an address that does not answer."""
    host, _, port = (address or "").split("://")[-1].rpartition(":")
    if not port.isdigit():
        return  # none, or "auto"
    try:
        socket.create_connection((host, int(port)), timeout=_PATIENCE).close()
    except OSError as error:
        raise ValueError(
            f"no Ray cluster answers at {address} ({error}). Start one with `ray start --head`."
        ) from error
