"""Backdoor attacks on regression models, one file each; the file's name is the attack's on the command line."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:  # the names alone are wanted by the command line, and quickly
    from data_prep.attack import Attack


def names() -> list[str]:
    """All attacks, by command line name; found by walking the folder, without loading them."""
    return sorted(module.name.replace("_", "-") for module in pkgutil.iter_modules(__path__))


def attack_class(name: str) -> type[Attack]:
    """The attack that a file holds.

    Args:
        name: command line name or class name.

    Raises:
        ValueError: if there is none.
    """
    for known in [name] if name in names() else names():  # a command line name says which file it is
        module = importlib.import_module(f"{__name__}.{known.replace('-', '_')}")
        for title, kind in inspect.getmembers(module, inspect.isclass):
            if kind.__module__ == module.__name__ and hasattr(kind, "backdoor") and name in (known, title):
                return cast("type[Attack]", kind)
    raise ValueError(f"there is no attack {name!r}; choose from {', '.join(names())}")
