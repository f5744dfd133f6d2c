"""Archives unpacked with bounds: nothing leaves the folder, nothing is linked, nothing swells without end."""

from __future__ import annotations

import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple, Optional

from data_prep.raw import inside

_RATIO = 100  # unpacked bytes per packed byte; images do not shrink, tables of numbers about tenfold
_FREE = 64 * 2**20  # bytes that any archive may unpack to
_BLOCK = 2**20


class _Member(NamedTuple):
    """A file or a folder in an archive; a folder has no content."""

    name: str
    content: Optional[IO[bytes]]


def unpack(archive: Path, folder: Path) -> int:
    """Unpack a tar (also compressed) or zip file.

    Args:
        archive: its names must be relative and stay below the folder; links and devices are refused.
        folder: exists and is empty; what is in it after an error is not to be used.

    Returns:
        Number of files.

    Raises:
        ValueError: if it is no archive, is damaged, holds such a name, or unpacks to more than 100 times its size.
    """
    allowed = max(_FREE, _RATIO * archive.stat().st_size)
    count = 0
    try:
        for member in _members(archive):
            if not inside(member.name):
                raise ValueError(f"{archive} names {member.name!r}, which lies outside the folder. It is not unpacked.")
            path = folder / member.name
            if member.content is None:
                path.mkdir(parents=True, exist_ok=True)
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as file:
                while block := member.content.read(_BLOCK):
                    allowed -= len(block)
                    if allowed < 0:
                        raise ValueError(
                            f"{archive} unpacks to more than {_RATIO} times its size, which no data set does. It is "
                            "not unpacked."
                        )
                    file.write(block)
            count += 1
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, NotImplementedError, FileExistsError) as error:
        raise ValueError(f"{archive} is damaged: {error}. Fetch it again.") from error
    return count


def _members(archive: Path) -> Iterator[_Member]:
    if zipfile.is_zipfile(archive):
        return _zip_members(archive)
    if tarfile.is_tarfile(archive):
        return _tar_members(archive)
    raise ValueError(f"{archive} is neither a folder nor a tar or zip archive")


def _zip_members(archive: Path) -> Iterator[_Member]:
    with zipfile.ZipFile(archive) as opened:
        for info in opened.infolist():
            if info.is_dir():
                yield _Member(info.filename, None)
            else:
                with opened.open(info) as content:
                    yield _Member(info.filename, content)


def _tar_members(archive: Path) -> Iterator[_Member]:
    with tarfile.open(archive) as opened:
        for info in opened:
            if info.isdir():
                yield _Member(info.name, None)
            elif info.isfile():
                yield _Member(info.name, opened.extractfile(info))
            else:
                raise ValueError(f"{archive} holds {info.name!r}, a link or a device. It is not unpacked.")
