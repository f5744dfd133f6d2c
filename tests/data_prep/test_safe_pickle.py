"""Pickles are read, never run."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from data_prep import safe_pickle


class _Bomb:
    """A pickle that makes a folder when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def _file(folder: Path, content: bytes) -> Path:
    (folder / "batch").write_bytes(content)
    return folder / "batch"


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4])
def test_arrays_come_back_whatever_the_protocol(tmp_path, protocol):
    data = np.arange(12, dtype=np.uint8).reshape(3, 4)
    value = {b"data": data, b"labels": [1, 2], b"batch_label": b"", b"name": "x"}
    found = safe_pickle.load(_file(tmp_path, pickle.dumps(value, protocol=protocol)))
    np.testing.assert_array_equal(found.pop(b"data"), data)
    assert found == {b"labels": [1, 2], b"batch_label": b"", b"name": "x"}


def test_arrays_in_column_order_come_back_too(tmp_path):
    data = np.asfortranarray(np.arange(12, dtype=np.uint8).reshape(3, 4))
    found = safe_pickle.load(_file(tmp_path, pickle.dumps({b"data": data}, protocol=2)))
    np.testing.assert_array_equal(found[b"data"], data)


def test_a_batch_as_python_2_wrote_it(tmp_path):
    # {'data': array([[7, 8]], uint8), 'labels': [5]}: str is bytes there, also the name of the type.
    content = (
        b"\x80\x02}q\x00(U\x04datacnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01K\x01K\x02\x86cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R"
        b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        b"\x89U\x02\x07\x08tbU\x06labels]K\x05au."
    )
    found = safe_pickle.load(_file(tmp_path, content))
    np.testing.assert_array_equal(found[b"data"], [[7, 8]])
    assert found[b"labels"] == [5]


def test_nothing_is_run(tmp_path):
    target = tmp_path / "made"
    with pytest.raises(ValueError, match="wants to run .*mkdir"):
        safe_pickle.load(_file(tmp_path, pickle.dumps({b"data": _Bomb(target)}, protocol=2)))
    assert not target.exists()


@pytest.mark.parametrize(
    "name", ["builtins\neval", "builtins\ngetattr", "numpy\nload", "_codecs\ndecode", "os\nsystem"]
)
def test_other_names_are_refused(tmp_path, name):
    with pytest.raises(ValueError, match="which no data set needs"):
        safe_pickle.load(_file(tmp_path, b"c" + name.encode() + b"\n(tR."))


def test_arrays_of_objects_are_refused(tmp_path):
    content = pickle.dumps({b"data": np.array([print], object)}, protocol=2)
    with pytest.raises(ValueError, match="Unpack the original archive again"):
        safe_pickle.load(_file(tmp_path, content))


def test_a_shape_that_its_bytes_do_not_fill_is_refused(tmp_path):
    content = pickle.dumps({b"data": np.zeros((2, 3), np.uint8)}, protocol=2).replace(
        b"K\x02K\x03\x86", b"K\x02K\x04\x86"
    )
    with pytest.raises(ValueError, match="has 6 bytes"):
        safe_pickle.load(_file(tmp_path, content))


@pytest.mark.parametrize("content", [b"", b"no pickle", pickle.dumps({b"data": b"x" * 100}, protocol=2)[:50]])
def test_what_is_no_pickle_is_refused(tmp_path, content):
    with pytest.raises(ValueError, match="Unpack the original archive again"):
        safe_pickle.load(_file(tmp_path, content))


def test_a_file_larger_than_any_batch_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(safe_pickle, "LARGEST", 10)
    with pytest.raises(ValueError, match="expected at most 10"):
        safe_pickle.load(_file(tmp_path, pickle.dumps({b"data": b"x" * 100}, protocol=2)))
