"""modelscan, which can refuse a file and cannot clear one."""

from __future__ import annotations

import logging
from pathlib import Path

from modelscan.modelscan import ModelScan
from modelscan.settings import DEFAULT_SETTINGS, SupportedModelFormats

from runs.safety.allowed import OPERATIONS, SAVER_OPERATIONS
from runs.safety.refusals import GO_ON, UnsafeModel

logging.getLogger("modelscan").setLevel(logging.CRITICAL)  # what it finds is in its results; its log would be printed

_BY_EXTENSION = "modelscan.middlewares.FormatViaExtensionMiddleware"
_MODELSCAN_FORMATS = {
    "h5": SupportedModelFormats.KERAS_H5,
    "keras": SupportedModelFormats.KERAS,
    "savedmodel": SupportedModelFormats.TENSORFLOW,
}


def ask_modelscan(path: Path, form: str) -> None:
    """Refuse what modelscan refuses, and what it fails on.

    What it merely skips the other modules have scanned. It goes by file names, so it is told the format that the
    content has; and on an old TensorFlow it calls a newer operation unsafe, which :mod:`runs.safety.allowed` may know
    better.

    Args:
        path: the file.
        form: "h5", "keras" or "savedmodel".

    Raises:
        UnsafeModel: if it objects or fails.
    """
    extension = ".pb" if form == "savedmodel" else path.suffix
    by_extension = {_BY_EXTENSION: {"formats": {_MODELSCAN_FORMATS[form]: [extension]}}}
    report = ModelScan({**DEFAULT_SETTINGS, "middlewares": by_extension}).scan(path)
    issues = [issue for issue in report["issues"] if issue["operator"] not in OPERATIONS | SAVER_OPERATIONS]
    if issues or report["errors"]:
        found = "; ".join(sorted({finding["description"] for finding in [*issues, *report["errors"]]}))
        raise UnsafeModel(f"modelscan objects to {path.name}: {found}. {GO_ON}")
