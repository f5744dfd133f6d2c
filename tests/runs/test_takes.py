"""What methods take is told machine by machine."""

from __future__ import annotations

from runs import pipeline, takes


def test_machines_are_not_mixed():
    pieces = [
        takes.Taken("slow", "CPU", 10.0, 500.0),
        takes.Taken("fast", "GPU", 1.0, 900.0),
        takes.Taken("slow", "CPU", 20.0, 400.0),
        takes.Taken("fast", "CPU", 4.0, 300.0),
    ]
    rows = takes.table("t", pieces).rows
    assert [(row["device"], row["method"], row["n"]) for row in rows] == [
        ("CPU", "slow", 2),
        ("CPU", "fast", 1),
        ("GPU", "fast", 1),
    ]
    assert [row["seconds"] for row in rows] == [15, 4, 1]  # (10 + 20) / 2
    assert [row["largest"] for row in rows] == [20, 4, 1] and [row["peak"] for row in rows] == [500, 300, 900]


def test_a_piece_is_all_that_a_job_spent_or_a_part_of_it():
    record = {"result": {"spent": {"seconds": 5.0, "peak_mib": 7.0}}, "device": "CPU", "commit": "abc"}
    result = pipeline.result_of(record)
    assert takes.taken("all", result) == ("all", "CPU", 5.0, 7.0)
    assert takes.taken("part", result, {"seconds": 2.0, "peak_mib": 6.0}) == ("part", "CPU", 2.0, 6.0)
