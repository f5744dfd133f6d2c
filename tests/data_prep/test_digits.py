"""scikit-learn's digits at 32 x 32."""

from __future__ import annotations

import numpy as np
import pytest

from data_prep import digits
from data_prep.splits import content_numbers


def test_every_digit_is_in_one_part():
    train, test = digits.read("train"), digits.read("test")
    assert len(train) + len(test) == 1797
    assert not set(content_numbers(train.images)) & set(content_numbers(test.images))


def test_the_test_part_is_about_a_fifth_of_every_class():
    shares = np.bincount(digits.read("test").labels) / np.bincount(digits.arrays()[1])
    assert shares.shape == (10,) and shares.min() > 0.1 and shares.max() < 0.3


def test_images_are_white_on_black_at_the_size_of_cifar():
    found = digits.read("test")
    assert found.images.shape[1:] == (32, 32, 3)
    assert found.images.min() == 0 and found.images.max() == 255
    assert found.images[:, 0, 0].mean() < 20  # corners are background
    np.testing.assert_array_equal(found.images[..., 0], found.images[..., 2])


def test_there_are_two_parts():
    with pytest.raises(ValueError, match="train and test, not 'val'"):
        digits.read("val")
