"""The whole story of an experiment: which jobs are missing, who does them, and what came of it."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from data_prep.journal import Journal
from runs import jobs, parallel, provenance, results, store
from runs.checkpoints import Journals
from runs.jobs import Job
from runs.spent import Clock

KEPT, DONE, FAILED, WAITING = "kept", "done", "failed", "waiting"


@dataclass(frozen=True)
class Outcome:
    """What became of a job.

    Attributes:
        job: the job.
        state: KEPT (was there already), DONE, FAILED, or WAITING where something that it needs has failed.
        seconds: that it took now.
        reason: why it failed.
        remarks: what it said on the way.
    """

    job: Job
    state: str
    seconds: float = 0.0
    reason: str = ""
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Setting:
    """How jobs are done; nothing here changes what comes out.

    Attributes:
        home: root of the store.
        checkpoint_seconds: what a kill can cost.
        curves: whether TensorBoard files are written.
        mirrored: whether all devices of a machine share each training.
    """

    home: Path
    checkpoint_seconds: float = 60.0
    curves: bool = True
    mirrored: bool = False


class Bench:
    """The :class:`runs.jobs.Desk` of one job."""

    def __init__(self, setting: Setting, job: Job) -> None:
        self.setting, self.home, self.key = setting, setting.home, jobs.key(job)
        self.strategy = parallel.strategy("mirrored" if setting.mirrored else "one")
        self.remarks: list[str] = []
        self.journals = Journals(
            setting.home / "checkpoints" / self.key,
            seconds=setting.checkpoint_seconds,
            curves=self.home / "tensorboard" / self.key if setting.curves else None,
            say=self.say,
        )

    @property
    def clock(self) -> Clock:
        """See :class:`runs.jobs.Desk`."""
        return self.journals.clock

    def result(self, job: Job) -> dict[str, Any]:
        """See :class:`runs.jobs.Desk`."""
        return ensure(self.setting, job, self.say)[0]["result"]

    def again(self, job: Job) -> dict[str, Any]:
        """See :class:`runs.jobs.Desk`."""
        results.path_of(self.home, jobs.key(job)).unlink(missing_ok=True)
        return self.result(job)

    def journal(self, name: str) -> Journal:
        """See :class:`runs.jobs.Desk`."""
        return self.journals(name)

    def say(self, text: str) -> None:
        """See :class:`runs.jobs.Desk`."""
        self.remarks.append(text)

    def clear(self) -> None:
        """The result is kept: nothing has to go on."""
        self.journals.finish()


def ensure(setting: Setting, job: Job, say: Callable[[str], None]) -> tuple[dict[str, Any], bool]:
    """The record of a job, and whether it had to be done for it. Only one process at a time does a job."""
    key = jobs.key(job)
    with results.locked(setting.home, key):
        try:
            kept = results.read(setting.home, key)
        except results.Damaged as error:
            say(f"{error}; it is done again")
            kept = None
        if kept is not None:
            return kept, False
        desk, started = Bench(setting, job), time.perf_counter()
        found = job.do(desk)
        for remark in desk.remarks:
            say(remark)
        record = {
            "name": job.name,
            "settings": jobs.settings(job),
            "result": found,
            "seconds": round(time.perf_counter() - started, 1),
            **provenance.here(),
        }
        results.write(setting.home, key, record)
        desk.clear()
        return store.plain(record), True


def attempt(work: tuple[Setting, Job]) -> Outcome:
    """Do one job; a failure is an outcome, and its traceback is kept under ``failed``."""
    setting, job = work
    remarks: list[str] = []
    started = time.perf_counter()
    try:
        _, fresh = ensure(setting, job, remarks.append)
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        try:
            store.write_text(setting.home / "failed" / f"{jobs.key(job)}.txt", traceback.format_exc())
        except OSError:
            pass  # a full disk has no room for the traceback either; the reason says so
        return Outcome(job, FAILED, time.perf_counter() - started, reason, tuple(remarks))
    return Outcome(job, DONE if fresh else KEPT, time.perf_counter() - started, remarks=tuple(remarks))


def run(
    wanted: Sequence[Job],
    setting: Setting,
    *,
    crew: parallel.Crew,
    told: Callable[[Outcome], None] = lambda outcome: None,
    begun: Callable[[Job], None] = lambda job: None,
) -> dict[Job, Outcome]:
    """Do what is missing.

    Of the jobs that nothing is in the way of, the one that comes first among those asked for is begun first: a run that
    is stopped early leaves what comes first, not the beginnings of everything.

    Args:
        wanted: jobs; all that they need is done first.
        setting: store and checkpoints.
        crew: who works.
        told: called with every outcome when it is known.
        begun: called with every job when a worker gets it.

    Returns:
        The outcome of every job, those that were needed included.
    """
    outcomes: dict[Job, Outcome] = {}
    ordered = jobs.in_order(list(wanted))
    place = {job: number for number, job in enumerate(ordered)}
    lacking = {job: set(job.needs) for job in ordered}
    needed_by: dict[Job, list[Job]] = {}
    for job, needs in lacking.items():
        for need in needs:
            needed_by.setdefault(need, []).append(job)

    def freed_by(outcome: Outcome) -> list[tuple[Setting, Job]]:
        """Note an outcome. Returns what nothing is in the way of any more; what never can begin is noted too."""
        outcomes[outcome.job] = outcome
        told(outcome)
        ready: list[tuple[Setting, Job]] = []
        for job in needed_by.get(outcome.job, []):
            lacking[job].discard(outcome.job)
            if outcome.state in (FAILED, WAITING):
                if job not in outcomes:
                    freed_by(Outcome(job, WAITING, reason=f"needs '{outcome.job.name}', which failed"))
            elif not lacking[job] and job not in outcomes:
                ready.append((setting, job))
        return ready

    free = [(setting, job) for job in ordered if not job.needs]
    answers = crew.spread(attempt, free, freed_by, rank=lambda work: place[work[1]], begun=lambda work: begun(work[1]))
    for _ in answers:
        pass  # noted as they came
    return outcomes


def record_of(home: Path, job: Job) -> Optional[dict[str, Any]]:
    """The kept record of a job, None where there is none.

    Raises:
        results.Damaged: if it is not what was written.
    """
    return results.read(home, jobs.key(job))


def result_of(record: dict[str, Any]) -> dict[str, Any]:
    """What tables see of a kept record: the result, and the ``device`` that it was made on."""
    return {**record["result"], "device": record["device"]}


def reached(home: Path, job: Job) -> Optional[int]:
    """The last step among a job's checkpoints, None where there are none."""
    try:
        kept = list((home / "checkpoints" / jobs.key(job)).glob("*/step-*"))
    except FileNotFoundError:  # a job that ends removes them, also while they are looked for
        return None
    return max((int(path.name[5:]) for path in kept if path.name[5:].isdigit()), default=None)
