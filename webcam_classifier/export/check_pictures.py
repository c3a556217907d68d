"""Find the pictures to calibrate a converted model with and to compare it on."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from webcam_classifier.crop import cropped
from webcam_classifier.dataset.listing import SkippedFile, list_dataset, list_pictures, printable
from webcam_classifier.dataset.picture_files import PictureError, read_picture
from webcam_classifier.dataset.predefined_split import TEST_PART
from webcam_classifier.errors import UserError
from webcam_classifier.frame import BgrImage
from webcam_classifier.model_card import METRICS_NAME, ModelCard
from webcam_classifier.preprocess import prepare
from webcam_classifier.progress import Stage, track
from webcam_classifier.sequences import evenly_spaced
from webcam_classifier.storage import explain_os_error

UNKNOWN = -1
"""The truth of a picture on which accuracy is not measured."""

MOST_FOR_CALIBRATION = 100  # even with 60 instead of 192 the answers hardly change
_NAMED_IN_MESSAGES = 3
_NAME_PICTURES = "Name a folder of pictures with --pictures FOLDER."

Item = TypeVar("Item")


@dataclass(frozen=True, eq=False)
class CheckPictures:
    """Prepared pictures, each (size, size, 3) uint8.

    Attributes:
        calibration: Pictures to measure ranges with; none of them is among the compared ones.
        compared: Pictures that both models classify.
        truths: (compared,) int64: the index of the label for a test picture that was not
            trained on, otherwise `UNKNOWN`.
        origin: Which pictures are compared, in words.
        notes: What the user should know about pictures that could not be used.
    """

    calibration: tuple[BgrImage, ...]
    compared: tuple[BgrImage, ...]
    truths: NDArray[np.int64]
    origin: str
    notes: tuple[str, ...] = ()


def find_pictures(
    model: Path, card: ModelCard, dataset: Path | None, named: Path | None
) -> CheckPictures:
    """Find pictures to calibrate with and to compare on.

    Without `named`, models are compared on the pictures that were held back in training. Validation
    and test pictures are taken together, because more pictures give a more precise share of equal
    answers.

    Args:
        model: The model file; its metrics.json is beside it.
        card: The model's card.
        dataset: The folder of its pictures; None takes the one that the card names.
        named: A folder of pictures to take instead; every second one is for calibration.

    Raises:
        UserError: There are no pictures, or metrics.json is missing, damaged, or another model's.
    """
    if named is not None:
        return _named_pictures(named, card)
    split = read_split(model.with_name(METRICS_NAME), card)
    reader = _Reader(dataset or Path(card.dataset), card)
    training = evenly_spaced(split.training, MOST_FOR_CALIBRATION)
    if not (split.validation or split.test or split.test_folder):  # all were learnt from
        return _learnt_pictures(split, reader, dataset is not None)
    calibration = reader.read(training, "training pictures")
    validation = reader.read(split.validation, "validation pictures")
    test = reader.read(split.test, "test pictures")
    test_reader = reader
    if split.test_folder is not None:
        test_reader = _Reader(Path(split.test_folder), card)
        test = test_reader.read(_list_test_folder(test_reader.folder), "test pictures")
    truths = [UNKNOWN] * len(validation)
    truths += [UNKNOWN if split.test_was_learnt else _truth(name, card.labels) for name in test]
    readers = dict.fromkeys((reader, test_reader))
    notes = tuple(note for each in readers for note in each.notes(dataset is not None))
    compared = (*validation.values(), *test.values())
    if not compared:
        reasons = " ".join(notes) or "None were held back when it was trained."
        raise UserError(f"There is no picture to compare on. {reasons} {_NAME_PICTURES}")
    return CheckPictures(
        tuple(calibration.values()),
        compared,
        np.array(truths, dtype=np.int64),
        f"{len(validation)} validation and {len(test)} test pictures",
        notes,
    )


def _learnt_pictures(split: HeldBack, reader: _Reader, folder_was_named: bool) -> CheckPictures:
    """Take every second training picture to calibrate with, and compare on the others."""
    calibration = reader.read(
        evenly_spaced(split.training[::2], MOST_FOR_CALIBRATION), "training pictures"
    )
    compared = reader.read(split.training[1::2], "pictures to compare on")
    notes = tuple(reader.notes(folder_was_named))
    if not compared:
        raise UserError(f"There is no picture to compare on. {' '.join(notes)} {_NAME_PICTURES}")
    return CheckPictures(
        tuple(calibration.values()),
        tuple(compared.values()),
        np.full(len(compared), UNKNOWN, dtype=np.int64),
        "every second picture that it was trained on",
        notes,
    )


@dataclass(frozen=True)
class HeldBack:
    """How a model was trained, from its metrics.json.

    Attributes:
        training: Names of pictures, relative to the data set.
        validation: Likewise.
        test: Likewise.
        test_folder: Another folder with the test pictures; None if they are of the data set.
        test_was_learnt: Whether the model was trained on the test pictures too, after its accuracy
            had been measured.
        seed: Of the training.
        command: Of the training; empty if it is not known.
    """

    training: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]
    test_folder: str | None
    test_was_learnt: bool
    seed: int
    command: str


class _Reader:
    """Reads pictures of one folder, and notes which ones could not be read."""

    def __init__(self, folder: Path, card: ModelCard) -> None:
        self.folder = folder
        self._card = card
        self._asked = 0
        self._lost: list[str] = []

    def read(self, names: Sequence[str], subject: str) -> dict[str, BgrImage]:
        """Read and prepare pictures; return those that could be read, by name."""
        found: dict[str, BgrImage] = {}
        self._asked += len(names)
        for name in track(Stage.READ, names, subject=subject):
            try:
                part = cropped(read_picture(self.folder / name), self._card.crop)
                found[name] = prepare(part, self._card.input_size)
            except PictureError:
                self._lost.append(name)
        return found

    def notes(self, folder_was_named: bool) -> Iterable[str]:
        if not self._lost:
            return
        shown = ", ".join(self._lost[:_NAMED_IN_MESSAGES])
        more = len(self._lost) - _NAMED_IN_MESSAGES
        shown += f" and {more} more" if more > 0 else ""
        where = "is that the right folder?" if folder_was_named else (
            "if it has moved, say where it is with --dataset FOLDER."
        )  # fmt: skip
        yield (
            f"{len(self._lost)} of {self._asked} pictures are missing or damaged in "
            f"{self.folder} ({shown}); {where}"
        )


def read_split(path: Path, card: ModelCard) -> HeldBack:
    """Read which pictures a model was trained with and which were held back.

    Args:
        path: Of metrics.json.
        card: The model's card.

    Raises:
        UserError: The file is missing, damaged, or of another model.
    """
    if not path.is_file():
        raise UserError(
            f"There is no {path}, which lists the pictures that were held back. {_NAME_PICTURES}"
        )
    try:
        metrics: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        parts: dict[str, Any] = metrics["split"]
        folder = parts["test_dataset"]
        split = HeldBack(
            training=_names(parts["training"]["pictures"]),
            validation=_names(parts["validation"]["pictures"]),
            test=_names(parts["test"]["pictures"]),
            test_folder=None if folder is None else str(folder),
            test_was_learnt=bool(metrics["learnt_from_test"]),
            seed=int(metrics.get("seed", 0)),
            command=str(metrics.get("command", "")),
        )
        is_of_model = metrics["data_hash"] == card.data_hash
        # Metrics made by hand or by an earlier version may not have it.
        is_of_model = is_of_model and metrics.get("created_at", card.created_at) == card.created_at
    except OSError as error:
        raise UserError(
            f"{explain_os_error(error, path, reading=True)} {_NAME_PICTURES}"
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is damaged ({error!r}). {_NAME_PICTURES}") from error
    if not is_of_model:
        raise UserError(
            f"{path} belongs to another model: that was trained with other pictures, or again. "
            f"{_NAME_PICTURES}"
        )
    return split


def _names(values: list[object]) -> tuple[str, ...]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ValueError("a list of pictures is not a list of names")
    return tuple(str(value) for value in values)


def _named_pictures(folder: Path, card: ModelCard) -> CheckPictures:
    if not folder.is_dir():
        raise UserError(f"There is no folder {folder}. {_NAME_PICTURES}")
    reader = _Reader(folder, card)
    paths, skipped = list_pictures(folder)
    names = [path.relative_to(folder).as_posix() for path in paths]
    found = tuple(reader.read(names, "pictures").values())
    compared = found[1::2]
    if not compared:
        raise UserError(
            f"{folder} holds {len(found)} readable pictures, too few to compare on. Put some "
            "twenty of every label there, or name another folder."
        )
    return CheckPictures(
        found[::2][:: -(-len(found) // (2 * MOST_FOR_CALIBRATION))],
        compared,
        np.full(len(compared), UNKNOWN, dtype=np.int64),
        f"every second picture of {folder}",
        (*reader.notes(folder_was_named=True), *_left_aside(skipped)),
    )


def _left_aside(skipped: Sequence[SkippedFile]) -> Iterable[str]:
    if skipped:
        shown = "; ".join(
            f"{printable(file.path)}: {file.reason}" for file in skipped[:_NAMED_IN_MESSAGES]
        )
        more = len(skipped) - _NAMED_IN_MESSAGES
        shown += f"; and {more} more" if more > 0 else ""
        yield f"{len(skipped)} files and folders are not used ({shown})"


def _list_test_folder(folder: Path) -> list[str]:
    """List the pictures of a folder's test part, or all pictures if it has no parts."""
    if not folder.is_dir():
        return []
    listed = list_dataset(folder).pictures
    test = [picture for picture in listed if picture.part == TEST_PART]
    return [picture.full_name for picture in test or listed]


def _truth(name: str, labels: tuple[str, ...]) -> int:
    # In a folder that is split into parts, the part comes first: test/cup/0001.jpg.
    label = next((part for part in PurePosixPath(name).parts[:2] if part in labels), None)
    return UNKNOWN if label is None else labels.index(label)
