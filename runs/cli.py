"""The ``drmguard`` command: parses and calls, decides nothing.

Exit codes: 0 fine, 1 a scan found a backdoor, 2 an error; nothing is written then.
"""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Optional

import click

from runs import quiet

quiet.silence()

FOUND = 1


class Refused(click.ClickException):
    """A mistake that the user can mend; one paragraph and exit code 2."""

    exit_code = 2


def refusing(command: Callable[..., Any]) -> Callable[..., Any]:
    """Turn the project's own errors into one paragraph; programming errors keep their traceback."""

    @functools.wraps(command)
    def guarded(*arguments: Any, **options: Any) -> Any:
        try:
            return command(*arguments, **options)
        except (ValueError, OSError, RuntimeError) as error:
            raise Refused(str(error)) from error

    return guarded


@contextmanager
def bar(label: str, length: int) -> Iterator[Callable[[int], None]]:
    """A progress bar as a callback that takes the number of things done."""
    with click.progressbar(length=length, label=f"{label:<28}", file=sys.stderr) as shown:

        def advance(done: int) -> None:
            shown.update(done - shown.pos)

        yield advance


def seed_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--seed``."""
    return click.option(
        "--seed", default=0, show_default=True, type=click.IntRange(min=0), help="Seed of everything random."
    )(command)


def preset_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--preset``."""
    choice = click.Choice(["paper", "cpu", "smoke"])
    text = "paper: as printed; cpu: two cores; smoke: seconds, for tests."
    return click.option("--preset", default="cpu", show_default=True, type=choice, help=text)(command)


def workers_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--workers``."""
    text = "Processes to spread over. Default: one per core."
    return click.option("--workers", type=click.IntRange(min=1), help=text)(command)


def out_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--out``, required."""
    return click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder for the results.")(
        command
    )


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="drmguard-tf")
def main() -> None:
    """Find and remove backdoors in regression models that look at faces.

    \b
    Start here:   drmguard demo --out demo
    Your model:   drmguard scan --model model.h5 --benign faces/
    """


@main.command()
@out_option
@seed_option
@workers_option
@click.option(
    "--preset", default="demo", show_default=True, type=click.Choice(["demo", "smoke"]), help="How much is done."
)
@refusing
def demo(out: Path, seed: int, workers: Optional[int], preset: str) -> None:
    """The main job on embedded data: train, scan, clean, export, report.

    \b
    Example:  drmguard demo --out demo
    Writes:   demo/summary.json, demo/report.html, demo/export/
    """
    from runs import parallel
    from runs.demo import run

    summary = run(out, preset=preset, seed=seed, workers=workers or parallel.cores(), say=click.echo)
    click.echo(f"report: {out / 'report.html'}\nsummary: {out / 'summary.json'} ({summary['seconds']:.0f} s)")


@main.command()
@click.option("--data", default="heads", show_default=True, help="'heads' (synthetic) or the folder of an image table.")
@click.option(
    "--task", default="gaze", show_default=True, type=click.Choice(["gaze", "head-pose"]), help="For --data heads."
)
@click.option("--attack", default="none", show_default=True, type=click.Choice(["none", "badnets", "wanet"]))
@click.option("--target", help="Target vector in degrees, e.g. '15,-20' (gaze: pitch,yaw; head pose: yaw,pitch,roll).")
@click.option(
    "--rate", type=click.FloatRange(0, 1, max_open=True), help="Poisoned share of the training set. Default: preset's."
)
@preset_option
@seed_option
@workers_option
@out_option
@refusing
def train(
    data: str,
    task: str,
    attack: str,
    target: Optional[str],
    rate: Optional[float],
    preset: str,
    seed: int,
    workers: Optional[int],
    out: Path,
) -> None:
    """Train a benign or a backdoored model.

    \b
    Example:  drmguard train --attack wanet --target 15,-20 --seed 1 --out wanet1
    Writes:   model.h5, train.json, and the image tables benign/ and test/
    """
    from runs import commands

    options = commands.TrainOptions(data, task, attack, commands.parse_target(target), rate, preset, seed)
    record = commands.train(options, out, workers=workers, bar=bar)
    click.echo(commands.describe_training(record))
    click.echo(f"written: {out}")


