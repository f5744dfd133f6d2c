"""Mirror images of faces, with the labels that they then have."""

from __future__ import annotations

import numpy as np

from data_prep.contract import GAZE, HEAD_POSE, Split, Task

SIGNS = {GAZE: (1, -1), HEAD_POSE: (-1, 1, -1)}  # left and right change places: yaw and roll turn round, pitch stays


def with_mirror_images(data: Split, task: Task) -> Split:
    """The samples, followed by their mirror images.

    Args:
        data: N samples.
        task: what the targets are.

    Returns:
        2 N samples; a mirror image belongs to the subject it shows.
    """
    images = np.concatenate([data.images, data.images[:, :, ::-1]])
    targets = np.concatenate([data.targets, data.targets * np.array(SIGNS[task], np.float32)])
    return Split(images, targets, np.tile(data.groups, 2))
