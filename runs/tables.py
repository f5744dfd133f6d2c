"""Tables: ours beside the paper's, written in the form that is asked for."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Union

Value = Union[str, float, int, None]

_PAPER = Path(__file__).parent / "paper"


@dataclass(frozen=True)
class Table:
    """A table that knows nothing of how it is shown.

    Attributes:
        name: file name without extension.
        title: in a sentence.
        columns: headings by key, in order.
        rows: values by key; numbers are shown with three significant digits, None as a dash.
        notes: below the table: n, deviations, what was not run.
    """

    name: str
    title: str
    columns: Mapping[str, str]
    rows: Sequence[Mapping[str, Value]]
    notes: Sequence[str] = ()

    def cells(self) -> list[list[str]]:
        """Headings, then rows, as text."""
        shown = [[_text(row.get(key)) for key in self.columns] for row in self.rows]
        return [list(self.columns.values()), *shown]


def markdown(table: Table) -> str:
    """For README files and terminals; columns are padded."""
    cells = table.cells()
    widths = [max(len(row[k]) for row in cells) for k in range(len(cells[0]))]
    lines = ["| " + " | ".join(text.ljust(width) for text, width in zip(row, widths)) + " |" for row in cells]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join([f"**{table.title}**", "", *lines, "", *(f"* {note}" for note in table.notes)]).rstrip() + "\n"


def comma_separated(table: Table) -> str:
    """For spreadsheets: the keys as headings, numbers in full."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table.columns)
    writer.writerows([["" if row.get(key) is None else row[key] for key in table.columns] for row in table.rows])
    return text.getvalue()


def latex(table: Table) -> str:
    """A tabular with booktabs' rules."""
    head, *body = ([_escaped(text) for text in row] for row in table.cells())
    lines = [" & ".join(row) + r" \\" for row in (head, *body)]
    lines.insert(1, r"\midrule")
    inside = "\n".join([r"\toprule", *lines, r"\bottomrule"])
    layout = "l" + "r" * (len(table.columns) - 1)
    return f"% {table.title}\n\\begin{{tabular}}{{{layout}}}\n{inside}\n\\end{{tabular}}\n"


def as_json(table: Table) -> str:
    """Everything, numbers in full."""
    plain = {"name": table.name, "title": table.title, "columns": dict(table.columns), "notes": list(table.notes)}
    return json.dumps({**plain, "rows": [dict(row) for row in table.rows]}, indent=2) + "\n"


FORMATS = {"md": markdown, "csv": comma_separated, "tex": latex, "json": as_json}


def from_json(text: str) -> Table:
    """What :func:`as_json` wrote."""
    return Table(**json.loads(text))


def paper(name: str) -> dict[tuple[str, str], float]:
    """The paper's numbers for a table, by row and column.

    Args:
        name: of a file in ``runs/paper/`` with the columns ``row, column, value, source``.

    Raises:
        ValueError: if there is no such file.
    """
    path = _PAPER / f"{name}.csv"
    if not path.is_file():
        raise ValueError(f"there are no numbers of the paper for {name!r} in {_PAPER}")
    with path.open(encoding="utf-8", newline="") as file:
        return {(line["row"], line["column"]): float(line["value"]) for line in csv.DictReader(file)}


def _text(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _escaped(text: str) -> str:
    for mark in "&%_#$":
        text = text.replace(mark, "\\" + mark)
    return text.replace("–", "--")
