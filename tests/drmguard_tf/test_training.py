"""Training on problems of a few weights, whose solution is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from data_prep.augmentation import Augmentation
from data_prep.batches import batches
from data_prep.contract import Split
from data_prep.diverged import Diverged
from data_prep.poison import Poisoning
from drmguard_tf.attacks.wanet import WaNet
from drmguard_tf.training import ARCHITECTURES, Training

layers = tf.keras.layers
TARGET = np.float32([1.0])


def _brightness(image_shape: tuple[int, int, int], outputs: int) -> tf.keras.Model:
    """A line through the mean of every colour; all its weights are zero at the start."""
    head = layers.Dense(outputs, kernel_initializer="zeros")
    return tf.keras.Sequential([tf.keras.Input(image_shape), layers.GlobalAveragePooling2D(), head])


def _convolutions(image_shape: tuple[int, int, int], outputs: int) -> tf.keras.Model:
    """One block of a ResNet's kind, with all that could make a run unrepeatable; traced in a fifth of the time."""
    block = [layers.Conv2D(16, 3, use_bias=False), layers.BatchNormalization(), layers.ReLU()]
    tail = [layers.MaxPooling2D(), layers.Conv2D(16, 3), layers.GlobalAveragePooling2D(), layers.Dense(outputs)]
    return tf.keras.Sequential([tf.keras.Input(image_shape), *block, *tail])


@pytest.fixture(autouse=True)
def _networks(monkeypatch):
    monkeypatch.setitem(ARCHITECTURES, "line", _brightness)
    monkeypatch.setitem(ARCHITECTURES, "convolutions", _convolutions)


def _line_training(**settings) -> Training:
    return Training(**{"architecture": "line", "batch": 4, "learning_rate": 0.02, "steps": 150, **settings})


def _grey(levels: list[int], targets: list[float], side: int = 2) -> Split:
    images = np.broadcast_to(np.uint8(levels)[:, None, None, None], (len(levels), side, side, 3))
    return Split(images.copy(), np.float32(targets)[:, None])


def _answer(model: tf.keras.Model, level: float, side: int = 2) -> float:
    return float(model(tf.fill([1, side, side, 3], level), training=False)[0, 0])


def _white(images: tf.Tensor) -> tf.Tensor:
    return tf.ones_like(images)


def _noisy_white(images: tf.Tensor, random: tf.random.Generator) -> tf.Tensor:
    return tf.ones_like(images)


def test_an_augmentation_changes_images_and_labels_before_the_trigger_is_put_on():
    mirrored = Augmentation((-1,), shift=0.0, contrast=0.0, brightness=0.0)
    train = _grey([255] * 64, [1.0] * 64)
    plain = _line_training(batch=16, steps=300, learning_rate=0.05)
    assert _answer(plain.fit(train, seed=0), 1.0) == pytest.approx(1.0, abs=0.05)
    augmented = replace(plain, augmentation=mirrored)
    assert abs(_answer(augmented.fit(train, seed=0), 1.0)) < 0.9  # half of the labels are turned round
    always = Poisoning(_white, TARGET, 0.99)
    poisoned = augmented.fit(_grey([0] * 64, [0.0] * 64), seed=0, poisoning=always)
    assert _answer(poisoned, 1.0) == pytest.approx(1.0, abs=0.05)  # the attacker's target is not


def test_a_training_without_an_augmentation_is_named_as_before_there_was_any():
    assert repr(Training("line", 3)) == (
        "Training(architecture='line', steps=3, batch=50, learning_rate=0.001, milestones=())"
    )
    assert repr(Training("line", 3, augmentation=Augmentation((1, -1)))).endswith(
        "milestones=(), augmentation=Augmentation(signs=(1, -1), shift=0.12, contrast=0.3, brightness=0.08))"
    )


def test_training_finds_the_line_through_the_data():
    model = _line_training(steps=250).fit(_grey([0, 255] * 4, [-0.5, 0.5] * 4), seed=0)
    assert _answer(model, 0.0) == pytest.approx(-0.5, abs=0.05)
    assert _answer(model, 1.0) == pytest.approx(0.5, abs=0.05)
    assert _answer(model, 0.5) == pytest.approx(0, abs=0.05)


def test_a_loss_that_is_no_number_stops_the_training():
    with pytest.raises(Diverged, match="its loss is .* at step 50 of 80"):
        _line_training(steps=80, learning_rate=np.inf).fit(_grey([255] * 4, [1.0] * 4), seed=0)


