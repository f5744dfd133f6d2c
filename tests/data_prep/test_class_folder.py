"""A folder per class."""

from __future__ import annotations

import numpy as np
import pytest

from data_prep.class_folder import ClassFolder
from data_prep.raw import BrokenSample
from tests.fake import class_folder
from tests.fake.images import noise, save


def test_classes_are_numbered_by_their_sorted_names(tmp_path):
    home = class_folder.write(tmp_path)
    listing = ClassFolder().entries(home)
    assert listing.classes == ("n01", "n02")
    found = [(entry.source, entry.part, entry.label) for entry in listing.entries]
    assert found[0] == ("test/n01/0.jpg", "test", (0,)) and found[-1] == ("train/n02/1.jpg", "train", (1,))
    assert len(found) == 8


def test_vggface2_s_parts_have_longer_names(tmp_path):
    home = class_folder.write(tmp_path, parts=("train_cls_subset", "test_cls_subset"))
    assert {entry.part for entry in ClassFolder().entries(home).entries} == {"train", "test"}


def test_without_parts_there_is_none(tmp_path):
    home = class_folder.write(tmp_path, parts=("train",)) / "train"
    assert {entry.part for entry in ClassFolder().entries(home).entries} == {""}


def test_square_images_are_resized(tmp_path):
    home = class_folder.write(tmp_path)
    data = ClassFolder(size=64)
    sample = data.sample(home, data.entries(home).entries[0])
    assert sample.image.shape == (64, 64, 3) and sample.target.tolist() == [0]


def test_the_middle_is_cut_out_after_the_shorter_side_is_brought_to_size(tmp_path):
    image = np.zeros((100, 200, 3), np.uint8)
    image[:, 50:150] = 200  # the middle square
    for name in ("a", "b"):
        save(tmp_path / name / "0.png", image)
    data = ClassFolder(size=64, shorter=64)
    assert data.sample(tmp_path, data.entries(tmp_path).entries[0]).image[:, 2:-2].min() == 200


def test_an_image_that_was_cut_short_is_refused(tmp_path):
    home = class_folder.write(tmp_path)
    data = ClassFolder()
    with pytest.raises(BrokenSample, match="truncated"):
        data.sample(home, data.entries(home).entries[-1])


def test_a_class_without_an_image_is_named(tmp_path):
    home = class_folder.write(tmp_path, parts=("train",)) / "train"
    (home / "n03").mkdir()
    listing = ClassFolder().entries(home)
    assert [tuple(problem) for problem in listing.problems] == [("n03", "the class has no image")]
    assert listing.classes == ("n01", "n02", "n03")


def test_one_class_is_none(tmp_path):
    save(tmp_path / "only" / "0.png", noise(8, 8, 0))
    with pytest.raises(ValueError, match="holds 1 folders of classes"):
        ClassFolder().entries(tmp_path)
