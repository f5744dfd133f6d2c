"""What README shows does what it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import tensorflow as tf

from data_prep import image_table
from data_prep.contract import GAZE
from data_prep.heads.builder import Heads
from runs.cli import main
from runs.presets import PRESETS

README = Path(__file__).resolve().parents[2] / "README.md"


@pytest.mark.slow
def test_the_python_example_scans_and_cleans(tmp_path, monkeypatch, capsys):
    (code,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    code = code.replace('"cpu"', '"smoke"').replace("workers=2", "workers=1")
    code = code.replace("if verdict.backdoored:", "if True:")
    (tmp_path / "faces").mkdir()
    image_table.write(tmp_path / "faces", GAZE, Heads(count=60, subjects=6, size=32).build())
    model = PRESETS["smoke"].training.fit(image_table.read(tmp_path / "faces")[1], seed=0)
    model.save(tmp_path / "suspect.h5", include_optimizer=False)
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "README.md", "exec"), {})
    assert "margin" in capsys.readouterr().out
    cleaned = tf.keras.models.load_model(tmp_path / "cleaned", compile=False)
    assert cleaned.output_shape == model.output_shape


def test_every_command_that_is_named_exists():
    named = set(re.findall(r"(?<!\.)drmguard ([a-z-]+)", README.read_text(encoding="utf-8")))
    assert {"scan", "mitigate", "export", "erase", "reproduce"} <= named <= set(main.commands)
