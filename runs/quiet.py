"""The one place where the start-up noise of TensorFlow and its companions is silenced."""

from __future__ import annotations

import logging
import os
import warnings


def silence() -> None:
    """Call before the first import of TensorFlow. A user's own setting of the log level wins."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # C++ banners: CPU features, missing CUDA, TensorRT
    warnings.filterwarnings("ignore", message="[\\s\\S]*TensorFlow Addons")  # end-of-life notice at import
    warnings.filterwarnings("ignore", message="You are saving your model as an HDF5 file")  # .h5 is deliberate
    # TensorFlow's memory grows with every traced function, so joblib now and then renews a worker.
    warnings.filterwarnings("ignore", message="A worker stopped while some jobs")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # "compiled metrics have yet to be built", retracing
    logging.getLogger("absl").setLevel(logging.ERROR)
