"""What accuracy is measured on: people, subjects, recordings and rooms that training never saw.

DATA holds `thumbs/person_{1,2}`, `rock_paper_scissors/person_{1,2}` and `sign_digits`, with one
folder for each label in them; benchmarks/README.md says where these pictures come from. Photographs
of things, which are no recordings, are in `masks` and `flowers/{train,test}`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from webcam_classifier.dataset.labelled_pictures import LabelledPictures, load_labelled_pictures

THUMBS = ("thumbs/person_1", "thumbs/person_2")
ROOMS = ("rock_paper_scissors/person_1", "rock_paper_scissors/person_2")
DIGITS = "sign_digits"
FOLDERS = (*THUMBS, *ROOMS, DIGITS)
MASKS = "masks"
FLOWERS = ("flowers/train", "flowers/test")
THINGS = (MASKS, *FLOWERS)

_SUBJECT_FOLDS = 3
_FEW = 10  # snapshots a label
_DRAWS = 10  # of photographs that are learnt from


@dataclass(frozen=True, eq=False)
class Fold:
    """What is trained on, and what is tested on. No near duplicate is on both sides.

    Attributes:
        training: The training folder, one of `FOLDERS`.
        training_indices: Which of its pictures, int64.
        test: The test folder.
        test_indices: Which of its pictures, int64.
    """

    training: str
    training_indices: NDArray[np.int64]
    test: str
    test_indices: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Protocol:
    """One row of a table of accuracies: the mean over its folds.

    Attributes:
        name: A short one.
        held_out: What training never saw, in words.
        folds: At least one.
    """

    name: str
    held_out: str
    folds: tuple[Fold, ...]


def load_folders(
    data: Path, size: int, names: Sequence[str] = FOLDERS
) -> dict[str, LabelledPictures]:
    """Read folders of DATA, by their names.

    Args:
        data: Where they are.
        size: The side of the square that a network will take, in pixels.
        names: Of the folders.

    Raises:
        UserError: One of them is missing.
    """
    return {name: load_labelled_pictures(data / name, size) for name in names}


def all_protocols(folders: Mapping[str, LabelledPictures]) -> tuple[Protocol, ...]:
    """Return every protocol, each with its folds.

    Args:
        folders: From `load_folders`.
    """
    digits = folders[DIGITS]
    subjects = np.array([int(Path(name).stem.split("_")[1]) for name in digits.names])
    by_subject = tuple(
        Fold(
            DIGITS,
            np.flatnonzero(subjects % _SUBJECT_FOLDS != fold),
            DIGITS,
            np.flatnonzero(subjects % _SUBJECT_FOLDS == fold),
        )
        for fold in range(_SUBJECT_FOLDS)
    )
    few = []
    for name in ROOMS:
        training_indices, test_indices = beginning_and_end(folders[name].label_indices)
        few.append(Fold(name, training_indices, name, test_indices))

    def across(training: str, test: str) -> tuple[Fold]:
        everything = np.arange(len(folders[training])), np.arange(len(folders[test]))
        return (Fold(training, everything[0], test, everything[1]),)

    return (
        Protocol("thumbs 1>2", "the other person", across(*THUMBS)),
        Protocol("thumbs 2>1", "the other person", across(*reversed(THUMBS))),
        Protocol("digits", "a third of the subjects", by_subject),
        Protocol("few", "the last third of the recording", tuple(few)),
        Protocol("rooms 1>2", "another person elsewhere", across(*ROOMS)),
        Protocol("rooms 2>1", "another person elsewhere", across(*reversed(ROOMS))),
    )


def protocols_of_things(folders: Mapping[str, LabelledPictures]) -> tuple[Protocol, ...]:
    """Return the protocols on photographs, each with its folds.

    Args:
        folders: From `load_folders`, of `THINGS`.
    """
    labels, (train, test) = folders[MASKS].label_indices, FLOWERS
    kinds, asked = folders[train].label_indices, np.arange(len(folders[test]))
    halves = [drawn(labels, 100, seed) for seed in range(_DRAWS)]
    few = [drawn(labels, _FEW, seed) for seed in range(_DRAWS)]
    rest = np.arange(len(labels))

    def of_masks(parts: Sequence[NDArray[np.int64]]) -> tuple[Fold, ...]:
        return tuple(Fold(MASKS, own, MASKS, np.setdiff1d(rest, own)) for own in parts)

    few_kinds = tuple(Fold(train, drawn(kinds, _FEW, seed), test, asked) for seed in range(_DRAWS))
    return (
        Protocol("masks", "half of the photographs", of_masks(halves)),
        Protocol("10 masks", "all other photographs", of_masks(few)),
        Protocol("flowers", "published", (Fold(train, np.arange(len(kinds)), test, asked),)),
        Protocol("10 flowers", "published, ten a kind taught", few_kinds),
    )


def drawn(label_indices: NDArray[np.int64], count: int, seed: int) -> NDArray[np.int64]:
    """So many places of each label, drawn at random.

    Args:
        label_indices: (pictures,) int64.
        count: Of each label.
        seed: The same draws the same.
    """
    generator = np.random.default_rng(seed)
    chosen = [
        generator.permutation(np.flatnonzero(label_indices == label))[:count]
        for label in np.unique(label_indices)
    ]
    return np.sort(np.concatenate(chosen))


def beginning_and_end(
    label_indices: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Ten evenly spaced places of each label's first half, and all of its last third.

    Args:
        label_indices: (pictures,) int64, of pictures in the order of their recording.
    """
    training, test = [], []
    for label in np.unique(label_indices):
        members = np.flatnonzero(label_indices == label)
        half = members[: members.size // 2]
        training.append(half[np.linspace(0, half.size - 1, _FEW).astype(np.int64)])
        test.append(members[-(members.size // 3) :])
    return np.concatenate(training), np.concatenate(test)
