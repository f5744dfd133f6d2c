"""What methods take, machine by machine: seconds on one say nothing beside seconds on another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Optional

from runs.tables import Table, Value

_NOTES = (
    "Rows of one machine compare methods; n is how many pieces of work they are means of.",
    "With several workers, jobs share a machine, and a GPU. The peak is that of main memory, TensorFlow and data "
    "included; a worker's grows from job to job, so peaks compare methods only where each ran in a process of its own.",
)


class Taken(NamedTuple):
    """A piece of work.

    Attributes:
        method: what was done, for people.
        device: where.
        seconds: that it took.
        peak_mib: of main memory.
    """

    method: str
    device: str
    seconds: float
    peak_mib: float


def taken(method: str, result: Mapping[str, Any], spent: Optional[Mapping[str, float]] = None) -> Taken:
    """A piece of work of a kept result (:func:`runs.pipeline.result_of`).

    Args:
        method: what was done, for people.
        result: of the job.
        spent: of the piece (:func:`runs.spent.metered`), where it is not all that the job ``spent``.
    """
    spent = result["spent"] if spent is None else spent
    return Taken(method, result["device"], spent["seconds"], spent["peak_mib"])


def table(title: str, pieces: Sequence[Taken], notes: Sequence[str] = ()) -> Table:
    """One row per machine and method, in the order in which they come.

    Args:
        title: of the table.
        pieces: of work.
        notes: above the usual ones.
    """
    rows: list[dict[str, Value]] = []
    for device in dict.fromkeys(piece.device for piece in pieces):
        here = [piece for piece in pieces if piece.device == device]
        for method in dict.fromkeys(piece.method for piece in here):
            mine = [piece for piece in here if piece.method == method]
            seconds, peak = [piece.seconds for piece in mine], max(piece.peak_mib for piece in mine)
            row: dict[str, Value] = {"device": device, "method": method, "peak": peak, "n": len(mine)}
            rows.append({**row, "seconds": sum(seconds) / len(seconds), "largest": max(seconds)})
    columns = {"device": "machine", "method": "method", "seconds": "seconds, mean", "largest": "seconds, largest"}
    return Table("takes", title, {**columns, "peak": "peak MiB", "n": "n"}, rows, notes=(*notes, *_NOTES))
