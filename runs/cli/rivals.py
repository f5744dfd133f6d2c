"""``erase --method`` with DHBE's rivals, which clean with benign images."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Optional

import click

from runs.cli.options import bar, say

RIVALS = ("fine-tuning", "fine-pruning", "nad", "mcr", "neural-cleanse")


def erase_rival(
    model: Path,
    method: str,
    benign: Optional[str],
    images: Optional[str],
    recipe: Optional[str],
    share: Optional[float],
    target: Optional[int],
    test: Optional[str],
    attack: Optional[Path],
    tensorboard: Optional[Path],
    preset: str,
    seed: int,
    out: Path,
    unused: Mapping[str, Any],
) -> None:
    """Clean a model and say what came of it.

    Raises:
        ValueError: if an option is given that belongs to another method, or benign images are missing.
    """
    wrong = [name for name, value in unused.items() if value is not None]
    if wrong:
        raise ValueError(f"--method {method} has no use for {', '.join(wrong)}")
    if target is not None and method != "neural-cleanse":
        raise ValueError(f"--method {method} looks at no class, so it has no use for --class")
    if benign is None:
        raise ValueError(f"--method {method} learns from benign images: name a table of classes with --benign")
    from runs import cleaning, rivals

    digits = "digits" in (benign, images)
    if recipe == "authors":
        rival = rivals.recipe(method, preset, digits=digits).rival
    else:
        rival = rivals.rivals(preset, digits=digits)[method]
    options = cleaning.CleanOptions(model, method, benign, share or 1.0, target, test, attack, seed, tensorboard)
    record = cleaning.clean(options, rival, out, bar=bar, say=say)
    click.echo(cleaning.describe(record))
    click.echo(f"written: {out}")
