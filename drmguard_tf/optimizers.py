"""The Adam that computes the same on every TensorFlow that the project supports.

Keras replaced its optimizers in TF 2.11; the classic ones live on as ``legacy`` and are the ones of the paper's TF 2.9.
"""

from __future__ import annotations

import tensorflow as tf

Adam = getattr(tf.keras.optimizers, "legacy", tf.keras.optimizers).Adam
