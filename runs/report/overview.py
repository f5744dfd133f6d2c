"""One offline HTML page with every table that a store holds, beside the papers' numbers."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runs import experiments, results, store, tables
from runs.report.templates import fill

_METHODS = ("drmguard_tf", "dhbe_tf")


@dataclass(frozen=True)
class Section:
    """What is shown of one run.

    Attributes:
        title: experiment and preset.
        summary: what the experiment asks.
        command: that repeats it.
        tables: headings and rows as text, with titles and notes.
        figures: title and SVG as a data address.
        facts: commit, device, versions and time, from the results themselves.
    """

    title: str
    summary: str
    command: str
    tables: list[tables.Table]
    figures: list[tuple[str, str]]
    facts: dict[str, str]


def write(home: Path) -> Path:
    """Write ``report.html`` into the store.

    Raises:
        ValueError: if the store holds no finished run.
    """
    notes = sorted((home / "runs").glob("*.json"))
    if not notes:
        raise ValueError(f"there is no finished run in {home}. First: drmguard reproduce run NAME --store {home}")
    sections = [_section(home, note) for note in notes]
    done = {section.title.split("-")[0] for section in sections}
    missing = [(name, experiments.summary(name)) for name in experiments.names() if name not in done]
    page = fill(
        "overview.html", sections=sections, missing=missing, deviations={name: _deviations(name) for name in _METHODS}
    )
    store.write_text(home / "report.html", page)
    return home / "report.html"


def _section(home: Path, note: Path) -> Section:
    kept = store.read_json(note)
    name, options = kept["name"], kept["options"]
    records = [record for record in (results.read(home, key) for key in kept["jobs"]) if record is not None]
    given = {"--data": options["data"], "--models": options["models"]}
    more = "".join(f" {flag} {value}" for flag, value in given.items() if value is not None)
    shown = [
        tables.from_json((home / "tables" / note.stem / f"{table}.json").read_text(encoding="utf-8"))
        for table in kept["tables"]
    ]
    return Section(
        note.stem,
        experiments.summary(name),
        f"drmguard reproduce run {name} --preset {options['preset']}{more}",
        shown,
        [(title, _address(home / "tables" / note.stem / f"{figure}.svg")) for figure, title in kept["figures"].items()],
        _facts(records),
    )


def _deviations(package: str) -> list[str]:
    """Headings of the differences from the paper that a package lists."""
    text = (Path(__file__).resolve().parents[2] / package / "EQUATIONS.md").read_text(encoding="utf-8")
    return re.findall(r"^### \d+\. (.+)$", text, re.MULTILINE)


def _address(path: Path) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(path.read_bytes()).decode()


def _facts(records: list[dict[str, Any]]) -> dict[str, str]:
    def each(pick: Any) -> str:
        return ", ".join(sorted({str(pick(record)) for record in records}))

    hours = sum(record["seconds"] for record in records) / 3600
    return {
        "cases": str(len(records)),
        "work": f"{hours:.1f} hours" if hours >= 0.1 else f"{3600 * hours:.0f} seconds",
        "date": each(lambda record: record["date"]),
        "commit": each(lambda record: record["commit"]),
        "device": each(lambda record: f"{record['device']} ({record['threads']} threads)"),
        "TensorFlow": each(lambda record: record["versions"]["tensorflow"]),
    }
