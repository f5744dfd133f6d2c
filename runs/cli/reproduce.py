"""Experiments: ``reproduce``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Optional

import click

from runs.cli.options import preset_option, refusing, workers_option


@click.group()
def reproduce() -> None:
    """Tables and figures, each a command."""


@reproduce.command("run")
@click.argument("name", type=click.Choice(["first_light"]))
@preset_option
@click.option("--data", type=click.Path(path_type=Path), help="Image table instead of synthetic heads.")
@click.option("--models", type=click.IntRange(min=2), help="Models per kind. Default: 5, smoke 2.")
@click.option(
    "--store",
    "home",
    default="results",
    show_default=True,
    type=click.Path(path_type=Path),
    help="Where models and results are kept.",
)
@workers_option
@refusing
def reproduce_run(
    name: str, preset: str, data: Optional[Path], models: Optional[int], home: Path, workers: Optional[int]
) -> None:
    """Run an experiment; what the store holds already is not done again.

    \b
    Example:  drmguard reproduce run first_light --preset cpu
    """
    from runs import parallel, store
    from runs.experiments import first_light
    from runs.presets import PRESETS

    table = first_light.run(
        PRESETS[preset],
        home,
        data=data,
        models=models or (2 if preset == "smoke" else 5),
        workers=workers or parallel.cores(),
        say=click.echo,
    )
    store.write_json(home / f"{name}-{preset}{'-' + data.name if data else ''}.json", table)
    click.echo(json.dumps(table["summary"], indent=2))
