"""TensorFlow Datasets builders, as a user's own script loads them."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path

import numpy as np
import pytest

tfds = pytest.importorskip("tensorflow_datasets")

import data_prep.tfds  # noqa: E402  # after the check that TFDS is installed
from data_prep.cifar import Cifar  # noqa: E402
from data_prep.cifar import read as read_cifar  # noqa: E402
from data_prep.class_folder import ClassFolder  # noqa: E402
from data_prep.heads.builder import Heads  # noqa: E402
from data_prep.mpii_face_gaze import MpiiFaceGaze  # noqa: E402
from data_prep.tfds.base import RawConfig  # noqa: E402
from tests.fake import cifar, class_folder, mpii  # noqa: E402

NAMES = [module.name for module in pkgutil.iter_modules(data_prep.tfds.__path__) if module.name != "base"]


def _load(name: str, tmp_path: Path, manual: Path, config: str | RawConfig) -> tuple[dict, object]:
    download = tfds.download.DownloadConfig(manual_dir=str(manual))
    return tfds.load(
        name,
        data_dir=str(tmp_path / "tfds"),
        with_info=True,
        builder_kwargs={"config": config},
        download_and_prepare_kwargs={"download_config": download},
    )


def _rows(data: dict, part: str) -> dict[str, dict]:
    return {row["source"].decode(): row for row in tfds.as_numpy(data[part])}


@pytest.mark.parametrize("name", NAMES)
def test_every_builder_is_registered_and_has_instructions(name):
    module = importlib.import_module(f"data_prep.tfds.{name}")
    builders = [
        value for value in vars(module).values() if isinstance(value, type) and value.__module__ == module.__name__
    ]
    assert builders
    for builder in builders:
        assert builder.name in tfds.list_builders()
        assert "manual_dir" in (builder.MANUAL_DOWNLOAD_INSTRUCTIONS or "manual_dir")
        assert all(config.data is not None for config in builder.BUILDER_CONFIGS)


def test_gaze_is_loaded_in_radians(tmp_path):
    pytest.importorskip("cv2")
    import data_prep.tfds.mpii_face_gaze  # noqa: F401

    home = mpii.write_original(tmp_path)
    raw = MpiiFaceGaze(32)
    data, info = _load("mpii_face_gaze", tmp_path, home, RawConfig(name="small", data=raw, shape=(32, 32)))
    assert "radians" in info.features["target"].doc.desc
    rows = _rows(data, "train")
    entries = raw.entries(home).entries[: mpii.GOOD]
    assert set(rows) == {entry.source for entry in entries}  # the frame that was cut short is left out
    for entry in entries:
        expected = raw.sample(home, entry)
        np.testing.assert_array_equal(rows[entry.source]["image"], expected.image)
        np.testing.assert_array_equal(rows[entry.source]["target"], expected.target)
        assert rows[entry.source]["subject"] == entry.subject


def test_official_parts_become_splits(tmp_path):
    import data_prep.tfds.cifar_batches  # noqa: F401

    cifar.write_cifar10(tmp_path / "raw")
    data, info = _load("cifar_batches", tmp_path, tmp_path / "raw", "cifar10")
    assert {name: split.num_examples for name, split in info.splits.items()} == {"train": 20, "test": 4}
    expected = read_cifar(tmp_path / "raw", "test")
    for row, image, label in zip(range(4), expected.images, expected.labels):
        found = _rows(data, "test")[f"cifar-10-batches-py/test_batch#{row}"]
        np.testing.assert_array_equal(found["image"], image)
        assert found["label"] == label and found["class_name"].decode() == expected.classes[label]


def test_embedded_data_needs_no_folder(tmp_path):
    from data_prep.embedded import EmbeddedHeads
    from data_prep.tfds import embedded

    heads = Heads(count=4, subjects=2, size=32)
    config = RawConfig(name="small", data=EmbeddedHeads(heads), shape=(32, 32))
    builder = embedded.SyntheticHeads(data_dir=str(tmp_path), config=config)
    builder.download_and_prepare()
    rows = _rows({"train": builder.as_dataset(split="train")}, "train")
    np.testing.assert_array_equal(rows["#2"]["image"], heads.build().images[2])


def test_beam_makes_the_same_examples(tmp_path):
    pytest.importorskip("apache_beam")
    from data_prep.tfds import class_folder as module

    home = class_folder.write(tmp_path)
    rows = []
    for beam in (False, True):
        config = RawConfig(name=f"small_{beam}", data=ClassFolder(16), shape=(16, 16), beam=beam)
        download = tfds.download.DownloadConfig(manual_dir=str(home))
        builder = module.ClassFolder(data_dir=str(tmp_path / "tfds"), config=config)
        builder.download_and_prepare(download_config=download)
        rows.append(_rows({"train": builder.as_dataset(split="train")}, "train"))
    assert set(rows[0]) == set(rows[1]) and len(rows[0]) == 3  # one of four was cut short
    for name, row in rows[0].items():
        np.testing.assert_array_equal(row["image"], rows[1][name]["image"])
        assert row["label"] == rows[1][name]["label"]


def test_every_config_has_its_like_for_beam():
    from data_prep.tfds.cifar_batches import CifarBatches

    named = {config.name: config for config in CifarBatches.BUILDER_CONFIGS}
    assert named["cifar100_coarse"].data == Cifar("coarse") and not named["cifar100_coarse"].beam
    assert named["cifar100_coarse_beam"].data == Cifar("coarse") and named["cifar100_coarse_beam"].beam
