"""``tfds.load("mpii_face_gaze")``."""

from __future__ import annotations

from data_prep import mpii_face_gaze
from data_prep.tfds.base import RawBuilder, RawConfig, configs


class MpiiFaceGaze(RawBuilder):
    """Gaze [pitch, yaw] of normalised faces; see :mod:`data_prep.mpii_face_gaze`."""

    MANUAL_DOWNLOAD_INSTRUCTIONS = """
    Ask for MPIIFaceGaze at https://www.mpi-inf.mpg.de (licence: research use) and unpack it. manual_dir is the folder
    that holds p00 to p14 (original frames), p00.mat to p14.mat (normalised), or Image and Label (GazeHub).
    """
    BUILDER_CONFIGS = configs(
        RawConfig(name="224", data=mpii_face_gaze.MpiiFaceGaze(224), shape=(224, 224)),
        RawConfig(name="448", data=mpii_face_gaze.MpiiFaceGaze(448), shape=(448, 448)),
    )
