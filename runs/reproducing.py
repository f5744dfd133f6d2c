"""What ``drmguard reproduce`` does: plan, run what is missing, and keep the tables."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

from runs import results, store, tables
from runs.experiments import Experiment, Options, experiment

if TYPE_CHECKING:  # drawing is loaded by the experiments that draw
    from runs.figures import Figure
    from runs.jobs import Job

Say = Callable[[str], None]

PUBLISHED = Path("measured")  # in a clone of the repository: the records of what we ran


class Incomplete(RuntimeError):
    """Some jobs failed; what could be done is kept."""


def title_of(name: str, options: Options) -> str:
    """What a run is called on disk: experiment, preset, and what else was asked for."""
    data = [] if options.data is None else [options.data.name]
    models = [] if options.models is None else [f"{options.models}-models"]
    return results.file_name("-".join([name, options.preset, *data, *models]))


def finished(name: str, options: Options, home: Path) -> Optional[str]:
    """The tables of a run that is complete already, None if anything is missing or may have changed.

    Neither TensorFlow nor the experiment is loaded: a run leaves a note of its results' hashes and of the hash of the
    program, and both must still hold.
    """
    note = home / "runs" / f"{title_of(name, options)}.json"
    try:
        kept = store.read_json(note)
        if kept["program"] != _program() or kept["options"] != store.plain(options):
            return None
        if any(results.read(home, key) is None for key in kept["jobs"]):
            return None
        shown = [(home / "tables" / title_of(name, options) / f"{table}.md").read_text() for table in kept["tables"]]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    shown.append(spent(home, kept["jobs"]))
    return f"nothing to do: all {len(kept['jobs'])} cases are in {home}\n\n" + "\n".join(shown)


def run(
    name: str,
    options: Options,
    home: Path,
    *,
    crew: Any,
    checkpoint_seconds: float,
    say: Say,
    mirrored: bool = False,
) -> str:
    """Do what is missing and write the tables.

    Returns:
        The tables as Markdown, and the time that the jobs took.

    Raises:
        Incomplete: if a job failed; the message names the reasons and how to repeat them.
    """
    from runs import board, jobs, pipeline
    from runs.presets import PRESETS

    results.check_usable(home)
    crew.check()
    planned = experiment(name).plan(PRESETS[options.preset], options)
    ordered = jobs.in_order(planned)
    setting = pipeline.Setting(home, checkpoint_seconds, mirrored=mirrored)
    with board.shown(ordered, crew.workers, say, lambda job: pipeline.reached(home, job)) as shown:
        outcomes = pipeline.run(planned, setting, crew=crew, told=shown.told, begun=shown.begun)
    failed = [outcome for outcome in outcomes.values() if outcome.state == pipeline.FAILED]
    if failed:
        reasons = "\n".join(f"  {outcome.job.name}: {outcome.reason}" for outcome in failed)
        raise Incomplete(
            f"{len(failed)} of {len(outcomes)} cases failed, the others are kept:\n{reasons}\n"
            f"Their tracebacks are in {home / 'failed'}. The same command again repeats them and nothing else."
        )
    written, drawn = write_tables(name, options, home)
    keys = [jobs.key(job) for job in outcomes]
    note = {
        "name": name,
        "program": _program(),
        "options": options,
        "jobs": keys,
        "tables": [table.name for table in written],
        "figures": {figure.name: figure.title for figure in drawn},
    }
    store.write_json(home / "runs" / f"{title_of(name, options)}.json", note)
    return "\n".join([*(tables.markdown(table) for table in written), spent(home, keys)])


def spent(home: Path, keys: list[str]) -> str:
    """Seconds by kind of job. Apart from the tables, which are the same whenever they are made."""
    seconds: dict[str, list[float]] = {}
    for key in keys:
        record = results.read(home, key)
        if record is not None:
            seconds.setdefault(record["settings"]["kind"], []).append(record["seconds"])
    lines = [
        f"  {kind:<10} {len(each):3d} jobs, mean {sum(each) / len(each):.0f}, largest {max(each):.0f}"
        for kind, each in seconds.items()
    ]
    return "\n".join(["Seconds per job (with several workers they share the cores):", *lines])


def write_tables(name: str, options: Options, home: Path) -> tuple[list[tables.Table], list[Figure]]:
    """Make the tables and figures of an experiment from kept results and write them in every form.

    Raises:
        ValueError: if a result is missing.
    """
    one, planned, found = _kept(name, options, home)
    missing = [job.name for job in planned if job not in found]
    if missing:
        raise ValueError(
            f"{len(missing)} of {len(planned)} cases are not in {home}, '{missing[0]}' for one. "
            f"{_published(planned, home)}{_how_to_run(name, options)}; "
            "or, for the tables of those that are there: --partial"
        )
    made, drawn = one.tables(found, options), one.figures(found, options)

    def fill(folder: Path) -> None:
        for table in made:
            for ending, form in tables.FORMATS.items():
                (folder / f"{table.name}.{ending}").write_text(form(table), encoding="utf-8")
        for figure in drawn:
            (folder / f"{figure.name}.png").write_bytes(figure.png())
            (folder / f"{figure.name}.svg").write_bytes(figure.svg())

    store.write_directory(home / "tables" / title_of(name, options), fill)
    return made, drawn


def partial_tables(name: str, options: Options, home: Path) -> list[tables.Table]:
    """The tables of the cases that are there already, each with a note of how many; nothing is written.

    Raises:
        ValueError: if there are none, or too few for these tables.
    """
    one, planned, found = _kept(name, options, home)
    if len(found) == len(planned):
        return one.tables(found, options)
    share = f"{len(found)} of {len(planned)} cases"
    if not found:
        raise ValueError(
            f"none of {len(planned)} cases is in {home}. {_published(planned, home)}{_how_to_run(name, options)}"
        )
    try:
        made = one.tables(found, options)
    except (LookupError, ValueError) as error:  # what a table is about may be missing altogether
        raise ValueError(f"{share} are too few for these tables ({type(error).__name__}: {error})") from error
    note = f"Not the whole table: {share}. A dash is what they do not tell; n is how many models a figure is of."
    return [replace(table, notes=(note, *table.notes)) for table in made]


def _kept(name: str, options: Options, home: Path) -> tuple[Experiment, list[Job], dict[Job, dict[str, Any]]]:
    """An experiment, its jobs, and the results of those that a store holds."""
    from runs import pipeline
    from runs.presets import PRESETS

    one = experiment(name)
    planned = one.plan(PRESETS[options.preset], options)
    records = {job: pipeline.record_of(home, job) for job in planned}
    return one, planned, {job: pipeline.result_of(record) for job, record in records.items() if record is not None}


def _published(planned: list[Job], home: Path) -> str:
    """That the published records have some of these cases, and how to see them; empty where they have none."""
    from runs import jobs

    there = sum(results.path_of(PUBLISHED, jobs.key(job)).is_file() for job in planned)
    if not there or home.resolve() == PUBLISHED.resolve():
        return ""
    return f"The published records have {there} of them: --store {PUBLISHED}. "


def _how_to_run(name: str, options: Options) -> str:
    data = "" if options.data is None else f" --data {options.data}"
    models = "" if options.models is None else f" --models {options.models}"
    return f"First: drmguard reproduce run {name} --preset {options.preset}{data}{models}"


def dry(name: str, options: Options, home: Path) -> list[dict[str, Any]]:
    """Every job with its settings, whether it is there, and the mean seconds of those of its kind in the store."""
    from runs import jobs, pipeline
    from runs.presets import PRESETS

    spent: dict[str, list[float]] = {}
    for path in sorted((home / "cases").glob("*.json")):
        kept = store.read_json(path)
        spent.setdefault(kept["settings"]["kind"], []).append(kept["seconds"])
    planned = jobs.in_order(experiment(name).plan(PRESETS[options.preset], options))
    shown = []
    for job in planned:
        settings = jobs.settings(job)
        times = spent.get(settings["kind"], [])
        guess = round(sum(times) / len(times), 1) if times else None
        there = pipeline.record_of(home, job) is not None
        shown.append({"name": job.name, "there": there, "estimated_seconds": guess, "settings": settings})
    return shown


def clean(home: Path) -> list[Path]:
    """Remove what no result needs: checkpoints, tracebacks, curves, leftovers of interrupted writes.

    Not while a run is going: it would lose what it is writing.
    """
    gone = [home / name for name in ("checkpoints", "failed", "tensorboard") if (home / name).exists()]
    gone += [path for path in home.rglob(".*.*") if path.is_dir() or path.is_file()]
    for path in gone:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    return gone


def _program() -> str:
    """Hash of all source files: whatever changes there may change a result."""
    root, total = Path(__file__).resolve().parents[1], hashlib.sha256()
    for package in ("data_prep", "drmguard_tf", "dhbe_tf", "runs"):
        for path in sorted((root / package).rglob("*.py")):
            total.update(path.read_bytes())
    return total.hexdigest()
