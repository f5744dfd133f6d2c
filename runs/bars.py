"""How work tells how far it is: the commands draw a bar, tests and demos something else."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

Bar = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]
"""Takes a label and how many things there are to do; inside, it is told how many are done."""
