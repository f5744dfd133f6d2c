"""The shape of data: what a task is, what a data set says of itself, what a split holds."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

# Largest angle of a face in a label. Also the alarm for degrees declared as radians: 4 degrees is already out.
HALF_TURN = np.float32(np.pi)


@dataclass(frozen=True)
class Task:
    """What a regression model predicts.

    Attributes:
        name: "gaze" or "head-pose".
        outputs: names of the model's outputs, in order. All are angles in radians.
    """

    name: str
    outputs: tuple[str, ...]

    @property
    def size(self) -> int:
        """Number of outputs, K."""
        return len(self.outputs)


GAZE = Task("gaze", ("pitch", "yaw"))
HEAD_POSE = Task("head-pose", ("yaw", "pitch", "roll"))
TASKS = {task.name: task for task in (GAZE, HEAD_POSE)}


@dataclass(frozen=True)
class DatasetSpec:
    """What a data set says of itself.

    Attributes:
        name: short name, used in reports.
        task: what its targets are.
        image_shape: (H, W, C) of every image.
        source: where the data comes from, in a sentence.
    """

    name: str
    task: Task
    image_shape: tuple[int, int, int]
    source: str


@dataclass(frozen=True, eq=False)  # holds arrays, so identity is equality
class Split:
    """Images with their targets, checked when made.

    Attributes:
        images: uint8 (N, H, W, C), RGB.
        targets: float32 (N, K), radians.
        groups: int64 (N,), the subject that each image shows; by default every image is its own group.

    Raises:
        ValueError: on a wrong dtype, shape or length, no image at all, a target that is not finite or that is larger
            than pi (angles in degrees?).
    """

    images: np.ndarray
    targets: np.ndarray
    groups: np.ndarray = field(default=None)  # type: ignore[arg-type]  # filled in below

    def __post_init__(self) -> None:
        if self.groups is None:
            object.__setattr__(self, "groups", np.arange(len(self.images)))
        _check_images(self.images)
        _check_targets(self.targets)
        lengths = len(self.images), len(self.targets), len(self.groups)
        if len(set(lengths)) != 1:
            raise ValueError(f"images, targets and groups must be equally long, got {lengths}")

    def __len__(self) -> int:
        return len(self.images)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(H, W, C) of every image."""
        height, width, channels = self.images.shape[1:]
        return height, width, channels

    @property
    def people(self) -> int:
        """How many subjects the images show."""
        return len(np.unique(self.groups))

    def take(self, index: np.ndarray | slice) -> Split:
        """The samples at ``index``, as a split of its own."""
        return Split(self.images[index], self.targets[index], self.groups[index])


@dataclass(frozen=True, eq=False)  # holds arrays, so identity is equality
class ClassSplit:
    """Images with their classes, checked when made: what a classifier learns from.

    Attributes:
        images: uint8 (N, H, W, C), RGB.
        labels: int64 (N,), in [0, number of classes).
        classes: name of every class, in the order of the labels; a class may have no image.

    Raises:
        ValueError: on a wrong dtype, shape or length, no image at all, or a label without a class.
    """

    images: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        _check_images(self.images)
        if self.labels.dtype != np.int64 or self.labels.shape != (len(self.images),):
            raise ValueError(
                f"labels must be int64 ({len(self.images)},), one per image, "
                f"got {self.labels.dtype} {self.labels.shape}"
            )
        if self.labels.min() < 0 or self.labels.max() >= len(self.classes):
            raise ValueError(
                f"labels must lie in [0, {len(self.classes)}), the number of classes, "
                f"got {self.labels.min()} to {self.labels.max()}"
            )

    def __len__(self) -> int:
        return len(self.images)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(H, W, C) of every image."""
        height, width, channels = self.images.shape[1:]
        return height, width, channels

    def take(self, index: np.ndarray | slice) -> ClassSplit:
        """The samples at ``index``, as a split of its own with the same classes."""
        return ClassSplit(self.images[index], self.labels[index], self.classes)


def pixels(images: np.ndarray) -> np.ndarray:
    """Images as a model takes them.

    Args:
        images: uint8 (N, H, W, C).

    Returns:
        float32 (N, H, W, C) in [0, 1].
    """
    return images.astype(np.float32) / np.float32(255)


def as_bytes(images: np.ndarray) -> np.ndarray:
    """The way back, for files and pictures.

    Args:
        images: float (..., H, W, C), of which what lies outside [0, 1] is cut off.

    Returns:
        uint8 (..., H, W, C), rounded.
    """
    return (np.clip(np.asarray(images), 0, 1) * 255 + 0.5).astype(np.uint8)


def _check_images(images: np.ndarray) -> None:
    if images.dtype != np.uint8 or images.ndim != 4:
        raise ValueError(f"images must be uint8 (N, H, W, C), got {images.dtype} {images.shape}")
    if not len(images):
        raise ValueError("there is no image: a split needs at least one")


def _check_targets(targets: np.ndarray) -> None:
    if targets.dtype != np.float32 or targets.ndim != 2:
        raise ValueError(f"targets must be float32 (N, K), got {targets.dtype} {targets.shape}")
    bad = np.flatnonzero(~np.isfinite(targets).all(axis=1))
    if len(bad):
        raise ValueError(f"{len(bad)} targets are not finite, first at sample {bad[0]}: {targets[bad[0]]}")
    if np.abs(targets).max() > HALF_TURN:
        row = int(np.abs(targets).max(axis=1).argmax())
        raise ValueError(
            f"targets must be radians in [-pi, pi], but sample {row} is {targets[row]}. Are these degrees? "
            "Declare their unit where the data is read."
        )
