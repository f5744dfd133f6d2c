"""Preparing: whole or not at all, the same bytes after a kill, nothing replaced, nothing dropped in silence."""

from __future__ import annotations

import errno
import hashlib
import json
import signal
import subprocess
import sys
import tarfile
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data_prep import class_table, image_table
from data_prep.cifar import Cifar
from data_prep.class_folder import ClassFolder
from data_prep.columbia_gaze import ColumbiaGaze
from data_prep.contract import GAZE, HEAD_POSE
from data_prep.digits import read as read_digits
from data_prep.embedded import EmbeddedDigits, EmbeddedHeads
from data_prep.heads.builder import Heads
from data_prep.own_images import OwnImages
from runs import preparing
from runs.preparing import Preparation, prepare
from tests.fake import cifar, class_folder, columbia
from tests.fake.images import noise, save


@contextmanager
def silent(label: str, length: int):
    """No progress bar."""
    yield lambda done: None


def _prepare(data, folder: Path, out: Path, **options) -> dict:
    return prepare(Preparation(data, folder, out, workers=1, **options), bar=silent)


def _content(folder: Path) -> dict[str, str]:
    """Relative path -> checksum of every file."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def small_chunks(monkeypatch):
    """Chunks of seven, so that small data sets have many."""
    monkeypatch.setattr(preparing, "_CHUNK", 7)


def test_a_prepared_table_is_read_back(tmp_path):
    heads = Heads(task=HEAD_POSE, count=6, subjects=3, size=32)
    _prepare(EmbeddedHeads(heads), tmp_path, tmp_path / "out")
    spec, found = image_table.read(tmp_path / "out")
    expected = heads.build()
    assert spec.task == HEAD_POSE
    np.testing.assert_array_equal(found.images, expected.images)
    np.testing.assert_array_equal(found.targets, expected.targets)  # to the last bit
    np.testing.assert_array_equal(found.groups, expected.groups)


def test_a_prepared_table_of_classes_is_read_back(tmp_path):
    cifar.write_cifar10(tmp_path)
    _prepare(Cifar(), tmp_path, tmp_path / "out")
    found = class_table.read(tmp_path / "out", part="test")
    assert found.classes == ("airplane", "automobile", "bird")
    np.testing.assert_array_equal(found.labels, [0, 1, 2, 0])
    assert len(class_table.read(tmp_path / "out")) == 24


def test_digits_keep_their_parts(tmp_path):
    test = [entry for entry in EmbeddedDigits().entries(tmp_path).entries if entry.part == "test"]
    expected = read_digits("test")
    assert [entry.label[0] for entry in test] == expected.labels.tolist()
    np.testing.assert_array_equal(EmbeddedDigits().sample(tmp_path, test[5]).image, expected.images[5])


def test_the_record_says_what_was_made(tmp_path):
    record = _prepare(EmbeddedHeads(Heads(count=6, subjects=3, size=32)), tmp_path, tmp_path / "out")
    written = json.loads((tmp_path / "out" / "dataset.json").read_text())
    assert (record["task"], record["images"], record["subjects"]) == ("gaze", 6, 3)
    assert written["image_shape"] == [32, 32, 3] and written["settings"]["EmbeddedHeads"]["heads"]["seed"] == 0
    files = _content(tmp_path / "out")
    del files["dataset.json"]
    assert written["sha256"] == files


def test_any_number_of_processes_writes_the_same_bytes(tmp_path, small_chunks):
    data = EmbeddedHeads(Heads(count=20, subjects=4, size=32))
    _prepare(data, tmp_path, tmp_path / "one")
    prepare(Preparation(data, tmp_path, tmp_path / "two", workers=2), bar=silent)
    assert _content(tmp_path / "one") == _content(tmp_path / "two")


def test_damaged_images_are_listed_and_left_out(tmp_path):
    home = class_folder.write(tmp_path)
    record = _prepare(ClassFolder(size=32), home, tmp_path / "out")
    assert record["images"] == 7
    ((source, text),) = record["problems"]
    assert source == "train/n02/1.jpg" and "truncated" in text
    assert len(class_table.read(tmp_path / "out")) == 7


def test_strict_stops_at_a_damaged_image(tmp_path):
    home = class_folder.write(tmp_path)
    with pytest.raises(ValueError, match="train/n02/1.jpg: it is no readable image.*Without --strict"):
        _prepare(ClassFolder(size=32), home, tmp_path / "out", strict=True)
    assert not (tmp_path / "out").exists()


def test_strict_stops_at_a_problem_of_the_listing(tmp_path):
    home = columbia.write(tmp_path)
    with pytest.raises(ValueError, match="subject 0001: it has 2 of 105 images.*Without --strict"):
        _prepare(ColumbiaGaze(), home, tmp_path / "out", strict=True)


def test_a_folder_of_which_much_is_missing_needs_consent(tmp_path):
    home = columbia.write(tmp_path)
    with pytest.raises(ValueError, match="2 of 5 samples .* unpacked whole.*--partial"):
        _prepare(ColumbiaGaze(), home, tmp_path / "out")
    record = _prepare(ColumbiaGaze(), home, tmp_path / "out", partial=True)
    assert record["images"] == 2 and len(record["problems"]) == 3 and len(record["excluded"]) == 1


def test_nothing_at_all_is_refused(tmp_path):
    for label in ("a", "b"):
        (tmp_path / "raw" / label).mkdir(parents=True)
        (tmp_path / "raw" / label / "0.png").write_bytes(b"no image")
    with pytest.raises(ValueError, match="no image of .* could be read, first a/0.png"):
        _prepare(ClassFolder(), tmp_path / "raw", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("make", [lambda path: path.write_text("x"), lambda path: (path.mkdir(), (path / "x").touch())])
def test_what_exists_is_never_replaced(tmp_path, make):
    make(tmp_path / "out")
    with pytest.raises(ValueError, match="exists and is never replaced"):
        _prepare(EmbeddedHeads(Heads(count=2, subjects=1, size=32)), tmp_path, tmp_path / "out")


def test_a_stopped_run_of_other_settings_is_left_alone(tmp_path, small_chunks, monkeypatch):
    _stop_after(monkeypatch, chunks=2)
    with pytest.raises(KeyboardInterrupt):
        _prepare(EmbeddedHeads(Heads(count=20, subjects=4, size=32)), tmp_path, tmp_path / "out")
    before = _content(tmp_path / ".out.partial")
    with pytest.raises(ValueError, match="other settings"):
        _prepare(EmbeddedHeads(Heads(count=20, subjects=4, size=40)), tmp_path, tmp_path / "out")
    assert _content(tmp_path / ".out.partial") == before


def _stop_after(monkeypatch, *, chunks: int) -> None:
    """Let the run be interrupted after some chunks."""
    work, done = preparing.work, []

    def interrupted(chunk):
        if len(done) == chunks:
            monkeypatch.setattr(preparing, "work", work)
            raise KeyboardInterrupt
        done.append(chunk)
        return work(chunk)

    monkeypatch.setattr(preparing, "work", interrupted)


def test_a_stopped_run_goes_on_without_doing_anything_twice(tmp_path, small_chunks, monkeypatch):
    data = EmbeddedHeads(Heads(count=20, subjects=4, size=32))
    _stop_after(monkeypatch, chunks=2)
    with pytest.raises(KeyboardInterrupt):
        _prepare(data, tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    made = []
    plain = EmbeddedHeads.sample
    monkeypatch.setattr(EmbeddedHeads, "sample", lambda self, *a: (made.append(a), plain(self, *a))[1])
    _prepare(data, tmp_path, tmp_path / "out")
    assert len(made) == 6  # 20, less two chunks of seven
    _prepare(data, tmp_path, tmp_path / "undisturbed")
    assert _content(tmp_path / "out") == _content(tmp_path / "undisturbed")
    assert not (tmp_path / ".out.partial").exists()


def test_a_damaged_image_of_a_stopped_run_is_made_again(tmp_path, small_chunks, monkeypatch):
    data = EmbeddedHeads(Heads(count=20, subjects=4, size=32))
    _stop_after(monkeypatch, chunks=2)
    with pytest.raises(KeyboardInterrupt):
        _prepare(data, tmp_path, tmp_path / "out")
    (tmp_path / ".out.partial" / "table" / "images" / "00001" / "00000008.png").write_bytes(b"half")
    _prepare(data, tmp_path, tmp_path / "out")
    _prepare(data, tmp_path, tmp_path / "undisturbed")
    assert _content(tmp_path / "out") == _content(tmp_path / "undisturbed")


@pytest.mark.parametrize("chunks", [1, 40])
def test_a_killed_run_goes_on_to_the_same_bytes(tmp_path, small_chunks, chunks):
    cifar.write_cifar10(tmp_path, rows=100)  # 600 images, 86 chunks
    script = (
        "import sys; from pathlib import Path; from data_prep.cifar import Cifar; from runs import preparing\n"
        "from tests.runs.test_preparing import silent; preparing._CHUNK = 7\n"
        "asked = preparing.Preparation(Cifar(), Path(sys.argv[1]), Path(sys.argv[1]) / 'out', workers=1)\n"
        "preparing.prepare(asked, bar=silent)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], cwd=Path(__file__).parents[2]) as process:
        while len(list((tmp_path / ".out.partial" / "chunks").glob("*.json"))) < chunks:
            assert process.poll() is None, "it was finished before it could be killed"
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
    assert not (tmp_path / "out").exists()
    _prepare(Cifar(), tmp_path, tmp_path / "out")
    _prepare(Cifar(), tmp_path, tmp_path / "undisturbed")
    assert _content(tmp_path / "out") == _content(tmp_path / "undisturbed")


def test_a_full_disk_is_said_and_the_run_can_go_on(tmp_path, small_chunks, monkeypatch):
    data = EmbeddedHeads(Heads(count=20, subjects=4, size=32))
    write, count = Path.write_bytes, []

    def full(path: Path, content: bytes) -> int:
        count.append(path)
        if len(count) > 10:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="no space is left .*7 of 20.*same command again"):
        _prepare(data, tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    monkeypatch.undo()
    monkeypatch.setattr(preparing, "_CHUNK", 7)
    assert _prepare(data, tmp_path, tmp_path / "out")["images"] == 20


def test_an_archive_is_unpacked_first(tmp_path):
    cifar.write_cifar10(tmp_path / "raw")
    with tarfile.open(tmp_path / "cifar-10-python.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "raw" / "cifar-10-batches-py", "cifar-10-batches-py")
    _prepare(Cifar(), tmp_path / "cifar-10-python.tar.gz", tmp_path / "packed")
    _prepare(Cifar(), tmp_path / "raw", tmp_path / "plain")
    assert _content(tmp_path / "packed") == _content(tmp_path / "plain")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cifar-10-python.tar.gz", "packed", "plain", "raw"]


def test_an_archive_that_is_refused_leaves_nothing(tmp_path):
    (tmp_path / "a.zip").write_bytes(b"no archive")
    with pytest.raises(ValueError, match="neither a folder nor"):
        _prepare(Cifar(), tmp_path / "a.zip", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


def test_own_images_are_brought_to_one_size(tmp_path):
    raw = tmp_path / "raw"
    save(raw / "a.jpg", noise(30, 40, 0))
    save(raw / "b.png", noise(50, 20, 1))
    table = {"image": ["a.jpg", "b.png"], "pitch_deg": [10, 20], "yaw_deg": [-30, 0], "subject": ["x", "y"]}
    pd.DataFrame({**table, "part": ["train", "test"]}).to_csv(raw / "labels.csv", index=False)
    _prepare(OwnImages((16, 24), image_table.task_of(raw)), raw, tmp_path / "out")
    spec, found = image_table.read(tmp_path / "out")
    assert (spec.task, spec.image_shape) == (GAZE, (16, 24, 3))
    np.testing.assert_allclose(np.degrees(found.targets), [[10, -30], [20, 0]], rtol=1e-6)
    np.testing.assert_array_equal(found.groups, [0, 1])
    assert len(image_table.read(tmp_path / "out", part="test")[1]) == 1


@pytest.mark.parametrize("wrong", ["48", "48x", "50x96", "8x96", "-48x96", "48x96x3", "48.0x96"])
def test_a_size_that_is_none_is_refused(wrong):
    with pytest.raises(ValueError, match="48x96: height x width"):
        preparing.parse_size(wrong)


def test_size_is_height_times_width():
    assert preparing.parse_size("48x96") == (48, 96)
