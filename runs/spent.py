"""What a piece of work takes: seconds, and memory at its peak."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Optional, TypeVar

Result = TypeVar("Result")

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class Clock:
    """Seconds of a piece of work over all the processes that did a part of it; checkpoints carry them on."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """A new piece of work."""
        self._started, self._earlier = time.monotonic(), 0.0

    def resume(self, seconds: float) -> None:
        """A part of it took ``seconds`` in earlier processes; of several parts the one that came farthest counts."""
        self._earlier = max(self._earlier, seconds)

    def seconds(self) -> float:
        """Since the beginning, without what was lost after the last checkpoint of an earlier process."""
        return self._earlier + time.monotonic() - self._started


def metered(work: Callable[[], Result], clock: Optional[Clock] = None) -> tuple[Result, dict[str, float]]:
    """Do a piece of work; returns its result, and ``seconds`` and ``peak_mib``.

    The peak is that of resident memory while the work was done, TensorFlow and what was there before included; of work
    that went on after an interruption, that of the last process. Where the system cannot begin anew (only Linux can),
    it is that of the process since its start.

    Args:
        work: what to do.
        clock: of the journals that the work keeps, begun anew here; None for work that never goes on.
    """
    try:
        _RESET.write_text("5")  # the high-water mark falls to what is resident now
    except OSError:
        pass
    clock = clock or Clock()
    clock.begin()
    result = work()
    return result, {"seconds": round(clock.seconds(), 1), "peak_mib": round(_peak_mib(), 1)}


def _peak_mib() -> float:
    try:
        (line,) = [line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM:")]
        return int(line.split()[1]) / 1024  # kB
    except (OSError, ValueError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
