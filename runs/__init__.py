"""Commands, experiments and everything that touches files, clocks, seeds and devices."""

from runs.quiet import silence

silence()  # here, because every process that runs a command or a part of one imports this package before TensorFlow
