"""Speed: ``bench``."""

from __future__ import annotations

import json

import click

from runs.cli.options import refusing, seed_option


@click.group()
def bench() -> None:
    """Speed, as a ratio against a named alternative in the same run."""


@bench.command("search")
@click.option("--steps", default=50, show_default=True, type=click.IntRange(min=5), help="Timed steps.")
@seed_option
@refusing
def bench_search(steps: int, seed: int) -> None:
    """The compiled search against the same search written naively in eager TensorFlow.

    \b
    Example:  drmguard bench search
    """
    from runs import bench as benches

    click.echo(json.dumps(benches.search(steps=steps, seed=seed), indent=2))
