"""Triggers of classifiers: ``find-triggers``, and ``erase --method gdm``."""

from __future__ import annotations

from pathlib import Path
from typing import Optional

import click

from runs.cli.options import new_out_option, preset_option, refusing, say, seed_option


@click.command("find-triggers")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--benign", required=True, help="A table of classes with benign images of your own, or 'digits'.")
@click.option("--window", type=click.IntRange(min=1), help="Side of the moving window, pixels. Default: preset's.")
@click.option("--class", "target", type=int, help="The only class to look at. Default: all.")
@click.option("--repair/--no-repair", default=True, show_default=True, help="Repair the model against what is found.")
@click.option("--test", help="To measure on: 'digits', CIFAR batches, or a table of classes. Not used in the search.")
@click.option("--attack", type=click.Path(path_type=Path), help="train.json of a known attack, to measure its success.")
@preset_option
@seed_option
@new_out_option
@refusing
def find_triggers(
    model: Path,
    benign: str,
    window: Optional[int],
    target: Optional[int],
    repair: bool,
    test: Optional[str],
    attack: Optional[Path],
    preset: str,
    seed: int,
    out: Path,
) -> None:
    """Find triggers of unknown class, shape and place in a classifier, and repair it (GDM's realistic defence).

    \b
    Example:  drmguard find-triggers suspect.h5 --benign faces/ --out found
    Writes:   found/find.json, found/report.html; with a repair also found/model.h5, found/export/
    The model takes square images in [0, 1].
    An interrupted run goes on where it was when the same command is given again.
    """
    from runs import trigger_finding

    question = trigger_finding.TriggerOptions(model, benign, target, test, attack, seed)
    defence = trigger_finding.realistic_of(preset, window)
    record = trigger_finding.find(question, defence, out, repair=repair, say=say)
    click.echo(trigger_finding.describe(record))
    click.echo(f"written: {out}")


def erase_gdm(
    model: Path,
    test: Optional[str],
    attack: Optional[Path],
    preset: str,
    seed: int,
    out: Path,
    *,
    benign: Optional[str] = None,
    target: Optional[int] = None,
    trigger_size: Optional[int] = None,
    epochs: Optional[int] = None,
) -> None:
    """``erase --method gdm``.

    Raises:
        ValueError: if benign images are missing.
    """
    from runs import trigger_finding

    if benign is None:
        raise ValueError("--method gdm searches on benign images: name a table of classes with --benign")
    question = trigger_finding.TriggerOptions(model, benign, target, test, attack, seed)
    record = trigger_finding.erase(question, preset, trigger_size, out, epochs=epochs, say=say)
    click.echo(trigger_finding.describe(record))
    click.echo(f"written: {out}")
