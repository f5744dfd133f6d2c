"""The live table of a run: what is done, running, waiting, failed, and how long it will take."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Optional

from rich.console import Console
from rich.live import Live
from rich.table import Table

from runs.jobs import Job
from runs.pipeline import DONE, FAILED, KEPT, WAITING, Outcome

Reached = Callable[[Job], Optional[int]]  # the last step of a job's checkpoints

_BEAT = 600.0  # seconds between lines about what is running
_MARKS = {KEPT: "was there", DONE: "done", FAILED: "failed", WAITING: "cannot start"}


def _unknown(job: Job) -> Optional[int]:
    """No checkpoints."""
    return None


class Board:
    """Counts outcomes.

    Args:
        jobs: all, in the order in which they are shown; their names need not differ.
        workers: how many run at a time.
        reached: tells how far a job is.
    """

    def __init__(self, jobs: Sequence[Job], workers: int, reached: Reached = _unknown) -> None:
        self.jobs, self.workers, self.reached = list(jobs), workers, reached
        self.given: dict[Job, None] = {}  # a job whose process died is given twice
        self.outcomes: dict[Job, Outcome] = {}
        self.started = time.monotonic()

    def begun(self, job: Job) -> None:
        """Note a job that a worker has got."""
        self.given.pop(job, None)
        self.given[job] = None

    def told(self, outcome: Outcome) -> None:
        """Note an outcome."""
        self.outcomes[outcome.job] = outcome

    def seconds_left(self) -> float | None:
        """From the mean time of the jobs done so far; None before the first."""
        known = list(self.outcomes.values())  # a copy: another thread asks while outcomes come in
        times = [outcome.seconds for outcome in known if outcome.state == DONE]
        left = len(self.jobs) - len(known)
        return left * sum(times) / len(times) / self.workers if times else None

    def table(self) -> Table:
        """The table as it stands."""
        shown = Table(title=self.title(), title_justify="left")
        for heading in ("case", "state", "seconds"):
            shown.add_column(heading)
        running = self.running()
        for job in self.jobs:
            outcome = self.outcomes.get(job)
            if outcome is None:
                shown.add_row(job.name, f"running{self._step(job)}" if job in running else "waiting", "")
            else:
                shown.add_row(
                    job.name, _MARKS[outcome.state], f"{outcome.seconds:.0f}" if outcome.state == DONE else ""
                )
        return shown

    def running(self) -> list[Job]:
        """The jobs that are under way; a cluster gets more than it can do at a time."""
        return [job for job in list(self.given) if job not in self.outcomes][: self.workers]

    def beat(self) -> str:
        """What is running and how far it is, in a line."""
        names = [f"{job.name}{self._step(job)}" for job in self.running()]
        return f"running: {'; '.join(names)} ({self.title()})"

    def _step(self, job: Job) -> str:
        step = self.reached(job)
        return "" if step is None else f", step {step}"

    def title(self) -> str:
        """Counts and time left."""
        left = self.seconds_left()
        ahead = "" if left is None or len(self.outcomes) == len(self.jobs) else f", about {_span(left)} left"
        return f"{len(self.outcomes)} of {len(self.jobs)} after {_span(time.monotonic() - self.started)}{ahead}"


class _Lines(Board):
    """Says a line for every outcome."""

    def __init__(self, jobs: Sequence[Job], workers: int, reached: Reached, say: Callable[[str], None]) -> None:
        super().__init__(jobs, workers, reached)
        self.say = say

    def told(self, outcome: Outcome) -> None:
        """Note an outcome and say it."""
        super().told(outcome)
        for remark in outcome.remarks:
            self.say(f"  {outcome.job.name}: {remark}")
        spent = f" in {outcome.seconds:.0f} s" if outcome.state == DONE else ""
        why = f": {outcome.reason}" if outcome.reason else ""
        self.say(f"{outcome.job.name} {_MARKS[outcome.state]}{spent}{why} ({self.title()})")


@contextmanager
def shown(
    jobs: Sequence[Job], workers: int, say: Callable[[str], None], reached: Reached = _unknown, *, every: float = _BEAT
) -> Iterator[Board]:
    """A board to tell: a table that is redrawn on a terminal; elsewhere a line each, and one now and then.

    Args:
        jobs, workers, reached: see :class:`Board`.
        say: called with lines.
        every: seconds between the lines about what is running.
    """
    console = Console(stderr=True)
    if console.is_terminal:
        board = Board(jobs, workers, reached)
        with Live(get_renderable=board.table, console=console, refresh_per_second=2):
            yield board
        return
    lines = _Lines(jobs, workers, reached, say)
    with _beating(lambda: say(lines.beat()), every):
        yield lines


@contextmanager
def _beating(beat: Callable[[], None], every: float) -> Iterator[None]:
    over = threading.Event()

    def beats() -> None:
        while not over.wait(every):
            beat()

    thread = threading.Thread(target=beats, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _span(seconds: float) -> str:
    minutes = seconds / 60
    return f"{seconds:.0f} s" if minutes < 2 else f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.1f} h"
