"""The records behind MEASURED.md: whole, of committed code, and without a word about the machine's folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from runs import results

HOME = Path(__file__).resolve().parents[2] / "measured"
KEYS = sorted(path.stem for path in (HOME / "cases").glob("*.json"))


def test_there_are_records():
    assert KEYS


@pytest.mark.parametrize("key", KEYS)
def test_a_record_is_what_was_written_and_says_where_it_comes_from(key):
    record = results.read(HOME, key)
    assert record is not None and {"settings", "result", "seconds", "versions", "device", "threads"} <= record.keys()
    assert record["commit"] != "unknown" and not record["commit"].endswith("+changes")
    text = results.path_of(HOME, key).read_text()
    assert not [folder for folder in ("/home/", "/root/", "/tmp/", "/work/", "/Users/") if folder in text]
