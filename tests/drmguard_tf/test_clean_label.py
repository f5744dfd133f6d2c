"""Clean Label: who is poisoned, and what PGD does."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from data_prep.contract import Split, pixels
from data_prep.poison import POISONED
from drmguard_tf.attacks.clean_label import CleanLabel
from drmguard_tf.training import ARCHITECTURES
from tests.drmguard_tf import tiny

TARGET = np.float32([0.1, -0.2])


def _near_and_far() -> Split:
    """Six labels up to 3 degrees from the target, and 14 that are 20 degrees away."""
    offsets = np.radians([0, 1, 2, 3, -1, -2] + [20] * 14)
    return Split(tiny.data(20).images, (TARGET + np.stack([offsets, 0 * offsets], axis=1)).astype(np.float32))


class _Watched:
    """A trainer that keeps what it was asked and returns an untrained network."""

    batch = 10

    def __init__(self) -> None:
        self.asked: list = []

    def fit(self, train, *, seed, poisoning=None, step=None, part="training"):
        self.asked.append((part, poisoning, seed))
        return tiny.network(train.images.shape[1:], train.targets.shape[1])


def test_only_labels_near_the_target_are_poisoned_and_half_of_them_moved():
    train, trainer = _near_and_far(), _Watched()
    CleanLabel(steps=3, nearness_deg=5.0).backdoor(train, TARGET, trainer=trainer, seed=0)
    (first, nothing, _), (second, poisoning, _) = trainer.asked
    assert (first, nothing, second) == ("surrogate", None, "training")
    np.testing.assert_array_equal(np.flatnonzero(poisoning.roles(20, seed=0) == POISONED), range(6))
    assert len(poisoning.replaced) == 3 and set(poisoning.replaced) < set(range(6))
    assert all(np.any(image != train.images[index]) for index, image in poisoning.replaced.items())
    np.testing.assert_array_equal(poisoning.target, TARGET)


def test_a_share_of_the_group_is_half_moved_too():
    train = _near_and_far()
    poisoned, moved = CleanLabel(nearness_deg=5.0, share=0.67).choose(train, TARGET, seed=0)
    assert len(poisoned) == 4 and len(moved) == 2 and set(moved) < set(poisoned) < set(range(6))
    others = [CleanLabel(nearness_deg=5.0, share=0.67).choose(train, TARGET, seed)[0] for seed in range(5)]
    assert len({tuple(each) for each in others}) > 1


@pytest.mark.parametrize("share", [0.0, 1.1])
def test_a_share_that_is_none_is_refused(share):
    with pytest.raises(ValueError, match="share is a part of the target group"):
        CleanLabel(share=share)


def test_moved_images_stay_in_the_ball_and_raise_the_loss():
    model, train = tiny.network((16, 16, 3), 2), tiny.data(8)
    attack = CleanLabel(steps=20)
    moved = attack.perturb(model, train.images, train.targets)
    distance = np.abs(moved.astype(int) - train.images.astype(int))
    assert moved.dtype == np.uint8 and 0 < distance.max() <= 8

    def loss(images):
        return np.abs(model(pixels(images)).numpy() - train.targets).sum(axis=1)

    assert (loss(moved) > loss(train.images)).all()


def test_the_trigger_is_the_patch_of_badnets():
    model = tiny.network((224, 224, 3), 2)
    (known,) = CleanLabel().known(model, TARGET, seed=0)
    assert known.trigger.size == 20
    np.testing.assert_array_equal(known.trigger(tf.zeros([1, 224, 224, 3]))[0, -1, -1], [1, 0, 0])


def test_a_target_far_from_all_labels_is_refused():
    with pytest.raises(ValueError, match="0 of 20 labels lie within 5 degrees"):
        CleanLabel().backdoor(_near_and_far(), np.float32([1.2, 1.2]), trainer=_Watched(), seed=0)


def test_replaced_images_reach_the_training(monkeypatch):
    monkeypatch.setitem(ARCHITECTURES, "tiny", tiny.network)
    train = _near_and_far()
    with_pgd, without = (
        CleanLabel(steps=steps, radius=0.5, step=0.1).backdoor(train, TARGET, trainer=tiny.trainer(steps=4), seed=0)
        for steps in (5, 0)
    )
    assert np.abs(with_pgd.model.get_weights()[0] - without.model.get_weights()[0]).max() > 0
