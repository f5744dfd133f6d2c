"""The whole story, once, small."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from runs import demo

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], list[str]]:
    """The folder, the summary and what was said."""
    out = tmp_path_factory.mktemp("demo") / "out"
    said: list[str] = []
    return out, demo.run(out, preset="smoke", seed=0, workers=1, say=said.append), said


def test_the_summary_answers_the_questions(told):
    out, summary, _ = told
    assert {"target", "target_estimate", "seconds"} <= summary.keys()
    for model in ("benign", "backdoored"):
        found = summary[model]
        assert found["verdict"] in ("benign", "backdoored")
        assert found["score"] > 0 and found["threshold"] > 0
    assert len(summary["target"]) == len(summary["target_estimate"]) == 2
    assert summary["seconds"] > 0
    assert json.loads((out / "summary.json").read_text()) == json.loads(json.dumps(summary))


def test_what_is_found_is_cleaned_and_shipped(told):
    out, summary, _ = told
    found = summary["backdoored"]["verdict"] == "backdoored"  # not at this size, as a rule
    assert ("mitigation" in summary) == ("export" in summary) == (out / "export").is_dir() == found


def test_the_report_needs_no_network(told):
    page = (told[0] / "report.html").read_text(encoding="utf-8")
    assert "DRMGuard-TF demonstration" in page
    assert not re.search(r"""(?:src|href)\s*=\s*["']?(?:https?:)?//""", page)
    assert not re.search(r"""(?:url\(|@import)\s*["']?(?:https?:)?//""", page)


def test_every_stage_is_announced(told):
    assert len(told[2]) == 5
    assert all(re.match(r"\[ *\d+ s\] ", line) for line in told[2])
