"""The order in which samples are learned."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np


def batches(count: int, size: int, steps: int, seed: int) -> Iterator[np.ndarray]:
    """Indices of ``steps`` batches, epoch by epoch without replacement, the same for the same seed.

    Args:
        count: samples in the set.
        size: of a batch; smaller sets give batches of ``count``.
    """
    size = min(size, count)
    done, epoch = 0, 0
    while done < steps:
        order = np.random.default_rng([seed, epoch]).permutation(count)
        for start in range(0, count - size + 1, size):
            if done == steps:
                return
            yield order[start : start + size]
            done += 1
        epoch += 1