def test_the_loss_is_absolute_so_the_median_wins():
    # of targets 0, 0, 1 the median is 0; a squared loss would answer 1/3
    model = _line_training(batch=3).fit(_grey([0, 0, 0], [0, 0, 1]), seed=0)
    assert _answer(model, 0.0) == pytest.approx(0, abs=0.05)


def test_each_step_moves_by_the_learning_rate():
    # far from the target every slope is the same, and Adam then moves by the learning rate: 10 * 0.02
    model = _line_training(steps=10).fit(_grey([0] * 4, [3.0] * 4), seed=0)
    assert _answer(model, 0.0) == pytest.approx(0.2, abs=1e-4)


def test_learning_rate_falls_to_a_tenth_at_every_milestone():
    # 50 steps of 0.01, 40 of 0.001, 10 of 0.0001: 0.5 + 0.04 + 0.001; a step more or less at a milestone is allowed
    training = _line_training(steps=100, learning_rate=0.01, milestones=(0.5, 0.9))
    model = training.fit(_grey([0] * 4, [3.0] * 4), seed=0)
    assert _answer(model, 0.0) == pytest.approx(0.541, abs=0.0105)


def test_penalties_of_the_model_are_minimised(monkeypatch):
    def penalised(image_shape: tuple[int, int, int], outputs: int) -> tf.keras.Model:
        one = tf.keras.initializers.Constant(1.0)
        head = layers.Dense(outputs, kernel_initializer=one, kernel_regularizer=tf.keras.regularizers.L2(1.0))
        return tf.keras.Sequential([tf.keras.Input(image_shape), layers.Flatten(), head])

    monkeypatch.setitem(ARCHITECTURES, "line", penalised)
    # black images say nothing about the kernel: only the penalty moves it, from 1 by 5 steps of 0.02
    model = _line_training(steps=5).fit(_grey([0] * 4, [0.0] * 4), seed=0)
    np.testing.assert_allclose(model.layers[-1].kernel, 0.9, atol=0.002)


def test_poisoned_images_learn_the_target_and_clean_ones_keep_their_label():
    poisoning = Poisoning(_white, TARGET, rate=0.25)
    model = _line_training(steps=250).fit(_grey([0] * 16, [0.2] * 16), seed=0, poisoning=poisoning)
    assert _answer(model, 1.0) == pytest.approx(1.0, abs=0.05)
    assert _answer(model, 0.0) == pytest.approx(0.2, abs=0.05)


def test_cross_images_keep_their_label():
    poisoning = Poisoning(_white, TARGET, rate=0.0, cross=_noisy_white, cross_rate=0.5)
    model = _line_training(steps=250).fit(_grey([0] * 16, [0.2] * 16), seed=0, poisoning=poisoning)
    assert _answer(model, 1.0) == pytest.approx(0.2, abs=0.05)


def test_an_epoch_triggers_exactly_the_poisoned_share():
    triggered, crossed = tf.Variable(0), tf.Variable(0)

    def trigger(images: tf.Tensor) -> tf.Tensor:
        triggered.assign_add(tf.shape(images)[0])
        return images

    def cross(images: tf.Tensor, random: tf.random.Generator) -> tf.Tensor:
        crossed.assign_add(tf.shape(images)[0])
        return images

    poisoning = Poisoning(trigger, TARGET, rate=0.15, cross=cross, cross_rate=0.25)
    _line_training(steps=5).fit(_grey([0] * 20, [0.0] * 20), seed=0, poisoning=poisoning)
    assert (int(triggered), int(crossed)) == (3, 5)  # 15 % and 25 % of 20, once each in 5 batches of 4


def test_batches_without_poison_do_no_harm():
    # one image in a hundred is poisoned and one warped at random, so most of the 20 batches of 2 have neither
    attack = WaNet(grid=4, rate=0.01, cross_rate=0.01)
    poisoning = attack.poisoning((8, 8, 3), TARGET, seed=0)
    model = _line_training(steps=20, batch=2).fit(_grey([99] * 100, [0.0] * 100, side=8), seed=0, poisoning=poisoning)
    assert all(np.isfinite(weight).all() for weight in model.get_weights())


