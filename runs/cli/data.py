"""Data sets: ``prepare``."""

from __future__ import annotations

from pathlib import Path

import click

from runs.cli.options import bar, out_option, refusing


@click.group()
def prepare() -> None:
    """Turn data sets into image tables."""


@prepare.command("columbia-gaze")
@click.option(
    "--raw", required=True, type=click.Path(exists=True, file_okay=False, path_type=Path), help="Folder of the images."
)
@click.option("--size", default="48x96", show_default=True, help="Height x width of the result, pixels.")
@out_option
@refusing
def prepare_columbia_gaze(raw: Path, size: str, out: Path) -> None:
    """ColumbiaGaze images that are cropped already (faces or eye strips).

    \b
    Example:  drmguard prepare columbia-gaze --raw "Columbia Gaze Data Set" --size 48x96 --out columbia
    """
    from runs import commands

    count = commands.prepare_columbia(raw, out, commands.parse_size(size), bar=bar)
    click.echo(f"{count} images written: {out}")
