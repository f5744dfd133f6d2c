"""Files written whole or not at all."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from runs import store


class Stopped(Exception):
    """What a user's interrupt or a full disk stands for."""


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_text_is_written_where_no_folder_was(tmp_path):
    store.write_text(tmp_path / "new" / "note.txt", "Größe")
    assert (tmp_path / "new" / "note.txt").read_text(encoding="utf-8") == "Größe"
    assert _names(tmp_path / "new") == ["note.txt"]


def test_text_that_cannot_be_written_leaves_the_old_one(tmp_path):
    path = tmp_path / "note.txt"
    store.write_text(path, "old")
    with pytest.raises(UnicodeEncodeError):
        store.write_text(path, "new \ud800")  # half a surrogate pair has no UTF-8
    assert path.read_text() == "old"
    assert _names(tmp_path) == ["note.txt"]


def test_json_that_cannot_be_written_leaves_the_old_one(tmp_path):
    path = tmp_path / "record.json"
    store.write_json(path, {"a": 1})
    with pytest.raises(TypeError, match="object is not a plain value"):
        store.write_json(path, {"a": object()})
    assert store.read_json(path) == {"a": 1}
    assert _names(tmp_path) == ["record.json"]


def test_a_file_whose_saving_fails_leaves_the_old_one(tmp_path):
    path = tmp_path / "model.h5"
    path.write_bytes(b"old")

    def save(temporary: Path) -> None:
        assert temporary.suffix == ".h5"  # Keras chooses the format by it
        temporary.write_bytes(b"half")
        raise Stopped

    with pytest.raises(Stopped):
        store.write_file(path, save)
    assert path.read_bytes() == b"old"
    assert _names(tmp_path) == ["model.h5"]


def test_a_directory_whose_filling_fails_leaves_the_old_one(tmp_path):
    path = tmp_path / "out"
    store.write_directory(path, lambda folder: (folder / "old.txt").write_text("old"))

    def fill(folder: Path) -> None:
        (folder / "half.txt").write_text("half")
        raise Stopped

    with pytest.raises(Stopped):
        store.write_directory(path, fill)
    assert _names(tmp_path) == ["out"]
    assert _names(path) == ["old.txt"]


def test_a_directory_that_never_was_is_not_left_behind(tmp_path):
    def fill(folder: Path) -> None:
        raise Stopped

    with pytest.raises(Stopped):
        store.write_directory(tmp_path / "out", fill)
    assert _names(tmp_path) == []


def test_a_directory_is_made_whole_and_readable(tmp_path):
    path = tmp_path / "deep" / "out"
    store.write_directory(path, lambda folder: (folder / "a.txt").write_text("a"))
    assert _names(path) == ["a.txt"]
    assert path.stat().st_mode & 0o777 == 0o755


@dataclass(frozen=True)
class Setting:
    """Something to be recorded."""

    rate: float
    sizes: tuple[int, ...]


def test_json_understands_numbers_of_numpy_paths_and_settings(tmp_path):
    path = tmp_path / "record.json"
    store.write_json(path, {"a": np.float64(0.5), "b": np.arange(2), "c": Path("x/y"), "d": Setting(0.1, (1, 2))})
    assert store.read_json(path) == {"a": 0.5, "b": [0, 1], "c": "x/y", "d": {"rate": 0.1, "sizes": [1, 2]}}


def test_json_that_is_none_names_the_file(tmp_path):
    (tmp_path / "record.json").write_text("{")
    with pytest.raises(ValueError, match="record.json is no readable JSON.*delete it"):
        store.read_json(tmp_path / "record.json")


def test_arrays_come_back(tmp_path):
    store.write_arrays(tmp_path / "data.npz", images=np.arange(6).reshape(2, 3))
    with np.load(tmp_path / "data.npz") as found:
        np.testing.assert_array_equal(found["images"], [[0, 1, 2], [3, 4, 5]])
    assert _names(tmp_path) == ["data.npz"]


def test_digests_follow_the_content():
    assert store.digest(Setting(0.1, (1,))) == store.digest(Setting(0.1, (1,))) != store.digest(Setting(0.2, (1,)))
    flat = np.arange(6, dtype=np.float32)
    assert store.digest_of_arrays(flat) == store.digest_of_arrays(flat.copy())
    assert store.digest_of_arrays(flat) != store.digest_of_arrays(flat.reshape(2, 3))
    assert store.digest_of_arrays(flat) != store.digest_of_arrays(flat.view(np.int32))


def test_the_digest_of_a_folder_sees_names_and_contents(tmp_path):
    (tmp_path / "a").write_text("1")
    first = store.digest_of_files(tmp_path)
    (tmp_path / "a").rename(tmp_path / "b")
    second = store.digest_of_files(tmp_path)
    (tmp_path / "b").write_text("2")
    assert len({first, second, store.digest_of_files(tmp_path)}) == 3


def test_others_may_read_what_is_written(tmp_path):
    store.write_text(tmp_path / "note.txt", "")
    store.write_arrays(tmp_path / "arrays.npz", one=np.zeros(1))
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o644}
