"""Data sets of synthetic heads, for gaze and for head pose, from one renderer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from joblib import Parallel, delayed

from data_prep.contract import GAZE, HEAD_POSE, DatasetSpec, Split, Task
from data_prep.heads.anatomy import draw_subject
from data_prep.heads.raycast import render
from data_prep.heads.scene import Ranges, draw_scene

_SUBJECT_STREAM, _IMAGE_STREAM = 1, 2
_CHUNK = 100


@dataclass(frozen=True)
class Heads:
    """A data set of synthetic heads.

    Deterministic: an image depends on ``seed`` and its own index only, whatever is rendered beside it.

    Attributes:
        task: GAZE or HEAD_POSE; the images are the same, the labels differ.
        count: number of images.
        subjects: number of subjects; image i shows subject i mod subjects.
        size: side of the images in pixels.
        seed: of everything.
        ranges: how much the images vary.
    """

    task: Task = GAZE
    count: int = 8000
    subjects: int = 100
    size: int = 64
    seed: int = 0
    ranges: Ranges = field(default_factory=Ranges)

    def __post_init__(self) -> None:
        if self.task not in (GAZE, HEAD_POSE):
            raise ValueError(f"heads have labels for gaze and head pose, not for {self.task.name!r}")
        if self.size < 32:
            raise ValueError(f"a head needs at least 32 pixels to have readable eyes, got size={self.size}")
        if not 0 < self.subjects <= self.count:
            raise ValueError(f"subjects must lie between 1 and count={self.count}, got {self.subjects}")

    @property
    def spec(self) -> DatasetSpec:
        """What this data set says of itself."""
        return DatasetSpec("heads", self.task, (self.size, self.size, 3), f"ray-cast synthetic heads, seed {self.seed}")

    def build(self, *, workers: int = 1, progress: Callable[[int], None] = lambda done: None) -> Split:
        """Render the data set.

        Args:
            workers: processes to spread over; the result is the same for any number.
            progress: called with the number of images finished, after every hundred.

        Returns:
            ``count`` samples, groups = subject numbers.
        """
        chunks = [range(start, min(start + _CHUNK, self.count)) for start in range(0, self.count, _CHUNK)]
        images = np.empty((self.count, self.size, self.size, 3), np.uint8)
        targets = np.empty((self.count, self.task.size), np.float32)
        finished = Parallel(n_jobs=workers, return_as="generator")(delayed(_render_chunk)(self, c) for c in chunks)
        for chunk, (part, labels) in zip(chunks, finished):
            images[chunk.start : chunk.stop], targets[chunk.start : chunk.stop] = part, labels
            progress(chunk.stop)
        return Split(images, targets, np.arange(self.count) % self.subjects)


def _render_chunk(heads: Heads, indices: range) -> tuple[np.ndarray, np.ndarray]:
    images, targets = zip(*(sample(heads, index) for index in indices))
    return np.stack(images), np.stack(targets)


def sample(heads: Heads, index: int) -> tuple[np.ndarray, np.ndarray]:
    """Image ``index`` of a data set, uint8 (H, W, 3), and its target, float32 (K,)."""
    subject = draw_subject(np.random.default_rng([heads.seed, _SUBJECT_STREAM, index % heads.subjects]))
    rng = np.random.default_rng([heads.seed, _IMAGE_STREAM, index])
    scene = draw_scene(rng, heads.ranges)
    target = scene.gaze if heads.task == GAZE else scene.head
    return render(subject, scene, heads.size, rng), target.astype(np.float32)
