"""Fine-tuning, fine-pruning and ANP: what is switched off, and when they stop."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from data_prep.contract import Split, pixels
from data_prep.threat import Suspect
from drmguard_tf.baselines import anp
from drmguard_tf.baselines.anp import ANP, MaskSearch, channels_of
from drmguard_tf.baselines.fine_pruning import FinePruning, activity, last_maps
from drmguard_tf.baselines.fine_tuning import FineTuning
from drmguard_tf.baselines.held_out import furthest, held_out
from drmguard_tf.models import mobilenet_v1, small_resnet
from drmguard_tf.unlearning import Unlearning

layers = tf.keras.layers
SHAPE = (16, 16, 3)
BUDGET = Unlearning(steps=2, batch=8)
METHODS = [FineTuning(BUDGET), FinePruning(budget=BUDGET), ANP(steps=2, batch=8)]


def _data(count: int = 24) -> Split:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (count, *SHAPE), dtype=np.uint8)
    return Split(images, rng.uniform(-0.5, 0.5, (count, 2)).astype(np.float32), np.arange(count) // 4)


def _model(*ending: layers.Layer, norm: bool = True) -> tf.keras.Model:
    tf.keras.utils.set_random_seed(0)
    middle = [layers.BatchNormalization(name="norm")] if norm else []
    ending = ending or (layers.GlobalAveragePooling2D(),)
    stack = [tf.keras.Input(SHAPE), layers.Conv2D(4, 3, strides=2, name="maps"), *middle, layers.ReLU(), *ending]
    return tf.keras.Sequential([*stack, layers.Dense(2, name="head")])


@pytest.fixture
def suspect() -> Suspect:
    return Suspect(_model(), _data())


@pytest.mark.parametrize("method", METHODS, ids=lambda method: type(method).__name__)
def test_the_suspect_stays_the_copy_differs_and_the_seed_decides(method, suspect):
    before = suspect.model.get_weights()
    done: list[int] = []
    cleaned = method.mitigate(suspect, seed=3, progress=done.append)
    assert all((a == b).all() for a, b in zip(before, suspect.model.get_weights()))
    again = method.mitigate(suspect, seed=3)
    assert all((a == b).all() for a, b in zip(cleaned.get_weights(), again.get_weights()))
    assert done == list(range(1, method.total_steps + 1))
    assert [type(layer) for layer in cleaned.layers] == [type(layer) for layer in suspect.model.layers]


def test_fine_tuning_is_unlearning_without_triggers(suspect):
    from drmguard_tf.drmguard import DRMGuard

    control = DRMGuard(unlearning=BUDGET).fine_tune(suspect, seed=1).get_weights()
    for a, b in zip(FineTuning(BUDGET).mitigate(suspect, seed=1).get_weights(), control):
        np.testing.assert_array_equal(a, b)


# What is kept back


def test_held_out_subjects_are_others():
    seen, held = held_out(_data(), 0.34, seed=0)
    assert not set(seen.groups) & set(held.groups) and len(np.unique(held.groups)) == 2  # of 6
    assert len(seen) + len(held) == 24


def test_a_single_subject_is_cut_by_images():
    data = _data()
    alone = Split(data.images, data.targets, np.zeros(24, np.int64))
    assert len(held_out(alone, 0.25, seed=0).held) == 6


def test_one_image_cannot_be_cut():
    with pytest.raises(ValueError, match="too few"):
        held_out(_data(1), 0.5, seed=0)


def test_pruning_stops_before_the_first_stage_that_costs_too_much():
    assert furthest([1.0, 1.05, 1.2, 1.0], before=1.0, tolerance=0.1) == 2
    assert furthest([1.0, 1.0], before=1.0, tolerance=0.1) == 2
    assert furthest([1.2], before=1.0, tolerance=0.1) == 0


# Fine-pruning


def _with_activities(model: tf.keras.Model, biases: list[float], kernel: np.ndarray) -> tf.keras.Model:
    """Channels that are constant: what comes out of the maps is their bias."""
    model.get_layer("maps").set_weights([np.zeros((3, 3, 3, 4), np.float32), np.float32(biases)])
    model.get_layer("head").set_weights([kernel.astype(np.float32), np.zeros(2, np.float32)])
    return model


def test_activity_is_the_mean_absolute_value_of_a_channel():
    model = _with_activities(_model(norm=False), [3, 1, -1, 2], np.ones((4, 2)))
    np.testing.assert_allclose(activity(last_maps(model).front, pixels(_data().images)), [3, 1, 0, 2])  # after ReLU


@pytest.mark.parametrize(
    "weights, pruned",
    [
        ([1.0, 0.0, 0.0, 0.0], [2, 1, 3]),  # only channel 0 is read, so all others go, least active first
        ([0.0, 0.0, 0.0, 1.0], [2, 1]),  # channel 3 is read and stops it
        ([0.0, 1.0, 0.0, 0.0], [2]),
    ],
)
def test_least_active_channels_go_until_the_held_out_error_rises(weights, pruned):
    kernel = np.outer(weights, [1, 1])
    model = _with_activities(_model(norm=False), [3, 1, 0, 2], kernel)
    held = pixels(_data().images)
    targets = model(held).numpy() + np.float32(0.1)  # the model errs by 0.1
    found = FinePruning(tolerance=0.1).prune(model, held, held, targets)
    assert found.tolist() == pruned


@pytest.mark.parametrize(
    "ending", [(layers.Flatten(),), (layers.MaxPooling2D(), layers.Dropout(0.5), layers.Flatten())]
)
def test_a_model_that_flattens_is_cut_at_its_maps(ending):
    model, images = _model(*ending), pixels(_data().images)
    maps = last_maps(model)
    assert maps.front.output_shape[-1] == 4 and maps.reader == "head"
    np.testing.assert_allclose(maps.back(maps.front(images, training=False)), model(images), atol=1e-6)


def test_the_first_dense_layer_reads_the_maps():
    model = _model(layers.GlobalAveragePooling2D(), layers.Dense(5, name="reader"), layers.ReLU())
    assert last_maps(model).reader == "reader"
    images = pixels(_data().images)
    maps = last_maps(model)
    np.testing.assert_allclose(maps.back(maps.front(images)), model(images), atol=1e-6)


def test_a_network_of_the_house_is_cut_behind_its_last_block():
    model = small_resnet((32, 32, 3), 2)
    assert last_maps(model).front.output_shape == (None, 1, 1, 128) and last_maps(model).reader == "head"


@pytest.mark.parametrize("ending", [(layers.GlobalAveragePooling2D(),), (layers.Flatten(),)])
def test_pruned_channels_stay_silent_through_the_fine_tuning(ending):
    model = _model(*ending, norm=False)
    kernel = np.random.default_rng(0).normal(0, 0.01, model.get_layer("head").kernel.shape)
    kernel[2::4] = 0  # channel 2 is not read, so it costs nothing
    model = _with_activities(model, [3, 1, 0.5, 2], kernel)
    data = _data()
    data = Split(data.images, model(pixels(data.images)).numpy() + np.float32(0.1), data.groups)
    options = FinePruning(tolerance=1e-6, budget=Unlearning(steps=3, batch=8, learning_rate=1e-4))
    seen, held = held_out(data, options.share, seed=0)
    pruned = options.prune(model, pixels(seen.images), pixels(held.images), held.targets)
    rows = options.mitigate(Suspect(model, data), seed=0).get_layer("head").kernel.numpy().reshape(-1, 4, 2)
    left = np.setdiff1d(range(4), pruned)
    assert 2 in pruned and len(left)
    assert (rows[:, pruned] == 0).all() and (rows[:, left] != 0).any(axis=(0, 2)).all()


def test_a_model_without_maps_is_refused():
    model = tf.keras.Sequential([tf.keras.Input(SHAPE), layers.Flatten(), layers.Dense(2)])
    assert last_maps(model).front.output_shape == (None, *SHAPE)  # the image itself has channels
    inner = tf.keras.Sequential([tf.keras.Input(SHAPE), layers.Reshape((-1, 3)), layers.Flatten(), layers.Dense(2)])
    with pytest.raises(ValueError, match="no Dense layer that reads"):
        last_maps(inner)


# ANP


def _search(model: tf.keras.Model, **options: object) -> MaskSearch:
    data = _data()
    settings = ANP(**{"steps": 1, "batch": 8, **options})
    return MaskSearch(model, tf.constant(pixels(data.images)), tf.constant(data.targets), settings, seed=0)


def test_batch_norm_channels_are_masked_and_convolutions_where_there_is_none():
    (norm,) = channels_of(_model())
    assert norm.weight is not None and "gamma" in norm.weight.name and "beta" in norm.bias.name
    (convolution,) = channels_of(_model(norm=False))
    assert convolution.weight.shape == (3, 3, 3, 4) and convolution.bias.shape == (4,)
    assert len(channels_of(mobilenet_v1((32, 32, 3), 2))) == 27  # 1 + 2 * 13


def test_a_model_without_either_is_refused():
    with pytest.raises(ValueError, match="neither"):
        channels_of(tf.keras.Sequential([tf.keras.Input(SHAPE), layers.Flatten(), layers.Dense(2)]))


@pytest.mark.parametrize("ascent", [1, 4])
def test_noise_is_bounded(ascent):
    search = _search(_model(), epsilon=0.4, ascent=ascent)
    for part in search._worst(search.images, search.targets):
        for noise in part:
            assert 0.3 < np.abs(noise).max() <= 0.8 + 1e-6  # drawn within 0.4, then moved by 0.4 in all


def test_noise_raises_the_loss():
    search = _search(_model(), epsilon=0.05)
    quiet = search._gradients(search.images, search.targets, *search.silence())[0]
    loud = search._gradients(search.images, search.targets, *search._worst(search.images, search.targets))[0]
    assert float(loud) > float(quiet)


@pytest.mark.parametrize("norm", [True, False])
def test_weights_and_gradients_are_those_of_the_masks(norm):
    # the loss under mask 1 + h and 1 - h differs by 2 h times the gradient
    search = _search(_model(norm=norm))
    weights = [channels.weight.numpy() for channels in search.channels]
    none, of_bias = search.silence()
    _, (gradient, _) = search._gradients(search.images, search.targets, none, of_bias)

    def loss(step: float) -> float:
        moved = [tf.one_hot(2, 4) * step]
        found = float(search._gradients(search.images, search.targets, moved, of_bias)[0])
        factor = np.float32([1, 1, 1 + step, 1])
        np.testing.assert_allclose(search.channels[0].weight, weights[0] * factor, rtol=1e-6)
        return found

    assert (loss(1e-2) - loss(-1e-2)) / 2e-2 == pytest.approx(float(gradient[0][2]), rel=0.05, abs=1e-4)


def test_noise_on_biases_scales_them():
    search = _search(_model(norm=False))
    search.biases[0] = tf.constant([1.0, 2.0, 3.0, 4.0])
    none, _ = search.silence()
    search._gradients(search.images, search.targets, none, [tf.constant([0.0, 0.5, -1.0, 0.0])])
    np.testing.assert_allclose(search.channels[0].bias, [1, 3, 0, 4])


def test_masks_stay_between_0_and_1():
    search = _search(_model(), learning_rate=100.0)
    for _ in range(3):
        search.step(tf.range(8))
        mask = search.masks[0].numpy()
        assert 0 <= mask.min() and mask.max() <= 1


def test_only_masked_channels_are_pruned_and_their_bias_stays():
    model = _model()
    model.get_layer("norm").set_weights([np.float32(x) for x in ([1, 2, 3, 4], [5, 6, 7, 8], [0] * 4, [1] * 4)])
    model.get_layer("head").set_weights([np.float32([[0, 0], [1, 1], [1, 1], [0, 0]]), np.zeros(2, np.float32)])
    data = _data()
    held = pixels(data.images)
    targets = model(held).numpy() + np.float32(0.01)
    masks = [np.float32([0.1, 1.0, 0.97, 0.32])]  # the held-out error does not mind channels 0 and 3
    pruned = ANP(tolerance=0.1).prune(Suspect(model, data), masks, held, targets)
    gamma, beta = pruned.get_layer("norm").get_weights()[:2]
    np.testing.assert_array_equal(gamma, [0, 2, 3, 0])
    np.testing.assert_array_equal(beta, [5, 6, 7, 8])


def test_a_channel_that_the_error_needs_stops_the_pruning():
    model = _model()
    model.get_layer("norm").set_weights([np.float32(x) for x in ([1, 2, 3, 4], [5, 6, 7, 8], [0] * 4, [1] * 4)])
    model.get_layer("head").set_weights([np.float32([[0, 0], [1, 1], [1, 1], [5, -5]]), np.zeros(2, np.float32)])
    data = _data()
    held = pixels(data.images)
    masks = [np.float32([0.1, 1.0, 0.97, 0.32])]
    pruned = ANP().prune(Suspect(model, data), masks, held, model(held).numpy() + np.float32(0.01))
    np.testing.assert_array_equal(pruned.get_layer("norm").gamma, [0, 2, 3, 4])


@pytest.mark.parametrize("stages", [100, 2, 1])
def test_channels_with_equal_masks_go_one_by_one_where_more_of_them_are_too_many(stages, monkeypatch):
    # all masks are 0; a threshold would take all four channels or none, and the last one is needed
    monkeypatch.setattr(anp, "_STAGES", stages)
    model = _model()
    model.get_layer("norm").set_weights([np.float32(x) for x in ([1, 2, 3, 4], [5, 6, 7, 8], [0] * 4, [1] * 4)])
    model.get_layer("head").set_weights([np.float32([[0, 0], [0, 0], [0, 0], [5, -5]]), np.zeros(2, np.float32)])
    data = _data()
    held = pixels(data.images)
    pruned = ANP().prune(Suspect(model, data), [np.zeros(4, np.float32)], held, model(held).numpy() + np.float32(0.01))
    np.testing.assert_array_equal(pruned.get_layer("norm").gamma, [0, 0, 0, 4])


@pytest.mark.parametrize("wrong", [{"epsilon": 0}, {"steps": 0}, {"clean_weight": 1.5}, {"share": 1}])
def test_options_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError):
        ANP(**wrong)
