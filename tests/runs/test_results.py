"""Sealed results and locks."""

from __future__ import annotations

import multiprocessing
import time

import pytest

from runs import results


def test_what_is_written_is_read(tmp_path):
    results.write(tmp_path, "train-a", {"result": {"re": 3.5}, "targets": (1, 2)})
    assert results.read(tmp_path, "train-a") == {"result": {"re": 3.5}, "targets": [1, 2]}


def test_what_is_not_there_is_none(tmp_path):
    assert results.read(tmp_path, "train-a") is None


@pytest.mark.parametrize("spoil", [lambda text: text[:-9], lambda text: text.replace("3.5", "3.4"), lambda text: "[]"])
def test_a_damaged_result_is_noticed(tmp_path, spoil):
    results.write(tmp_path, "train-a", {"result": {"re": 3.5}})
    path = results.path_of(tmp_path, "train-a")
    path.write_text(spoil(path.read_text()))
    with pytest.raises(results.Damaged, match="train-a"):
        results.read(tmp_path, "train-a")


def _hold(home, order, name, seconds):
    with results.locked(home, "job"):
        order.append(f"{name} in")
        time.sleep(seconds)
        order.append(f"{name} out")


def test_one_process_at_a_time(tmp_path):
    with multiprocessing.Manager() as manager:
        order = manager.list()
        holders = [multiprocessing.Process(target=_hold, args=(tmp_path, order, name, 0.3)) for name in "ab"]
        for holder in holders:
            holder.start()
        for holder in holders:
            holder.join()
        first, second = order[0][0], order[2][0]
        assert list(order) == [f"{first} in", f"{first} out", f"{second} in", f"{second} out"] and first != second


def test_a_killed_owner_lets_go(tmp_path):
    with multiprocessing.Manager() as manager:
        order = manager.list()
        holder = multiprocessing.Process(target=_hold, args=(tmp_path, order, "a", 600))
        holder.start()
        while not order:
            time.sleep(0.01)
        holder.kill()
        holder.join()
        started = time.monotonic()
        with results.locked(tmp_path, "job"):
            assert time.monotonic() - started < 5


def test_a_store_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="--store"):
        results.check_usable(tmp_path / "file" / "store")
