"""Processor cores."""

from __future__ import annotations

import os

from data_prep.cores import cores


def test_there_is_a_core_and_no_more_than_the_machine_has():
    assert 1 <= cores() <= (os.cpu_count() or 1)
