"""Experiments: ``reproduce``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Optional

import click
from click.core import ParameterSource

from data_prep.cores import cores
from runs import experiments
from runs.cli.options import preset_option, refusing, say, strategy_option, workers_option


def store_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--store``."""
    text = "Where models and results are kept."
    kind = click.Path(path_type=Path)
    return click.option("--store", "home", default="results", show_default=True, type=kind, help=text)(command)


def which_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What names a run: experiment, preset, data and number of models."""
    for option in (
        click.argument("name", type=click.Choice(experiments.names())),
        preset_option,
        click.option("--data", type=click.Path(path_type=Path), help="Images instead of synthetic ones."),
        click.option("--models", type=click.IntRange(min=2), help="Models per kind. Default: the experiment's own."),
        store_option,
    ):
        command = option(command)
    return command


@click.group()
def reproduce() -> None:
    """Tables and figures, each a command."""


@reproduce.command("list")
def list_() -> None:
    """All experiments."""
    width = 2 + max(map(len, experiments.names()))
    for name in experiments.names():
        click.echo(f"{name:<{width}}{experiments.summary(name)}")


@reproduce.command("run")
@which_options
@workers_option
@click.option("--threads", type=click.IntRange(min=1), help="Threads per worker. Default: the cores, shared out.")
@click.option(
    "--backend", default="local", show_default=True, type=click.Choice(["local", "ray"]), help="Where the workers are."
)
@click.option("--address", help="Ray cluster to join, e.g. 'auto' or 'ray://head:10001'. Default: one on this machine.")
@click.option(
    "--checkpoint-seconds",
    default=60.0,
    show_default=True,
    type=click.FloatRange(min=0),
    help="Time between checkpoints: what a kill can cost.",
)
@strategy_option
@click.option("--dry-run", is_flag=True, help="Print every case with its settings and a guess of the time; do nothing.")
@refusing
def run(
    name: str,
    preset: str,
    data: Optional[Path],
    models: Optional[int],
    home: Path,
    workers: Optional[int],
    threads: Optional[int],
    backend: str,
    address: Optional[str],
    checkpoint_seconds: float,
    strategy: str,
    dry_run: bool,
) -> None:
    """Run an experiment: what the store holds is not done again, what was interrupted goes on.

    \b
    Example:  drmguard reproduce run first_light --preset cpu
    """
    from runs import parallel, reproducing

    options = experiments.Options(preset, data, models)
    if dry_run:
        click.echo(json.dumps(reproducing.dry(name, options, home), indent=2))
        return
    shown = reproducing.finished(name, options, home)
    if shown is None:
        crew = parallel.Crew(workers or cores(), threads, backend, address)
        shown = reproducing.run(
            name,
            options,
            home,
            crew=crew,
            checkpoint_seconds=checkpoint_seconds,
            say=lambda text: click.echo(text),
            mirrored=strategy == "mirrored",
        )
    click.echo(shown)


@reproduce.command("table")
@which_options
@click.option("--format", "form", default="md", show_default=True, type=click.Choice(["md", "csv", "tex", "json"]))
@click.option("--partial", is_flag=True, help="Of the cases that are there already; printed, not written.")
@refusing
def table(
    name: str, preset: str, data: Optional[Path], models: Optional[int], home: Path, form: str, partial: bool
) -> None:
    """Print the tables of an experiment from the results that are kept; nothing is run.

    \b
    Example:  drmguard reproduce table first_light --preset cpu --format csv
              drmguard reproduce table drmguard_table5 --preset cpu --partial
    In a clone where nothing has been run, and without --store, these are the published records in measured/.
    """
    from runs import reproducing, tables

    chosen = click.get_current_context().get_parameter_source("home") is not ParameterSource.DEFAULT
    if not chosen and not home.exists() and reproducing.PUBLISHED.is_dir():
        say(f"there is no {home} yet, so these are the published records in {reproducing.PUBLISHED}")
        home = reproducing.PUBLISHED
    options = experiments.Options(preset, data, models)
    if partial:
        made = reproducing.partial_tables(name, options, home)
    else:
        made, _ = reproducing.write_tables(name, options, home)
    click.echo("\n".join(tables.FORMATS[form](one) for one in made))


@reproduce.command("report")
@store_option
@refusing
def report(home: Path) -> None:
    """Write one HTML page with all tables that the store holds.

    \b
    Example:  drmguard reproduce report --store results
    """
    from runs.report import overview

    click.echo(f"written: {overview.write(home)}")


@reproduce.command("clean")
@store_option
@refusing
def clean(home: Path) -> None:
    """Remove checkpoints, tracebacks, curves and leftovers of interrupted writes; results and models stay.

    \b
    Example:  drmguard reproduce clean
    Not while a run is going: what it has reached would be lost. What was killed begins anew after this.
    """
    from runs import reproducing

    click.echo(f"{len(reproducing.clean(home))} files and folders removed")
