"""Commands that are interrupted: the same command goes on where it was, and ends as an undisturbed one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from click.testing import CliRunner

from runs import checkpoints
from runs.checkpoints import DiskJournal
from runs.cli import main

TRAIN = ("train", "--attack", "badnets", "--target", "5,5", "--preset", "smoke", "--workers", "1", "--seed", "3")


def _run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    return result.exit_code, result.output


def _interrupted(monkeypatch: pytest.MonkeyPatch, *arguments: object, after: int) -> tuple[int, str]:
    """Run a command that keeps every step, and end it when an optimisation has kept so many.

    Optimisations beside each other share no order, so their steps are not counted together.
    """
    note = DiskJournal.note

    def mortal(journal, step, scalars):
        note(journal, step, scalars)
        if step == after:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "SECONDS", 0.0)
        patch.setattr(DiskJournal, "note", mortal)
        return _run(*arguments)


def _weights(folder: Path) -> list[np.ndarray]:
    return tf.keras.models.load_model(folder / "model.h5", compile=False).get_weights()


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """What an undisturbed training writes."""
    out = tmp_path_factory.mktemp("trained") / "out"
    code, output = _run(*TRAIN, "--out", out)
    assert code == 0, output
    return out


def test_a_training_goes_on(trained, tmp_path, monkeypatch):
    assert _interrupted(monkeypatch, *TRAIN, "--out", tmp_path / "out", after=3)[0] == 130
    assert not (tmp_path / "out").exists()
    (kept,) = tmp_path.glob(".out.unfinished-*")
    code, output = _run(*TRAIN, "--out", tmp_path / "out")
    assert code == 0 and "training: going on at step 3" in output and not kept.exists()
    records = [json.loads((folder / "train.json").read_text()) for folder in (trained, tmp_path / "out")]
    assert records[0]["steps_done"] == records[1]["steps_done"] == records[0]["training"]["steps"]
    for mine, theirs in zip(_weights(tmp_path / "out"), _weights(trained)):
        np.testing.assert_array_equal(mine, theirs)


def test_another_seed_does_not_go_on_with_it(tmp_path, monkeypatch):
    assert _interrupted(monkeypatch, *TRAIN, "--out", tmp_path / "out", after=3)[0] == 130
    code, output = _run(*TRAIN[:-1], "4", "--out", tmp_path / "out")
    assert code == 0 and "going on" not in output


def test_a_training_of_classes_goes_on(tmp_path, monkeypatch):
    what = ("train", "--task", "classification", "--data", "digits", "--preset", "smoke", "--out", tmp_path / "out")
    assert _interrupted(monkeypatch, *what, after=2)[0] == 130
    code, output = _run(*what)
    assert code == 0 and "training-1: going on at step 2" in output and not list(tmp_path.glob(".out.unfinished-*"))


@pytest.mark.parametrize("search, first", [("steered", "-"), ("paper", "pretraining")])
def test_a_scan_goes_on(trained, tmp_path, monkeypatch, search, first):
    what = ("scan", "--model", trained / "model.h5", "--benign", trained / "benign", "--threshold", "paper")
    what = (*what, "--search", search, "--preset", "smoke", "--out", tmp_path / "out")
    assert _interrupted(monkeypatch, *what, after=4)[0] == 130
    code, output = _run(*what)
    assert code in (0, 1) and not list(tmp_path.glob(".out.unfinished-*"))
    going_on = [line.split(":")[0] for line in output.splitlines() if "going on at step 4" in line]
    assert any(first in name for name in going_on), output  # steered runs stand beside each other: one or more
    assert json.loads((tmp_path / "out" / "scan.json").read_text())["score"] > 0
