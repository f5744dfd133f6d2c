"""What a long optimisation tells while it runs, and where it goes on after an interruption."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Optional, Protocol

import numpy as np


class Journal(Protocol):
    """Kept by whoever owns files; an optimisation calls it and knows nothing of disks."""

    def resume(self, state: Mapping[str, Any], history: Optional[np.ndarray] = None) -> int:
        """Bring back what an earlier, interrupted run had reached.

        Args:
            state: everything that changes, by name: objects that ``tf.train.Checkpoint`` can restore.
            history: one row per step, filled up to the step reached; None where there is none.

        Returns:
            Steps done already; 0 for a new run. Kept for the notes that follow.
        """

    def note(self, step: int, scalars: Mapping[str, Any]) -> None:
        """Tell that a step is done.

        Args:
            step: counted from 1.
            scalars: what is worth a curve, by name; tensors are read only when they are written down.
        """

    def complete(self, step: int) -> None:
        """Tell that this optimisation is over after ``step`` steps, while the work that it belongs to goes on."""


class NoJournal:
    """Keeps nothing: every run starts anew."""

    def resume(self, state: Mapping[str, Any], history: Optional[np.ndarray] = None) -> int:
        """Nothing to bring back."""
        return 0

    def note(self, step: int, scalars: Mapping[str, Any]) -> None:
        """Not written down."""

    def complete(self, step: int) -> None:
        """Nothing to keep."""


NO_JOURNAL = NoJournal()
