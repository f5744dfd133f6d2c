"""A search or a training whose loss is no finite number any more: noticed while it runs, not when it is over."""

from __future__ import annotations

from typing import Any

import numpy as np

_EVERY = 50  # steps from one look to the next: to read a loss is to wait for the device


class Diverged(ValueError):
    """The message says what ran away, how far it had come, and what to lower."""


def watch(loss: Any, step: int, total: int, work: str = "training") -> None:
    """Look at a loss now and then, and always at the last one.

    Args:
        loss: a scalar tensor or number.
        step: that it belongs to, counted from 1.
        total: steps of the whole work.
        work: what it is called, for the message.

    Raises:
        Diverged: if it is looked at and is infinite or no number.
    """
    if (step % _EVERY == 0 or step >= total) and not np.isfinite(float(loss)):
        raise Diverged(
            f"the {work} diverged: its loss is {float(loss)} at step {step} of {total}. Lower its learning "
            "rate (in a preset, where the command has no option for it) or take another seed"
        )
