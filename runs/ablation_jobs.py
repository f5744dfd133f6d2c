"""Jobs of DHBE's ablations and sweeps, around erasings that other experiments share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from data_prep.diverged import Diverged
from runs.erasing_jobs import Erase
from runs.jobs import Desk, Job


@dataclass(frozen=True)
class Tried:
    """An erasing with a setting that may be too strong: a training that diverges is a result too.

    Attributes:
        erasing: kept under its own name, for all who ask for it.
    """

    erasing: Erase

    @property
    def name(self) -> str:
        """For people."""
        return f"try {self.erasing.name}"

    @property
    def needs(self) -> tuple[Job, ...]:
        """What the erasing needs; it is done here, since it may fail."""
        return self.erasing.needs

    def do(self, desk: Desk) -> dict[str, Any]:
        """Returns the erasing's result, or ``diverged``, why there is none."""
        try:
            return desk.result(self.erasing)
        except Diverged as error:
            desk.say(f"{self.erasing.name}: {error}")
            return {"diverged": str(error)}


@dataclass(frozen=True)
class Moved:
    """How far a trigger moves the activations of test images, before and after an erasing (DHBE, Fig. 7).

    Attributes:
        erasing: done again if its result was kept by a version that did not measure this.
    """

    erasing: Erase

    @property
    def name(self) -> str:
        """For people."""
        return f"activations of {self.erasing.name}"

    @property
    def needs(self) -> tuple[Job, ...]:
        """The erasing."""
        return (self.erasing,)

    def do(self, desk: Desk) -> dict[str, Any]:
        """Returns ``before`` and ``after``: quantiles (:data:`runs.erasing_jobs.QUANTILES`) of every measure."""
        result = desk.result(self.erasing)
        if "moved" not in result:
            desk.say(f"{self.erasing.name} was kept without single activations, and is done again")
            result = desk.again(self.erasing)
        return dict(result["moved"])
