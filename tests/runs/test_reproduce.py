"""``drmguard reproduce`` as its users run it: twice, killed, two at once, and with what cannot work."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from runs import experiments, jobs, results
from runs.cli import main
from runs.presets import PRESETS

COMMAND = [sys.executable, "-c", "from runs.cli import main; main()", "reproduce"]
ENVIRONMENT = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
ONE_BY_ONE = ["--workers", "1", "--threads", "1", "--checkpoint-seconds", "0.2"]


def _smoke(home: Path, *options: str) -> list[str]:
    return [*COMMAND, "run", "smoke", "--preset", "smoke", "--store", str(home), *ONE_BY_ONE, *options]


def _tables(home: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((home / "tables" / "smoke-smoke").iterdir())}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Path:
    """A store with a finished smoke run."""
    home = tmp_path_factory.mktemp("undisturbed")
    subprocess.run(_smoke(home), env=ENVIRONMENT, check=True, capture_output=True)
    return home


def _invoke(*arguments: object):
    return CliRunner().invoke(main, ["reproduce", *(str(argument) for argument in arguments)])


@pytest.mark.slow
def test_the_second_run_does_nothing_and_says_so_quickly(undisturbed):
    started = time.monotonic()
    again = subprocess.run(_smoke(undisturbed), env=ENVIRONMENT, check=True, capture_output=True, text=True)
    assert again.stdout.startswith("nothing to do: all 10 cases")
    assert time.monotonic() - started < 5


@pytest.mark.slow
def test_ten_kills_change_nothing(undisturbed, tmp_path):
    """The child is killed at random moments, wherever it is, until it has been killed ten times; then it may finish."""
    chance, home = random.Random(0), tmp_path / "killed"
    for _ in range(10):
        child = subprocess.Popen(
            _smoke(home), env=ENVIRONMENT, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(chance.uniform(2, 9))  # some die while TensorFlow is loaded, most at work
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    subprocess.run(_smoke(home), env=ENVIRONMENT, check=True, capture_output=True)
    assert _tables(home) == _tables(undisturbed)


@pytest.mark.slow
def test_two_processes_share_a_store_and_the_work(undisturbed, tmp_path):
    home = tmp_path / "shared"
    pair = [subprocess.Popen(_smoke(home), env=ENVIRONMENT, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate()[0] for process in pair]
    assert [process.returncode for process in pair] == [0, 0]
    done = [line for text in said for line in text.splitlines() if " done in " in line]
    assert len(done) == len({line.split(" done in ")[0] for line in done}) == 10  # every job by one of them
    assert _tables(home) == _tables(undisturbed)


@pytest.mark.slow
def test_a_damaged_model_is_made_again(undisturbed, tmp_path):
    home = Path(shutil.copytree(undisturbed, tmp_path / "copy"))
    (model,) = home.glob("models/benign-0-*/model.h5")
    model.write_bytes(model.read_bytes()[:-100])
    (home / "runs" / "smoke-smoke.json").unlink()
    for scan in home.glob("cases/scan-benign-0-*.json"):
        scan.unlink()
    done = subprocess.run(_smoke(home), env=ENVIRONMENT, check=True, capture_output=True, text=True)
    assert "missing or damaged" in done.stdout
    assert _tables(home) == _tables(undisturbed)


@pytest.mark.slow
@pytest.mark.parametrize("form, start", [("md", "**Smoke"), ("csv", "model,re"), ("tex", "% Smoke"), ("json", "{")])
def test_tables_come_in_every_form(undisturbed, form, start):
    result = _invoke("table", "smoke", "--preset", "smoke", "--store", undisturbed, "--format", form)
    assert result.exit_code == 0 and result.output.startswith(start)


@pytest.mark.slow
def test_a_part_of_the_cases_makes_tables_that_say_so(undisturbed, tmp_path):
    home = tmp_path / "part"
    assert "none of 3 cases" in _invoke("table", "smoke", "--preset", "smoke", "--store", home, "--partial").output
    shutil.copytree(undisturbed, home)
    next((home / "cases").glob("scan-wanet-*.json")).unlink()
    whole = _invoke("table", "smoke", "--preset", "smoke", "--store", home)
    assert whole.exit_code == 2 and "--partial" in whole.output
    part = _invoke("table", "smoke", "--preset", "smoke", "--store", home, "--partial")
    assert "* Not the whole table: 2 of 3 cases." in part.output and "wanet" not in part.output, part.output
    complete = _invoke("table", "smoke", "--preset", "smoke", "--store", undisturbed, "--partial")
    assert "Not the whole" not in complete.output and "wanet" in complete.output


def test_where_the_published_records_have_cases_a_store_without_them_says_so(tmp_path, monkeypatch):
    planned = experiments.experiment("smoke").plan(PRESETS["smoke"], experiments.Options("smoke"))
    monkeypatch.chdir(tmp_path)
    command = ("table", "smoke", "--preset", "smoke", "--store")
    assert "published" not in _invoke(*command, "results").output
    for job in planned[:2]:
        results.write(Path("measured"), jobs.key(job), {"result": {}, "device": "any"})
    for partial in ((), ("--partial",)):
        told = _invoke(*command, "results", *partial).output
        assert "The published records have 2 of them: --store measured. First: drmguard reproduce run smoke" in told
    own = _invoke(*command, "measured").output
    assert "1 of 3 cases are not in measured" in own and "published" not in own


@pytest.mark.slow
def test_without_a_store_of_its_own_a_clone_shows_the_published_records_and_says_so(undisturbed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    command = ("table", "smoke", "--preset", "smoke")
    assert "3 of 3 cases are not in results" in _invoke(*command).output
    shutil.copytree(undisturbed / "cases", tmp_path / "measured" / "cases")
    shown = _invoke(*command)
    assert shown.exit_code == 0 and "wanet" in shown.output, shown.output
    assert "there is no results yet, so these are the published records in measured" in shown.output
    assert "3 of 3 cases are not in results" in _invoke(*command, "--store", "results").output
    (tmp_path / "results").mkdir()
    assert "3 of 3 cases are not in results" in _invoke(*command).output


@pytest.mark.slow
def test_the_report_shows_every_table(undisturbed):
    assert _invoke("report", "--store", undisturbed).exit_code == 0
    page = (undisturbed / "report.html").read_text()
    assert "badnets-1" in page and "drmguard reproduce run smoke --preset smoke" in page
    assert "first_light" in page.split("Not run here")[1]
    assert "The L1 norm is a sum" in page and "data:image/svg+xml" in page
    assert "http:" not in page and "https:" not in page and "<script" not in page


def test_all_experiments_are_listed():
    listed = _invoke("list").output
    assert all(f"{name}  " in listed and experiments.summary(name) in listed for name in experiments.names())


@pytest.mark.parametrize("name", experiments.names())
def test_every_experiment_says_its_command_and_time(name):
    text = experiments.experiment(name).__doc__
    assert f"drmguard reproduce run {name} --preset" in text and experiments.summary(name)


def test_a_dry_run_names_every_setting_and_does_nothing(tmp_path):
    result = _invoke("run", "smoke", "--preset", "smoke", "--store", tmp_path / "store", "--dry-run")
    planned = json.loads(result.output)
    assert [job["settings"]["kind"] for job in planned].count("Train") == 3
    assert planned[0]["settings"]["case"]["training"]["learning_rate"] == 0.002
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["run", "guess"], ["guess", "first_light"]),
        (["run", "smoke", "--preset", "guess"], ["guess", "paper"]),
        (["table", "smoke", "--preset", "smoke"], ["are not in", "reproduce run smoke"]),
        (["report"], ["no finished run"]),
        (["run", "smoke", "--preset", "smoke", "--data", "nowhere"], ["nowhere"]),
    ],
    ids=["unknown experiment", "unknown preset", "table without results", "report without runs", "no data"],
)
def test_what_cannot_work_is_refused(tmp_path, arguments, words):
    result = _invoke(*arguments, "--store", tmp_path / "store")
    assert result.exit_code == 2, result.output
    assert all(word in result.output for word in words), result.output


def test_a_store_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("mine")
    result = _invoke("run", "smoke", "--preset", "smoke", "--store", tmp_path / "file" / "store")
    assert result.exit_code == 2 and "--store" in result.output
    assert (tmp_path / "file").read_text() == "mine"


def test_a_full_disk(tmp_path, monkeypatch):
    def full(home, key, record):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(results, "write", full)
    result = _invoke("run", "smoke", "--preset", "smoke", "--store", tmp_path / "store", "--workers", 1)
    assert result.exit_code == 2 and "No space left on device" in result.output
    assert not list((tmp_path / "store").glob("cases/*"))
