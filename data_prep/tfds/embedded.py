"""``tfds.load("synthetic_heads")`` and ``tfds.load("handwritten_digits")``: nothing to download."""

from __future__ import annotations

from data_prep import digits
from data_prep.contract import TASKS
from data_prep.embedded import EmbeddedDigits, EmbeddedHeads
from data_prep.heads.builder import Heads
from data_prep.tfds.base import RawBuilder, RawConfig, configs


class SyntheticHeads(RawBuilder):
    """Gaze or head pose of ray-cast heads; see :mod:`data_prep.heads`."""

    BUILDER_CONFIGS = configs(
        *(
            RawConfig(name=name.replace("-", "_"), data=EmbeddedHeads(Heads(task)), shape=(64, 64))
            for name, task in TASKS.items()
        )
    )


class HandwrittenDigits(RawBuilder):
    """scikit-learn's digits at 32 x 32; see :mod:`data_prep.digits`."""

    BUILDER_CONFIGS = configs(
        RawConfig(name="32", data=EmbeddedDigits(), shape=(digits.SIZE, digits.SIZE), classes=len(digits.CLASSES))
    )
