"""Early stop: when a training has nothing left to learn at its learning rate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class EarlyStop:
    """A phase of constant learning rate is over when the training loss no longer falls; after the last one, all is.

    The loss holds clean and poisoned samples, so it goes on falling while either is still being learned.

    Attributes:
        window: steps over which the loss is averaged.
        patience: windows in a row that must bring nothing.
        least: share of the best window's loss that counts as a gain.
    """

    window: int = 100
    patience: int = 3
    least: float = 0.01

    def __post_init__(self) -> None:
        if self.window < 1 or self.patience < 1 or not 0 <= self.least < 1:
            raise ValueError(
                "window and patience must be 1 or more and least from 0 to below 1, "
                f"got {self.window}, {self.patience} and {self.least:g}"
            )


class Plateau:
    """The loss of one phase, as far as it is known."""

    def __init__(self, options: EarlyStop) -> None:
        self.options = options
        self.losses: list[Any] = []
        self.best, self.idle = np.inf, 0

    def reached(self, loss: Any) -> bool:
        """Whether the phase is over, given the loss of one more step; tensors are read once a window."""
        self.losses.append(loss)
        if len(self.losses) < self.options.window:
            return False
        mean = float(np.mean([float(each) for each in self.losses]))
        self.losses = []
        if mean < (1 - self.options.least) * self.best:
            self.best, self.idle = mean, 0
        else:
            self.idle += 1
        return self.idle >= self.options.patience
