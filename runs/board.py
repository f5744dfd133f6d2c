"""The live table of a run: what is done, running, waiting, failed, and how long it will take."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.table import Table

from runs.pipeline import DONE, FAILED, KEPT, WAITING, Outcome

_MARKS = {KEPT: "was there", DONE: "done", FAILED: "failed", WAITING: "cannot start"}


class Board:
    """Counts outcomes.

    Args:
        names: of all jobs, in the order in which they start.
        workers: how many run at a time.
    """

    def __init__(self, names: Sequence[str], workers: int) -> None:
        self.names, self.workers = list(names), workers
        self.outcomes: dict[str, Outcome] = {}
        self.started = time.monotonic()

    def told(self, outcome: Outcome) -> None:
        """Note an outcome."""
        self.outcomes[outcome.job.name] = outcome

    def seconds_left(self) -> float | None:
        """From the mean time of the jobs done so far; None before the first."""
        times = [outcome.seconds for outcome in self.outcomes.values() if outcome.state == DONE]
        left = len(self.names) - len(self.outcomes)
        return left * sum(times) / len(times) / self.workers if times else None

    def table(self) -> Table:
        """The table as it stands."""
        shown = Table(title=self.title(), title_justify="left")
        for heading in ("case", "state", "seconds"):
            shown.add_column(heading)
        open_jobs = [name for name in self.names if name not in self.outcomes]
        running = set(open_jobs[: self.workers])
        for name in self.names:
            outcome = self.outcomes.get(name)
            if outcome is None:
                shown.add_row(name, "running" if name in running else "waiting", "")
            else:
                shown.add_row(name, _MARKS[outcome.state], f"{outcome.seconds:.0f}" if outcome.state == DONE else "")
        return shown

    def title(self) -> str:
        """Counts and time left."""
        left = self.seconds_left()
        ahead = "" if left is None or len(self.outcomes) == len(self.names) else f", about {_span(left)} left"
        return f"{len(self.outcomes)} of {len(self.names)} after {_span(time.monotonic() - self.started)}{ahead}"


@contextmanager
def shown(names: Sequence[str], workers: int, say: Callable[[str], None]) -> Iterator[Callable[[Outcome], None]]:
    """A callback for outcomes: a table that is redrawn on a terminal, a line each elsewhere."""
    board, console = Board(names, workers), Console(stderr=True)
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
