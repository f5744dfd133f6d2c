"""``tfds.load("image_table")``: anybody's images with a table of labels, see :mod:`data_prep.image_table`."""

from __future__ import annotations

from data_prep.contract import TASKS
from data_prep.own_images import OwnImages
from data_prep.tfds.base import RawBuilder, RawConfig, configs


class ImageTable(RawBuilder):
    """Gaze or head pose of own images, brought to 224 x 224; pass a :class:`RawConfig` of your own for another size."""

    MANUAL_DOWNLOAD_INSTRUCTIONS = """
    manual_dir is a folder with images and a labels.csv: columns image, pitch_rad, yaw_rad (or *_deg; head pose: yaw_*,
    pitch_*, roll_*), optionally subject and part.
    """
    BUILDER_CONFIGS = configs(
        *(
            RawConfig(name=name.replace("-", "_"), data=OwnImages((224, 224), task), shape=(224, 224))
            for name, task in TASKS.items()
        )
    )
