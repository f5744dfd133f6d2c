"""The command line: help, exit codes, options."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import click
import numpy as np
import pytest
from click.testing import CliRunner

from data_prep import image_table
from data_prep.contract import GAZE, HEAD_POSE, Split
from drmguard_tf.paper import PaperSearch
from drmguard_tf.reversal import Run
from drmguard_tf.verdict import Verdict
from runs import guarding, training
from runs.cli import main
from runs.presets import PRESETS


def _commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, command in group.commands.items():
        yield (*path, name)
        if isinstance(command, click.Group):
            yield from _commands(command, (*path, name))


@pytest.mark.parametrize("path", [(), *_commands(main)], ids=" ".join)
@pytest.mark.parametrize("option", ["--help", "-h"])
def test_every_command_helps(path, option):
    result = CliRunner().invoke(main, [*path, option])
    assert result.exit_code == 0, result.output
    assert "Usage:" in result.output


@pytest.mark.parametrize("name", ["demo", "train", "evaluate", "scan", "mitigate", "export"])
def test_main_commands_show_an_example(name):
    assert f"Example:  drmguard {name}" in CliRunner().invoke(main, [name, "--help"]).output


def test_every_option_is_explained_or_a_choice():
    for path in _commands(main):
        command = main
        for name in path:
            command = command.commands[name]
        for option in command.params:
            if isinstance(option, click.Option) and not isinstance(option.type, click.Choice):
                assert option.help, (path, option.name)


@pytest.mark.parametrize("backdoored, code", [(True, 1), (False, 0)])
def test_the_exit_code_of_a_scan_is_its_verdict(monkeypatch, backdoored, code):
    found = SimpleNamespace(verdict=SimpleNamespace(backdoored=backdoored))
    monkeypatch.setattr(guarding, "scan", lambda options, **more: found)
    monkeypatch.setattr(guarding, "scan_record", lambda scanned: {"verdict": "as found"})
    result = CliRunner().invoke(main, ["scan", "--model", "m.h5", "--benign", "faces", "--json"])
    assert result.exit_code == code
    assert '"verdict": "as found"' in result.output


@pytest.mark.parametrize("people, doubted, channels", [(4, True, 0.002), (20, False, None)])
def test_a_narrow_verdict_by_controls_of_few_people_is_doubted(tmp_path, people, doubted, channels):
    benign = Split(np.zeros((20, 16, 16, 3), np.uint8), np.zeros((20, 2), np.float32), np.arange(20) % people)
    image_table.write(tmp_path, GAZE, benign)
    target = np.float32([0.1, 0.2])
    run = Run("patch", 0, 0.02, 0.05, True, target, np.zeros((5, 5)), None, transfer=0.1)
    verdict = Verdict(
        True, "patch", 0.01, 0.016, 1.6, 0.01, 1.0, (1.5, 1.7), target, 1.0, 0.012, channels, (run,), (0.01,)
    )
    suspect = SimpleNamespace(benign=benign)
    scanned = SimpleNamespace(verdict=verdict, scan=SimpleNamespace(benign=tmp_path, suspect=suspect), seconds=9.0)
    told = guarding.describe_scan(scanned, 3.0)
    assert told.startswith("BACKDOORED") and ("WARNING: The benign set shows 4 people" in told) is doubted
    assert ("five channels inside the model are hardly used" in told) is (channels is not None)
    assert "benign models 10\u00a0% of the way to that answer" in told and "50\u00a0% of its size counts, 1.0" in told


def test_an_unknown_command_is_an_error():
    assert CliRunner().invoke(main, ["guess"]).exit_code == 2


def test_target_is_read_in_degrees():
    np.testing.assert_allclose(training.parse_target("15,-20"), [np.pi / 12, -np.pi / 9])
    assert training.parse_target(None) is None


@pytest.mark.parametrize("wrong", ["", "15;20", "15,", "91", "inf,0"])
def test_a_target_that_is_none_is_refused(wrong):
    with pytest.raises(ValueError, match="--target"):
        training.parse_target(wrong)


def _options(**changes: object) -> guarding.ScanOptions:
    settings = dict(model="m.h5", benign="faces", search="steered", threshold=None, controls=None, controls_dir=None)
    return guarding.ScanOptions(**{**settings, "preset": "paper", "seed": 0, "workers": None, **changes})


def test_the_steered_search_is_calibrated_by_default():
    assert guarding.scan_of(_options(), GAZE).controls is not None
    assert guarding.scan_of(_options(controls=7), GAZE).controls.count == 7
    assert guarding.scan_of(_options(threshold="paper"), GAZE).controls is None


@pytest.mark.parametrize("task", [GAZE, HEAD_POSE])
def test_the_printed_search_of_the_paper_preset_is_the_papers(task):
    question = guarding.scan_of(_options(search="paper"), task)
    assert question.search == PaperSearch.of(task)
    assert question.controls is None


def test_rivals_are_calibrated_and_feature_re_has_a_constant():
    for method in ("neural-cleanse", "feature-re"):
        question = guarding.scan_of(_options(method=method), GAZE)
        assert question.search.families == (method.replace("-", "_"),) and question.controls is not None
    assert guarding.scan_of(_options(method="feature-re", threshold="paper"), GAZE).controls is None


def test_neural_cleanse_has_no_constant():
    with pytest.raises(ValueError, match="compares labels"):
        guarding.scan_of(_options(method="neural-cleanse", threshold="paper"), GAZE)


def test_a_rival_has_no_choice_of_searches():
    with pytest.raises(ValueError, match="--search belongs to --method drmguard"):
        guarding.scan_of(_options(method="feature-re", search="paper"), GAZE)


@pytest.mark.parametrize("preset", ["paper", "cpu", "smoke"])
def test_methods_of_the_commands_are_those_of_every_preset(preset):
    def choices(command: str) -> set[str]:
        (option,) = [option for option in main.commands[command].params if option.name == "method"]
        return set(option.type.choices)

    assert choices("scan") == set(PRESETS[preset].searches)
    assert choices("mitigate") == {"drmguard", *PRESETS[preset].mitigations}


def test_mitigation_is_told_its_method(monkeypatch):
    seen = {}
    monkeypatch.setattr(guarding, "mitigate", lambda options, out, **more: seen.update(more))
    monkeypatch.setattr(guarding, "describe_mitigation", lambda record: "done")
    arguments = ["mitigate", "--model", "m.h5", "--benign", "faces", "--out", "out", "--method", "anp"]
    assert CliRunner().invoke(main, arguments).exit_code == 0 and seen["method"] == "anp"
