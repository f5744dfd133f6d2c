"""``erase --method`` with DHBE's rivals, which clean with benign images."""

from __future__ import annotations

from pathlib import Path
from typing import Optional

import click

from runs.cli.options import bar, say

RIVALS = ("fine-tuning", "fine-pruning", "nad", "mcr", "neural-cleanse")


def erase_rival(
    model: Path,
    method: str,
    test: Optional[str],
    attack: Optional[Path],
    preset: str,
    seed: int,
    out: Path,
    *,
    benign: Optional[str] = None,
    images: Optional[str] = None,
    recipe: Optional[str] = None,
    share: float = 1.0,
    target: Optional[int] = None,
    tensorboard: Optional[Path] = None,
) -> None:
    """Clean a model and say what came of it.

    Raises:
        ValueError: if benign images are missing.
    """
    if benign is None:
        raise ValueError(f"--method {method} learns from benign images: name a table of classes with --benign")
    from runs import cleaning, rivals

    digits = "digits" in (benign, images)
    if recipe == "authors":
        rival = rivals.recipe(method, preset, digits=digits).rival
    else:
        rival = rivals.rivals(preset, digits=digits)[method]
    options = cleaning.CleanOptions(model, method, benign, share, target, test, attack, seed, tensorboard)
    record = cleaning.clean(options, rival, out, bar=bar, say=say)
    click.echo(cleaning.describe(record))
    click.echo(f"written: {out}")
