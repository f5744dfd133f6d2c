"""The one place that spreads work over processes.

Small networks gain little from a second thread, so workers get one thread each and the cores are shared by processes.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import socket
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from typing import Any, Generic, Optional, TypeVar

from joblib.externals.loky import get_reusable_executor
from joblib.externals.loky.process_executor import TerminatedWorkerError

from data_prep.cores import cores

Work = TypeVar("Work")
Answer = TypeVar("Answer")
Given = TypeVar("Given")

_RETRIES = 3  # for work that was lost with its process
_PATIENCE = 10  # seconds for an address to answer


def _no_more(answer: Any) -> Sequence[Any]:
    """Nothing follows."""
    return ()


def _as_they_come(piece: Any) -> int:
    """No piece goes before another."""
    return 0


def _untold(piece: Any) -> None:
    """Nobody wants to know."""


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

    def spread(
        self,
        work: Callable[[Work], Answer],
        pieces: Sequence[Work],
        then: Callable[[Answer], Sequence[Work]] = _no_more,
        rank: Callable[[Work], int] = _as_they_come,
        begun: Callable[[Work], None] = _untold,
    ) -> Iterator[Answer]:
        """Answers, as they are finished, in any order.

        Args:
            work: a function of the top level of a module that may be done twice: it is, if its process dies.
            pieces: picklable.
            then: which further pieces an answer makes possible.
            rank: of the pieces that wait, one of the lowest is begun first, among equals that which has waited longest.
                A cluster begins them as they come.
            begun: called with every piece when it is handed to a worker.
        """
        queue = _Queue(pieces, rank, begun)
        if self.backend == "ray":
            return _on_ray(self, work, queue, then)
        if self.workers == 1:
            if self.threads is not None:
                limit_threads(self.threads)
            return _here(work, queue, then)
        return _in_processes(self, work, queue, then)


class _Queue(Generic[Work]):
    """Pieces that wait."""

    def __init__(self, pieces: Sequence[Work], rank: Callable[[Work], int], begun: Callable[[Work], None]) -> None:
        self.rank, self.begun, self.numbers = rank, begun, itertools.count()
        self.waiting: list[tuple[int, int, Work]] = []  # a heap; numbers are different, so pieces are not compared
        self.add(pieces)

    def __len__(self) -> int:
        return len(self.waiting)

    def add(self, pieces: Sequence[Work]) -> None:
        """More of them."""
        for piece in pieces:
            heapq.heappush(self.waiting, (self.rank(piece), next(self.numbers), piece))

    def give(self, hand: Callable[[Work], Given]) -> Given:
        """Hand over that which is begun now; it waits on if that fails."""
        piece = self.waiting[0][2]
        given = hand(piece)
        heapq.heappop(self.waiting)
        self.begun(piece)
        return given


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


def threads_for(runs: int) -> None:
    """Share TensorFlow's threads out among runs beside each other; left as they are where it has computed already.

    Args:
        runs: of a search, at a time.
    """
    import tensorflow as tf

    try:
        tf.config.threading.set_intra_op_parallelism_threads(max(1, cores() // runs))
        tf.config.threading.set_inter_op_parallelism_threads(cores())
    except RuntimeError:  # settled before, by a notebook or by a test
        pass


def spread(
    work: Callable[[Work], Answer],
    pieces: Sequence[Work],
    *,
    workers: int,
    limit: Callable[[int], None] = limit_threads,
) -> Iterator[Answer]:
    """Answers to all pieces, in their order, as they are finished. Work begins when the first is asked for.

    Args:
        work: a function of the top level of a module; what it returns must be picklable.
        pieces: picklable.
        workers: processes; with 1 or a single piece all is done in this process, with all its threads.
        limit: keeps a worker to a number of threads; work without TensorFlow names its own and is spared its import.
    """
    if workers == 1 or len(pieces) == 1:
        return (work(piece) for piece in pieces)
    return _in_order(work, pieces, workers, limit)


def _in_order(
    work: Callable[[Work], Answer], pieces: Sequence[Work], workers: int, limit: Callable[[int], None]
) -> Iterator[Answer]:
    threads = max(1, cores() // workers)
    executor = _processes(workers, threads)
    try:
        waiting = deque(executor.submit(_limited, work, piece, threads, limit) for piece in pieces)
        while waiting:
            yield waiting.popleft().result()  # not kept: there may be many
    except BaseException:  # also when nobody wants the other answers any more
        executor.shutdown(wait=False, kill_workers=True)
        raise


def _processes(workers: int, threads: int) -> Any:
    """The executor of this process, the same for both ways to spread work."""
    # NumPy's threads are limited by the environment; TensorFlow's by limit_threads.
    environment = {name: str(threads) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    return get_reusable_executor(max_workers=workers, env=environment)


def _limited(
    work: Callable[[Work], Answer], piece: Work, threads: int, limit: Callable[[int], None] = limit_threads
) -> Answer:
    limit(threads)
    return work(piece)


def _here(
    work: Callable[[Work], Answer], queue: _Queue[Work], then: Callable[[Answer], Sequence[Work]]
) -> Iterator[Answer]:
    while queue:
        answer = work(queue.give(_itself))
        queue.add(then(answer))
        yield answer


def _itself(piece: Work) -> Work:
    return piece


def _in_processes(
    crew: Crew, work: Callable[[Work], Answer], queue: _Queue[Work], then: Callable[[Answer], Sequence[Work]]
) -> Iterator[Answer]:
    trials = 0
    busy: dict[Future[Answer], Work] = {}
    executor = _processes(crew.workers, crew.threads_each)

    def submit(piece: Work) -> Future[Answer]:
        return executor.submit(_limited, work, piece, crew.threads_each)

    try:
        while queue or busy:
            try:
                while queue and len(busy) < crew.workers:
                    future, piece = queue.give(lambda piece: (submit(piece), piece))
                    busy[future] = piece
                finished, _ = wait(busy, return_when=FIRST_COMPLETED)
                answers = {future: future.result() for future in finished}
            except TerminatedWorkerError:  # killed from outside, for want of memory for example
                if trials == _RETRIES:
                    raise
                trials += 1
                lost = [future for future in busy if not future.done() or future.exception() is not None]
                queue.add([busy.pop(future) for future in lost])
                executor = _processes(crew.workers, crew.threads_each)
                continue
            for future, answer in answers.items():
                del busy[future]
                queue.add(then(answer))
                yield answer
    except BaseException:  # also when nobody wants the other answers any more
        executor.shutdown(wait=False, kill_workers=True)
        raise


def _on_ray(
    crew: Crew, work: Callable[[Work], Answer], queue: _Queue[Work], then: Callable[[Answer], Sequence[Work]]
) -> Iterator[Answer]:
    ray = _connect(crew)
    remote = ray.remote(max_retries=_RETRIES, num_cpus=crew.threads_each)(_limited)
    busy: list[Any] = []
    while queue or busy:
        while queue:
            busy.append(queue.give(lambda piece: remote.remote(work, piece, crew.threads_each)))
        (finished, *_), busy = ray.wait(busy, num_returns=1)
        answer = ray.get(finished)
        queue.add(then(answer))
        yield answer


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
