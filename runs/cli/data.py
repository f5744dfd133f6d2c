"""Data sets: ``prepare``, ``data``."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Optional

import click

from runs.cli.options import new_out_option, refusing, seed_option, workers_option


@click.group()
def prepare() -> None:
    """Turn data sets, as they are published, into image tables.

    \b
    Example:  drmguard prepare mpii-face-gaze --raw MPIIFaceGaze --out faces
    Writes:   labels.csv, images/, dataset.json (settings, checksums, what was left out)

    A run that was stopped goes on when the same command is given again.
    """


@contextmanager
def rated_bar(label: str, length: int) -> Iterator[Callable[[int], None]]:
    """A progress bar with images per second and the time that is left."""
    started = time.monotonic()
    with click.progressbar(
        length=length, label=label, file=sys.stderr, show_pos=True, item_show_func=lambda rate: rate
    ) as shown:

        def advance(done: int) -> None:
            shown.update(done - shown.pos, f"{done / max(time.monotonic() - started, 1e-9):.0f}/s")

        yield advance


def raw_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What all data sets that come as files share."""
    raw = click.Path(exists=True, path_type=Path)
    return click.option("--raw", required=True, type=raw, help="Folder of the original files, or their archive.")(
        table_options(command)
    )


def table_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What all data sets share."""
    for option in (
        click.option(
            "--partial", is_flag=True, help="Accept that more than 5 % of the data set is missing or damaged."
        ),
        click.option("--strict", is_flag=True, help="Stop at a damaged or missing image instead of leaving it out."),
        workers_option,
        new_out_option,
    ):
        command = option(command)
    return command


def _size(default: str) -> Callable[..., Any]:
    text = "Height x width of the images, pixels."
    return click.option("--size", default=default, show_default=True, help=text)


def _side(default: int) -> Callable[..., Any]:
    text = "Side of the images, pixels."
    return click.option("--size", default=default, show_default=True, type=click.IntRange(min=16), help=text)


def _run(data: Any, *, raw: Path = Path(), out: Path, **options: Any) -> None:
    from runs import preparing

    record = preparing.prepare(preparing.Preparation(data, raw, out, **options), bar=rated_bar)
    click.echo(preparing.describe(record))
    click.echo(f"written: {out}; look at it: drmguard data show {out}")


@prepare.command("mpii-face-gaze")
@raw_options
@_side(224)
@click.option(
    "--pose",
    default="annotated",
    show_default=True,
    type=click.Choice(["annotated", "landmarks"]),
    help="Head pose: the authors', or estimated anew from the six landmarks.",
)
@click.option("--gazehub-scaling", is_flag=True, help="Scale the gaze as GazeHub's script does; it shrinks the angles.")
@click.option("--gazehub-mirroring", is_flag=True, help="Mirror the frames of right eyes, as GazeHub's script does.")
@refusing
def prepare_mpii_face_gaze(
    size: int, pose: str, gazehub_scaling: bool, gazehub_mirroring: bool, **options: Any
) -> None:
    """MPIIFaceGaze: original frames, the authors' normalised p00.mat, or GazeHub's release.

    \b
    Example:  drmguard prepare mpii-face-gaze --raw MPIIFaceGaze --out faces
    """
    from data_prep.mpii_face_gaze import MpiiFaceGaze

    _run(MpiiFaceGaze(size, pose, gazehub_scaling, gazehub_mirroring), **options)


@prepare.command("columbia-gaze")
@raw_options
@_size("64x128")
@click.option(
    "--crop",
    default="none",
    show_default=True,
    type=click.Choice(["none", "face"]),
    help="none: images that are cropped already (faces, eye strips); face: find it in the photograph.",
)
@refusing
def prepare_columbia_gaze(size: str, crop: str, **options: Any) -> None:
    """ColumbiaGaze: the photographs, or images that are cropped already.

    \b
    Example:  drmguard prepare columbia-gaze --raw "Columbia Gaze Data Set" --crop face --size 224x224 --out columbia
    """
    from data_prep.columbia_gaze import ColumbiaGaze
    from runs.preparing import parse_size

    _run(ColumbiaGaze(parse_size(size), crop), **options)


@prepare.command("biwi")
@raw_options
@_size("224x224")
@click.option(
    "--crop",
    default="head",
    show_default=True,
    type=click.Choice(["head", "none"]),
    help="head: a square around the annotated head; none: the whole frame.",
)
@click.option(
    "--convention",
    default="project",
    show_default=True,
    type=click.Choice(["project", "biwi", "hopenet"]),
    help="In which angles the labels are written.",
)
@refusing
def prepare_biwi(size: str, crop: str, convention: str, **options: Any) -> None:
    """Biwi Kinect Head Pose: original frames or POSEidon's cropped faces.

    \b
    Example:  drmguard prepare biwi --raw hpdb --out biwi
    """
    from data_prep.biwi import Biwi
    from runs.preparing import parse_size

    _run(Biwi(parse_size(size), crop, convention=convention), **options)


@prepare.command("pandora")
@raw_options
@_size("96x96")
@click.option(
    "--crop",
    default="head",
    show_default=True,
    type=click.Choice(["head", "none"]),
    help="head: a square around the head joint; none: the whole frame.",
)
@click.option(
    "--bad-crops",
    default="skip",
    show_default=True,
    type=click.Choice(["skip", "keep"]),
    help="Cropped release: frames in which the crop misses the face.",
)
@refusing
def prepare_pandora(size: str, crop: str, bad_crops: str, **options: Any) -> None:
    """Pandora: original frames or POSEidon's cropped faces.

    \b
    Example:  drmguard prepare pandora --raw Pandora --out pandora
    """
    from data_prep.pandora import Pandora
    from runs.preparing import parse_size

    _run(Pandora(parse_size(size), crop, bad_crops=bad_crops), **options)


@prepare.command("cifar")
@raw_options
@click.option(
    "--labels",
    default="fine",
    show_default=True,
    type=click.Choice(["fine", "coarse"]),
    help="CIFAR-100: its 100 classes or its 20 superclasses.",
)
@refusing
def prepare_cifar(labels: str, **options: Any) -> None:
    """CIFAR-10 or CIFAR-100 from the official python batches; their pickles are read, never run.

    \b
    Example:  drmguard prepare cifar --raw cifar-10-batches-py --out cifar10
    """
    from data_prep.cifar import Cifar

    _run(Cifar(labels), **options)


@prepare.command("class-folder")
@raw_options
@_side(64)
@click.option(
    "--shorter",
    type=click.IntRange(min=16),
    help="First bring the shorter side to this many pixels, then cut out the middle (VGGFace2 as DHBE: 84).",
)
@refusing
def prepare_class_folder(size: int, shorter: Optional[int], **options: Any) -> None:
    """A folder per class, with or without train/ and test/ above (mini-ImageNet, VGGFace2).

    \b
    Example:  drmguard prepare class-folder --raw mini-imagenet --size 64 --out mini
    """
    from data_prep.class_folder import ClassFolder

    _run(ClassFolder(size, shorter), **options)


@prepare.command("image-table")
@raw_options
@_size("224x224")
@refusing
def prepare_image_table(size: str, raw: Path, **options: Any) -> None:
    """Your own images with a labels.csv, brought to one size and checked.

    \b
    Example:  drmguard prepare image-table --raw photos --size 64x64 --out faces
    """
    from data_prep import image_table
    from data_prep.own_images import OwnImages
    from runs.preparing import parse_size

    _run(OwnImages(parse_size(size), image_table.task_of(raw)), raw=raw, **options)


@prepare.command("digits")
@table_options
@refusing
def prepare_digits(**options: Any) -> None:
    """scikit-learn's handwritten digits at 32 x 32; nothing is downloaded.

    \b
    Example:  drmguard prepare digits --out digits
    """
    from data_prep.embedded import EmbeddedDigits

    _run(EmbeddedDigits(), **options)


@prepare.command("heads")
@table_options
@click.option("--task", default="gaze", show_default=True, type=click.Choice(["gaze", "head-pose"]))
@click.option("--count", default=8000, show_default=True, type=click.IntRange(min=1), help="Images.")
@click.option("--subjects", default=100, show_default=True, type=click.IntRange(min=1), help="People.")
@_side(64)
@seed_option
@refusing
def prepare_heads(task: str, count: int, subjects: int, size: int, seed: int, **options: Any) -> None:
    """Synthetic heads, rendered here.

    \b
    Example:  drmguard prepare heads --task head-pose --out heads
    """
    from data_prep.contract import TASKS
    from data_prep.embedded import EmbeddedHeads
    from data_prep.heads.builder import Heads

    _run(EmbeddedHeads(Heads(TASKS[task], count, subjects, size, seed)), **options)


@click.group()
def data() -> None:
    """Look at prepared data sets and check them."""


@data.command("show")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--sheet", type=click.Path(path_type=Path), help="Contact sheet (PNG). Default: FOLDER/contact_sheet.png."
)
@click.option("--images", default=40, show_default=True, type=click.IntRange(1, 400), help="Images on the sheet.")
@refusing
def show(folder: Path, sheet: Optional[Path], images: int) -> None:
    """Statistics of the labels, duplicates, and a contact sheet with drawn gaze or head axes.

    \b
    Example:  drmguard data show faces
    """
    from runs import showing

    path = sheet or folder / "contact_sheet.png"
    click.echo(showing.describe(showing.statistics(folder)))
    showing.write_sheet(folder, path, count=images)
    click.echo(f"contact sheet: {path}")


@data.command("verify")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@refusing
def verify(folder: Path) -> None:
    """Compare every file with its checksum in dataset.json; exit code 2 if anything differs.

    \b
    Example:  drmguard data verify faces
    """
    from runs import showing

    click.echo(f"{showing.verify(folder)} files are as they were written: {folder}")
