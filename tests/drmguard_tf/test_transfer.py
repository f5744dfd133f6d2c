"""Whether benign models follow a found change."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from drmguard_tf.families import Amplifiable, Change
from drmguard_tf.reference import examine
from drmguard_tf.steered import SteeredSearch
from drmguard_tf.transfer import Witnesses, way_led
from tests.drmguard_tf import colours


class _Blackened(Amplifiable):
    """A share of every image's brightness is taken away."""

    def __init__(self, share: float) -> None:
        super().__init__(name="blackened")
        self.share = share

    def __call__(self, images: tf.Tensor, attention: tf.Tensor) -> Change:
        return Change((1 - self.share) * images, tf.constant(self.share))


class _White(Amplifiable):
    """The corner in which the back door lies is white."""

    def __call__(self, images: tf.Tensor, attention: tf.Tensor) -> Change:
        corner = np.zeros((1, colours.SIZE, colours.SIZE, 1), np.float32)
        corner[:, :2, :2] = 1
        return Change(tf.maximum(images, corner), tf.constant(0.01))


def test_the_way_led_by_hand():
    before, target = np.float32([[3, 4], [0, 10]]), np.float32([0, 0])  # 5 and 10 away
    assert way_led(before, np.float32([[0, 0], [0, 0]]), target) == 1
    assert way_led(before, before, target) == 0
    # 2.5 and 5 away, half of the way; 6 and 9 away, none of it; 10 and 20 away
    assert way_led(before, before / 2, target) == pytest.approx(0.5)
    assert way_led(before, np.float32([[6, 0], [9, 0]]), target) == pytest.approx(0)
    assert way_led(before, 2 * before, target) == pytest.approx(-1)


@pytest.mark.parametrize("trigger, led", [(_Blackened(1.0), 1.0), (_Blackened(0.5), 0.5), (_White(), 0.0)])
def test_benign_models_follow_what_takes_the_colour_and_not_the_back_door(trigger, led):
    suspect, benign = colours.suspect(20.0), [colours.suspect(0.0).model] * 2
    witnesses = Witnesses(examine(suspect)._replace(witnesses=benign))
    # a white corner makes an image 4 of 256 pixels brighter, which leads away from black a little
    assert witnesses.transfer(trigger, colours.target()) == pytest.approx(led, abs=0.03)


def test_without_witnesses_nothing_is_told():
    reference = examine(colours.suspect(0.0))
    with pytest.raises(ValueError, match="at least one"):
        Witnesses(reference)
    search = SteeredSearch(families=("patch",), restarts=1, steps=10, batch=8)
    assert [run.transfer for run in search.run(reference, seed=0)] == [None]
    shown = search.run(reference._replace(witnesses=[colours.suspect(0.0).model]), seed=0)
    assert all(-1 < run.transfer <= 1 for run in shown)
