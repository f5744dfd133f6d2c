"""Experiments: one module per table or figure. What a module holds is an :class:`Experiment`; it is found by its name.

Its docstring says which table of which paper it is, the command, the time per preset and the numbers to expect.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional, Protocol, cast

if TYPE_CHECKING:  # names and docstrings are listed without loading TensorFlow
    from runs.figures import Figure
    from runs.jobs import Job
    from runs.presets import Preset
    from runs.tables import Table


@dataclass(frozen=True)
class Options:
    """What may differ between runs of an experiment.

    Attributes:
        preset: name of the preset.
        data: image table instead of the preset's synthetic heads.
        models: per kind; None takes the experiment's own number.
    """

    preset: str
    data: Optional[Path] = None
    models: Optional[int] = None


class Experiment(Protocol):
    """What a module of this package offers."""

    def plan(self, preset: Preset, options: Options) -> list[Job]:
        """The jobs whose results the tables are made of."""

    def tables(self, found: Mapping[Job, dict[str, Any]], options: Options) -> list[Table]:
        """Tables from the results of all planned jobs; only from those, so they can be made again at any time."""

    def figures(self, found: Mapping[Job, dict[str, Any]], options: Options) -> list[Figure]:
        """Figures, from the same."""


def names() -> list[str]:
    """All experiments; found by walking the folder, without loading them."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def experiment(name: str) -> Experiment:
    """The experiment of that name.

    Raises:
        ValueError: if there is none.
    """
    if name not in names():
        raise ValueError(f"there is no experiment {name!r}; choose from {', '.join(names())}")
    return cast(Experiment, importlib.import_module(f"{__name__}.{name}"))


def summary(name: str) -> str:
    """First line of an experiment's docstring; the module is not loaded."""
    import ast

    (folder,) = __path__
    text = (Path(folder) / f"{name}.py").read_text(encoding="utf-8")
    return (ast.get_docstring(ast.parse(text)) or "").split("\n")[0]
