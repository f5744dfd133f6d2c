"""What all commands share: errors, progress bars, options."""

from __future__ import annotations

import functools
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click


class Refused(click.ClickException):
    """A mistake that the user can mend; one paragraph and exit code 2."""

    exit_code = 2


def refusing(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give every way to fail an exit code that no verdict has.

    The project's own errors become one paragraph and 2; programming errors keep their traceback and become 2 as well;
    an interrupted command ends with 130, as shells expect.
    """

    @functools.wraps(command)
    def guarded(*arguments: Any, **options: Any) -> Any:
        try:
            return command(*arguments, **options)
        except click.ClickException:
            raise
        except (ValueError, OSError, RuntimeError) as error:
            raise Refused(str(error)) from error
        except KeyboardInterrupt:
            click.echo("interrupted; nothing half-written is left", err=True)
            sys.exit(130)
        except Exception:
            traceback.print_exc()
            sys.exit(2)

    return guarded


@contextmanager
def bar(label: str, length: int) -> Iterator[Callable[[int], None]]:
    """A progress bar as a callback that takes the number of things done."""
    with click.progressbar(length=length, label=f"{label:<28}", file=sys.stderr) as shown:

        def advance(done: int) -> None:
            shown.update(done - shown.pos)

        yield advance


def say(text: str) -> None:
    """A line for people, beside what the command prints as its answer."""
    click.echo(text, err=True)


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


def images_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--images``."""
    choice = click.Choice(["photographs", "digits"])
    text = "What a classifier looks at; digits and other drawings have their own settings. Default: photographs."
    return click.option("--images", type=choice, help=text)(command)


def workers_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--workers``."""
    text = "Processes to spread over. Default: one per core."
    return click.option("--workers", type=click.IntRange(min=1), help=text)(command)


def strategy_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--strategy``."""
    text = "one: the first GPU or the CPU; mirrored: all GPUs of this machine share each batch of a training."
    choice = click.Choice(["one", "mirrored"])
    return click.option("--strategy", default="one", show_default=True, type=choice, help=text)(command)


def new_folder(context: click.Context, parameter: click.Parameter, value: Path) -> Path:
    """Refuse a folder that holds something: what is on disk is never replaced."""
    if value.exists() and (not value.is_dir() or any(value.iterdir())):
        raise click.BadParameter(f"{value} exists and is not empty. Name another folder, or remove that one first.")
    return value


def new_out_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--out``, required and new."""
    text = "Folder for the results; must not exist, or be empty."
    kind = click.Path(path_type=Path)
    return click.option("--out", required=True, type=kind, callback=new_folder, help=text)(command)


def out_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--out``, required."""
    return click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder for the results.")(
        command
    )
