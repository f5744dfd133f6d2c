"""Archives unpacked with bounds."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from data_prep import archives


def _tar(path: Path, *members: tuple[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def _zip(path: Path, *members: tuple[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


@pytest.mark.parametrize("pack", [_tar, _zip])
def test_files_come_out_as_they_went_in(tmp_path, out, pack):
    assert archives.unpack(pack(tmp_path / "a", ("x/1.txt", b"one"), ("2.txt", b"two")), out) == 2
    assert (out / "x" / "1.txt").read_bytes() == b"one" and (out / "2.txt").read_bytes() == b"two"


@pytest.mark.parametrize("pack", [_tar, _zip])
@pytest.mark.parametrize(
    "name", ["../evil.txt", "x/../../evil.txt", "/tmp/evil.txt", "C:/evil.txt", "x\\..\\..\\evil.txt"]
)
def test_a_name_that_leaves_the_folder_is_refused(tmp_path, out, pack, name):
    with pytest.raises(ValueError, match="outside the folder"):
        archives.unpack(pack(tmp_path / "a", (name, b"evil")), out)
    assert not list(tmp_path.rglob("evil.txt")) and not list(out.rglob("*.txt"))


def test_links_are_refused(tmp_path, out):
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        info = tarfile.TarInfo("link")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc"
        archive.addfile(info)
    with pytest.raises(ValueError, match="a link or a device"):
        archives.unpack(tmp_path / "a.tar", out)


@pytest.mark.parametrize("pack", [_tar, _zip])
def test_a_bomb_is_stopped(tmp_path, out, pack, monkeypatch):
    monkeypatch.setattr(archives, "_FREE", 2**20)
    archive = pack(tmp_path / "a", ("zeros", bytes(20 * 2**20)))
    with pytest.raises(ValueError, match="more than 100 times its size"):
        archives.unpack(archive, out)
    assert sum(path.stat().st_size for path in out.rglob("*")) < 4 * 2**20


@pytest.mark.parametrize("pack", [_tar, _zip])
def test_an_archive_that_was_cut_short_is_refused(tmp_path, out, pack):
    archive = pack(tmp_path / "a", *((str(i), bytes(range(256)) * 40) for i in range(20)))
    archive.write_bytes(archive.read_bytes()[:-150])
    with pytest.raises(ValueError, match="is damaged|neither a folder nor"):
        archives.unpack(archive, out)


def test_another_file_is_refused(tmp_path, out):
    (tmp_path / "a").write_bytes(b"no archive")
    with pytest.raises(ValueError, match="neither a folder nor a tar or zip archive"):
        archives.unpack(tmp_path / "a", out)


def test_a_name_that_occurs_twice_is_refused(tmp_path, out):
    with pytest.raises(ValueError, match="is damaged"):
        archives.unpack(_tar(tmp_path / "a", ("x", b"1"), ("x", b"2")), out)
