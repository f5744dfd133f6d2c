"""The live table of a run: what is done, running, waiting, failed, and how long it will take."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.table import Table

from runs.jobs import Job
from runs.pipeline import DONE, FAILED, KEPT, WAITING, Outcome

_MARKS = {KEPT: "was there", DONE: "done", FAILED: "failed", WAITING: "cannot start"}


class Board:
    """Counts outcomes.

    Args:
        jobs: all, in the order in which they start; their names need not differ.
        workers: how many run at a time.
    """

    def __init__(self, jobs: Sequence[Job], workers: int) -> None:
        self.jobs, self.workers = list(jobs), workers
        self.outcomes: dict[Job, Outcome] = {}
        self.started = time.monotonic()

    def told(self, outcome: Outcome) -> None:
        """Note an outcome."""
        self.outcomes[outcome.job] = outcome

    def seconds_left(self) -> float | None:
        """From the mean time of the jobs done so far; None before the first."""
        times = [outcome.seconds for outcome in self.outcomes.values() if outcome.state == DONE]
        left = len(self.jobs) - len(self.outcomes)
        return left * sum(times) / len(times) / self.workers if times else None

    def table(self) -> Table:
        """The table as it stands."""
        shown = Table(title=self.title(), title_justify="left")
        for heading in ("case", "state", "seconds"):
            shown.add_column(heading)
        running = [job for job in self.jobs if job not in self.outcomes][: self.workers]
        for job in self.jobs:
            outcome = self.outcomes.get(job)
            if outcome is None:
                shown.add_row(job.name, "running" if job in running else "waiting", "")
            else:
                shown.add_row(
                    job.name, _MARKS[outcome.state], f"{outcome.seconds:.0f}" if outcome.state == DONE else ""
                )
        return shown

    def title(self) -> str:
        """Counts and time left."""
        left = self.seconds_left()
        ahead = "" if left is None or len(self.outcomes) == len(self.jobs) else f", about {_span(left)} left"
        return f"{len(self.outcomes)} of {len(self.jobs)} after {_span(time.monotonic() - self.started)}{ahead}"


@contextmanager
def shown(jobs: Sequence[Job], workers: int, say: Callable[[str], None]) -> Iterator[Callable[[Outcome], None]]:
    """A callback for outcomes: a table that is redrawn on a terminal, a line each elsewhere."""
    board, console = Board(jobs, workers), Console(stderr=True)
    if console.is_terminal:
        with Live(board.table(), console=console, refresh_per_second=2) as live:

            def redraw(outcome: Outcome) -> None:
                board.told(outcome)
                live.update(board.table())

            yield redraw
        return

    def line(outcome: Outcome) -> None:
        board.told(outcome)
        for remark in outcome.remarks:
            say(f"  {outcome.job.name}: {remark}")
        spent = f" in {outcome.seconds:.0f} s" if outcome.state == DONE else ""
        why = f": {outcome.reason}" if outcome.reason else ""
        say(f"{outcome.job.name} {_MARKS[outcome.state]}{spent}{why} ({board.title()})")

    yield line


def _span(seconds: float) -> str:
    minutes = seconds / 60
    return f"{seconds:.0f} s" if minutes < 2 else f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.1f} h"
