"""Tables in every form."""

from __future__ import annotations

import csv
import io

import pytest

from runs import tables
from runs.tables import Table

TABLE = Table(
    "models",
    "Models & more",
    {"name": "model", "re": "RE, %"},
    [{"name": "benign_0", "re": 3.44159}, {"name": "badnets-1", "re": None}],
    notes=["n = 2"],
)


def test_markdown_by_hand():
    assert tables.markdown(TABLE) == (
        "**Models & more**\n\n"
        "| model     | RE, % |\n"
        "|-----------|-------|\n"
        "| benign_0  | 3.44  |\n"
        "| badnets-1 | –     |\n\n"
        "* n = 2\n"
    )


def test_spreadsheets_get_numbers_in_full():
    assert list(csv.reader(io.StringIO(tables.comma_separated(TABLE)))) == [
        ["name", "re"],
        ["benign_0", "3.44159"],
        ["badnets-1", ""],
    ]


def test_latex_escapes_what_it_must():
    text = tables.latex(TABLE)
    assert r"model & RE, \% \\" in text and r"benign\_0 & 3.44 \\" in text and r"badnets-1 & -- \\" in text


def test_json_and_back():
    assert tables.from_json(tables.as_json(TABLE)).cells() == TABLE.cells()


def test_every_number_of_the_papers_names_its_source():
    for path in tables._PAPER.glob("*.csv"):
        with path.open(encoding="utf-8") as file:
            assert all(line["source"] for line in csv.DictReader(file)), path
        assert tables.paper(path.stem)


def test_unknown_numbers_of_the_papers_are_refused():
    with pytest.raises(ValueError, match="'guess'"):
        tables.paper("guess")
