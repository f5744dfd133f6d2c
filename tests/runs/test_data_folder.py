"""Results belong to data, not to the place where it lies."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import pytest

from dhbe_tf.training import Classification
from runs import jobs
from runs.data_folder import CONTROLS, DataFolder
from runs.trigger_models import TrainBenign


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "here" / "pictures"
    made.mkdir(parents=True)
    (made / "batch").write_bytes(b"pixels")
    return made


def _job(folder: Path) -> TrainBenign:
    return TrainBenign(DataFolder.of(folder), Classification(), 0)


def test_a_result_is_found_again_after_the_data_was_moved(folder, tmp_path):
    before = jobs.key(_job(folder))
    moved = Path(shutil.move(folder, tmp_path / "there"))
    assert jobs.key(_job(moved)) == before


def test_other_data_at_the_same_place_has_other_results(folder):
    before = jobs.key(_job(folder))
    (folder / "batch").write_bytes(b"Pixels")
    assert jobs.key(_job(folder)) != before


def test_what_a_scan_leaves_in_a_table_is_no_part_of_the_data(folder):
    before = jobs.key(_job(folder))
    (folder / CONTROLS / "3f").mkdir(parents=True)
    (folder / CONTROLS / "3f" / "costs.json").write_text("{}")
    assert jobs.key(_job(folder)) == before


def test_a_worker_gets_path_and_content(folder):
    sent = pickle.loads(pickle.dumps(_job(folder)))
    assert Path(sent.source) == folder.resolve()
    assert jobs.key(sent) == jobs.key(_job(folder))


def test_records_tell_name_and_content_of_the_data_and_no_path(folder):
    source = jobs.settings(_job(folder))["source"]
    assert source == {"folder": "pictures", "content": DataFolder.of(folder).content}


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="--data"):
        DataFolder.of(tmp_path / "nowhere")
