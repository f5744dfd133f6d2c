"""``tfds.load("cifar_batches")``: CIFAR from batches at hand; TFDS's own ``cifar10`` insists on downloading them."""

from __future__ import annotations

from data_prep.cifar import Cifar
from data_prep.tfds.base import RawBuilder, RawConfig, configs


class CifarBatches(RawBuilder):
    """Classes, the official train and test parts; see :mod:`data_prep.cifar`."""

    MANUAL_DOWNLOAD_INSTRUCTIONS = """
    Get cifar-10-python.tar.gz or cifar-100-python.tar.gz at https://www.cs.toronto.edu/~kriz/cifar.html and unpack it.
    manual_dir is the folder of the batches, or the one above.
    """
    BUILDER_CONFIGS = configs(
        RawConfig(name="cifar10", data=Cifar(), shape=(32, 32), classes=10),
        RawConfig(name="cifar100", data=Cifar(), shape=(32, 32), classes=100),
        RawConfig(name="cifar100_coarse", data=Cifar("coarse"), shape=(32, 32), classes=20),
    )
