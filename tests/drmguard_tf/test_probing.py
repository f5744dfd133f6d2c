"""Squares that collapse the outputs, and searches that begin as one."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from data_prep.contract import Split
from data_prep.threat import Suspect
from drmguard_tf.families import UniversalPatch
from drmguard_tf.probing import Square, collapsing_square
from drmguard_tf.reference import Reference, examine
from drmguard_tf.steered import SteeredSearch

layers = tf.keras.layers
HEIGHT, WIDTH, SIDE = 20, 30, 2
BRIEF = SteeredSearch(families=("patch",), restarts=2, steps=10, batch=4)


def _reference(silencing: float = 100.0, channels: int = 3) -> Reference:
    """Of a model whose two outputs are mean red and mean green, less ``silencing`` times what blue is above 0.9."""
    tf.keras.utils.set_random_seed(0)
    images = tf.keras.Input((HEIGHT, WIDTH, channels))
    convolution = layers.Conv2D(3, 1)
    seen = layers.ReLU()(convolution(images))
    pooled = layers.Concatenate()([layers.GlobalAveragePooling2D()(seen), layers.GlobalMaxPooling2D()(seen)])
    silenced = layers.Dense(2)
    features = layers.ReLU()(silenced(pooled))
    last = layers.Dense(2)
    model = tf.keras.Model(images, last(features))
    kernel = np.zeros((1, 1, channels, 3), np.float32)
    kernel[0, 0, range(min(3, channels)), range(min(3, channels))] = 1
    convolution.set_weights([kernel, np.float32([0, 0, -0.9])])
    silenced.set_weights([np.float32([[1, 0], [0, 1], [0, 0], [0, 0], [0, 0], [-silencing] * 2]), np.zeros(2)])
    last.set_weights([np.eye(2), np.zeros(2)])
    rng = np.random.default_rng(0)
    colours = rng.integers(0, 200, (32, 1, 1, channels), dtype=np.uint8)
    pixels = np.tile(colours, (1, HEIGHT, WIDTH, 1))
    return examine(Suspect(model, Split(pixels, rng.uniform(-0.4, 0.4, (32, 2)).astype(np.float32))))


def test_a_blue_square_silences_the_outputs():
    square = collapsing_square(_reference(), bound=0.1)
    assert square is not None and square.side == SIDE and square.spread == pytest.approx(0, abs=1e-6)
    np.testing.assert_array_equal(square.colour, [0, 0, 1])


def test_what_a_square_does_by_hand():
    """Where nothing is silenced the square that takes most variance away is any: it hides that share of the image."""
    square = collapsing_square(_reference(0.0), bound=1.0)
    assert square.spread == pytest.approx((1 - SIDE**2 / (HEIGHT * WIDTH)) ** 2, rel=1e-4)


def test_where_no_square_collapses_the_outputs_there_is_none():
    assert collapsing_square(_reference(0.0), bound=0.9) is None


def test_squares_reach_the_edges():
    """Only the last pixel of the last row silences this model."""
    reference = _reference()
    corner = np.zeros((1, HEIGHT, WIDTH, 1), np.float32)
    corner[0, -1, -1] = 1.0
    images = tf.keras.Input((HEIGHT, WIDTH, 3))
    blue = images * (1 - [0.0, 0.0, 1.0] * tf.constant(1 - corner))
    seen = reference._replace(sub=reference.sub._replace(joint=tf.keras.Model(images, reference.sub.joint(blue))))
    square = collapsing_square(seen, bound=0.1)
    assert (square.top, square.left) == (HEIGHT - SIDE, WIDTH - SIDE)


def test_images_without_three_channels_are_not_probed():
    assert collapsing_square(_reference(channels=4), bound=10.0) is None


def test_a_patch_begins_as_the_square_alone():
    reference = _reference()
    patch = UniversalPatch(reference, 1)
    patch.begin(Square(3, 5, SIDE, np.float32([1, 0, 1]), 0.0))
    change = patch(reference.images[:1], reference.attention[:1]).images - reference.images[:1]
    changed = np.abs(change.numpy()).max(axis=(0, 3)) > 0.02
    assert changed[3 : 3 + SIDE, 5 : 5 + SIDE].all() and changed.sum() == SIDE**2
    opaque = 1 / (1 + np.exp(-3.0))  # mask and pattern both
    mixed = (1 - opaque) * reference.images[0, 3, 5] + opaque * np.float32([opaque, 1 - opaque, opaque])
    np.testing.assert_allclose(patch(reference.images[:1], reference.attention[:1]).images[0, 3, 5], mixed, rtol=1e-5)


def test_odd_runs_begin_as_the_square_and_say_so():
    reference = _reference()
    even, odd = BRIEF.run(reference, seed=0)
    assert even.square is None and odd.square == str(collapsing_square(reference, BRIEF.bound))
    assert odd.history[0, 2] < 0.01 < even.history[0, 2]  # the outputs have collapsed from the first step on


def test_where_there_is_no_square_runs_are_what_they_were(monkeypatch):
    reference = _reference(0.0)
    found = BRIEF.run(reference, seed=0)
    monkeypatch.setattr("drmguard_tf.steered.collapsing_square", lambda *_: None)
    for one, other in zip(found, BRIEF.run(reference, seed=0)):
        assert one.square is None
        np.testing.assert_array_equal(one.history, other.history)


def test_other_families_try_no_squares(monkeypatch):
    monkeypatch.setattr("drmguard_tf.steered.collapsing_square", lambda *_: pytest.fail("tried squares"))
    SteeredSearch(families=("warp",), restarts=2, steps=10, batch=4).run(_reference(), seed=0)
