"""Tests compute as commands do, whichever of them is the first to load TensorFlow."""

import runs  # noqa: F401  # settles what has to be settled before
