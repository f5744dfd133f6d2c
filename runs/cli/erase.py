"""Classifiers: ``erase``, and what ``train``, ``evaluate`` and ``demo`` do with them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Optional

import click

from runs.cli.options import bar, images_option, new_out_option, preset_option, refusing, say, seed_option
from runs.cli.rivals import RIVALS, erase_rival

CLASS_ATTACKS = ("badnets", "clean-label", "trojaning", "watermark", "sig", "steganography")

_USED_BY: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("input_range", "mean", "std", "weight", "tolerance"), ("dhbe",)),
    **dict.fromkeys(("renewed", "learning_rate", "iterations"), ("dhbe",)),
    "trigger_size": ("dhbe", "gdm"),
    **dict.fromkeys(("images", "tensorboard"), ("dhbe", *RIVALS)),
    "benign": ("gdm", *RIVALS),
    "target": ("gdm", "neural-cleanse"),
    "epochs": ("gdm",),
    **dict.fromkeys(("share", "recipe"), RIVALS),
}


def _numbers(context: click.Context, parameter: click.Parameter, value: Optional[str]) -> Optional[tuple[float, ...]]:
    if value is None:
        return None
    try:
        return tuple(float(part) for part in value.split(","))
    except ValueError:
        raise click.BadParameter(f"{value!r} is no list of numbers such as 0.49,0.48,0.45") from None


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--input-range",
    type=click.Choice(["0-1", "0-255"]),
    help="Of the pixels that the model takes. Default: as its first layers say, else 0-1.",
)
@click.option("--mean", callback=_numbers, help="Of the training images, in [0, 1], e.g. 0.49,0.48,0.45. With --std.")
@click.option("--std", callback=_numbers, help="Their standard deviation. Both by default: what the model itself says.")
@click.option("--method", default="dhbe", show_default=True, type=click.Choice(["dhbe", "gdm", *RIVALS]))
@click.option("--benign", help="For all but dhbe: a table of classes with benign images of your own, or 'digits'.")
@click.option(
    "--share",
    type=click.FloatRange(0, 1, min_open=True),
    help="For all but dhbe and gdm: use a random part of the benign images, drawn with --seed. Default: all.",
)
@click.option("--class", "target", type=int, help="For gdm and neural-cleanse: the attacked one. Default: found out.")
@images_option
@click.option(
    "--recipe",
    type=click.Choice(["dhbe", "authors"]),
    help="For rivals: settings of the preset, as DHBE's authors had them (default), or of the method's own authors.",
)
@click.option("--weight", type=click.FloatRange(min=0), help="Of trigger suppression; 0: distillation alone.")
@click.option(
    "--tolerance",
    type=click.FloatRange(min=0, min_open=True),
    help="Deviation of the student from which on the weight gives way. Default: preset's.",
)
@click.option(
    "--renewed", type=click.IntRange(min=0), help="Iterations after which triggers are sought anew; 0: never."
)
@click.option("--learning-rate", type=click.FloatRange(min=0, min_open=True), help="Of the student. Default: preset's.")
@click.option("--trigger-size", type=click.IntRange(min=3), help="Side of the generated triggers, pixels.")
@click.option(
    "--epochs", type=click.IntRange(min=1), help="For gdm: of the retraining. Default: preset's; the paper: 20."
)
@click.option("--iterations", type=click.IntRange(min=1), help="In all. Default: preset's.")
@click.option("--test", help="To measure on: 'digits', CIFAR batches, a table of classes, or of angles.")
@click.option("--attack", type=click.Path(path_type=Path), help="train.json of a known attack, to measure its success.")
@click.option("--tensorboard", type=click.Path(path_type=Path), help="Folder for curves.")
@preset_option
@seed_option
@new_out_option
@refusing
def erase(
    model: Path,
    method: str,
    test: Optional[str],
    attack: Optional[Path],
    preset: str,
    seed: int,
    out: Path,
    **own: Any,
) -> None:
    """Erase a backdoor from a classifier: without any data (DHBE), or with benign images (the other methods).

    \b
    Example:  drmguard erase suspect.h5 --out clean
              drmguard erase suspect.h5 --method gdm --benign faces/ --out clean     with benign images (GDM)
              drmguard erase suspect.h5 --method nad --benign faces/ --out clean     or another rival of DHBE
    Writes:   clean/model.h5, clean/export/, clean/erase.json, clean/report.html
    An interrupted run goes on where it was when the same command is given again.
    What has been measured is in MEASURED.md; paper has not been run. Measure the result (--test).
    """
    given = _given(method, own)
    if method in RIVALS:
        erase_rival(model, method, test, attack, preset, seed, out, **given)
    elif method == "gdm":
        from runs.cli.triggers import erase_gdm

        erase_gdm(model, test, attack, preset, seed, out, **given)
    else:
        _erase_dhbe(model, test, attack, preset, seed, out, **given)


def _given(method: str, own: Mapping[str, Any]) -> dict[str, Any]:
    """The given ones of the options that not every method has.

    Raises:
        ValueError: if the method has no use for one of them.
    """
    given = {name: value for name, value in own.items() if value is not None}
    flags = {option.name: option.opts[0] for option in erase.params}
    wrong = [f"{flags[name]} (for {', '.join(_USED_BY[name])})" for name in given if method not in _USED_BY[name]]
    if wrong:
        raise ValueError(f"--method {method} has no use for {', '.join(wrong)}")
    return given


def _erase_dhbe(
    model: Path,
    test: Optional[str],
    attack: Optional[Path],
    preset: str,
    seed: int,
    out: Path,
    *,
    input_range: Optional[str] = None,
    mean: Optional[tuple[float, ...]] = None,
    std: Optional[tuple[float, ...]] = None,
    images: Optional[str] = None,
    iterations: Optional[int] = None,
    tensorboard: Optional[Path] = None,
    **settings: Any,
) -> None:
    from runs import classes, erasing

    options = replace(classes.PRESETS[preset].erased(images or classes.PHOTOGRAPHS), **settings)
    if iterations is not None:
        options = replace(options, epochs=iterations, iterations=1)
    white = {None: None, "0-1": 1.0, "0-255": 255.0}[input_range]
    question = erasing.EraseOptions(model, white, mean, std, test, attack, options, seed, tensorboard)
    record = erasing.erase(question, out, bar=bar, say=say)
    click.echo(erasing.describe(record))
    click.echo(f"written: {out}")


def train_classifier(data: str, attack: str, target: Optional[str], preset: str, seed: int, out: Path) -> None:
    """``train --task classification``."""
    from data_prep import class_table
    from runs import classes
    from runs import export as exports
    from runs import store
    from runs.checkpoints import beside

    if attack != "none" and attack not in CLASS_ATTACKS:
        raise ValueError(f"--attack {attack} is for regression; for classes there are {', '.join(CLASS_ATTACKS)}")
    if target is not None and not target.isdigit():
        raise ValueError(f"--target {target!r} must be the number of a class, such as 9")
    if attack == "none" and target is not None:
        raise ValueError("--target belongs to an attack; add --attack badnets")
    chosen = classes.PRESETS[preset]
    how = chosen.trained(data)
    kind = None if attack == "none" else chosen.attack(attack, data)
    goal, train = None if target is None else int(target), classes.read(data)[0]
    asked = (how, kind, goal, seed, store.digest_of_arrays(train.images, train.labels))
    journals = beside(out, asked, say=say)
    with bar("training", how.steps(len(train))) as progress:
        known, test, record = classes.train(how, data, kind, goal, seed, progress, journals)

    def fill(folder: Path) -> None:
        known.model.save(folder / "model.h5", save_format="h5", include_optimizer=False)
        store.write_json(folder / "train.json", {**record, "data": data, "versions": exports.versions()})
        (folder / "test").mkdir()
        class_table.write(folder / "test", test)

    store.write_directory(out, fill)
    journals.finish()
    click.echo("\n".join(f"{name:12s} {value:.4g}" for name, value in record["metrics"].items()))
    click.echo(f"written: {out}")


def scan_classifier(out: Optional[Path], as_json: bool, images: Optional[str], mirrored: bool, **options: Any) -> bool:
    """``scan`` with a table of classes. Returns whether a backdoor was found.

    Raises:
        ValueError: if an option is given that only regression models have.
    """
    from runs import class_guarding, classes

    only = {"--method": options.pop("method") != "drmguard", "--search": options.pop("search") != "steered"}
    only["--threshold"] = options.pop("threshold") == "paper"
    wrong = [name for name, given in only.items() if given]
    if wrong:
        raise ValueError(f"{', '.join(wrong)}: classifiers have the steered search with calibrated thresholds alone")
    question = class_guarding.ClassScanOptions(**options, images=images or classes.PHOTOGRAPHS, mirrored=mirrored)
    scanned = class_guarding.scan(question, bar=bar, say=say, out=out)
    record = class_guarding.record(scanned)
    if out:
        class_guarding.write(scanned, record, out)
    names = len(scanned.suspect.benign.classes)
    click.echo(json.dumps(record, indent=2) if as_json else class_guarding.describe(record, names))
    return scanned.verdict.backdoored


def evaluate_classifier(model: Path, test: Path, attack: Optional[Path]) -> dict[str, Any]:
    """``evaluate`` on a table of classes."""
    from runs import classes, measuring, safety

    loaded, data = safety.load_model(model), classes.read_test(str(test))
    return classes.measure(loaded, data, measuring.known_attack(attack, loaded, data))
