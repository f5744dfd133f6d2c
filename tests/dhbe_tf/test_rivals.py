"""DHBE's rivals: what all promise, and what fine-tuning, fine-pruning and attention distillation do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from suspects import SIDE, TARGET, accuracy, colours, normed, sleeper, success

from data_prep.cost_schedule import CostSchedule
from data_prep.diverged import Diverged
from data_prep.threat import ClassSuspect
from dhbe_tf.baselines import fine_pruning
from dhbe_tf.baselines.attention_distillation import AttentionDistillation, attention, distance, stages
from dhbe_tf.baselines.fine_pruning import FinePruning
from dhbe_tf.baselines.fine_tuning import FineTuning
from dhbe_tf.baselines.mode_connectivity import ModeConnectivity, TunedEnd
from dhbe_tf.baselines.neural_cleanse import NeuralCleanse
from dhbe_tf.baselines.recipes import RECIPES
from dhbe_tf.baselines.tuning import Annealed, Tuning
from dhbe_tf.models import resnet, stem_32, stem_64, wide_resnet
from runs.checkpoints import DiskJournal

layers = tf.keras.layers
BRIEF = Tuning(epochs=1, samples=16, batch=8, learning_rate=0.05, crop=1)
RIVALS = {
    "fine-tuning": FineTuning(BRIEF),
    "fine-pruning": FinePruning(tuning=BRIEF),
    "nad": AttentionDistillation(teacher=BRIEF, student=BRIEF),
    "mcr": ModeConnectivity(BRIEF, batch=4),
    "mcr to a tuned copy": TunedEnd(Annealed(**vars(BRIEF)), batch=4, end=BRIEF),
    "neural-cleanse": NeuralCleanse(steps=2, minibatches=1, batch=8, tuning=BRIEF),
}


@pytest.mark.parametrize("rival", RIVALS.values(), ids=list(RIVALS))
def test_a_rival_returns_another_model_and_leaves_the_suspect_alone(rival):
    suspect, heard = normed(), []
    before = [weight.copy() for weight in suspect.model.get_weights()]
    cleaned = rival.mitigate(suspect, seed=5, progress=heard.append)
    for old, new in zip(before, suspect.model.get_weights()):
        np.testing.assert_array_equal(old, new)
    assert heard[-1] == rival.total(suspect) and heard == sorted(heard)
    images = suspect.benign.images / np.float32(255)
    np.testing.assert_allclose(cleaned(images).numpy().sum(axis=1), 1, rtol=1e-5)  # it has its softmax
    assert np.abs(cleaned(images) - suspect.model(images)).max() > 1e-4


def test_the_same_seed_gives_the_same_model_and_another_one_does_not():
    suspect, rival = normed(), RIVALS["mcr"]  # order, augmentation and places on the curve are drawn
    one, again, other = (rival.mitigate(suspect, seed=seed).get_weights() for seed in (5, 5, 6))
    assert all(np.allclose(mine, theirs, atol=1e-6) for mine, theirs in zip(one, again))
    assert not all(np.allclose(mine, theirs, atol=1e-6) for mine, theirs in zip(one, other))


@pytest.mark.parametrize("name, kill", [("nad", 3), ("mcr", 1), ("mcr to a tuned copy", 3), ("neural-cleanse", 5)])
def test_an_interrupted_clean_up_goes_on_where_it_was(name, kill, tmp_path):
    suspect, rival, said = normed(), RIVALS[name], []

    def stop(step: int) -> None:
        if step == kill:
            raise KeyboardInterrupt

    def journals(part: str) -> DiskJournal:
        return DiskJournal(tmp_path / part, seconds=0, say=said.append)

    with pytest.raises(KeyboardInterrupt):
        rival.mitigate(suspect, seed=5, progress=stop, journals=journals)
    assert not said
    resumed = rival.mitigate(suspect, seed=5, journals=journals).get_weights()
    assert any(text.startswith("going on at step") for text in said)
    for mine, theirs in zip(resumed, rival.mitigate(suspect, seed=5).get_weights()):
        np.testing.assert_allclose(mine, theirs, atol=1e-6)


@pytest.mark.parametrize("rival", RIVALS.values(), ids=list(RIVALS))
def test_a_rival_refuses_images_of_another_size_and_none_at_all(rival):
    data = colours(4)
    small = type(data)(data.images[:, :8], data.labels, data.classes)
    for benign, message in ((small, "benign images are"), (None, "there are none")):
        with pytest.raises(ValueError, match=message):
            rival.mitigate(ClassSuspect(normed().model, benign), seed=0)


def test_the_paper_s_tuning_takes_620_steps_and_its_rate_falls_at_epochs_10_and_15():
    tuning = Tuning()
    assert tuning.total_steps == 620  # 20 epochs of 2000 // 64 = 31 steps
    assert [round(tuning.rate(step), 7) for step in (0, 309, 310, 464, 465)] == [0.01, 0.01, 0.001, 0.001, 0.0001]


def test_annealed_rates_by_hand():
    line, cosine = (Annealed(epochs=100, samples=640, annealing=kind) for kind in ("line", "cosine"))
    assert line.total_steps == 1000  # 10 an epoch; epochs are counted from 1 in the line
    found = [round(line.rate(10 * (epoch - 1)), 7) for epoch in (1, 50, 70, 90, 100)]
    assert found == [0.01, 0.01, 0.00505, 0.0001, 0.0001]
    assert [round(cosine.rate(step), 7) for step in (0, 9, 500, 990)] == [0.01, 0.01, 0.005, 2.5e-06]
    plain = Annealed(epochs=100, samples=640, annealing="milestones")
    assert [round(plain.rate(step), 7) for step in (0, 500, 750)] == [0.01, 0.001, 0.0001]


def test_recipes_are_their_authors():
    tuned, distilled = RECIPES["fine-tuning"].rival.tuning, RECIPES["nad"].rival
    assert distilled.student == tuned and tuned.nesterov and tuned.total_steps == 780  # 20 epochs of 39
    assert [round(tuned.rate(step), 7) for step in (0, 77, 78, 779)] == [0.1, 0.1, 0.01, 0.01]
    assert [round(distilled.teacher.rate(step), 7) for step in (0, 77, 78, 389)] == [0.1, 0.1, 0.01, 0.01]
    assert RECIPES["mcr"].rival.end == tuned and RECIPES["mcr"].rival.tuning.annealing == "line"
    assert RECIPES["fine-pruning"].rival.tuning.annealing == "cosine"
    assert RECIPES["neural-cleanse"].rival.tuning.epochs == 1 and RECIPES["neural-cleanse"].share == 0.1


def test_few_images_are_repeated_until_there_are_enough_and_many_are_not():
    data = colours(5)
    loaded = replace(BRIEF, samples=12).loaded(data)
    np.testing.assert_array_equal(loaded.labels, [0, 1, 2, 0, 1, 0, 1, 2, 0, 1, 0, 1])
    np.testing.assert_array_equal(loaded.images[5], data.images[0])
    assert len(replace(BRIEF, samples=3).loaded(data)) == 5


def test_a_rate_that_diverges_is_named():
    with pytest.raises(Diverged, match="training diverged"):
        FineTuning(replace(BRIEF, learning_rate=1e30, epochs=4)).mitigate(normed(), seed=0)


def test_fine_tuning_alone_leaves_a_feature_that_sleeps_as_it_is():
    suspect = ClassSuspect(sleeper(), colours())
    cleaned = FineTuning(replace(BRIEF, crop=0)).mitigate(suspect, seed=0)
    np.testing.assert_array_equal(cleaned.get_layer("head").kernel[3], [0, 0, 20])  # its inputs were all 0
    assert success(suspect.model, colours(seed=1)) == success(cleaned, colours(seed=1)) == 1


def test_fine_pruning_finds_the_sleeping_feature_and_keeps_it_off():
    suspect, fresh = ClassSuspect(sleeper(), colours()), colours(seed=1)
    rival = FinePruning(tuning=replace(BRIEF, crop=0))
    assert rival.prune(suspect.model, suspect.benign, seed=0).tolist() == [3]
    cleaned = rival.mitigate(suspect, seed=0)
    np.testing.assert_array_equal(cleaned.get_layer("head").kernel[3], [0, 0, 0])
    assert success(cleaned, fresh) == 0 and accuracy(cleaned, fresh) == accuracy(suspect.model, fresh) == 1


def test_accuracy_after_every_pruning_by_hand():
    features, kernel = np.float32([[2, 1], [1, 3]]), np.float32([[1, 0], [0, 1]])
    found = fine_pruning.accuracies(features, kernel, np.float32([0, 0.5]), np.array([0, 1]), np.array([0, 1]))
    np.testing.assert_allclose(found, [1, 0.5])  # whole: (2, 1.5), (1, 3.5); without the first: (0, 1.5), (0, 3.5)


@pytest.mark.parametrize(
    "accuracy, tolerance, pruned",
    [
        ([1.0, 1.0, 0.95, 0.5], 0.0, 1),
        ([1.0, 1.0, 0.95, 0.5], 0.05, 2),
        ([1.0, 0.9, 1.0, 1.0], 0.05, 0),  # the first that costs too much ends it
        ([0.5, 0.5, 0.6, 0.7], 0.0, 3),  # one feature is left
    ],
)
def test_pruning_ends_before_the_first_that_costs_too_much(accuracy, tolerance, pruned):
    assert fine_pruning.furthest(np.array(accuracy), tolerance) == pruned


def test_a_model_that_does_not_end_in_a_dense_layer_is_not_pruned():
    images = tf.keras.Input((SIDE, SIDE, 3))
    model = tf.keras.Model(images, layers.GlobalAveragePooling2D()(layers.Conv2D(3, 1)(images)))
    with pytest.raises(ValueError, match="GlobalAveragePooling2D"):
        FinePruning(tuning=BRIEF).mitigate(ClassSuspect(model, colours(4)), seed=0)


def test_attention_is_the_mean_of_squares_as_a_unit_vector():
    maps = tf.constant([[[[1.0, 1.0]], [[2.0, 0.0]]]])  # mean squares 1 and 2
    np.testing.assert_allclose(attention(maps, 2.0), [[1 / 5**0.5, 2 / 5**0.5]], rtol=1e-5)
    np.testing.assert_allclose(attention(maps * 7, 2.0), attention(maps, 2.0), rtol=1e-5)
    assert np.isfinite(attention(maps * 0, 2.0)).all()


def test_attention_distance_weighs_stages_and_the_last_weight_serves_all_further_ones():
    here, there = tf.constant([[[[1.0]], [[0.0]]]]), tf.constant([[[[0.0]], [[1.0]]]])
    # attention (1, 0) and (0, 1): a mean squared difference of 1
    found = distance([here, here, here, here], [there, here, there, there], (3.0, 5.0), 2.0)
    np.testing.assert_allclose(found, 3 + 0 + 5 + 5, rtol=1e-5)


@pytest.mark.parametrize(
    "make, sides",
    [
        (resnet((4, 4, 8, 8), (1, 2, 1, 1), stem_32, "narrow"), [32, 16, 8, 4]),
        (resnet((4, 4, 8), (1, 1, 1), stem_64, "narrow_64px"), [15, 8, 4]),  # padded by 1, the stem returns 15 of 32
        (wide_resnet(10, 1), [32, 16, 8]),
    ],
)
def test_stages_are_what_residual_stages_return(make, sides):
    model = make((32, 32, 3), 10, (0.5,) * 3, (0.25,) * 3)
    found = stages(model)
    assert [tensor.shape[1] for tensor in found] == sides
    assert all(isinstance(tensor._keras_history.layer, layers.ReLU) for tensor in found)
    assert found[-1].name == model.get_layer("features").input.name


def test_the_student_comes_to_attend_as_its_teacher_does():
    images = tf.keras.Input((SIDE, SIDE, 3))
    tf.keras.utils.set_random_seed(0)
    features = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3, strides=2, activation="relu")(images))
    suspect = ClassSuspect(tf.keras.Model(images, layers.Dense(3)(features)), colours(12))
    plain = replace(BRIEF, epochs=20, crop=0, flip=False)
    strong, mild = replace(plain, learning_rate=0.3), replace(plain, learning_rate=0.01)
    teacher = FineTuning(strong).mitigate(suspect, seed=0)
    rival = AttentionDistillation(weights=(1000.0,), teacher=strong, student=mild)
    cleaned, seen = rival.mitigate(suspect, seed=0), suspect.benign.images / np.float32(255)
    maps = [tf.keras.Model(model.inputs, stages(model))(seen) for model in (suspect.model, cleaned, teacher)]
    before, after = (float(distance([mine], maps[2:], (1.0,), 2.0)) for mine in maps[:2])
    assert after < 0.3 * before


def test_options_that_cannot_be_are_refused():
    for make in (
        lambda: Tuning(batch=1),
        lambda: Tuning(learning_rate=0),
        lambda: Annealed(annealing="steps"),
        lambda: FinePruning(share=1),
        lambda: AttentionDistillation(weights=()),
        lambda: ModeConnectivity(place=1.5),
        lambda: NeuralCleanse(success=0),
        lambda: NeuralCleanse(schedule=CostSchedule(), share=2),
    ):
        with pytest.raises(ValueError):
            make()


def test_the_sleeper_is_as_its_description_says():
    model, data = sleeper(), colours()
    assert accuracy(model, data) == 1 and success(model, data) == 1 and TARGET == 2
