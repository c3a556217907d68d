"""Pictures that are in a data set more than once: under two labels, or on two sides of a split."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from webcam_classifier.dataset.given_parts import PARTS
from webcam_classifier.dataset.labelled_pictures import LabelledPictures
from webcam_classifier.dataset.split import NEAR_COPY, Split
from webcam_classifier.frame import BgrImage

_BLOCK = 1024  # pictures compared with all others at once
_SIDE = 32  # pixels of the small grey pictures that settle it
_SAME_GREY = 4.0  # of 255, mean difference from place to place: what another encoding makes
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
    """Pictures of one part of a split that have a copy in a part that is learnt from before.

    Attributes:
        part: Where they are, of `given_parts.PARTS`.
        learnt: Where their copies are.
        identical: How many have the same content as a picture there.
        near: How many others are near copies of one there.
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
    copies = _copies(pictures, pictures.label_indices)
    copies.sort(key=lambda copy: not copy.is_identical)
    paired: set[int] = set()
    across = []
    for copy in copies:
        if not paired & {copy.first, copy.second}:
            across.append(copy)
            paired |= {copy.first, copy.second}
    contents = set(zip(pictures.label_indices.tolist(), pictures.content_hashes, strict=True))
    return Duplicates(tuple(across), len(pictures) - len(contents))


def find_leaks(pictures: LabelledPictures, split: Split) -> tuple[Leak, ...]:
    """Find pictures of the validation and the test part that were learnt from, or nearly were.

    Args:
        pictures: All of a data set.
        split: Of them.
    """
    part_of = np.full(len(pictures), -1, dtype=np.int64)
    for number, indices in enumerate(split.parts().values()):
        part_of[indices] = number
    identical: dict[tuple[int, int], set[int]] = {}
    near: dict[tuple[int, int], set[int]] = {}
    for copy in _copies(pictures, part_of):
        earlier, later = sorted((copy.first, copy.second), key=lambda index: int(part_of[index]))
        found = identical if copy.is_identical else near
        found.setdefault((int(part_of[earlier]), int(part_of[later])), set()).add(later)
    leaks = []
    for earlier, later in sorted(identical.keys() | near.keys()):
        same = identical.get((earlier, later), set())
        alike = near.get((earlier, later), set()) - same
        count = int((part_of == later).sum())
        leaks.append(Leak(PARTS[later], PARTS[earlier], len(same), len(alike), count))
    return tuple(leaks)


def describe_duplicates(duplicates: Duplicates, pictures: LabelledPictures) -> list[str]:
    """Say what is there twice and what to do about it, in lines for the terminal.

    Args:
        duplicates: Of these pictures.
        pictures: The data set.
    """
    lines = []
    if duplicates.across_labels:
        count = len(duplicates.across_labels)
        lines.append(
            f"warning: {_counted(count, 'picture')} filed under two labels, so one of the two is "
            "wrong. Look and remove it:"
        )
        for copy in duplicates.across_labels[:_MOST_LISTED]:
            how = "the same as" if copy.is_identical else "nearly the same as"
            lines.append(f"  {pictures.names[copy.first]} is {how} {pictures.names[copy.second]}")
        if count > _MOST_LISTED:
            lines.append(f"  and {count - _MOST_LISTED} more, all in metrics.json")
    if duplicates.repeated:
        lines.append(
            f"note: {_counted(duplicates.repeated, 'file')} the same as another one of the label, "
            "which teaches nothing new"
        )
    return lines


def describe_leaks(leaks: Sequence[Leak]) -> list[str]:
    """Say how far the parts of a folder that came split are no strangers, in lines."""
    return [
        f"warning: of {leak.count} {leak.part} pictures also in the "
        f"{leak.learnt} part: {leak.identical}; near copies of pictures there: {leak.near}. The "
        "parts are used as they came, so a figure on them is too good for new pictures."
        for leak in leaks
    ]


def _counted(count: int, what: str) -> str:
    return f"{count} {what} is" if count == 1 else f"{count} {what}s are"


def _copies(pictures: LabelledPictures, groups: NDArray[np.int64]) -> list[Copy]:
    """Find the pairs of equal and nearly equal pictures of two different groups, in order."""
    small: dict[int, NDArray[np.float32]] = {}

    def grey(index: int) -> NDArray[np.float32]:
        if index not in small:
            small[index] = _small_grey(pictures.images[index])
        return small[index]

    copies = []
    for first, second in _alike(pictures.fingerprints, groups):
        same = pictures.content_hashes[first] == pictures.content_hashes[second]
        # Plain walls have alike fingerprints whatever is before them: the pictures settle it.
        if same or float(np.abs(grey(first) - grey(second)).mean()) <= _SAME_GREY:
            copies.append(Copy(first, second, same))
    return copies


def _alike(fingerprints: NDArray[np.bool_], groups: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Give the pairs of different groups whose fingerprints differ in few bits."""
    bits = fingerprints.astype(np.float32)
    ones = bits.sum(axis=1)
    for start in range(0, len(bits), _BLOCK):
        block = slice(start, start + _BLOCK)
        differing = ones[block, np.newaxis] + ones - 2.0 * (bits[block] @ bits.T)
        found = (differing <= NEAR_COPY + 0.5) & (groups[block, np.newaxis] != groups)
        for row, column in np.argwhere(found).tolist():
            if start + row < column:
                yield start + row, column


def _small_grey(image: BgrImage) -> NDArray[np.float32]:
    """Give the picture at 32 x 32 in grey, without its mean: a lamp makes no other picture."""
    small = cv2.resize(image, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    grey = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY).astype(np.float32)
    return np.asarray(grey - grey.mean(), dtype=np.float32)
