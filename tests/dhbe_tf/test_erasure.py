"""The three steps of an erasing: what each changes, and that it resumes where it stopped."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from data_prep.contract import Split
from data_prep.threat import Suspect
from dhbe_tf.dhbe import DHBE, Erasure
from dhbe_tf.domain import declared
from dhbe_tf.drawn import draw
from drmguard_tf.reference import check_fit

layers = tf.keras.layers
SHAPE = (16, 16, 3)
DOMAIN = declared((0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
OPTIONS = DHBE(
    epochs=2, iterations=2, student_steps=2, batch=4, latent=8, sample_width=4, trigger_width=4, trigger_size=3
)


def _model(ending: str = "linear", classes: int = 3) -> tf.keras.Model:
    tf.keras.utils.set_random_seed(0)
    images = tf.keras.Input(SHAPE)
    x = layers.Conv2D(4, 3, strides=2, use_bias=False)(images)
    x = layers.ReLU()(layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(x))
    return tf.keras.Model(images, layers.Dense(classes, activation=ending)(layers.GlobalAveragePooling2D()(x)))


def _erasure(options: DHBE = OPTIONS, seed: int = 0) -> Erasure:
    return Erasure(options, model=_model(), domain=DOMAIN, seed=seed)


def _values(module) -> list[np.ndarray]:
    return [v.numpy().copy() for v in module.variables]


def _changed(before: list[np.ndarray], module) -> bool:
    return any(not np.array_equal(old, new.numpy()) for old, new in zip(before, module.variables))


def _changed_by(step: str, options: DHBE = OPTIONS) -> dict[str, bool]:
    """Which parts one step changes: weights that are trained, and statistics that are not."""
    erasure = _erasure(options)
    parts = {
        "teacher": erasure.teacher,
        "student": tf.Module(),
        "student statistics": tf.Module(),
        "samples": tf.Module(),
        "triggers": tf.Module(),
    }
    parts["student"].held = list(erasure.student.trainable_variables)
    parts["student statistics"].held = list(erasure.student.non_trainable_variables)
    parts["samples"].held = list(erasure.samples.trainable_variables)
    parts["triggers"].held = list(erasure.triggers.trainable_variables)
    before = {name: _values(part) for name, part in parts.items()}
    getattr(erasure, step)()
    return {name: _changed(before[name], part) for name, part in parts.items()}


@pytest.mark.parametrize(
    "step, changed",
    [
        ("student_step", {"student", "student statistics"}),
        ("sample_step", {"samples", "student statistics"}),
        ("trigger_step", {"triggers", "student statistics"}),
    ],
)
def test_a_step_trains_one_network_and_moves_the_student_s_statistics(step, changed):
    assert {name for name, did in _changed_by(step).items() if did} == changed


@pytest.mark.parametrize("step", ["student_step", "sample_step", "trigger_step"])
def test_kept_statistics_do_not_move(step):
    assert not _changed_by(step, replace(OPTIONS, batch_statistics=False))["student statistics"]


def test_student_equals_teacher_at_the_start():
    erasure = _erasure()
    for mine, theirs in zip(erasure.student.get_weights(), erasure.teacher.get_weights()):
        np.testing.assert_array_equal(mine, theirs)


def test_kept_statistics_start_without_discrepancy():
    erasure = _erasure(replace(OPTIONS, batch_statistics=False))
    distance, response = erasure.student_step()
    assert float(distance) < 1e-6 < float(response)


def test_the_suspect_stays_as_it_is_and_the_cleaned_model_differs():
    model = _model("softmax")
    before = model.get_weights()
    cleaned = OPTIONS.mitigate(Suspect(model), seed=0, domain=DOMAIN)
    for old, new in zip(before, model.get_weights()):
        np.testing.assert_array_equal(old, new)
    assert any(not np.array_equal(old, new) for old, new in zip(before, cleaned.get_weights()))
    np.testing.assert_allclose(cleaned(tf.zeros([1, *SHAPE])).numpy().sum(), 1, rtol=1e-5)  # has its softmax again


def test_the_benign_set_is_not_looked_at():
    one = OPTIONS.mitigate(Suspect(_model()), seed=0, domain=DOMAIN)
    data = Split(np.full((4, *SHAPE), 200, np.uint8), np.zeros((4, 3), np.float32))
    other = OPTIONS.mitigate(Suspect(_model(), data), seed=0, domain=DOMAIN)
    for first, second in zip(one.get_weights(), other.get_weights()):
        np.testing.assert_array_equal(first, second)


def test_drmguard_says_that_it_needs_the_benign_set():
    with pytest.raises(ValueError, match="benign set"):
        check_fit(Suspect(_model()))


def test_deviation_is_none_at_the_start_and_one_for_a_constant_answer():
    erasure = _erasure()
    assert erasure.deviation() == 0
    drawn = draw(tf.random.Generator.from_seed(0), 256, SHAPE)
    answers = erasure.teacher(drawn).numpy()
    erasure.student.layers[-1].set_weights([np.zeros((4, 3)), answers.mean(axis=0)])
    assert erasure.deviation() == pytest.approx(1, rel=1e-4)


def test_same_seed_same_losses_and_another_seed_others():
    assert _erasure(seed=1).iterate() == _erasure(seed=1).iterate() != _erasure(seed=2).iterate()


def test_a_restored_erasing_goes_on_bit_for_bit(tmp_path):
    whole = _erasure()
    for _ in range(2):
        whole.iterate()
    path = tf.train.Checkpoint(erasure=whole).write(str(tmp_path / "state"))
    losses = [whole.iterate() for _ in range(2)]
    again = _erasure(seed=7)  # other weights and noise, until they are restored
    tf.train.Checkpoint(erasure=again).read(path).expect_partial()
    assert again.done == 2
    assert [again.iterate() for _ in range(2)] == losses
    for mine, theirs in zip(again.cleaned(_model()).get_weights(), whole.cleaned(_model()).get_weights()):
        np.testing.assert_array_equal(mine, theirs)


def test_all_rates_fall_to_a_tenth_at_the_milestones():
    options = DHBE(epochs=10, iterations=10, milestones=(0.6, 0.8))
    assert [options.rate(i) for i in (0, 59, 60, 79, 80)] == pytest.approx([1, 1, 0.1, 0.1, 0.01])
    erasure = _erasure(replace(OPTIONS, milestones=(0.5,)))  # of 4 iterations
    for _ in range(3):
        erasure.iterate()
    assert float(erasure.student_optimizer.learning_rate) == pytest.approx(0.01)
    assert float(erasure.sample_optimizer.learning_rate) == pytest.approx(1e-4)
    assert float(erasure.trigger_optimizer.learning_rate) == pytest.approx(1e-4)


RENEWED = replace(OPTIONS, epochs=6, renewed=2, milestones=(0.4, 0.7))  # 12 iterations, the last milestone at 8


def test_a_trigger_generator_is_begun_anew_until_the_last_milestone():
    erasure, made = _erasure(RENEWED), []
    for _ in range(RENEWED.total):
        power = float(erasure.trigger_optimizer.powers[0])
        erasure.iterate()
        if float(erasure.trigger_optimizer.powers[0]) > power:  # its optimizer has begun anew with it
            made.append(erasure.done - 1)
    assert made == [2, 4, 6]
    kept = _erasure(replace(RENEWED, renewed=0))
    first = [(kept.iterate(), again.iterate()) for again in [_erasure(RENEWED)] for _ in range(3)]
    assert [mine == theirs for mine, theirs in first] == [True, True, False]


def test_an_erasing_with_renewed_generators_resumes_bit_for_bit(tmp_path):
    whole = _erasure(RENEWED)
    for _ in range(3):
        whole.iterate()
    path = tf.train.Checkpoint(erasure=whole).write(str(tmp_path / "state"))
    losses = [whole.iterate() for _ in range(3)]
    again = _erasure(RENEWED)
    tf.train.Checkpoint(erasure=again).read(path).expect_partial()
    assert [again.iterate() for _ in range(3)] == losses


def test_a_student_that_leaves_its_teacher_is_called_back():
    pixels = tf.random.Generator.from_seed(0).uniform((4, *SHAPE))
    whole, yields = (_erasure(replace(OPTIONS, weight=2.0, tolerance=tolerance)) for tolerance in (None, 0.25))
    target = yields.teacher(pixels)
    near, far = target, 3 * target - 2 * tf.reduce_mean(target, axis=0)  # deviations 0 and 2
    assert [whole._weight(answers, target) for answers in (near, far)] == [2, 2]
    np.testing.assert_allclose([yields._weight(answers, target) for answers in (near, far)], [2, 0.25], rtol=1e-3)


def test_an_erasing_without_later_options_has_the_name_that_it_had_before_there_were_any():
    assert "renewed" not in repr(OPTIONS) and "renewed=2" in repr(RENEWED)
    assert "tolerance" not in repr(OPTIONS) and "tolerance=0.25" in repr(replace(OPTIONS, tolerance=0.25))
    assert repr(DHBE()).startswith("DHBE(epochs=300, iterations=50, ") and repr(DHBE()).endswith("(0.6, 0.8))")


def test_weight_zero_makes_no_patches(monkeypatch):
    monkeypatch.setattr(Erasure, "_patches", lambda self, thirds: pytest.fail("a patch was made"))
    losses = _erasure(replace(OPTIONS, weight=0.0)).iterate()
    assert losses.student_response == losses.trigger_response == 0 < losses.student_discrepancy


@pytest.mark.parametrize("placement, places", [("batch", 1), ("sample", 4)])
def test_patches_of_a_batch_share_a_place_or_have_their_own(placement, places):
    erasure = _erasure(replace(OPTIONS, placement=placement, latent=8))
    erasure._patches = lambda thirds: tf.ones([4, 3, 3, 3])
    patched = erasure._patched(tf.zeros([4, *SHAPE])).numpy()
    assert patched.sum() == 4 * 27  # all of each patch lies inside
    assert len({tuple(np.argwhere(image)[0]) for image in patched}) == places


def test_a_third_of_the_places_touches_each_border():
    erasure = _erasure(replace(OPTIONS, placement="borders", batch=6000))
    places = erasure._places(16, erasure._thirds(erasure.random)[0]).numpy()  # 14 places
    counts = np.bincount(places, minlength=14)
    # a third at this border, and 1/14 of the third that is drawn anywhere: 0.357
    assert counts.sum() == 6000 and counts[[0, 13]] / 6000 == pytest.approx(5 / 14, abs=0.03)
    assert counts[1:13].min() > 90  # 6000 / 3 / 14 = 143 expected at each


def test_drawn_samples_leave_the_sample_generator_out():
    options = replace(OPTIONS, drawn=1.0)
    for step in ("student_step", "sample_step", "trigger_step"):
        assert not _changed_by(step, options)["samples"]
    erasure = _erasure(options)
    pixels = erasure._lesson()[0].numpy()
    assert pixels.shape == (4, *SHAPE) and 0 <= pixels.min() <= pixels.max() <= 1
    assert erasure.iterate().sample_discrepancy == 0


def test_a_share_of_samples_is_drawn_and_the_rest_generated():
    erasure = _erasure(replace(OPTIONS, drawn=0.5))
    erasure.samples = lambda noise, training: tf.fill([len(noise), *SHAPE], 8.0)  # as pixels 0.5 + 8 / 4
    pixels = erasure._lesson()[0].numpy()
    assert pixels[:2].max() <= 1 and (pixels[2:] == 2.5).all()
    shown, _ = _erasure(replace(OPTIONS, drawn=0.5)).made(4)
    assert shown[:2].max() <= 1 and (np.abs(shown[2:] - shown[:2]) > 0).any()


def test_a_pool_is_drawn_once_and_its_answers_are_the_teacher_s():
    erasure = _erasure(replace(OPTIONS, drawn=0.5, pool=12))
    np.testing.assert_allclose(erasure.answers, erasure.teacher(erasure.pool, training=False), rtol=1e-5)
    for _ in range(2):
        pixels, answers = (part.numpy() for part in erasure._lesson())
        assert pixels.shape == (4, *SHAPE) and answers.shape == (4, 3)
        for picture, answer in zip(pixels[:2], answers):
            (place,) = np.flatnonzero((erasure.pool.numpy() == picture).all(axis=(1, 2, 3)))
            np.testing.assert_array_equal(erasure.answers[place], answer)
    np.testing.assert_allclose(erasure.teacher(erasure.domain.inputs(pixels), training=False), answers, rtol=1e-4)
    shown, _ = erasure.made(4)
    assert all((erasure.pool.numpy() == picture).all(axis=(1, 2, 3)).any() for picture in shown[:2])


def test_the_pool_is_counted_by_class():
    erasure = _erasure(replace(OPTIONS, drawn=1.0, pool=4))
    erasure.answers = tf.constant([[0.0, 1, 0], [2, 0, 1], [0, 3, 2], [-1, 0, -2]])
    assert erasure.drawn_by_class == [1, 3, 0]
    assert _erasure().drawn_by_class is None


def test_an_erasing_with_a_pool_resumes_bit_for_bit(tmp_path):
    options = replace(OPTIONS, drawn=1.0, pool=12, placement="borders", in_range=True)
    whole = _erasure(options)
    whole.iterate()
    path = tf.train.Checkpoint(erasure=whole).write(str(tmp_path / "state"))
    again = _erasure(options)
    tf.train.Checkpoint(erasure=again).read(path).expect_partial()
    assert again.iterate() == whole.iterate()


def test_the_trigger_generator_is_told_which_third_its_patch_is_for():
    erasure = _erasure(replace(OPTIONS, placement="borders"))
    seen = []
    erasure.triggers = lambda noise, training: seen.append(noise.numpy()) or tf.zeros([4, 3, 3, 3])
    erasure._patches((tf.constant([0, 1, 2, 2]), tf.constant([2, 0, 0, 1])))
    (noise,) = seen
    assert noise.shape == (4, OPTIONS.latent + 6)
    np.testing.assert_array_equal(noise[:, -6:-3].argmax(axis=1), [0, 1, 2, 2])
    np.testing.assert_array_equal(noise[:, -3:].argmax(axis=1), [2, 0, 0, 1])


def test_the_largest_patch_is_bounded_by_its_scale():
    patches = _erasure(replace(OPTIONS, trigger_scale=0.25))._patches((None, None)).numpy()
    assert 0.1 < np.abs(patches).max() < 0.25


def test_the_student_descends_and_the_generators_ascend():
    # repeated on the same noise, a small step lowers what the student minimises and raises what generators maximise
    options = replace(OPTIONS, learning_rate=0.01, weight_decay=0.0, momentum=0.0, smoothness=0.0, batch=16)
    for step, sign in (("student_step", -1), ("sample_step", 1), ("trigger_step", 1)):
        erasure, seen = _erasure(options), []
        for _ in range(12):
            erasure.random.reset_from_seed(3)
            out = getattr(erasure, step)()
            seen.append(float(out[0] + options.weight * out[1]) if step == "student_step" else float(out))
        assert sign * (seen[-1] - seen[0]) > 0, step


@pytest.mark.parametrize(
    "options, message",
    [
        (dict(placement="everywhere"), "placement"),
        (dict(batch=1), "batch 2"),
        (dict(drawn=1.5), "share"),
        (dict(drawn=0.75, batch=4), "single sample"),
        (dict(pool=4), "drawn above 0"),
        (dict(weight=-1.0), "negative"),
        (dict(epochs=0), "1 or more"),
        (dict(renewed=-1), "renewed"),
        (dict(tolerance=0.0), "tolerance"),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        DHBE(**options)


def test_patches_larger_than_the_image_and_wrong_channels_are_refused():
    with pytest.raises(ValueError, match="do not fit"):
        _erasure(replace(OPTIONS, trigger_size=18))
    with pytest.raises(ValueError, match="3 channels"):
        Erasure(OPTIONS, model=_model(), domain=declared([0.5], [0.25]), seed=0)


def test_a_diverging_erasing_stops():
    with pytest.raises(ValueError, match="diverged"):
        _erasure(replace(OPTIONS, learning_rate=1e20)).run()


def test_copies_add_as_many_patches_each_a_new_one():
    erasure, made = _erasure(replace(OPTIONS, placement="sample", copies=3)), [1.0, 2.0, 4.0]
    erasure._patches = lambda thirds: tf.fill([4, 3, 3, 3], made.pop(0))
    assert erasure._patched(tf.zeros([4, *SHAPE])).numpy().sum() == 7 * 4 * 27


def test_patched_samples_stay_in_range_if_they_are_to():
    for in_range in (False, True):
        erasure = _erasure(replace(OPTIONS, placement="sample", in_range=in_range, copies=2))
        signs = iter((2.0, -2.0))
        erasure._patches = lambda thirds: tf.fill([4, 3, 3, 3], next(signs))
        patched = erasure._patched(tf.fill([4, *SHAPE], 0.5)).numpy()
        assert (patched.min() >= 0 and patched.max() <= 1) == in_range
        assert (patched == 0.5).any()
