"""Parts of a data set: who shares what with whom."""

from __future__ import annotations

import numpy as np
import pytest

from data_prep.contract import ClassSplit, Split
from data_prep.splits import content_numbers, random_share, random_split, subject_disjoint


def _data(count: int = 40, subjects: int = 10) -> Split:
    """Sample i has pixel value i and shows subject i mod ``subjects``, whose number is its target."""
    ids = np.arange(count)
    groups = ids % subjects
    images = np.broadcast_to(ids.astype(np.uint8)[:, None, None, None], (count, 1, 1, 1))
    return Split(images, np.float32(groups)[:, None] / 10, groups)


def _ids(part: Split) -> list[int]:
    return part.images.ravel().tolist()


def test_subject_disjoint_parts_share_no_subject():
    train, benign, test = (set(part.groups) for part in subject_disjoint(_data(), train=0.5, benign=0.2, seed=0))
    assert not (train & benign or train & test or benign & test)


def test_subject_disjoint_parts_hold_their_share_of_subjects():
    parts = subject_disjoint(_data(), train=0.5, benign=0.2, seed=0)
    assert [len(set(part.groups)) for part in parts] == [5, 2, 3]  # of 10


@pytest.mark.parametrize("cut", [subject_disjoint, random_split])
def test_parts_cover_every_sample_once(cut):
    parts = cut(_data(), train=0.5, benign=0.2, seed=0)
    assert sorted(sum((_ids(part) for part in parts), [])) == list(range(40))


@pytest.mark.parametrize("cut", [subject_disjoint, random_split])
def test_samples_keep_their_targets_and_groups(cut):
    for part in cut(_data(), train=0.5, benign=0.2, seed=0):
        np.testing.assert_array_equal(part.groups, np.array(_ids(part)) % 10)
        np.testing.assert_array_equal(part.targets[:, 0], np.float32(part.groups) / 10)


def test_random_split_cuts_by_image():
    parts = random_split(_data(), train=0.5, benign=0.2, seed=0)
    assert [len(part) for part in parts] == [20, 8, 12]  # of 40
    assert set(parts.train.groups) & set(parts.test.groups)


@pytest.mark.parametrize("cut", [subject_disjoint, random_split])
def test_same_seed_gives_the_same_parts(cut):
    one, other = (cut(_data(), train=0.5, benign=0.2, seed=3) for _ in range(2))
    assert [_ids(part) for part in one] == [_ids(part) for part in other]


@pytest.mark.parametrize("cut", [subject_disjoint, random_split])
def test_another_seed_gives_other_parts(cut):
    one, other = (cut(_data(), train=0.5, benign=0.2, seed=seed) for seed in (3, 4))
    assert _ids(one.train) != _ids(other.train)


@pytest.mark.parametrize("train, benign", [(0.0, 0.5), (0.5, 0.0), (0.5, 0.5), (0.9, 0.3)])
@pytest.mark.parametrize("cut", [subject_disjoint, random_split])
def test_a_part_without_samples_is_refused(cut, train, benign):
    with pytest.raises(ValueError, match="each part needs at least one"):
        cut(_data(), train=train, benign=benign, seed=0)


def test_two_subjects_cannot_be_cut_in_three():
    with pytest.raises(ValueError, match="2 subjects cannot be cut"):
        subject_disjoint(_data(subjects=2), train=0.4, benign=0.3, seed=0)


def test_content_numbers_follow_from_the_pixels_alone():
    images = np.random.default_rng(0).integers(0, 256, (5, 4, 4, 3), dtype=np.uint8)
    images[3] = images[1]
    numbers = content_numbers(images)
    assert numbers[3] == numbers[1] and len(set(numbers)) == 4
    np.testing.assert_array_equal(content_numbers(images[::-1]), numbers[::-1])
    assert not set(content_numbers(images, seed=1)) & set(numbers)


def test_copies_of_an_image_stay_together():
    data = _data()
    images = data.images.copy()
    images[20:] = images[:20]  # every image twice
    parts = random_split(Split(images, data.targets, data.groups), train=0.5, benign=0.2, seed=3)
    assert all(all(_ids(part).count(value) == 2 for value in _ids(part)) for part in parts)
    assert sum(len(part) for part in parts) == 40


def test_where_an_image_goes_does_not_depend_on_its_place():
    data = _data()
    parts = random_split(data, train=0.5, benign=0.2, seed=0)
    turned = random_split(data.take(slice(None, None, -1)), train=0.5, benign=0.2, seed=0)
    for part, other in zip(parts, turned):
        assert sorted(_ids(part)) == sorted(_ids(other))


def test_copies_alone_cannot_be_cut():
    images = np.zeros((40, 1, 1, 1), np.uint8)
    with pytest.raises(ValueError, match="too many copies"):
        random_split(Split(images, np.zeros((40, 2), np.float32)), train=0.5, benign=0.2, seed=0)


def test_a_share_is_drawn_by_seed_without_replacement_and_in_order():
    images = np.arange(50, dtype=np.uint8)[:, None, None, None]
    data = ClassSplit(images, np.arange(50) % 2, ("even", "odd"))
    one, again, other = (random_share(data, 0.1, seed=seed).images.ravel().tolist() for seed in (0, 0, 1))
    assert one == again != other and len(set(one)) == 5 and one == sorted(one)
    assert random_share(data, 0.1, seed=0).labels.tolist() == [value % 2 for value in one]
    assert len(random_share(data, 0.001, seed=0)) == 1 and len(random_share(data, 1, seed=0)) == 50
    with pytest.raises(ValueError, match="above 0"):
        random_share(data, 0, seed=0)
