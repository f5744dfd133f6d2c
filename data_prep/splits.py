"""Cutting a data set into what attacker, defender and judge hold."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import numpy as np

from data_prep.contract import ClassSplit, Split


class Parts(NamedTuple):
    """The three parts of DRMGuard's Sec. 4.1.

    Attributes:
        train: the (possibly malicious) model maker's.
        benign: the defender's.
        test: the judge's, seen by neither.
    """

    train: Split
    benign: Split
    test: Split


def subject_disjoint(data: Split, *, train: float, benign: float, seed: int) -> Parts:
    """Parts that share no subject.

    Args:
        data: with ``groups``.
        train, benign: shares of the subjects; the rest is test.
        seed: decides who goes where.

    Raises:
        ValueError: if a part would have no subject.
    """
    parts = Parts(*(data.take(index) for index in subjects_apart(data.groups, train=train, benign=benign, seed=seed)))
    _check_disjoint([part.groups for part in parts])
    return parts


def subjects_apart(groups: np.ndarray, *, train: float, benign: float, seed: int) -> list[np.ndarray]:
    """Which samples :func:`subject_disjoint` puts where, for those who have no images at hand.

    Args:
        groups: subject of every sample, (N,).
        train, benign: shares of the subjects; the rest is test.
        seed: decides who goes where.

    Returns:
        Indices of the samples of each part, ascending.

    Raises:
        ValueError: if a part would have no subject.
    """
    people = np.random.default_rng(seed).permutation(np.unique(groups))
    cuts = _cuts(len(people), train, benign, "subjects")
    return [np.flatnonzero(np.isin(groups, part)) for part in np.split(people, cuts)]


def random_split(data: Split, *, train: float, benign: float, seed: int) -> Parts:
    """Parts drawn image by image, as the paper does; the same subject may be in all three, the same image is not.

    The hash of an image's pixels decides where it goes, whatever its place in the data set: copies stay together, and a
    data set that grows keeps its images where they were, but for those at the cuts.

    Args:
        data: anything.
        train, benign: shares of the images; the rest is test.
        seed: decides what goes where.

    Raises:
        ValueError: if a part would be empty.
    """
    numbers = content_numbers(data.images, seed=seed)
    ranked = np.sort(numbers)
    borders = ranked[_cuts(len(data), train, benign, "images")]
    places = np.searchsorted(borders, numbers, side="right")  # 0, 1, 2: below, between, from the borders on
    index = [np.flatnonzero(places == part) for part in range(3)]
    if not all(len(part) for part in index):
        raise ValueError(f"{len(data)} images hold too many copies of each other to be cut into three parts")
    _check_disjoint([numbers[part] for part in index])
    return Parts(*(data.take(part) for part in index))


def held_out(data: ClassSplit, *, one_in: int) -> tuple[ClassSplit, ClassSplit]:
    """Most of a training set for the attacker, about one image in so many for the defender; equal images stay together.

    Raises:
        ValueError: if a part would be empty.
    """
    defenders = content_numbers(data.images, seed=one_in) % np.uint64(one_in) == 0
    if defenders.all() or not defenders.any():
        raise ValueError(f"{len(data)} images cannot be cut into one part in {one_in} and the rest")
    return data.take(np.flatnonzero(~defenders)), data.take(np.flatnonzero(defenders))


def random_share(data: ClassSplit, share: float, *, seed: int) -> ClassSplit:
    """Some of the images, drawn without replacement: what a defender holds who got a part of the training set.

    Args:
        data: anything.
        share: in (0, 1]; rounded to whole images, at least one.
        seed: decides which.

    Raises:
        ValueError: if the share is no such number.
    """
    if not 0 < share <= 1:
        raise ValueError(f"a share lies above 0 and up to 1, got {share:g}")
    chosen = np.random.default_rng(seed).permutation(len(data))[: max(1, round(share * len(data)))]
    return data.take(np.sort(chosen))


def content_numbers(images: np.ndarray, *, seed: int = 0) -> np.ndarray:
    """A number for every image that follows from its pixels alone; equal images get equal numbers.

    Args:
        images: uint8 (N, H, W, C).
        seed: another seed, other numbers.

    Returns:
        uint64 (N,), uniform over all values: the first eight bytes of SHA-256.
    """
    salt = hashlib.sha256(str(seed).encode())
    numbers = np.empty(len(images), np.uint64)
    for index, image in enumerate(images):
        total = salt.copy()
        total.update(np.ascontiguousarray(image).data)
        numbers[index] = int.from_bytes(total.digest()[:8], "big")
    return numbers


def _check_disjoint(keys: list[np.ndarray]) -> None:
    seen: set[int] = set()
    for part in keys:
        values = set(part.tolist())
        assert not values & seen, "parts of a data set share a subject or an image"
        seen |= values


def _cuts(count: int, train: float, benign: float, what: str) -> list[int]:
    cuts = [round(train * count), round((train + benign) * count)]
    if not 0 < cuts[0] < cuts[1] < count:
        raise ValueError(
            f"{count} {what} cannot be cut into shares of {train:g}, {benign:g} and {1 - train - benign:g}: "
            "each part needs at least one"
        )
    return cuts
