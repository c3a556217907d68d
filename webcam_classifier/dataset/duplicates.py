"""Find duplicates in a data set: under two labels, or on both sides of a split."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from webcam_classifier.dataset.labelled_pictures import LabelledPictures
from webcam_classifier.dataset.near_duplicates import are_near_duplicates, group_near_duplicates
from webcam_classifier.dataset.predefined_split import PARTS
from webcam_classifier.dataset.same_picture import PictureComparison
from webcam_classifier.dataset.split import Split

_BLOCK = 256  # pictures compared with all of their group at once
_PART_PAIRS = tuple(itertools.combinations(range(len(PARTS)), 2))
_MOST_LISTED = 5


@dataclass(frozen=True)
class Copy:
    """Two pictures that are the same, or nearly.

    Attributes:
        first: Index of a picture.
        second: Index of another one, later in order.
        is_identical: Whether the two files have the same content.
    """

    first: int
    second: int
    is_identical: bool


@dataclass(frozen=True)
class Duplicates:
    """What is in a data set more than once.

    Attributes:
        across_labels: Pictures filed under two labels, identical ones first; each picture is in
            one pair at the most.
        repeated: How many files repeat the content of an earlier one of their label.
    """

    across_labels: tuple[Copy, ...]
    repeated: int


@dataclass(frozen=True)
class Leak:
    """Pictures of one part of a split that have a copy in a part used for training or validation.

    Attributes:
        part: Where they are, of `predefined_split.PARTS`.
        learnt: Where their copies are.
        identical: How many have the same content as a picture there.
        near: How many others are near duplicates of one there.
        count: Pictures of the part.
    """

    part: str
    learnt: str
    identical: int
    near: int
    count: int


def find_duplicates(pictures: LabelledPictures) -> Duplicates:
    """Find pictures that are filed under two labels, and count files that are there twice.

    Args:
        pictures: All of a data set.
    """
    labels = pictures.label_indices
    copies = _NearCopies(pictures)
    partners: dict[int, int] = {}
    is_free = np.ones(len(pictures), dtype=np.bool_)

    def pair_up(first: int, second: int) -> None:
        partners[first] = second
        is_free[[first, second]] = False

    for members in _members(copies.content_numbers, labels):
        for first in members.tolist():
            if is_free[first]:
                later = members[is_free[members] & (labels[members] != labels[first])]
                if later.size:
                    pair_up(first, int(later[0]))
    identical = len(partners)
    for members in _members(copies.groups, labels):
        group = copies.group(members)
        for place, near in group.compare():
            first, others = int(members[place]), members[near]
            if is_free[first]:
                wanted = (near > place) & is_free[others] & (labels[others] != labels[first])
                second = group.first_same(place, near[wanted])
                if second is not None:
                    pair_up(first, int(members[second]))
    found = [
        Copy(first, second, place < identical)
        for place, (first, second) in enumerate(partners.items())
    ]
    found.sort(key=lambda copy: (not copy.is_identical, copy.first))
    contents = set(zip(labels.tolist(), pictures.content_hashes, strict=True))
    return Duplicates(tuple(found), len(pictures) - len(contents))


def find_leaks(pictures: LabelledPictures, split: Split) -> tuple[Leak, ...]:
    """Find validation and test pictures with a duplicate or near duplicate in training.

    Args:
        pictures: All of a data set.
        split: Of them.
    """
    part_of = np.full(len(pictures), -1, dtype=np.int64)
    for number, indices in enumerate(split.parts().values()):
        part_of[indices] = number
    copies = _NearCopies(pictures)
    identical: dict[tuple[int, int], int] = {}
    is_identical = np.zeros((len(PARTS), len(pictures)), dtype=np.bool_)
    for earlier, later in _PART_PAIRS:
        known = copies.content_numbers[part_of == earlier]
        is_identical[earlier] = np.isin(copies.content_numbers, known)
        identical[earlier, later] = int((is_identical[earlier] & (part_of == later)).sum())
    near = dict.fromkeys(_PART_PAIRS, 0)
    for members in _members(copies.groups, part_of):
        group = copies.group(members)
        own_parts = part_of[members]
        for place, alike in group.compare():
            later = int(own_parts[place])
            for earlier in range(later):
                if not is_identical[earlier, members[place]]:
                    learnt = alike[own_parts[alike] == earlier]
                    near[earlier, later] += group.first_same(place, learnt) is not None
    return tuple(
        Leak(
            PARTS[later], PARTS[earlier],
            identical[earlier, later], near[earlier, later], int((part_of == later).sum()),
        )
        for earlier, later in _PART_PAIRS
        if identical[earlier, later] or near[earlier, later]
    )  # fmt: skip


def describe_duplicates(duplicates: Duplicates, pictures: LabelledPictures) -> list[str]:
    """Describe the duplicates and what to do about them, in lines for the terminal.

    Args:
        duplicates: Of these pictures.
        pictures: The data set.
    """
    lines = []
    if duplicates.across_labels:
        count = len(duplicates.across_labels)
        lines.append(
            f"warning: {_counted(count, 'picture')} in the folders of two labels, so one of the "
            "two is wrong. Remove the wrong one:"
        )
        for copy in duplicates.across_labels[:_MOST_LISTED]:
            how = "the same as" if copy.is_identical else "nearly the same as"
            lines.append(f"  {pictures.names[copy.first]} is {how} {pictures.names[copy.second]}")
        if count > _MOST_LISTED:
            lines.append(f"  and {count - _MOST_LISTED} more, all in metrics.json")
    if duplicates.repeated:
        lines.append(
            f"note: {_counted(duplicates.repeated, 'file')} the same as another one of the label, "
            "which adds nothing new"
        )
    return lines


def describe_leaks(leaks: Sequence[Leak]) -> list[str]:
    """Say how many pictures the parts of a predefined split share, in lines."""
    return [
        f"warning: of the {leak.count} {leak.part} pictures, {_shared(leak)}. The split is used as "
        "it is, so the accuracy is too good for new pictures."
        for leak in leaks
    ]


def _shared(leak: Leak) -> str:
    where = f"in the {leak.learnt} part"
    same = f"{_is_or_are(leak.identical)} {where} too"
    if not leak.near:
        return same
    of = "a near duplicate of a picture" if leak.near == 1 else "near duplicates of pictures"
    near = f"{_is_or_are(leak.near)} {of}"
    return f"{same}, and {near} there" if leak.identical else f"{near} {where}"


def _is_or_are(count: int) -> str:
    return f"{count} is" if count == 1 else f"{count} are"


def _counted(count: int, what: str) -> str:
    return f"{count} {what} is" if count == 1 else f"{count} {what}s are"


class _NearCopies:
    """Finds near duplicates among pictures, without comparing all with all.

    Args:
        pictures: A data set.

    Attributes:
        content_numbers: (pictures,) int64: equal files have one number.
        groups: (pictures,) int64: near duplicates share a number, but need not be copies.
    """

    def __init__(self, pictures: LabelledPictures) -> None:
        numbers: dict[str, int] = {}
        self.content_numbers = np.array(
            [numbers.setdefault(content, len(numbers)) for content in pictures.content_hashes],
            dtype=np.int64,
        )
        self.groups = group_near_duplicates(pictures.fingerprints)
        self._fingerprints = pictures.fingerprints
        self._small = pictures.small

    def group(self, members: NDArray[np.int64]) -> _Group:
        """Load what is needed to compare some pictures.

        Args:
            members: Of one of `groups`, in order.
        """
        return _Group(self._fingerprints[members], self._small[members])


class _Group:
    """Compares the pictures of a group; they are named by their places in it.

    Args:
        fingerprints: (members, 256) bool.
        small: (members, 32, 32, 3) uint8.
    """

    def __init__(self, fingerprints: NDArray[np.bool_], small: NDArray[np.uint8]) -> None:
        self._fingerprints = fingerprints
        self._colours = PictureComparison(small)

    def compare(self) -> Iterator[tuple[int, NDArray[np.int64]]]:
        """Yield each picture, and those whose fingerprint is like its own."""
        for start in range(0, len(self._fingerprints), _BLOCK):
            some = self._fingerprints[start : start + _BLOCK]
            for place, row in enumerate(are_near_duplicates(some, self._fingerprints), start):
                yield place, np.flatnonzero(row)

    def first_same(self, place: int, others: NDArray[np.int64]) -> int | None:
        """Find the first of some pictures that shows the same as one in colour."""
        return self._colours.first_same(place, others) if others.size else None


def _members(numbers: NDArray[np.int64], sides: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Yield the pictures of each number that are on more than one side, in order."""
    order = np.argsort(numbers, kind="stable")
    ends = np.flatnonzero(np.diff(numbers[order])) + 1
    for members in np.split(order, ends):
        if len(np.unique(sides[members])) > 1:
            yield members
