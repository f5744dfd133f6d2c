"""The EQUATIONS.md of DHBE tells the truth: what it names exists."""

from __future__ import annotations

import re

import pytest
from test_equations import PARTS, ROOT, _find, _quoted, _tests_in

DOCUMENT = (ROOT / "dhbe_tf" / "EQUATIONS.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in line.split(" | ")]
    for line in DOCUMENT.splitlines()
    if re.match(r"\| (Eq|Sec|App|GDM,)", line)
]


def test_every_equation_of_the_paper_has_a_row():
    numbers = {int(number) for row in ROWS for number in re.findall(r"\d+", row[0].split(",")[0]) if "Eq" in row[0]}
    assert numbers == set(range(1, 10))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_row_has_four_cells_with_functions_and_tests_that_exist(row):
    assert len(row) == 4 and _quoted(row[2]) and _quoted(row[3])
    for name in _quoted(row[2]):
        assert _find(name) is not None
    for name in _quoted(row[3]):
        file, _, function = name.partition("::")
        assert function in _tests_in(file)


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`((?:data_prep|dhbe_tf|runs)\.[\w.]+)`", DOCUMENT))))
def test_names_in_the_text_exist(name):
    assert _find(name) is not None


def test_differences_are_numbered_and_have_all_parts():
    parts = re.split(r"^### (\d+)\. ", DOCUMENT, flags=re.MULTILINE)[1:]
    assert [int(number) for number in parts[::2]] == list(range(1, len(parts) // 2 + 1)) and len(parts) >= 20
    assert all(f"**{word}**" in text for text in parts[1::2] for word in PARTS)
