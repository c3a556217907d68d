"""What accuracy is measured on: people, subjects, recordings and rooms that training never saw.

DATA holds `thumbs/person_{1,2}`, `rock_paper_scissors/person_{1,2}` and `sign_digits`, with one
folder for each label in them; benchmarks/README.md says where these pictures come from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from webcam_classifier.dataset.labelled_pictures import LabelledPictures, load_labelled_pictures

THUMBS = ("thumbs/person_1", "thumbs/person_2")
ROOMS = ("rock_paper_scissors/person_1", "rock_paper_scissors/person_2")
DIGITS = "sign_digits"
FOLDERS = (*THUMBS, *ROOMS, DIGITS)

_SUBJECT_FOLDS = 3
_FEW = 10  # snapshots a label


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


def load_folders(data: Path, size: int) -> dict[str, LabelledPictures]:
    """Read all folders of DATA, by their names in `FOLDERS`.

    Args:
        data: Where they are.
        size: The side of the square that a network will take, in pixels.

    Raises:
        UserError: One of them is missing.
    """
    return {name: load_labelled_pictures(data / name, size) for name in FOLDERS}


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
