"""``tfds.load("pandora")``."""

from __future__ import annotations

from data_prep import pandora
from data_prep.tfds.base import RawBuilder, RawConfig, configs


class Pandora(RawBuilder):
    """Head pose [yaw, pitch, roll] with the published signs, POSEidon's split; see :mod:`data_prep.pandora`."""

    MANUAL_DOWNLOAD_INSTRUCTIONS = """
    Ask for Pandora at https://aimagelab.ing.unimore.it (research use) and unpack it. manual_dir is the folder that
    holds the subjects 01 to 22, or the folders 001 to 110 of the cropped release.
    """
    BUILDER_CONFIGS = configs(RawConfig(name="96", data=pandora.Pandora((96, 96)), shape=(96, 96)))
