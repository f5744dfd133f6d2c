"""``tfds.load("columbia_gaze")``."""

from __future__ import annotations

from data_prep import columbia_gaze
from data_prep.tfds.base import RawBuilder, RawConfig, configs


class ColumbiaGaze(RawBuilder):
    """Gaze [pitch, yaw]; see :mod:`data_prep.columbia_gaze`."""

    MANUAL_DOWNLOAD_INSTRUCTIONS = """
    Get the Columbia Gaze Data Set at https://www.cs.columbia.edu/CAVE/databases/columbia_gaze and unpack it. manual_dir
    is the folder that holds the subjects' folders 0001 to 0056.
    """
    BUILDER_CONFIGS = configs(
        RawConfig(name="faces", data=columbia_gaze.ColumbiaGaze((224, 224), "face"), shape=(224, 224)),
        RawConfig(name="strips", data=columbia_gaze.ColumbiaGaze((64, 128), "none"), shape=(64, 128)),
    )
