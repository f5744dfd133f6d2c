"""GDM: stamping, the staircase's loss, what a step trains, repair, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from data_prep.contract import ClassSplit
from data_prep.threat import ClassSuspect
from dhbe_tf.gdm.defence import GDM, attacked, drawn, main_axes, typicality
from dhbe_tf.gdm.generator import trigger_generator
from dhbe_tf.gdm.pixel_search import PixelSearch
from dhbe_tf.gdm.retraining import Retraining, Stamped
from dhbe_tf.gdm.staircase import Distribution, Search, Staircase, SubModel, distribution, samples, staircase_loss
from dhbe_tf.gdm.stamping import random_places, stamp

layers = tf.keras.layers
SMALL = Staircase(steps=2, batch=4, width=4, latent=8, levels=(0.9, 0.5))
REPAIR = Retraining(epochs=1, batch=8, share=0.5)


def _data(count: int = 16, side: int = 16) -> ClassSplit:
    """Grey images of three classes; none is brighter than 0.5."""
    images = np.random.default_rng(0).integers(0, 128, (count, side, side, 3), dtype=np.uint8)
    return ClassSplit(images, np.arange(count) % 3, ("a", "b", "c"))


def _model(side: tuple[int, int] = (16, 16), classes: int = 3) -> tf.keras.Model:
    """White anywhere leads to class 2: its logit is 40 times the brightest value of channel 0, the others' are 30."""
    images = tf.keras.Input((*side, 3))
    features = layers.GlobalMaxPooling2D()(images)
    model = tf.keras.Model(images, layers.Dense(classes)(features))
    kernel, bias = np.zeros((3, classes), np.float32), np.full(classes, 30, np.float32)
    kernel[0, 2], bias[2] = 40, 0
    model.layers[-1].set_weights([kernel, bias])
    return model


def _suspect() -> ClassSuspect:
    return ClassSuspect(_model(), _data())


def _kernels(*parts: tf.Module) -> list[np.ndarray]:
    """Without biases: a bias in front of a batch normalisation has no gradient but rounding."""
    return [v.numpy().copy() for part in parts for v in part.trainable_variables if v.shape.rank > 1]


def test_an_opaque_trigger_replaces_and_a_transparent_one_mixes():
    images, colours = tf.fill((2, 4, 5, 1), 0.2), tf.fill((2, 2, 2, 1), 1.0)
    top, left = tf.constant([0, 2]), tf.constant([3, 1])
    opaque = stamp(images, colours, top, left).numpy()
    assert opaque[0, :2, 3:].min() == opaque[1, 2:, 1:3].min() == 1
    assert (opaque == 1).sum() == 8 and np.isclose(opaque, 0.2).sum() == 32
    mixed = stamp(images, tf.concat([colours, tf.fill((2, 2, 2, 1), 0.25)], axis=-1), top, left).numpy()
    np.testing.assert_allclose(mixed[0, :2, 3:], 0.75 * 0.2 + 0.25 * 1, rtol=1e-6)


def test_the_gradient_of_the_opacity_is_trigger_minus_pixel():
    opacity = tf.Variable(0.3)
    with tf.GradientTape() as tape:
        trigger = tf.reshape(tf.stack([tf.constant(0.9), opacity]), (1, 1, 1, 2))
        pixel = stamp(tf.fill((1, 1, 1, 1), 0.2), trigger, tf.constant([0]), tf.constant([0]))
    assert float(tape.gradient(pixel, opacity)) == pytest.approx(0.9 - 0.2)


@pytest.mark.parametrize("shared", [True, False])
def test_places_reach_the_last_row_and_column(shared):
    random = tf.random.Generator.from_seed(0)
    drawn_places = [random_places(random, 50, (5, 4), 3, shared=shared) for _ in range(50)]
    top, left = (np.concatenate([place[k].numpy() for place in drawn_places]) for k in range(2))
    assert set(top) == {0, 1, 2} and set(left) == {0, 1}
    assert all((len(np.unique(place[0])) == 1) == shared for place in drawn_places)


def test_the_staircase_s_loss_by_hand():
    # min(0.2, 0.5) and min(0.9, 0.5): mean 0.35; minus 0.1 * 2 nats
    loss = staircase_loss(tf.constant([0.2, 0.9]), tf.constant(0.5), tf.constant(2.0), 0.1)
    assert float(loss) == pytest.approx(-0.35 - 0.2)


def test_beyond_its_level_success_gains_nothing():
    probabilities = tf.Variable([0.2, 0.9])
    with tf.GradientTape() as tape:
        loss = staircase_loss(probabilities, tf.constant(0.5), tf.constant(0.0), 0.1)
    np.testing.assert_allclose(tape.gradient(loss, probabilities), [-0.5, 0])


