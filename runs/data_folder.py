"""Data sets on disk as settings of jobs: known by what they hold, wherever they lie."""

from __future__ import annotations

from pathlib import Path

from runs import store

CONTROLS = "controls"  # folder of a table where scans keep their benign controls


class DataFolder(str):
    """The path of a data set, for those who read it; its ``repr``, which names results, tells its content instead.

    So results are found again after the folder was moved, or on another machine, and are not taken for those of other
    data at the same place.

    Attributes:
        content: SHA-256 of the names and contents of all files, but for what scans have left there; empty where the
            path was not given to :meth:`of`, and then the ``repr`` is that of the path.
    """

    content: str = ""

    @classmethod
    def of(cls, path: Path) -> DataFolder:
        """The data set in a folder, all of which is read.

        Raises:
            FileNotFoundError: if there is no such folder.
        """
        if not path.is_dir():
            raise FileNotFoundError(f"there is no folder {path} with data; name one that exists with --data")
        made = cls(path.resolve())
        made.content = store.digest_of_files(path, leave_out=CONTROLS)
        return made

    def __repr__(self) -> str:
        return f"data {self.content}" if self.content else super().__repr__()
