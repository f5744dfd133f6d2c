"""``tfds.load("class_folder")``."""

from __future__ import annotations

from data_prep.class_folder import ClassFolder as Folder
from data_prep.tfds.base import RawBuilder, RawConfig, configs


class ClassFolder(RawBuilder):
    """Images in a folder per class; see :mod:`data_prep.class_folder`."""

    MANUAL_DOWNLOAD_INSTRUCTIONS = """
    manual_dir is a folder with a folder per class in it, or with train and test that hold them.
    """
    BUILDER_CONFIGS = configs(
        RawConfig(name="mini_imagenet", data=Folder(64), shape=(64, 64)),
        RawConfig(name="vggface2_subset", data=Folder(64, 84), shape=(64, 64)),
    )
