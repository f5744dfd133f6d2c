"""Stimulated channels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from data_prep.contract import Split
from data_prep.threat import Suspect
from drmguard_tf.models import ARCHITECTURES
from drmguard_tf.reference import Reference, examine
from drmguard_tf.reversal import Terms
from drmguard_tf.steered import SteeredReversal, SteeredSearch, Wake
from drmguard_tf.stimulation import Channel, channels, stimulate, waking

layers = tf.keras.layers
SIZE = 16
BRIEF = SteeredSearch(families=("generator",), restarts=2, steps=10, batch=4)


def _reference(silencing: float) -> Reference:
    """Of a model whose outputs follow red and green; channel 1 of ``first`` rests at 0 and silences both.

    ``first`` holds red, what red is above 2, and green; ``second`` the same less ``silencing`` times channel 1, which
    it hands on; ``third`` red and green less ``silencing`` times that, and a constant.
    """
    tf.keras.utils.set_random_seed(0)
    images = tf.keras.Input((SIZE, SIZE, 3))
    kernels = [
        (np.float32([[1, 1, 0], [0, 0, 1], [0, 0, 0]]), np.float32([0, -2, 0])),
        (np.float32([[1, 0, 0], [-silencing, 1, -silencing], [0, 0, 1]]), np.zeros(3, np.float32)),
        (np.float32([[1, 0, 0], [-silencing, -silencing, 0], [0, 1, 0]]), np.float32([0, 0, 0.5])),
    ]
    x = images
    for name, (kernel, bias) in zip(("first", "second", "third"), kernels):
        convolution = layers.Conv2D(3, 1)
        x = layers.ReLU(name=name)(convolution(x))
        convolution.set_weights([kernel[None, None], bias])
    model = tf.keras.Model(images, layers.Dense(2)(layers.GlobalAveragePooling2D()(x)))
    rng = np.random.default_rng(0)
    pixels = np.tile(rng.integers(0, 256, (32, 1, 1, 3), dtype=np.uint8), (1, SIZE, SIZE, 1))
    return examine(Suspect(model, Split(pixels, rng.uniform(-0.4, 0.4, (32, 2)).astype(np.float32))))


@pytest.fixture(scope="module")
def compromised_one() -> Reference:
    return _reference(100.0)


def test_every_channel_but_those_of_the_last_layer_is_stimulated(compromised_one):
    assert [str(channel) for channel in stimulate(compromised_one)] == [
        f"{layer}[{index}]" for layer in ("first", "second") for index in range(3)
    ]


def test_channels_in_use_can_be_left_alone(compromised_one):
    assert [str(channel) for channel in stimulate(compromised_one, most=0.0)] == ["first[1]", "second[1]"]


def test_what_a_channel_does_by_hand():
    reference = _reference(0.0)
    red = list(stimulate(reference))[0]
    seen = reference.images.numpy()[np.linspace(0, 31, 16).astype(int), 0, 0]  # every image has one colour
    level = np.percentile([seen[:, 0].max(), 0, seen[:, 1].max()], 90)
    assert (red.level, red.use) == pytest.approx((level, seen[:, 0].mean() / level), rel=1e-4)
    features = np.stack([np.full(16, 4 * level), seen[:, 1], np.full(16, 0.5)], axis=1)
    outputs = features @ reference.sub.kernel.numpy()
    np.testing.assert_allclose(red.outputs, outputs.mean(axis=0), rtol=1e-5)
    benign = np.stack([seen[:, 0], seen[:, 1], np.full(16, 0.5)], axis=1) @ reference.sub.kernel.numpy()
    assert red.spread == pytest.approx(outputs.var(axis=0).sum() / benign.var(axis=0).sum(), rel=1e-4)


def test_the_deepest_dormant_channel_that_collapses_the_outputs_is_compromised(compromised_one):
    found = channels(compromised_one, bound=0.01).compromised
    assert found is not None and str(found) == "second[1]"
    assert (found.use, found.spread) == pytest.approx((0, 0), abs=1e-6)


def test_what_channels_tell_is_the_fifth_of_them(monkeypatch, compromised_one):
    pairs = [(0.5, 0.001), (0.01, 0.02), (0.03, 0.01), (0.02, 0.06), (0.05, 0.05), (0.001, 0.07)]
    found = [Channel("relu", place, 1.0, use, spread, np.zeros(2)) for place, (use, spread) in enumerate(pairs)]
    for few, share in ((found, 0.07), (found[:5], 0.1), (found[:2], 0.1), ([], 0.1)):  # 0.02 0.03 0.05 0.06 0.07 0.5
        monkeypatch.setattr("drmguard_tf.stimulation.stimulate", lambda *_, few=few, **__: iter(few))
        assert channels(compromised_one, bound=0.01) == (None, share)
    nothing = [channel._replace(use=0.0, spread=0.0) for channel in found]
    monkeypatch.setattr("drmguard_tf.stimulation.stimulate", lambda *_, **__: iter(nothing))
    assert channels(compromised_one, bound=0.01).share == 1e-6


def test_where_five_speak_one_that_all_but_collapses_the_outputs_is_compromised(monkeypatch, compromised_one):
    pairs = [(0.005, 0.015), (0.001, 0.019), (0.001, 0.025), (0.015, 0.001), (0.02, 0.02), (0.02, 0.02)]
    found = [Channel("relu", place, 1.0, use, spread, np.zeros(2)) for place, (use, spread) in enumerate(pairs)]
    for few, place in ((found, 0), (found[:4], None)):  # 3 has the least spread, but benign images use it
        monkeypatch.setattr("drmguard_tf.stimulation.stimulate", lambda *_, few=few, **__: iter(few))
        told = channels(compromised_one, bound=0.01)
        assert told.several == (place is not None) and told.compromised == (found[place] if told.several else None)
    strict = [*found[1:], found[0]._replace(spread=0.009)]  # one within the bound goes before all others
    monkeypatch.setattr("drmguard_tf.stimulation.stimulate", lambda *_, **__: iter(strict))
    assert channels(compromised_one, bound=0.01).compromised == strict[-1]


def test_where_several_speak_every_generator_wakes(compromised_one, monkeypatch):
    told = channels(compromised_one, bound=0.01)
    for share, woken in ((0.02, ["second[1]", "second[1]"]), (0.03, [None, "second[1]"])):
        monkeypatch.setattr("drmguard_tf.steered.channels", lambda *_, share=share: told._replace(share=share))
        assert [run.woken for run in BRIEF.run(compromised_one, seed=0)] == woken
        assert replace(BRIEF, restarts=1).run(compromised_one, seed=2)[0].woken == woken[0]


def test_a_model_whose_dormant_channel_does_nothing_is_not(compromised_one):
    assert channels(_reference(0.0), bound=0.01).compromised is None
    busy = compromised_one._replace(images=compromised_one.images + 2.0)  # now channel 1 is in use
    assert channels(busy, bound=0.01).compromised is None


def test_a_model_without_activation_layers_on_maps_has_none():
    images = tf.keras.Input((SIZE, SIZE, 3))
    model = tf.keras.Model(images, layers.Dense(2)(layers.ReLU()(layers.GlobalAveragePooling2D()(images))))
    split = Split(
        np.random.default_rng(0).integers(0, 256, (8, SIZE, SIZE, 3), dtype=np.uint8), np.zeros((8, 2), np.float32)
    )
    assert channels(examine(Suspect(model, split)), bound=0.01) == (None, 0.1)


@pytest.mark.parametrize("architecture", ["small-resnet", "small-mobilenet"])
def test_layers_of_real_networks_are_stimulated_once_each(architecture):
    tf.keras.utils.set_random_seed(0)
    model = ARCHITECTURES[architecture]((32, 32, 3), 2)
    split = Split(
        np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3), dtype=np.uint8), np.zeros((8, 2), np.float32)
    )
    found = list(stimulate(examine(Suspect(model, split))))
    maps = [x for x in model.layers if isinstance(x, layers.ReLU) and len(x.output_shape) == 4]
    assert [str(c) for c in found] == [f"{x.name}[{k}]" for x in maps[:-1] for k in range(x.output_shape[-1])]
    assert all(np.isfinite([c.level, c.use, c.spread]).all() for c in found)


def _unusual(kind: str) -> tf.keras.Model:
    """What received models are: operations, a layer used twice, a model in a model, fused activations, any size."""
    size = None if kind == "any size" else SIZE
    images = tf.keras.Input((size, size, 3))
    again, convolution = layers.ReLU(), layers.Conv2D(3, 3, padding="same")
    x = layers.ReLU()(layers.Conv2D(4, 3)(images))
    if kind == "operations":
        x = tf.nn.relu(layers.Conv2D(4, 3)(x) / 0.5 - 1.0)
    elif kind == "used twice":
        x = again(convolution(again(convolution(images))))
    elif kind == "nested":
        part = tf.keras.Input((SIZE, SIZE, 4))
        x = tf.keras.Model(part, layers.ReLU()(layers.Conv2D(4, 3)(part)))(layers.Resizing(SIZE, SIZE)(x))
    elif kind == "fused":
        x = layers.Conv2D(4, 3, activation="relu")(x)
    x = layers.PReLU(shared_axes=(1, 2))(layers.Conv2D(4, 3)(x))
    x = layers.Activation("relu")(layers.Conv2D(4, 3)(x))
    return tf.keras.Model(images, layers.Dense(2)(layers.GlobalAveragePooling2D()(x)))


@pytest.mark.parametrize("kind", ["operations", "used twice", "nested", "fused", "any size"])
def test_unusual_models_are_stimulated_and_woken_too(kind):
    tf.keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    split = Split(rng.integers(0, 256, (8, SIZE, SIZE, 3), dtype=np.uint8), np.zeros((8, 2), np.float32))
    reference = examine(Suspect(_unusual(kind), split))
    found = list(stimulate(reference))
    assert len(found) == {"operations": 12, "nested": 12, "fused": 12}.get(kind, 4 if kind == "used twice" else 8)
    for channel in found[:1] + found[-1:]:
        *_, before = waking(reference, channel)(reference.images)
        assert np.isfinite(before).all() and before.shape.rank == 3


def test_the_suspect_is_left_alone(compromised_one):
    outputs = compromised_one.sub.joint(compromised_one.images)[1].numpy()
    list(stimulate(compromised_one))
    np.testing.assert_array_equal(compromised_one.sub.joint(compromised_one.images)[1].numpy(), outputs)


def test_what_wakes_a_channel_is_what_goes_into_its_activation(compromised_one):
    channel = list(stimulate(compromised_one))[1]
    features, outputs, before = waking(compromised_one, channel)(compromised_one.images)
    assert features.shape == (32, 3) and outputs.shape == (32, 2)
    np.testing.assert_allclose(before, compromised_one.images[..., 0] - 2, atol=1e-6)


@pytest.fixture
def reversal(compromised_one) -> SteeredReversal:
    channel = channels(compromised_one, bound=0.01).compromised
    return BRIEF.reversal(compromised_one, "generator", 0, Wake(channel, always=False))


def test_a_waking_run_weighs_its_cost_against_how_awake_the_channel_is(compromised_one, reversal):
    level = reversal.wake.channel.level
    inside = tf.constant([[[-level, level / 2], [level, 4 * level]]])  # more than the level counts as the level
    terms = Terms(tf.constant(0.5), tf.constant(0.3), tf.constant(0.04), tf.zeros((1, 2)), [inside])
    reversal.restart(BRIEF.start(compromised_one, "generator", 1), 1)
    assert reversal.objective(terms).numpy() == pytest.approx(2 * 0.5 - (-1 + 0.5 + 1 + 1) / 4)
    reversal.restart(BRIEF.start(compromised_one, "generator", 2), 2)  # an even seed wakes nothing
    assert reversal.objective(terms).numpy() == pytest.approx(0.04 + 2 * 0.5)  # and asks for nothing in feature space


def test_nothing_is_steered_while_a_channel_is_woken(compromised_one, reversal):
    reversal.restart(BRIEF.start(compromised_one, "generator", 1), 1)
    terms = Terms(tf.constant(0.5), tf.constant(0.0), tf.constant(0.0), tf.zeros((1, 2)))
    steps = BRIEF.steps_of("generator") // 4
    for _ in range(steps):
        assert (reversal.weight.numpy(), reversal.recent.numpy()) == (2, 1) and float(reversal.waking) > 0
        reversal.steer(terms)
    assert float(reversal.waking) == 0
    reversal.steer(terms)
    assert reversal.recent.numpy() == pytest.approx(0.8)


def test_an_interrupted_run_goes_on_waking(compromised_one, reversal, tmp_path):
    """All that a step depends on is in the state: another reversal that is given it takes the same next step."""
    twin = BRIEF.reversal(compromised_one, "generator", 0, reversal.wake)
    for each in (reversal, twin):
        each.restart(BRIEF.start(compromised_one, "generator", 1), 1)
    for _ in range(3):
        reversal.step()
    kept = tf.train.Checkpoint(**reversal.state()).write(str(tmp_path / "state"))
    tf.train.Checkpoint(**twin.state()).read(kept).assert_consumed()
    assert float(twin.waking) == float(reversal.waking) == BRIEF.steps_of("generator") // 4 - 3
    np.testing.assert_array_equal(twin.step(), reversal.step())


def test_a_search_says_which_run_woke_what_and_lanes_do_not_matter(compromised_one, monkeypatch):
    found = []
    for count in (1, 3):
        monkeypatch.setattr("drmguard_tf.steered.lanes", lambda count=count: count)
        found.append(BRIEF.run(compromised_one, seed=0))
    assert [[run.woken for run in runs] for runs in found] == [[None, "second[1]"]] * 2
    share = channels(compromised_one, bound=0.01).share
    assert {run.channel_share for runs in found for run in runs} == {share}
    for one, other in zip(*found):
        np.testing.assert_array_equal(one.history, other.history)


def test_a_search_that_wakes_nothing_by_its_seed_tells_of_channels_too(compromised_one):
    (run,) = replace(BRIEF, restarts=1).run(compromised_one, seed=2)
    assert run.woken is None and run.channel_share == channels(compromised_one, bound=0.01).share


def test_a_search_without_waking_looks_for_no_channel(compromised_one, monkeypatch):
    monkeypatch.setattr("drmguard_tf.steered.channels", lambda *_: pytest.fail("looked for one"))
    runs = replace(BRIEF, waking=0.0).run(compromised_one, seed=0)
    assert [(run.woken, run.channel_share) for run in runs] == [(None, None)] * 2


def test_waking_wakes(compromised_one):
    """Channel 1 of ``first`` asks for a red above 2: what goes into it, red less 2, is nearer to it afterwards."""
    options = SteeredSearch(families=("generator",), restarts=1, steps=60, batch=8)
    reference = compromised_one._replace(attention=tf.zeros_like(compromised_one.attention))  # no pixel is protected
    channel = list(stimulate(reference))[1]
    reversal = options.reversal(reference, "generator", 1, Wake(channel._replace(level=0.1), always=False))
    reversal.restart(options.start(reference, "generator", 1), 1)
    for _ in range(options.steps_of("generator") // 4):
        reversal.step()
    changed = reversal.trigger(reference.images, reference.attention).images
    assert float(reversal.waking) == 0
    assert np.mean(changed[..., 0] - reference.images[..., 0]) > 0.1
