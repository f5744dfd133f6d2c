"""What has to be settled before TensorFlow is first imported: how it computes on processors, and what it says."""

from __future__ import annotations

import logging
import os
import warnings


def prepare() -> None:
    """Call before the first import of TensorFlow. What a user has set in the environment wins."""
    _hasten()
    _silence()


def _hasten() -> None:
    # By itself TensorFlow takes oneDNN's convolutions on newer Intel processors only. On an AMD EPYC with AVX2 a
    # training step of the narrow ResNet18 takes 0.54 s without them and 0.32 s with them (MEASURED.md).
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")


def _silence() -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # C++ banners: CPU features, missing CUDA, TensorRT
    warnings.filterwarnings("ignore", message="[\\s\\S]*TensorFlow Addons")  # end-of-life notice at import
    warnings.filterwarnings("ignore", message="You are saving your model as an HDF5 file")  # .h5 is deliberate
    # TensorFlow's memory grows with every traced function, so loky now and then renews a worker.
    warnings.filterwarnings("ignore", message="A worker stopped while some jobs")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # "compiled metrics have yet to be built", retracing
    logging.getLogger("absl").setLevel(logging.ERROR)
