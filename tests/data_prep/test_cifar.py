"""CIFAR from python batches."""

from __future__ import annotations

import numpy as np
import pytest

from data_prep import cifar
from tests.fake.cifar import planes, write_cifar10, write_cifar100


def test_planes_become_pixels(tmp_path):
    write_cifar10(tmp_path)
    found = cifar.read(tmp_path, "train")
    first = planes(4, seed=0)[0]  # red, green, blue planes of 1024 bytes, row by row
    np.testing.assert_array_equal(found.images[0, 0, 1], [first[1], first[1025], first[2049]])
    np.testing.assert_array_equal(found.images[0, 1, 0], [first[32], first[1056], first[2080]])


def test_train_is_five_batches_and_test_one(tmp_path):
    home = write_cifar10(tmp_path)
    train, test = cifar.read(home, "train"), cifar.read(home, "test")
    assert (len(train), len(test)) == (20, 4)
    np.testing.assert_array_equal(train.labels[:5], [0, 1, 2, 0, 0])
    assert train.classes == ("airplane", "automobile", "bird")


def test_cifar100_has_two_kinds_of_labels(tmp_path):
    write_cifar100(tmp_path)
    assert cifar.read(tmp_path, "test").classes == ("apple", "aquarium_fish", "baby")
    coarse = cifar.read(tmp_path, "test", labels="coarse")
    assert coarse.classes == ("fish", "fruit")
    np.testing.assert_array_equal(coarse.labels, [0, 1, 0, 1])


def test_entries_lead_to_the_same_samples(tmp_path):
    write_cifar10(tmp_path)
    data = cifar.Cifar()
    listing = data.entries(tmp_path)
    assert [entry.part for entry in listing.entries] == ["train"] * 20 + ["test"] * 4
    assert listing.entries[7].source == "cifar-10-batches-py/data_batch_2#3"
    sample = data.sample(tmp_path, listing.entries[7])
    train = cifar.read(tmp_path, "train")
    np.testing.assert_array_equal(sample.image, train.images[7])
    np.testing.assert_array_equal(sample.target, train.labels[7:8])


def test_cifar10_has_no_coarse_labels(tmp_path):
    write_cifar10(tmp_path)
    with pytest.raises(ValueError, match="has fine labels, not 'coarse'"):
        cifar.read(tmp_path, "train", labels="coarse")


def test_a_folder_that_is_half_unpacked_is_refused(tmp_path):
    (write_cifar10(tmp_path) / "data_batch_3").unlink()
    with pytest.raises(ValueError, match="lacks data_batch_3 .*unpack it again"):
        cifar.read(tmp_path, "train")


def test_another_folder_is_refused(tmp_path):
    with pytest.raises(ValueError, match="neither cifar-10-batches-py .*Name the folder"):
        cifar.read(tmp_path, "train")


def test_there_are_two_parts(tmp_path):
    with pytest.raises(ValueError, match="train and test, not 'val'"):
        cifar.read(tmp_path, "val")
