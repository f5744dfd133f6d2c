"""Speed: ``bench``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Optional

import click

from runs.cli.options import preset_option, refusing, seed_option


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


@bench.command("attacks")
@click.option("--steps", default=40, show_default=True, type=click.IntRange(min=5), help="Timed steps of each.")
@preset_option
@seed_option
@refusing
def bench_attacks(steps: int, preset: str, seed: int) -> None:
    """A training step under every attack against a benign one.

    \b
    Example:  drmguard bench attacks
    """
    from runs import bench as benches

    click.echo(json.dumps(benches.attacks(preset=preset, steps=steps, seed=seed), indent=2))


@bench.command("prepare")
@click.option("--frames", default=2000, show_default=True, type=click.IntRange(min=10), help="Frames to prepare.")
@click.option(
    "--frame",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A frame of 1280 x 720 to copy. Default: a drawn one.",
)
@refusing
def bench_prepare(frames: int, frame: Optional[Path]) -> None:
    """MPIIFaceGaze-like frames: two processes against one, and one against a plain OpenCV loop.

    \b
    Example:  drmguard bench prepare
    """
    from runs import bench_prepare as benches

    click.echo(json.dumps(benches.run(frames=frames, frame=frame, bar=benches.silent), indent=2))


@bench.command("parallel")
@seed_option
@refusing
def bench_parallel(seed: int) -> None:
    """Two workers against one, both single-threaded, on the smoke cases of first_light.

    \b
    Example:  drmguard bench parallel
    """
    from runs import bench as benches

    click.echo(json.dumps(benches.workers(seed=seed), indent=2))


@bench.command("dhbe")
@click.option(
    "--architecture",
    type=click.Choice(["resnet18", "narrow-resnet18"]),
    default="resnet18",
    show_default=True,
    help="Of the classifier.",
)
@click.option("--batch", default=64, show_default=True, type=click.IntRange(min=2), help="Samples a step.")
@click.option("--rounds", default=3, show_default=True, type=click.IntRange(min=1), help="Timed iterations of each.")
@seed_option
@refusing
def bench_dhbe(architecture: str, batch: int, rounds: int, seed: int) -> None:
    """An iteration of DHBE against the same iteration in PyTorch (extra [bench]), taking turns.

    \b
    Example:  drmguard bench dhbe
    """
    from runs import bench_dhbe as benches

    click.echo(json.dumps(benches.run(architecture=architecture, batch=batch, rounds=rounds, seed=seed), indent=2))
