"""What a piece of work takes: seconds, and memory at its peak."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

Result = TypeVar("Result")

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def metered(work: Callable[[], Result]) -> tuple[Result, dict[str, float]]:
    """Do a piece of work; returns its result, and ``seconds`` and ``peak_mib``.

    The peak is that of resident memory while the work was done, TensorFlow and what was there before included. Where
    the system cannot begin anew (only Linux can), it is that of the process since its start.
    """
    try:
        _RESET.write_text("5")  # the high-water mark falls to what is resident now
    except OSError:
        pass
    started = time.perf_counter()
    result = work()
    return result, {"seconds": round(time.perf_counter() - started, 1), "peak_mib": round(_peak_mib(), 1)}


def _peak_mib() -> float:
    try:
        (line,) = [line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM:")]
        return int(line.split()[1]) / 1024  # kB
    except (OSError, ValueError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
