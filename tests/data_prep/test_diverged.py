"""Losses that are looked at now and then, and always at the end."""

from __future__ import annotations

import math

import pytest
import tensorflow as tf

from data_prep.diverged import Diverged, watch


@pytest.mark.parametrize("step, total", [(50, 80), (100, 130), (7, 7)])
@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_loss_that_is_looked_at_stops_the_work(step, total, loss):
    with pytest.raises(Diverged, match=f"the repair diverged: its loss is {loss} at step {step} of {total}"):
        watch(tf.constant(loss), step, total, "repair")


def test_between_looks_nothing_is_read():
    watch(object(), 49, 80)
    watch(object(), 51, 80)


def test_a_finite_loss_goes_on():
    watch(tf.constant(3.0), 50, 80)
    watch(tf.constant(3.0), 80, 80)
