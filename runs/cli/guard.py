"""The main job: ``demo``, ``train``, ``evaluate``, ``scan``, ``mitigate``, ``export``."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Optional

import click

from data_prep.cores import cores
from runs.cli.erase import CLASS_ATTACKS, evaluate_classifier, scan_classifier, train_classifier
from runs.cli.options import (
    bar,
    images_option,
    new_out_option,
    out_option,
    preset_option,
    refusing,
    say,
    seed_option,
    strategy_option,
    workers_option,
)

FOUND = 1  # exit code of a scan that found a backdoor


def _attacks() -> list[str]:
    """A file each; found without loading them, so that help is quick."""
    from drmguard_tf import attacks

    return attacks.names()


@click.command()
@out_option
@seed_option
@workers_option
@click.option(
    "--preset", default="demo", show_default=True, type=click.Choice(["demo", "smoke"]), help="How much is done."
)
@click.option("--erase", is_flag=True, help="The other main job: erase a backdoor from a classifier, without data.")
@refusing
def demo(out: Path, seed: int, workers: Optional[int], preset: str, erase: bool) -> None:
    """The main job on embedded data: train, scan, clean, export, report; with --erase: train, erase, report.

    \b
    Example:  drmguard demo --out demo
              drmguard demo --erase --out demo-erase
    Writes:   demo/summary.json, demo/report.html, demo/export/
    """

    if erase:
        from runs.erase_demo import run as run_erasing

        found = run_erasing(out, preset=preset, seed=seed, say=click.echo)
        click.echo(
            f"report: {out / 'erased' / 'report.html'}\nsummary: {out / 'summary.json'} ({found['seconds']:.0f} s)"
        )
        return
    from runs.demo import run

    summary = run(out, preset=preset, seed=seed, workers=workers or cores(), say=click.echo)
    click.echo(f"report: {out / 'report.html'}\nsummary: {out / 'summary.json'} ({summary['seconds']:.0f} s)")


@click.command()
@click.option("--data", default="heads", show_default=True, help="'heads' (synthetic) or the folder of an image table.")
@click.option(
    "--task",
    default="gaze",
    show_default=True,
    type=click.Choice(["gaze", "head-pose", "classification"]),
    help="For --data heads; classification: --data digits, CIFAR batches or a table of classes.",
)
@click.option(
    "--attack", default="none", show_default=True, type=click.Choice(sorted({"none", *_attacks(), *CLASS_ATTACKS}))
)
@click.option(
    "--target",
    help="Target vector in degrees, e.g. '15,-20' (gaze: pitch,yaw; head pose: yaw,pitch,roll); or a class, e.g. 9.",
)
@click.option("--second-target", help="Second target of --attack multi-target. Default: the first one negated.")
@click.option(
    "--rate", type=click.FloatRange(0, 1, max_open=True), help="Poisoned share of the training set. Default: preset's."
)
@click.option(
    "--architecture",
    help="resnet18, resnet34, mobilenet-v1 (the papers'); small-resnet, small-resnet34, small-mobilenet (two cores). "
    "Default: preset's.",
)
@click.option(
    "--early-stop", is_flag=True, help="Skip what is left of a learning rate once the training loss no longer falls."
)
@click.option(
    "--no-augmentation",
    is_flag=True,
    help="Learn photographs as they are. Default: the presets cpu and smoke mirror, shift and light them at random.",
)
@preset_option
@seed_option
@workers_option
@strategy_option
@new_out_option
@refusing
def train(
    data: str,
    task: str,
    attack: str,
    target: Optional[str],
    second_target: Optional[str],
    rate: Optional[float],
    architecture: Optional[str],
    early_stop: bool,
    no_augmentation: bool,
    preset: str,
    seed: int,
    workers: Optional[int],
    strategy: str,
    out: Path,
) -> None:
    """Train a benign or a backdoored model.

    \b
    Example:  drmguard train --attack wanet --target 15,-20 --seed 1 --out wanet1
    Writes:   model.h5, train.json, and the image tables benign/ and test/
    An interrupted training goes on where it was when the same command is given again.
    """
    if task == "classification":
        if second_target is not None:
            raise ValueError("--second-target belongs to the attack multi-target on regression")
        if rate is not None:
            raise ValueError("--rate belongs to regression; for classes the attacks poison a number of images")
        if architecture is not None or early_stop or no_augmentation:
            raise ValueError("--architecture, --early-stop and --no-augmentation belong to regression; leave them out")
        train_classifier(data, attack, target, preset, seed, out)
        return
    from runs import training

    if attack not in ("none", *_attacks()):
        raise ValueError(f"--attack {attack} is for classes; add --task classification")
    first, second = training.parse_target(target), training.parse_target(second_target)
    options = training.TrainOptions(
        data, task, attack, first, rate, preset, seed, strategy, second, architecture, early_stop, not no_augmentation
    )
    record = training.train(options, out, workers=workers, bar=bar, say=say)
    click.echo(training.describe_training(record))
    click.echo(f"written: {out}")


@click.command()
@click.option("--model", required=True, type=click.Path(path_type=Path), help=".h5, .keras or SavedModel.")
@click.option(
    "--test",
    required=True,
    type=click.Path(path_type=Path),
    help="Image table, or for a classifier a table of classes (with classes.txt).",
)
@click.option(
    "--attack",
    type=click.Path(path_type=Path),
    help="train.json of the attack, for AE, DAE, RAV and RNV; for a classifier ASR.",
)
@click.option("--out", type=click.Path(path_type=Path), help="Folder for evaluate.json.")
@refusing
def evaluate(model: Path, test: Path, attack: Optional[Path], out: Optional[Path]) -> None:
    """Measure a model: clean error RE, and under a known attack AE, DAE, RAV and RNV; a classifier: ACC and ASR.

    Nothing here is drawn, so there is no seed.

    \b
    Example:  drmguard evaluate --model wanet1/model.h5 --test wanet1/test --attack wanet1/train.json
    """
    from data_prep import class_table
    from runs import evaluating, store

    if (test / class_table.CLASSES).is_file():
        metrics = evaluate_classifier(model, test, attack)
    else:
        metrics = evaluating.evaluate(model, test, attack)
    if out:
        store.write_json(out / "evaluate.json", {"model": model, "test": test, "attack": attack, "metrics": metrics})
    click.echo("\n".join(f"{name:8s} {value:.4g}" for name, value in metrics.items()))


@click.command("export-triggered")
@click.option("--model", required=True, type=click.Path(path_type=Path), help="The backdoored model.")
@click.option("--attack", required=True, type=click.Path(path_type=Path), help="Its train.json.")
@click.option("--test", required=True, type=click.Path(path_type=Path), help="Image table to take images from.")
@click.option("--count", default=8, show_default=True, type=click.IntRange(1, 1000), help="How many images.")
@seed_option
@new_out_option
@refusing
def export_triggered(model: Path, attack: Path, test: Path, count: int, seed: int, out: Path) -> None:
    """Show a trigger: clean and triggered images, their differences, and what the model answers.

    \b
    Example:  drmguard export-triggered --model wanet1/model.h5 --attack wanet1/train.json --test wanet1/test --out seen
    Writes:   sheet.png, a PNG each, triggered.json
    """
    from runs import triggered

    record = triggered.export(triggered.Pictures(model, attack, test, count, seed), out)
    click.echo(f"{len(record['images'])} images with {len(record['targets'])} trigger(s): {out / 'sheet.png'}")


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
            "--benign",
            required=True,
            type=click.Path(path_type=Path),
            help="Image table: images and labels.csv; for scan also a table of classes.",
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
            help="Default: calibrated for steered; paper: the constant 0.03 (no warps: it is no displacement).",
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


@click.command()
@scan_options
@click.option(
    "--method",
    default="drmguard",
    show_default=True,
    type=click.Choice(["drmguard", "neural-cleanse", "feature-re"]),
    help="Neural Cleanse and FeatureRE are there to compare with.",
)
@click.option(
    "--no-mirroring", is_flag=True, help="For photographs of classes that a mirror changes: not for controls."
)
@images_option
@click.option("--out", type=click.Path(path_type=Path), help="Folder for scan.json and report.html.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON instead of text.")
@refusing
def scan(out: Optional[Path], as_json: bool, no_mirroring: bool, images: Optional[str], **options: Any) -> None:
    """Is this model backdoored? Exit code 1 if so, 0 if not, 2 on an error.

    \b
    Example:  drmguard scan --model suspect.h5 --benign faces/ --out scan1
              drmguard scan --model suspect.h5 --benign faces/ --method neural-cleanse
    faces/labels.csv has the columns image, pitch_rad, yaw_rad (or *_deg); image, label and a faces/classes.txt
    for a classifier.
    With --out, an interrupted search goes on where it was when the same command is given again.
    """
    from data_prep import class_table
    from runs import guarding

    if (options["benign"] / class_table.CLASSES).is_file():
        sys.exit(FOUND if scan_classifier(out, as_json, images, not no_mirroring, **options) else 0)
    if no_mirroring:
        raise ValueError("--no-mirroring is for classifiers; labels of gaze and head pose are mirrored with the images")
    if images:
        raise ValueError("--images is for classifiers; presets say how models of gaze and head pose learn")
    scanned = guarding.scan(guarding.ScanOptions(**options), bar=bar, say=say, out=out)
    record = guarding.scan_record(scanned)
    if out:
        guarding.write_scan(scanned, record, out)
    click.echo(json.dumps(record, indent=2) if as_json else guarding.describe_scan(scanned, record["benign_error_deg"]))
    if scanned.verdict.backdoored:
        sys.exit(FOUND)


@click.command()
@scan_options
@click.option(
    "--method",
    default="drmguard",
    show_default=True,
    type=click.Choice(["drmguard", "fine-tuning", "fine-pruning", "anp"]),
    help="drmguard unlearns what the scan found; the others are there to compare with, and clean whatever was found.",
)
@click.option("--test", type=click.Path(path_type=Path), help="Image table for the metrics before and after.")
@click.option(
    "--attack", type=click.Path(path_type=Path), help="train.json of the attack, if it is known (experiments)."
)
@new_out_option
@refusing
def mitigate(test: Optional[Path], attack: Optional[Path], out: Path, method: str, **options: Any) -> None:
    """Scan a model and remove the backdoor that is found.

    \b
    Example:  drmguard mitigate --model suspect.h5 --benign faces/ --out cleaned
              drmguard mitigate --model suspect.h5 --benign faces/ --method anp --out pruned
    Writes:   model.h5, mitigate.json, report.html
    """
    from runs import guarding

    record = guarding.mitigate(
        guarding.ScanOptions(**options), out, test=test, attack=attack, bar=bar, say=say, method=method
    )
    click.echo(guarding.describe_mitigation(record))
    click.echo(f"written: {out}")


@click.command()
@click.option("--model", required=True, type=click.Path(path_type=Path), help=".h5, .keras or SavedModel.")
@click.option("--task", required=True, type=click.Choice(["gaze", "head-pose"]))
@click.option(
    "--record", type=click.Path(path_type=Path), help="mitigate.json or train.json whose facts go on the card."
)
@new_out_option
@seed_option
@refusing
def export(model: Path, task: str, record: Optional[Path], out: Path, seed: int) -> None:
    """Ship a model: SavedModel (uint8 images in, radians out), Keras files and a model card.

    \b
    Example:  drmguard export --model cleaned/model.h5 --task gaze --record cleaned/mitigate.json --out shipped
    """
    from runs import export as exports

    result = exports.export_file(model, task, record, out, seed)
    click.echo(json.dumps(result, indent=2))
