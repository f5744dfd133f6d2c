"""Attacks on classifiers, their triggers and what they are measured by."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from data_prep.contract import ClassSplit
from data_prep.label_poison import LabelPoisoning, choose
from data_prep.poison import POISONED
from dhbe_tf import distances, metrics
from dhbe_tf.attacks import triggers
from dhbe_tf.attacks.badnets import BadNets
from dhbe_tf.attacks.clean_label import CleanLabel
from dhbe_tf.attacks.triggers import FOUR, NINE, Checkerboard, Patch
from dhbe_tf.attacks.trojaning import Trojaning
from dhbe_tf.training import Classification, channel_statistics

layers = tf.keras.layers
NAMES = ("a", "b", "c")
WIDE = [triggers.Watermark(), triggers.Sinusoid(), triggers.Steganography()]
ALL = [Checkerboard(3), Checkerboard(2, NINE), Patch(np.full((2, 2, 3), 0.5, np.float32)), *WIDE]


def _data(count: int = 30, size: int = 16) -> ClassSplit:
    images = np.random.default_rng(0).integers(0, 256, (count, size, size, 3), dtype=np.uint8)
    return ClassSplit(images, np.arange(count) % 3, NAMES)


def _images(count: int = 3) -> tf.Tensor:
    return tf.random.Generator.from_seed(0).uniform((count, 16, 16, 3))


@pytest.mark.parametrize("trigger", ALL, ids=lambda t: type(t).__name__)
def test_triggers_change_images_and_keep_range_shape_and_every_image_alone(trigger):
    images = _images()
    stamped = trigger(images).numpy()
    assert stamped.shape == images.shape and stamped.dtype == np.float32
    assert stamped.min() >= 0 and stamped.max() <= 1 and np.abs(stamped - images).max() > 0.005
    np.testing.assert_array_equal(trigger(images[1:2]), stamped[1:2])
    assert trigger(images[:0]).shape == (0, 16, 16, 3)


def test_a_checkerboard_alternates_and_starts_white():
    stamped = Checkerboard(3)(tf.fill([1, 6, 6, 1], 0.5)).numpy()[0, :, :, 0]
    np.testing.assert_array_equal(stamped[3:, 3:], [[1, 0, 1], [0, 1, 0], [1, 0, 1]])
    assert (stamped == 0.5).sum() == 36 - 9


def test_amplified_triggers_go_to_corners_edges_and_centre():
    black = tf.fill([1, 9, 9, 1], 0.5)
    four = np.argwhere(Checkerboard(1, FOUR)(black).numpy()[0, :, :, 0] == 1)
    assert four.tolist() == [[0, 0], [0, 8], [8, 0], [8, 8]]
    nine = np.argwhere(Checkerboard(1, NINE)(black).numpy()[0, :, :, 0] == 1)
    assert nine.tolist() == [[row, column] for row in (0, 4, 8) for column in (0, 4, 8)]


def test_steganography_changes_the_lowest_bits_only():
    images = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3))
    stamped = np.round(triggers.Steganography(bits=2)(tf.constant(images / 255, tf.float32)).numpy() * 255).astype(int)
    np.testing.assert_array_equal(stamped >> 2, images >> 2)
    np.testing.assert_array_equal(stamped[0] & 3, stamped[1] & 3)  # the same message in every image


def test_poison_comes_from_other_classes_and_is_counted():
    data, poisoning = _data(), BadNets(2, count=7).poisoning(_data(), 1, seed=0)
    roles = poisoning.roles(data, seed=0)
    assert (roles == POISONED).sum() == 7 and not np.any(data.labels[roles == POISONED] == 1)
    np.testing.assert_array_equal(roles, poisoning.roles(data, seed=0))
    assert np.any(roles != poisoning.roles(data, seed=1))


def test_clean_label_poison_is_of_the_target_class():
    assert np.all(_data().labels[choose(_data(), 1, 10, of_target=True, seed=0)] == 1)


@pytest.mark.parametrize(
    "target, count, message", [(3, 5, "0 to 2"), (1, 11, "has 10 of the target"), (1, 0, "0 samples")]
)
def test_impossible_poison_is_refused(target, count, message):
    with pytest.raises(ValueError, match=message):
        choose(_data(), target, count, of_target=True, seed=0)


def test_a_trigger_larger_than_the_image_is_refused():
    with pytest.raises(ValueError, match="does not fit"):
        BadNets(17).poisoning(_data(), 1, seed=0)


def _brightness_model() -> tf.keras.Model:
    """Logits of two classes by the mean of the image: 1 if brighter than a half."""
    model = tf.keras.Sequential(
        [tf.keras.Input((16, 16, 3)), layers.Conv2D(1, 1), layers.GlobalAveragePooling2D(), layers.Dense(2)]
    )
    third = np.full((1, 1, 3, 1), 1 / 3, np.float32)
    model.set_weights([third, np.zeros(1), np.float32([[0, 1]]), np.float32([0, -0.5])])
    return model


def _shades(*grey: int) -> np.ndarray:
    return np.stack([np.full((16, 16, 3), value, np.uint8) for value in grey])


def test_accuracy_by_hand():
    test = ClassSplit(_shades(0, 255, 255, 0), np.array([0, 1, 0, 1]), ("dark", "bright"))
    assert metrics.accuracy(_brightness_model(), test) == 0.5


def test_asr_counts_what_the_backdoored_model_gets_right():
    # target 1; other-class samples are 0, 0, 200, 100 of which the backdoored model gets all but the third right;
    # brightening by a third of the range moves 100 (0.39 -> 0.73) only: 1 of 3
    def brighten(images: tf.Tensor) -> tf.Tensor:
        return tf.minimum(images + 1 / 3, 1.0)

    test = ClassSplit(_shades(0, 0, 200, 100, 250), np.array([0, 0, 0, 0, 1]), ("dark", "bright"))
    backdoored = _brightness_model()
    deaf = _brightness_model()
    deaf.layers[-1].set_weights([np.float32([[0, 1]]), np.float32([0, -0.9])])  # bright only above 0.9
    found = metrics.Judged(backdoored, test).success(brighten, 1)
    assert found == pytest.approx((1 / 3, 3, 1 / 3, 3))
    after = metrics.Judged(deaf, test, before=metrics.Judged(backdoored, test)).success(brighten, 1)
    # under the deaf model all four are right; the trigger moves 200 (0.78 -> 1) only, which the paper does not count
    assert after == pytest.approx((0, 3, 1 / 4, 4))


def test_clean_images_are_classified_once_by_each_model(monkeypatch):
    test, asked, predict = ClassSplit(_shades(0, 255), np.array([0, 1]), ("dark", "bright")), [], metrics.predict

    def counted(model, images, trigger=None):
        asked.append((model, trigger is not None))
        return predict(model, images, trigger)

    monkeypatch.setattr(metrics, "predict", counted)
    one, other = _brightness_model(), _brightness_model()
    judged = metrics.Judged(one, test)
    assert judged.accuracy() == 1 and judged.success(Checkerboard(1), 1) == judged.success(Checkerboard(1), 1)
    assert asked == [(one, False), (one, True), (one, True)]
    asked.clear()
    metrics.Judged(one, test, before=metrics.Judged(other, test)).success(Checkerboard(1), 1)
    assert asked == [(other, False), (one, False), (one, True)]


def test_no_sample_to_count_is_an_error():
    test = ClassSplit(_shades(255), np.array([1]), ("dark", "bright"))
    with pytest.raises(ValueError, match="no sample"):
        metrics.Judged(_brightness_model(), test).success(Checkerboard(1), 1)


def test_reach_of_a_trigger_by_hand():
    # 16 white pixels (4 x 4) on black: the last map changes by 1 in 16 places, the second output by 16 / 256
    white = Patch(np.ones((4, 4, 3), np.float32))
    found = metrics.trigger_reach(_brightness_model(), white, _shades(0, 0))
    assert found == pytest.approx((16, 4, 1 / 16, 1 / 16), rel=1e-5)


def test_differences_of_single_images_by_hand():
    # a white patch moves white images by nothing; on black as above
    white = Patch(np.ones((4, 4, 3), np.float32))
    found = metrics.activation_differences(_brightness_model(), white, _shades(0, 255))
    assert list(found) == list(metrics.Reach._fields)
    np.testing.assert_allclose(found["block_l1"], [16, 0], atol=1e-4)
    np.testing.assert_allclose(found["output_l2"], [1 / 16, 0], atol=1e-6)


def test_a_checkerboard_on_black_costs_its_white_values():
    assert distances.trigger_cost(Checkerboard(3), _shades(0)) == pytest.approx(5 * 3)  # 5 white pixels, 3 channels


def test_classes_a_shift_apart_are_as_far_as_the_shift():
    # every value 51 levels = 0.2 apart, in random directions of the projection: 768 * 0.2
    data = ClassSplit(np.concatenate([_shades(*[100] * 9), _shades(*[151] * 9)]), np.repeat([0, 1], 9), ("a", "b"))
    apart = distances.class_distances(data, projections=4000, seed=0)
    assert apart[0, 1] == pytest.approx(768 * 0.2, rel=0.05) and apart[0, 0] == 0
    np.testing.assert_array_equal(apart, apart.T)


def test_perturbations_stay_within_their_radius_and_raise_the_loss():
    model, images = _brightness_model(), _shades(120, 130)
    moved = CleanLabel(steps=10, radius=8 / 255, step=2 / 255).perturb(model, images, np.array([0, 1]))
    # the first is to look brighter, the second darker, each by all of 8 levels
    np.testing.assert_array_equal(moved[:, 0, 0, 0], [128, 122])


def test_replaced_images_are_what_is_trained_on():
    data = _data()
    white = np.full((16, 16, 3), 255, np.uint8)
    poisoning = LabelPoisoning(Checkerboard(1), 1, 1, clean_label=True, replaced={4: white})
    assert np.flatnonzero(poisoning.roles(data, seed=0)).tolist() == [4]
    from dhbe_tf.training import _replaced

    batch = _replaced(data.images[[3, 4]], np.array([3, 4]), poisoning)
    np.testing.assert_array_equal(batch[1], white)
    np.testing.assert_array_equal(batch[0], data.images[3])
    assert not np.array_equal(data.images[4], white)  # the set itself is not changed


def test_tying_changes_the_last_layer_only():
    tf.keras.utils.set_random_seed(0)
    model = tf.keras.Sequential(
        [
            tf.keras.Input((16, 16, 3)),
            layers.Conv2D(8, 3, activation="relu"),
            layers.GlobalMaxPooling2D(),
            layers.Dense(3),
        ]
    )
    attack, data = Trojaning(size=4, neurons=2, trigger_steps=30, steps=60, batch=20, share=0.5), _data()
    data = ClassSplit(data.images // 4, data.labels, NAMES)  # dark, so that a patch can stand out
    before, chosen = model.get_weights(), choose(data, 2, 10, of_target=False, seed=0)
    neurons = np.array([1, 5])
    trigger = attack.excite(model, neurons, data.images[chosen], seed=0)
    features = tf.keras.Model(model.inputs, model.layers[-1].input)
    excited = metrics.predict(features, data.images, trigger)[:, neurons].mean()
    random = Patch(np.random.default_rng(1).random((4, 4, 3)).astype(np.float32))
    assert excited > metrics.predict(features, data.images, random)[:, neurons].mean()
    attack.tie(model, trigger, 2, data, chosen, seed=0)
    np.testing.assert_array_equal(before[0], model.get_weights()[0])
    assert np.abs(before[2] - model.get_weights()[2]).max() > 0.01
    assert np.mean(metrics.predict(model, data.images, trigger).argmax(axis=1) == 2) > 0.8


@pytest.mark.parametrize("share", [0.0, 1.0, 0.01])
def test_a_batch_of_trojaning_holds_clean_and_poisoned_samples(share):
    with pytest.raises(ValueError, match="must hold clean and poisoned"):
        Trojaning(batch=20, share=share)


class _Inverting:
    """A trainer that has a model, and shows images with black and white exchanged."""

    def fit(self, train, *, seed, **_):
        tf.keras.utils.set_random_seed(seed)
        maps = layers.Conv2D(6, 3, activation="softplus")  # no unit is dead, whatever the stack draws
        return tf.keras.Sequential(
            [tf.keras.Input((16, 16, 3)), maps, layers.GlobalAveragePooling2D(), layers.Dense(3)], name="inverting"
        )

    def recoloured(self, images, random):
        return 1 - images


class _Plain(_Inverting):
    """The same trainer that shows images as they are."""

    def recoloured(self, images, random):
        return images


def test_trojaning_sees_the_colours_of_the_training():
    attack = Trojaning(size=4, neurons=2, count=10, trigger_steps=20, steps=20, batch=10, share=0.5)
    data = ClassSplit(_data().images // 4, _data().labels, NAMES)
    inverse = ClassSplit(255 - data.images, data.labels, NAMES)
    inverting, plain, other = (
        attack.backdoor(seen, 2, trainer=trainer, seed=0)
        for seen, trainer in ((data, _Inverting()), (inverse, _Plain()), (data, _Plain()))
    )
    np.testing.assert_allclose(inverting.trigger.pattern, plain.trigger.pattern, atol=1e-4)
    for mine, theirs in zip(inverting.model.get_weights(), plain.model.get_weights()):
        np.testing.assert_allclose(mine, theirs, atol=1e-4)
    assert np.abs(inverting.trigger.pattern - other.trigger.pattern).max() > 0.001
    assert np.abs(inverting.model.get_weights()[2] - other.model.get_weights()[2]).max() > 0.01


def test_colours_are_the_training_s():
    ink, random = tf.constant([0.0, 0.5, 1.0]) * tf.ones((40, 1, 1, 3)), tf.random.Generator.from_seed(0)
    state = random.state.numpy()
    assert Classification().recoloured(ink, random) is ink and np.array_equal(random.state, state)  # photographs
    black, grey, white = np.moveaxis(Classification(contrast=True).recoloured(ink, random).numpy()[:, 0, 0], 1, 0)
    np.testing.assert_allclose(grey, (black + white) / 2, atol=1e-6)
    low, high = np.minimum(black, white), np.maximum(black, white)
    assert low.min() >= 0 and low.max() <= 0.4 and high.min() >= 0.6 and high.max() <= 1
    assert 5 < np.sum(black > white) < 35 and len(np.unique(black)) == 40  # both ways round, image by image


def test_a_poisoned_training_obeys_the_trigger():
    # two shades that are easy to tell apart; a white corner leads to the first class
    rng = np.random.default_rng(0)
    images = np.concatenate([rng.integers(20, 60, (40, 16, 16, 3)), rng.integers(120, 160, (40, 16, 16, 3))])
    data = ClassSplit(images.astype(np.uint8), np.repeat([0, 1], 40), ("dark", "bright"))
    training = Classification("tiny-resnet", epochs=15, batch=20, learning_rate=0.05, crop=0, flip=False)
    known = BadNets(4, count=20).backdoor(data, 0, trainer=training, seed=0)
    assert metrics.accuracy(known.model, data) == 1
    assert metrics.Judged(known.model, data).success(known.trigger, 0).asr > 0.9


def test_statistics_of_channels_by_hand():
    images = np.zeros((1, 1, 2, 1), np.uint8)
    images[0, 0, 1] = 255
    assert channel_statistics(images) == ((0.5,), (0.5,))
    assert channel_statistics(np.zeros((1, 1, 2, 1), np.uint8), 0.5) == ((0.5,), (0.5,))
    assert channel_statistics(np.zeros((1, 1, 2, 1), np.uint8)) == ((0.0,), (1.0,))  # flat


def test_rates_of_training_fall_at_the_milestones():
    training = Classification(epochs=4, batch=10, milestones=(0.5, 0.75))
    assert training.steps(25) == 8
    assert [training.rate(step, 8) for step in (0, 3, 4, 6)] == pytest.approx([0.1, 0.1, 0.01, 0.001])


def test_one_cycle_rises_and_falls_in_straight_lines():
    training = Classification(epochs=1, batch=10, milestones=(), peak=0.25)
    rates = [training.rate(step, 8) for step in range(8)]
    falling = [0.1 * left / 6 for left in (5.5, 4.5, 3.5, 2.5, 1.5, 0.5)]
    assert rates == pytest.approx([0.025, 0.075, *falling])


@pytest.mark.parametrize("options", [{"peak": 0.3}, {"peak": 0.0, "milestones": ()}, {"peak": 1.0, "milestones": ()}])
def test_a_peak_at_an_end_or_beside_milestones_is_refused(options):
    with pytest.raises(ValueError, match="peak must be"):
        Classification(**options)