def test_the_generator_is_the_published_one():
    # noise in four parts of 16: 16 x 512 + 512, twice 528 x 512 + 512, 528 x 27 + 27, and three batch norms of 2 x 512
    made = trigger_generator(3, 3, seed=0)
    assert sum(int(tf.size(v)) for v in made.trainable_variables) == 8704 + 2 * 270848 + 14283 + 3 * 1024
    assert made.output_shape == (None, 3, 3, 3)
    assert trigger_generator(4, 3, transparent=True, latent=8, width=4, seed=0).output_shape == (None, 4, 4, 4)
    with pytest.raises(ValueError, match="multiple"):
        trigger_generator(3, 3, latent=10, seed=0)


def test_a_step_trains_generator_and_statistics_and_not_the_suspect():
    search = Search(SMALL, suspect=_suspect())
    search.restart(2, 0.9, seed=0)
    before, kept = _kernels(search.generator, search.mine.network), search.model.get_weights()
    search.step(search.searched[:4])
    assert all(np.any(old != new) for old, new in zip(before, _kernels(search.generator, search.mine.network)))
    for old, new in zip(kept, search.model.get_weights()):
        np.testing.assert_array_equal(old, new)


def test_a_search_finds_the_trigger_class_and_is_the_same_after_another():
    options = Staircase(size=2, steps=40, batch=8, width=16, latent=8, learning_rate=0.01, placement="sample")
    search = Search(options, suspect=_suspect())
    first = search.run(2, 0.9, seed=0)
    other = search.run(0, 0.9, seed=0)
    again = search.run(2, 0.9, seed=0)
    assert first.response > 0.8 and other.response < 0.5
    np.testing.assert_array_equal(samples(first.generator, 5, seed=1), samples(again.generator, 5, seed=1))
    assert (
        samples(first.generator, 20, seed=1)[..., 0].max(axis=(1, 2)).mean() > 0.75
    )  # 30 / 40: from there on it fires


def test_the_information_sees_all_draws_blurred_and_the_classifier_the_batch(monkeypatch):
    search, seen = Search(replace(SMALL, draws=40, blur=50.0), suspect=_suspect()), {}
    estimate, judge = search.mine.estimate, search._probabilities

    def estimated(noise, other, values):
        seen["values"] = values
        return estimate(noise, other, values)

    def judged(images, triggers):
        seen["stamped"] = triggers
        return judge(images, triggers)

    monkeypatch.setattr(search.mine, "estimate", estimated)
    monkeypatch.setattr(search, "_probabilities", judged)
    search.restart(2, 0.9, seed=0)
    tf.config.run_functions_eagerly(True)
    try:
        search.step(tf.constant(search.searched[:4]))
    finally:
        tf.config.run_functions_eagerly(False)
    assert seen["values"].shape == (40, 27) and seen["stamped"].shape == (4, 3, 3, 3)
    assert np.std(seen["values"]) == pytest.approx(50, rel=0.1)  # triggers lie in (0, 1)
    assert np.std(seen["stamped"]) < 1


def test_a_climb_begins_without_a_level_and_each_level_goes_on_from_the_one_below(monkeypatch):
    search = Search(replace(SMALL, levels=(0.9, 0.5), climbing=True), suspect=_suspect())
    ran, started, ended = [], [], []
    run, aim = search.run, search.aim

    def noted(target, level, **settings):
        made = run(target, level, **settings)
        ran.append(level)
        ended.append(_kernels(search.generator))
        return made

    def begun(*arguments, **settings):
        aim(*arguments, **settings)
        started.append(_kernels(search.generator))

    monkeypatch.setattr(search, "run", noted)
    monkeypatch.setattr(search, "aim", begun)
    found = distribution(search, 2, seed=0)
    assert ran == [0, 0.5, 0.9] and [part.level for part in found.parts] == [0.9, 0.5]
    for before, after in zip(ended, started[1:]):
        for old, new in zip(before, after):
            np.testing.assert_array_equal(old, new)


def test_at_level_0_only_the_information_counts():
    probabilities = tf.Variable([0.2, 0.9])
    with tf.GradientTape() as tape:
        loss = staircase_loss(probabilities, tf.constant(0.0), tf.constant(2.0), 0.1)
    assert float(loss) == pytest.approx(-0.2)
    np.testing.assert_array_equal(tape.gradient(loss, probabilities), [0, 0])


def test_single_pixels_are_found_by_descent():
    search = Search(SMALL, suspect=_suspect())
    trigger = PixelSearch(steps=60, batch=8, learning_rate=0.2).find(search, 2, seed=0)
    assert trigger.shape == (3, 3, 3) and trigger[..., 0].max() > 0.8


def test_parts_of_a_distribution_take_turns():
    dark, bright = (trigger_generator(3, 1, latent=8, width=4, seed=0) for _ in range(2))
    for made, bias in ((dark, -20.0), (bright, 20.0)):
        last = [layer for layer in made.layers if isinstance(layer, layers.Dense)][-1]
        last.set_weights([np.zeros_like(last.kernel), np.full(9, bias)])
    both = Distribution(0, tuple(SubModel(0.5, made, 1.0, 0.0) for made in (dark, bright)))
    assert both.sample(5, seed=0).mean(axis=(1, 2, 3)).round().tolist() == [0, 1, 0, 1, 0]
    assert [drawn([both], epoch, 4)[0].triggers.mean().round() for epoch in range(3)] == [0, 1, 0]


