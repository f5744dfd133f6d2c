"""``tfds.load("biwi")``."""

from __future__ import annotations

from data_prep import biwi
from data_prep.tfds.base import RawBuilder, RawConfig, configs


class Biwi(RawBuilder):
    """Head pose [yaw, pitch, roll], POSEidon's train and test sequences; see :mod:`data_prep.biwi`."""

    MANUAL_DOWNLOAD_INSTRUCTIONS = """
    Get kinect_head_pose_db.tgz (ETH Zurich, research use) and unpack it, or POSEidon's cropped faces. manual_dir is the
    folder that holds the sequences 01 to 24, or the one above.
    """
    BUILDER_CONFIGS = configs(
        *(
            RawConfig(name=convention, data=biwi.Biwi((224, 224), convention=convention), shape=(224, 224))
            for convention in biwi.CONVENTIONS
        )
    )
