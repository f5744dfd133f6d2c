"""Commands, experiments and everything that touches files, clocks, seeds and devices."""

from runs.before_tensorflow import prepare

prepare()  # here, because every process that runs a command or a part of one imports this package first
