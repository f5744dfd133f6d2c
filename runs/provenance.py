"""Where a figure comes from: versions, commit, device, date."""

from __future__ import annotations

import functools
import platform
import subprocess
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

_DESCRIBED = Path("/proc/cpuinfo")  # only Linux has it


def here() -> dict[str, Any]:
    """Versions, commit and device of this process, and the date."""
    import tensorflow as tf  # not above: who only reads results does not wait for it

    return {
        "versions": {
            "python": platform.python_version(),
            "tensorflow": tf.__version__,
            "numpy": np.__version__,
        },
        "commit": commit(),
        "device": ", ".join(gpus()) or processor(),
        "threads": tf.config.threading.get_intra_op_parallelism_threads() or "all",
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d"),
    }


def gpus() -> list[str]:
    """The GPUs that TensorFlow computes on, as their maker calls them."""
    import tensorflow as tf

    found = tf.config.list_physical_devices("GPU")
    return [tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name) for gpu in found]


def processor() -> str:
    """The processor as its maker calls it, where the system tells, and its architecture."""
    lines = _DESCRIBED.read_text().splitlines() if _DESCRIBED.is_file() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return f"{next(names, platform.processor())} {platform.machine()} CPU".strip()


@functools.lru_cache(maxsize=None)
def commit() -> str:
    """The commit that is checked out, marked where files differ from it; "unknown" outside a checkout."""
    folder = Path(__file__).resolve().parents[1]

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=20)
        return done.stdout.strip() if done.returncode == 0 else ""

    try:
        head = git("rev-parse", "--short=12", "HEAD")
        return (
            f"{head}{'+changes' if git('status', '--porcelain', '--untracked-files=no') else ''}" if head else "unknown"
        )
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
