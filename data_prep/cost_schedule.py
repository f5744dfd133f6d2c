"""How Neural Cleanse steers the weight of the mask: up while the trigger works, down while it does not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class CostState(NamedTuple):
    """Where the schedule stands.

    Attributes:
        weight: of the mask's norm; 0 until the trigger has worked for the first time.
        armed: successive successes with weight 0.
        up, down: successive successes and failures since the last change of the weight.
        raised, lowered: whether the weight has gone up, and down, since it was set; 0 or 1.
        best: smallest norm of a trigger that worked.
        stale: successive steps that did not improve ``best``.
    """

    weight: float = 0.0
    armed: float = 0
    up: float = 0
    down: float = 0
    raised: float = 0
    lowered: float = 0
    best: float = float("inf")
    stale: float = 0


@dataclass(frozen=True)
class CostSchedule:
    """The schedule of Neural Cleanse's authors, read in their code (Wang et al. 2019).

    Attributes:
        first: weight that is set when the trigger has worked ``patience`` times in a row.
        patience: successes before the weight rises, failures before it falls.
        factor: the weight is multiplied by it to rise, and divided by its power of 1.5 to fall.
        improvement: a norm must be below this share of the best one to count as better.
        stop_after: steps without improvement after which the search ends, once the weight went both up and down.
    """

    first: float = 1e-3
    patience: int = 5
    factor: float = 2.0
    improvement: float = 0.99
    stop_after: int = 25

    def __post_init__(self) -> None:
        if self.first <= 0 or self.factor <= 1 or not 0 < self.improvement <= 1:
            raise ValueError(f"the first weight must be above 0, the factor above 1, improvement in (0, 1], got {self}")
        if self.patience < 1 or self.stop_after < 1:
            raise ValueError(f"patience and stop_after count steps, 1 or more, got {self}")

    def advance(self, state: CostState, worked: bool, norm: float) -> CostState:
        """The state after one more step.

        Args:
            state: before it.
            worked: whether the trigger did what it should in this step.
            norm: of the mask in this step.
        """
        best = min(state.best, norm) if worked else state.best
        stale = state.stale + 1 if best < float("inf") and best >= self.improvement * state.best else 0
        state = state._replace(best=best, stale=stale)
        armed = state.armed + 1 if worked and state.weight == 0 else 0
        if armed >= self.patience:
            state = state._replace(weight=self.first, up=0, down=0, raised=0, lowered=0)
            armed = 0
        up, down = (state.up + 1, 0) if worked else (0, state.down + 1)
        state = state._replace(armed=armed, up=up, down=down)
        if up >= self.patience:
            return state._replace(weight=state.weight * self.factor, up=0, raised=1)
        if down >= self.patience:
            return state._replace(weight=state.weight / self.factor**1.5, down=0, lowered=1)
        return state

    def exhausted(self, state: CostState) -> bool:
        """Whether nothing is gained by going on."""
        return bool(state.raised and state.lowered and state.stale >= self.stop_after)
