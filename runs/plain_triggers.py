"""Found triggers as plain values, for records."""

from __future__ import annotations

from typing import Any

from dhbe_tf.gdm.staircase import Distribution
from dhbe_tf.gdm.windows import Found


def levels(model: Distribution) -> list[dict[str, float]]:
    """What each level of a staircase reached; information in nats."""
    return [{"level": p.level, "response": p.response, "information": p.information} for p in model.parts]


def found(one: Found) -> dict[str, Any]:
    """A class's trigger and where it was found; pixels, boxes as top, left, bottom, right."""
    return {
        "class": one.heat.target,
        "response": one.response,
        "box": list(one.box),
        "covered_px": float(one.trigger[..., -1].sum()),
        "strongest_window": float(one.heat.strengths.max()),
    }