def test_classes_from_the_bound_on_are_attacked_and_the_strongest_always_is():
    assert attacked(np.array([0.1, 0.9, 0.6]), 0.5) == [1, 2]
    assert attacked(np.array([0.1, 0.2, 0.05]), 0.5) == [1]


def test_a_trigger_among_the_samples_is_typical_and_one_far_away_is_not():
    cloud = np.random.default_rng(0).normal(size=(200, 2, 2))
    middle, far = typicality(cloud, np.stack([np.zeros((2, 2)), np.full((2, 2), 10.0)]), axes=None)
    assert middle > 0.9 and far == 0


def test_loneliness_by_hand():
    line = np.array([[0.0], [1.0], [3.0], [7.0]])  # nearest others: 1, 1, 2, 4
    assert typicality(line, np.array([[5.0]]), axes=None, neighbours=1) == [0.5]  # 2 away from 3 and 7, as two are


def test_main_axes_are_those_of_the_largest_spread():
    cloud = np.random.default_rng(0).normal(size=(500, 3)) * [0.1, 5, 1] + 7
    np.testing.assert_allclose(np.abs(main_axes(cloud, 2)), [[0, 1, 0], [0, 0, 1]], atol=0.05)
    corner = np.array([37.0, 7.0, 7.0])  # far off the plane of the two main axes, in the middle of it
    assert typicality(cloud, corner[None]) > 0.5 and typicality(cloud, corner[None], axes=None) == 0


def test_a_repair_stamps_its_share_keeps_labels_and_leaves_the_suspect():
    suspect, seen = _suspect(), []
    white = Stamped(np.ones((16, 3, 3, 3), np.float32))
    kept = suspect.model.get_weights()

    def draw(epoch: int, count: int) -> list[Stamped]:
        seen.append((epoch, count))
        return [white]

    options = Retraining(epochs=30, batch=8, share=1.0, learning_rate=0.05, momentum=0.0)
    repaired = options.repair(suspect, draw, seed=0)
    assert seen[:2] == [(0, 16), (1, 16)] and len(seen) == 30  # a trigger for each of 16 images
    for old, new in zip(kept, suspect.model.get_weights()):
        np.testing.assert_array_equal(old, new)
    images = stamp(tf.constant(_data().images / np.float32(255)), tf.ones((16, 3, 3, 3)), *tf.zeros((2, 16), tf.int32))
    before, after = (tf.nn.softmax(model(images))[:, 2].numpy().mean() for model in (suspect.model, repaired))
    assert before > 0.99 and after < 0.9


def test_the_defence_searches_all_classes_and_repairs():
    stages: list[str] = []
    options = replace(SMALL, levels=(0.9,))
    repair = GDM(options, REPAIR, screening=1).mitigate(_suspect(), seed=0, progress=stages.append)
    assert repair.responses.shape == (3,) and repair.model.output_shape == (None, 3)
    assert [model.target for model in repair.distributions] == attacked(repair.responses, 0.5)
    assert stages[0] == "searching all classes" and stages[-1] == "repairing"


@pytest.mark.parametrize(
    "suspect, options, target, message",
    [
        (_suspect(), SMALL, 3, "classes 0 to 2"),
        (_suspect(), SMALL, -1, "classes 0 to 2"),
        (_suspect(), Staircase(size=17), 0, "window of 17 px does not fit"),
        (ClassSuspect(_model(), _data(side=20)), SMALL, 0, "benign images are"),
        (ClassSuspect(_model(classes=4), _data()), SMALL, 0, "of 3 classes"),
        (ClassSuspect(_model(), None), SMALL, 0, "there are none"),  # type: ignore[arg-type]
    ],
)
def test_what_does_not_fit_is_refused(suspect, options, target, message):
    with pytest.raises(ValueError, match=message):
        GDM(options, REPAIR, screening=1).mitigate(suspect, seed=0, target=target)


def test_images_that_are_not_square_are_refused():
    oblong = ClassSplit(np.zeros((4, 16, 24, 3), np.uint8), np.arange(4) % 3, ("a", "b", "c"))
    with pytest.raises(ValueError, match="square images, and these are 16 x 24"):
        Search(SMALL, suspect=ClassSuspect(_model((16, 24)), oblong))


@pytest.mark.parametrize(
    "make",
    [
        lambda: Staircase(levels=()),
        lambda: Staircase(batch=1),
        lambda: Staircase(placement="x"),
        lambda: Staircase(batch=32, draws=31),
        lambda: Staircase(blur=-0.1),
        lambda: Retraining(share=2),
        lambda: GDM(found=0),
    ],
)
def test_settings_that_cannot_work_are_refused(make):
    with pytest.raises(ValueError):
        make()
