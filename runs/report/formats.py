"""How numbers are written: with as many digits as they deserve, with their unit, and with what a sign means."""

from __future__ import annotations

import math
from collections.abc import Sequence

_SPACE = "\u00a0"  # between a number and its unit, so that no line breaks there
_SIDES = {"pitch": ("up", "down"), "yaw": ("image left", "image right"), "roll": ("anticlockwise", "clockwise")}


def percent(share: float) -> str:
    """A share as a percentage with two significant digits."""
    if not share > 0:
        return f"0{_SPACE}%"
    if share < 1e-5:
        return f"under 0.001{_SPACE}%"
    digits = max(0, 1 - math.floor(math.log10(100 * share * (1 + 1e-12))))
    return f"{100 * share:.{digits}f}{_SPACE}%"


def probability(share: float) -> str:
    """A probability as a percentage that is 0 or 100 only where it really is."""
    if 0 < share < 0.001:
        return f"under 0.1{_SPACE}%"
    if 0.99 < share < 1:
        return f"over 99{_SPACE}%"
    return f"{100 * share:.{1 if 0 < share < 0.1 else 0}f}{_SPACE}%"


def times(factor: float) -> str:
    """A factor with two or three significant digits."""
    if factor < 0.01:
        return f"under 0.01{_SPACE}×" if factor > 0 else f"0{_SPACE}×"
    return f"{factor:.1f}{_SPACE}×" if factor >= 1 else f"{factor:#.2g}{_SPACE}×"


def angle(degrees: float) -> str:
    """An angle with one decimal."""
    return f"{degrees:.1f}°".replace("-", "−") if math.isfinite(degrees) else "not finite"


def direction(angles_deg: Sequence[float], outputs: Sequence[str]) -> str:
    """Angles with their names and what their signs mean: "pitch 17.2° (up), yaw −22.9° (image right)"."""
    words = []
    for value, name in zip(angles_deg, outputs):
        side = _SIDES.get(name, ("", ""))[value < 0]
        words.append(f"{name}{_SPACE}{angle(value)}" + (f" ({side})" if side and abs(value) >= 0.05 else ""))
    return ", ".join(words)


def listed(names: Sequence[str]) -> str:
    """Names in a row: "a, b and c"."""
    return " and ".join(part for part in (", ".join(names[:-1]), *names[-1:]) if part)
