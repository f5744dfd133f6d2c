"""Samples of the real data sets, which are no part of the project."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_FOLDER = Path(os.environ.get("DRMGUARD_SAMPLES", Path(__file__).resolve().parents[3] / "shared" / "data"))


def sample(name: str) -> Path:
    """A file of samples; the test is skipped where it is absent.

    The folder is ``../shared/data`` beside the checkout, or that of the variable DRMGUARD_SAMPLES.
    """
    path = _FOLDER / name
    if not path.is_file():
        pytest.skip(f"needs {name}, a sample of a real data set; DRMGUARD_SAMPLES names its folder")
    return path