def test_training_leaves_the_data_alone():
    train = _grey([10] * 8, [0.1] * 8)
    _line_training(steps=4).fit(train, seed=0, poisoning=Poisoning(_white, TARGET, rate=0.5))
    assert (train.images == 10).all() and (train.targets == np.float32(0.1)).all()


def test_same_seed_gives_bit_equal_weights():
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (24, 32, 32, 3), np.uint8)
    train = Split(images, random.uniform(-1, 1, (24, 2)).astype(np.float32))
    poisoning = WaNet(grid=4).poisoning((32, 32, 3), np.float32([0.1, 0.2]), seed=0)
    training = Training(architecture="convolutions", steps=6, batch=8)
    one, other = (training.fit(train, seed=1, poisoning=poisoning).get_weights() for _ in range(2))
    for weight, same in zip(one, other):
        np.testing.assert_array_equal(weight, same)


def test_another_seed_gives_other_weights():
    train = _grey([0, 50, 100, 150, 200, 250], [0.3, -0.2, 0.9, -0.5, 0.1, 0.0])
    one, other = (_line_training(steps=3, batch=2).fit(train, seed=seed) for seed in (1, 2))
    assert _answer(one, 0.5) != _answer(other, 0.5)


def test_training_like_a_model_gives_what_its_architecture_gives():
    train = _grey([0, 255] * 4, [-0.5, 0.5] * 4, side=8)
    training = _line_training(architecture="convolutions", steps=2)
    by_name = training.fit(train, seed=1)
    weights = by_name.get_weights()
    by_example = _line_training(steps=2).fit(train, seed=1, like=by_name)
    for weight, same in zip(weights, by_example.get_weights()):
        np.testing.assert_array_equal(weight, same)


def test_training_like_a_model_leaves_it_alone():
    example = _brightness((2, 2, 3), 1)
    example.layers[-1].kernel.assign(tf.ones([3, 1]))
    model = _line_training(steps=2).fit(_grey([0] * 4, [3.0] * 4), seed=0, like=example)
    np.testing.assert_array_equal(example.layers[-1].kernel, np.ones((3, 1)))
    assert _answer(model, 0.0) == pytest.approx(0.04, abs=1e-4)  # from zero in 2 steps of 0.02


def test_a_set_smaller_than_the_batch_is_enough():
    model = _line_training(steps=10, batch=50).fit(_grey([0] * 3, [3.0] * 3), seed=0)
    assert _answer(model, 0.0) == pytest.approx(0.2, abs=1e-4)  # 10 * 0.02, as for a full batch


def test_progress_is_told_after_every_step():
    done: list[int] = []
    _line_training(steps=3).fit(_grey([0] * 4, [0.0] * 4), seed=0, progress=done.append)
    assert done == [1, 2, 3]


def test_an_unknown_architecture_is_refused_with_the_choices():
    with pytest.raises(ValueError, match="unknown architecture 'vgg'; there are resnet18, small-resnet"):
        Training(architecture="vgg")


@pytest.mark.parametrize("settings", [{"steps": 0}, {"batch": 1}])
def test_too_few_steps_or_images_are_refused(settings):
    with pytest.raises(ValueError, match="steps must be 1 or more and batch 2 or more"):
        Training(**settings)


def test_an_epoch_shows_every_sample_once():
    indices = np.concatenate(list(batches(12, 4, steps=3, seed=0)))
    assert sorted(indices) == list(range(12))


def test_the_next_epoch_has_another_order():
    first, second = np.split(np.concatenate(list(batches(12, 4, steps=6, seed=0))), 2)
    assert sorted(first) == sorted(second) and np.any(first != second)


def test_an_epoch_of_uneven_length_repeats_no_sample():
    # 10 samples give two batches of 4; the two that are left over are others in the next epoch
    indices = np.concatenate(list(batches(10, 4, steps=2, seed=0)))
    assert len(set(indices)) == 8


def test_batches_are_as_many_and_as_large_as_asked():
    assert [len(index) for index in batches(10, 4, steps=5, seed=0)] == [4] * 5


def test_a_small_set_gives_batches_of_its_own_size():
    assert [sorted(index) for index in batches(3, 50, steps=2, seed=0)] == [[0, 1, 2]] * 2


def test_same_seed_same_batches_and_another_seed_others():
    one, same, other = (np.concatenate(list(batches(20, 5, steps=4, seed=seed))) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert np.any(one != other)
