"""Journals on disk: the state of a running optimisation, so that a killed one goes on where it was.

A checkpoint is a folder ``step-N`` that is written whole and names the hash of its content; the one before it is
removed afterwards, so a kill at any moment leaves a good one. Curves go to TensorBoard's event files.
"""

from __future__ import annotations

import glob
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Optional

import numpy as np
import tensorflow as tf

from runs import store
from runs.spent import Clock

_SEAL = "seal.json"
SECONDS = 60.0  # between checkpoints of a command
_CURVE_EVERY = 10  # steps; reading a scalar waits for the step


def _silent(text: str) -> None:
    """Report nothing."""


class DiskJournal:
    """A :class:`data_prep.journal.Journal` for one optimisation; ``began`` is the step at which it was resumed.

    Args:
        folder: of its checkpoints; removed by :meth:`finish`.
        seconds: between checkpoints, so what a kill can cost.
        curves: folder for TensorBoard, None for none.
        say: called with a line for people when a checkpoint is resumed or refused.
        clock: of the work that it belongs to; checkpoints keep what it shows.
    """

    def __init__(
        self,
        folder: Path,
        *,
        seconds: float,
        curves: Optional[Path] = None,
        say: Callable[[str], None] = _silent,
        clock: Optional[Clock] = None,
    ) -> None:
        self.folder, self.seconds, self.say, self.clock = folder, seconds, say, clock or Clock()
        self.writer = None if curves is None else tf.summary.create_file_writer(str(curves))
        self.checkpoint: Optional[tf.train.Checkpoint] = None
        self.history: Optional[np.ndarray] = None
        self.last = time.monotonic()
        self.began = 0

    def resume(self, state: Mapping[str, Any], history: Optional[np.ndarray] = None) -> int:
        """See :meth:`data_prep.journal.Journal.resume`; a damaged checkpoint is reported, removed and passed over."""
        self.checkpoint, self.history, self.last = tf.train.Checkpoint(**state), history, time.monotonic()
        for step, kept in self._kept():
            seal = self._seal(kept)
            if seal is not None:
                self.checkpoint.read(str(kept / "content" / "state"))
                if history is not None:
                    history[:step] = np.load(kept / "content" / "history.npy")
                self.clock.resume(seal.get("seconds", 0.0))
                self.say(f"going on at step {step}")
                self.began = step
                return step
            self.say(f"{kept} is damaged and was removed")
            shutil.rmtree(kept)
        return 0

    def note(self, step: int, scalars: Mapping[str, Any]) -> None:
        """See :meth:`data_prep.journal.Journal.note`; writes a checkpoint when it is time."""
        if self.writer is not None and step % _CURVE_EVERY == 0:
            with self.writer.as_default(step=step):
                for name, value in scalars.items():
                    tf.summary.scalar(name, value)
        if time.monotonic() - self.last >= self.seconds:
            self._write(step)
            self.last = time.monotonic()

    def complete(self, step: int) -> None:
        """See :meth:`data_prep.journal.Journal.complete`."""
        self._write(step)

    def finish(self) -> None:
        """The result is kept elsewhere: the checkpoints may go."""
        if self.writer is not None:
            self.writer.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _write(self, step: int) -> None:
        if self.checkpoint is None:
            raise RuntimeError("resume comes before the first note: it says what there is to keep")
        checkpoint, history = self.checkpoint, self.history

        def fill(folder: Path) -> None:
            content = folder / "content"
            content.mkdir()
            checkpoint.write(str(content / "state"))
            if history is not None:
                np.save(content / "history.npy", history[:step])
            seal = {"content": store.digest_of_files(content), "seconds": self.clock.seconds()}
            store.write_json(folder / _SEAL, seal)

        new = self.folder / f"step-{step}"
        older = [kept for _, kept in self._kept() if kept != new]
        store.write_directory(new, fill)
        for kept in older:
            shutil.rmtree(kept, ignore_errors=True)

    def _kept(self) -> list[tuple[int, Path]]:
        """Checkpoints, the latest first."""
        found = [(int(path.name[5:]), path) for path in self.folder.glob("step-*") if path.name[5:].isdigit()]
        return sorted(found, reverse=True)

    @staticmethod
    def _seal(kept: Path) -> Optional[dict[str, Any]]:
        """What was written last, or None where the content is not what it says."""
        try:
            seal = store.read_json(kept / _SEAL)
            return seal if seal["content"] == store.digest_of_files(kept / "content") else None
        except (OSError, ValueError, KeyError, TypeError):
            return None


class Journals:
    """The journals of one piece of work by name, each in a folder of its own.

    Args:
        folder: of all of them; removed by :meth:`finish`.
        seconds, say: see :class:`DiskJournal`.
        curves: folder for TensorBoard, None for none.

    ``clock`` is that of the work: :func:`runs.spent.metered` begins it.
    """

    def __init__(
        self, folder: Path, *, seconds: float, curves: Optional[Path] = None, say: Callable[[str], None] = _silent
    ) -> None:
        self.folder, self.seconds, self.curves, self.say = folder, seconds, curves, say
        self.clock = Clock()
        self.opened: list[DiskJournal] = []

    def __call__(self, name: str) -> DiskJournal:
        """A journal; the same name finds the same checkpoints."""
        curves = None if self.curves is None else self.curves / name
        journal = DiskJournal(
            self.folder / name,
            seconds=self.seconds,
            curves=curves,
            say=lambda text: self.say(f"{name}: {text}"),
            clock=self.clock,
        )
        self.opened.append(journal)
        return journal

    def finish(self) -> None:
        """The result is kept elsewhere: all checkpoints may go."""
        for journal in self.opened:
            journal.finish()
        shutil.rmtree(self.folder, ignore_errors=True)


class _Beside(Journals):
    """Beside the output of a command, which holds the answer to one question in the end."""

    def finish(self) -> None:
        """Other questions to the same output have left something too: none of them can go on now."""
        super().finish()
        stem, _, _ = self.folder.name.rpartition("-")
        for left in self.folder.parent.glob(f"{glob.escape(stem)}-*"):
            shutil.rmtree(left, ignore_errors=True)


def beside(
    out: Path, question: Any, *, curves: Optional[Path] = None, say: Callable[[str], None] = _silent
) -> Journals:
    """The journals of a command, beside the folder that it will write: the same question finds them again.

    Args:
        out: that folder.
        question: all that the result depends on (:func:`runs.store.digest`).
        curves, say: see :class:`Journals`.
    """
    folder = out.parent / f".{out.name}.unfinished-{store.digest(question)}"
    return _Beside(folder, seconds=SECONDS, curves=curves, say=say)
