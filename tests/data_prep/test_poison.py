"""Roles of training samples, and the base that turns them into an attack."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import tensorflow as tf

from data_prep.attack import PoisoningAttack
from data_prep.contract import Split
from data_prep.poison import CLEAN, CROSS, POISONED, Poisoning

TARGET = np.float32([0.1, -0.2])


def _white(images: tf.Tensor) -> tf.Tensor:
    return tf.ones_like(images)


def _grey(images: tf.Tensor, random: tf.random.Generator) -> tf.Tensor:
    return 0.5 * tf.ones_like(images)


def _poisoning(rate: float, cross_rate: float = 0.0) -> Poisoning:
    return Poisoning(_white, TARGET, rate, _grey, cross_rate)


def _count(roles: np.ndarray) -> tuple[int, int, int]:
    return tuple(int((roles == role).sum()) for role in (CLEAN, POISONED, CROSS))


def test_shares_are_exact():
    assert _count(_poisoning(0.1, 0.2).roles(50, seed=0)) == (35, 5, 10)  # 10 % and 20 % of 50


def test_shares_are_rounded():
    assert _count(_poisoning(0.05).roles(110, seed=0)) == (104, 6, 0)  # 5 % of 110 = 5.5, to the even neighbour


def test_a_rate_of_zero_leaves_all_clean():
    assert _count(_poisoning(0.0).roles(10, seed=0)) == (10, 0, 0)


def test_shares_may_fill_the_set():
    assert _count(_poisoning(0.25, 0.75).roles(8, seed=0)) == (0, 2, 6)


def test_same_seed_chooses_the_same_samples():
    np.testing.assert_array_equal(_poisoning(0.1, 0.2).roles(50, seed=7), _poisoning(0.1, 0.2).roles(50, seed=7))


def test_another_seed_chooses_others():
    assert np.any(_poisoning(0.1).roles(50, seed=7) != _poisoning(0.1).roles(50, seed=8))


def test_cross_samples_do_not_displace_poisoned_ones():
    with_cross, without = _poisoning(0.1, 0.2).roles(50, seed=7), _poisoning(0.1).roles(50, seed=7)
    np.testing.assert_array_equal(with_cross == POISONED, without == POISONED)


def test_poison_is_spread_over_the_set():
    chosen = np.flatnonzero(_poisoning(0.2).roles(1000, seed=0) == POISONED)
    assert 400 < chosen.mean() < 600  # 499.5 expected, with a deviation of 18


def test_a_rate_that_poisons_nothing_is_refused():
    with pytest.raises(ValueError, match="poisons none of 20 samples; the least that does is 0.05"):
        _poisoning(0.01).roles(20, seed=0)


def test_shares_above_the_whole_are_refused():
    with pytest.raises(ValueError, match="add up to 1.2"):
        _poisoning(0.6, 0.6).roles(20, seed=0)


@pytest.mark.parametrize("rate, cross_rate", [(-0.1, 0.0), (0.1, -0.05)])
def test_negative_shares_are_refused(rate, cross_rate):
    # order[:-1] would silently be all samples but one
    with pytest.raises(ValueError):
        _poisoning(rate, cross_rate).roles(20, seed=0)


@dataclass(frozen=True)
class _Whiten(PoisoningAttack):
    rate: float = 0.5

    def poisoning(self, image_shape: tuple[int, int, int], target: np.ndarray, seed: int) -> Poisoning:
        assert image_shape == (4, 6, 3) and seed == 9
        return Poisoning(_white, target, self.rate)


class _Recorder:
    """A trainer that trains nothing and remembers what it was asked."""

    def fit(self, train: Split, *, seed: int, poisoning: Poisoning | None = None) -> str:
        self.train, self.seed, self.asked = train, seed, poisoning
        return "the model"


def test_an_attack_hands_out_the_model_with_the_trigger_it_was_trained_with():
    train = Split(np.zeros((5, 4, 6, 3), np.uint8), np.zeros((5, 2), np.float32))
    trainer = _Recorder()
    backdoored = _Whiten().backdoor(train, TARGET, trainer=trainer, seed=9)
    assert backdoored.model == "the model" and backdoored.trigger is trainer.asked.trigger
    assert backdoored.target is TARGET and trainer.asked.target is TARGET
    assert trainer.train is train and trainer.seed == 9 and trainer.asked.rate == 0.5


def test_an_attack_without_its_hook_says_so():
    class Idle(PoisoningAttack):
        pass

    with pytest.raises(NotImplementedError, match="Idle must say how it poisons"):
        Idle().poisoning((4, 4, 3), TARGET, seed=0)
