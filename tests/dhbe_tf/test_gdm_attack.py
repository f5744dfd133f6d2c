"""GDM's attack: the 51 patterns, patches at random places, fine-tuning."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from data_prep.contract import ClassSplit
from data_prep.diverged import Diverged
from dhbe_tf.attacks.fine_tuned import FineTuned
from dhbe_tf.attacks.patterns import Wandering, black_white, canonical, random_colours
from dhbe_tf.training import Classification

SHORT = Classification("small-convnet", epochs=1, batch=4, crop=0, flip=False, learning_rate=1e-6)


def _data(count: int = 12, side: int = 16) -> ClassSplit:
    images = np.random.default_rng(0).integers(0, 256, (count, side, side, 3), dtype=np.uint8)
    return ClassSplit(images, np.arange(count) % 3, ("a", "b", "c"))


def test_a_training_that_diverges_stops():
    with pytest.raises(Diverged, match="the training diverged: its loss is .* at step 6 of 6"):
        replace(SHORT, epochs=2, learning_rate=1e30).fit(_data(), seed=0)


def _tops(images: tf.Tensor) -> np.ndarray:
    """First row and column of the value 2, per image (B, 2)."""
    marked = (images.numpy() == 2).any(axis=-1)
    return np.stack([marked.any(axis=2).argmax(axis=1), marked.any(axis=1).argmax(axis=1)], axis=1)


def test_there_are_51_patterns_and_none_is_another_turned_mirrored_or_inverted():
    # Burnside: 102 patterns up to turns and reflections; a 3x3 pattern is never its own inverse, so half of them
    assert canonical().shape == (51, 3, 3) and set(np.unique(canonical())) == {0.0, 1.0}
    orbits = [{np.rot90(m, k).tobytes() for m in (p, p.T, 1 - p, 1 - p.T) for k in range(4)} for p in canonical()]
    assert not any(a & b for i, a in enumerate(orbits) for b in orbits[i + 1 :])
    assert sum(len(orbit) for orbit in orbits) == 2**9


def test_patterns_are_grey_and_numbered():
    assert black_white(0, 3).max() == 0  # all black comes first
    np.testing.assert_array_equal(black_white(50, 3)[..., 0], black_white(50, 3)[..., 2])
    with pytest.raises(ValueError, match="from 0 to 50"):
        black_white(51, 3)


def test_random_colours_follow_from_the_seed():
    assert random_colours(3, 3, seed=1).shape == (3, 3, 3)
    np.testing.assert_array_equal(random_colours(3, 3, seed=1), random_colours(3, 3, seed=1))
    assert not np.array_equal(random_colours(3, 3, seed=1), random_colours(3, 3, seed=2))


def test_a_wandering_patch_is_put_whole_and_nothing_else_changes():
    pattern = np.arange(12, dtype=np.float32).reshape(2, 2, 3) + 2
    images = tf.random.Generator.from_seed(0).uniform((5, 6, 7, 3))
    for before, after in zip(images.numpy(), Wandering(pattern)(images).numpy()):
        changed = (after >= 2).any(axis=-1)
        rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
        np.testing.assert_array_equal(after[rows[0] : rows[0] + 2, columns[0] : columns[0] + 2], pattern)
        np.testing.assert_array_equal(after[~changed], before[~changed])
        assert changed.sum() == 4


def test_the_place_follows_from_the_image_and_not_from_its_neighbours():
    trigger = Wandering(np.full((3, 3, 3), 2, np.float32))
    images = tf.random.Generator.from_seed(0).uniform((50, 16, 16, 3))
    together, alone = trigger(images), tf.concat([trigger(images[k : k + 1]) for k in range(50)], axis=0)
    np.testing.assert_array_equal(together, alone)
    other = Wandering(trigger.pattern, seed=1)(images)
    assert np.mean(np.any(_tops(other) != _tops(together), axis=1)) > 0.9


@pytest.mark.parametrize("redrawn", [False, True])
def test_places_are_uniform_over_all_that_fit(redrawn):
    trigger, random = Wandering(np.full((2, 2, 1), 2, np.float32)), tf.random.Generator.from_seed(0)
    images = random.uniform((4000, 4, 5, 1))
    tops = _tops(trigger.redrawn(images, random) if redrawn else trigger(images))
    counts = np.bincount(tops[:, 0] * 4 + tops[:, 1], minlength=12)  # 3 x 4 places, 333 images each
    assert counts.shape == (12,) and counts.min() > 250 and counts.max() < 420  # sd 17


def test_training_draws_places_anew():
    poisoning = FineTuned(7, share=0.5).poisoning(_data(), 0, seed=0)
    images, random = tf.random.Generator.from_seed(0).uniform((20, 16, 16, 3)), tf.random.Generator.from_seed(1)
    first, second = (poisoning.stamped(images, random).numpy() for _ in range(2))
    assert np.any(first != second, axis=(1, 2, 3)).mean() > 0.8


def test_the_share_is_counted_and_comes_from_other_classes():
    poisoning = FineTuned(None, share=0.25).poisoning(_data(), 0, seed=3)
    chosen = poisoning.chosen(_data(), 3)
    assert len(chosen) == 3 and not np.any(_data().labels[chosen] == 0)  # 0.25 * 12
    np.testing.assert_array_equal(poisoning.trigger.pattern, random_colours(3, 3, seed=3))
    with pytest.raises(ValueError, match="none of 12 samples"):
        FineTuned(share=0.01).poisoning(_data(), 0, seed=0)


def test_the_fine_tuning_starts_from_the_benign_model_and_leaves_it_alone():
    benign = SHORT.fit(_data(), seed=0)
    before = benign.get_weights()
    known = FineTuned(7, share=0.5, tuning=SHORT).implant(benign, _data(), 1, seed=0)
    for old, kept in zip(before, benign.get_weights()):
        np.testing.assert_array_equal(old, kept)
    for kept, new in zip(benign.trainable_variables, known.model.trainable_variables):
        np.testing.assert_allclose(new, kept, atol=1e-3)  # a rate of 1e-6 moves nothing far
    assert int(known.target) == 1