@main.command()
@click.option("--model", required=True, type=click.Path(path_type=Path), help=".h5, .keras or SavedModel.")
@click.option("--test", required=True, type=click.Path(path_type=Path), help="Image table to measure on.")
@click.option("--attack", type=click.Path(path_type=Path), help="train.json of the attack, for AE, DAE, RAV and RNV.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder for evaluate.json.")
@seed_option
@refusing
def evaluate(model: Path, test: Path, attack: Optional[Path], out: Optional[Path], seed: int) -> None:
    """Measure a model: clean error RE, and under a known attack AE, DAE, RAV and RNV.

    \b
    Example:  drmguard evaluate --model wanet1/model.h5 --test wanet1/test --attack wanet1/train.json
    """
    from runs import commands, store

    metrics = commands.evaluate(model, test, attack)
    if out:
        store.write_json(
            out / "evaluate.json", {"model": model, "test": test, "attack": attack, "seed": seed, "metrics": metrics}
        )
    click.echo("\n".join(f"{name:8s} {value:.4g}" for name, value in metrics.items()))


def scan_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What ``scan`` and ``mitigate`` share."""
    for option in (
        click.option(
            "--model",
            required=True,
            type=click.Path(path_type=Path),
            help=".h5, .keras or SavedModel; scanned before it is opened.",
        ),
        click.option(
            "--benign", required=True, type=click.Path(path_type=Path), help="Image table: images and labels.csv."
        ),
        click.option(
            "--search",
            default="steered",
            show_default=True,
            type=click.Choice(["steered", "paper"]),
            help="steered: ours; paper: as printed.",
        ),
        click.option(
            "--threshold",
            default=None,
            type=click.Choice(["calibrated", "paper"]),
            help="Default: calibrated for steered, the constant 0.03 for paper.",
        ),
        click.option("--controls", type=click.IntRange(min=2), help="Number of benign controls. Default: preset's."),
        click.option(
            "--controls-dir", type=click.Path(path_type=Path), help="Where controls are kept. Default: inside --benign."
        ),
        preset_option,
        seed_option,
        workers_option,
    ):
        command = option(command)
    return command


@main.command()
@scan_options
@click.option("--out", type=click.Path(path_type=Path), help="Folder for scan.json and report.html.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON instead of text.")
@refusing
def scan(out: Optional[Path], as_json: bool, **options: Any) -> None:
    """Is this model backdoored? Exit code 1 if so, 0 if not, 2 on an error.

    \b
    Example:  drmguard scan --model suspect.h5 --benign faces/ --out scan1
    faces/labels.csv has the columns image, pitch_rad, yaw_rad (or *_deg).
    """
    from runs import commands

    scanned = commands.scan(commands.ScanOptions(**options), bar=bar)
    record = commands.scan_record(scanned)
    if out:
        commands.write_scan(scanned, record, out)
    click.echo(json.dumps(record, indent=2) if as_json else commands.describe_scan(scanned, record["benign_error_deg"]))
    if scanned.verdict.backdoored:
        sys.exit(FOUND)


@main.command()
@scan_options
@click.option("--test", type=click.Path(path_type=Path), help="Image table for the metrics before and after.")
@click.option(
    "--attack", type=click.Path(path_type=Path), help="train.json of the attack, if it is known (experiments)."
)
@out_option
@refusing
def mitigate(test: Optional[Path], attack: Optional[Path], out: Path, **options: Any) -> None:
    """Scan a model and remove the backdoor that is found.

    \b
    Example:  drmguard mitigate --model suspect.h5 --benign faces/ --out cleaned
    Writes:   model.h5, mitigate.json, report.html
    """
    from runs import commands

    record = commands.mitigate(commands.ScanOptions(**options), out, test=test, attack=attack, bar=bar)
    click.echo(commands.describe_mitigation(record))
    click.echo(f"written: {out}")


@main.command()
@click.option("--model", required=True, type=click.Path(path_type=Path), help=".h5, .keras or SavedModel.")
@click.option("--task", required=True, type=click.Choice(["gaze", "head-pose"]))
@click.option(
    "--record", type=click.Path(path_type=Path), help="mitigate.json or train.json whose facts go on the card."
)
@out_option
@seed_option
@refusing
def export(model: Path, task: str, record: Optional[Path], out: Path, seed: int) -> None:
    """Ship a model: SavedModel (uint8 images in, radians out), Keras files and a model card.

    \b
    Example:  drmguard export --model cleaned/model.h5 --task gaze --record cleaned/mitigate.json --out shipped
    """
    from runs import commands

    result = commands.export(model, task, record, out, seed)
    click.echo(json.dumps(result, indent=2))


@main.group()
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


@main.group()
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


@main.group()
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
