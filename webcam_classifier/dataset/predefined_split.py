"""Recognise a predefined split: `train/ valid/ test/`, each with label folders."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from webcam_classifier.command_names import typed
from webcam_classifier.dataset.ignored_files import is_ignored_file, is_ignored_folder
from webcam_classifier.dataset.picture_files import is_picture_name
from webcam_classifier.errors import UserError

PARTS = ("training", "validation", "test")
"""The parts of a split: training, validation and test."""

TRAINING_PART, VALIDATION_PART, TEST_PART = range(3)

_PART_NAMES: Mapping[str, int] = {
    "train": TRAINING_PART,
    "training": TRAINING_PART,
    "valid": VALIDATION_PART,
    "val": VALIDATION_PART,
    "validation": VALIDATION_PART,
    "dev": VALIDATION_PART,
    "test": TEST_PART,
    "testing": TEST_PART,
    "eval": TEST_PART,
    "evaluation": TEST_PART,
}
_ENDINGS = ("set", "data", "images", "pictures")  # `training_set`, `test-data`, `trainset`

_FOREIGN_FILES: Mapping[str, str] = {
    "info.labels": "an export of Edge Impulse",
    "_classes.csv": "an export of Roboflow",
}
"""Files that hold the labels of the pictures beside them, and the tool that writes them."""


def part_of_name(name: str) -> int | None:
    """Tell which part a folder's name stands for.

    >>> part_of_name("Training_Set"), part_of_name("val"), part_of_name("cup")
    (0, 1, None)

    Args:
        name: Of the folder itself, in any case.

    Returns:
        An index into `PARTS`, or None for any other name.
    """
    plain = name.lower().replace("-", "").replace("_", "").replace(" ", "")
    if plain in _PART_NAMES:
        return _PART_NAMES[plain]
    for ending in _ENDINGS:
        if plain.endswith(ending) and plain.removesuffix(ending) in _PART_NAMES:
            return _PART_NAMES[plain.removesuffix(ending)]
    return None


def find_parts(folder: Path) -> dict[int, Path]:
    """Find the parts of a folder with a predefined split.

    It has one if a training folder contains label folders and another part is beside it.
    `part_of_name` says which names are those of parts: `train`, `Training`, `training_set` and the
    like. A training folder that directly contains pictures is a label with that name. A test folder
    whose pictures have no labels can't be used for testing, so it is not a part.

    Args:
        folder: It exists.

    Returns:
        The folder of each part, by its index in `PARTS`; empty if there is no split.

    Raises:
        UserError: Two folders are the same part, such as `val` and `valid`; one that is called
            like a part can't be opened; the folder is nothing but such parts, and none of them is
            for training; or another tool's export, whose labels are not the folders.
    """
    with os.scandir(folder) as entries:
        visible = [entry for entry in entries if _is_visible(entry)]
    alike = [entry for entry in visible if part_of_name(entry.name) is not None]
    named = sorted(entry.name for entry in alike if _is_folder(entry))
    if named:
        _refuse_foreign(folder, [entry.name for entry in visible], named)
    found: dict[int, Path] = {}
    for name in named:
        if not _holds_labels(folder / name):
            continue
        part = part_of_name(name)
        assert part is not None  # it is named so
        _refuse_nested(folder / name, part)
        if part in found:
            raise UserError(
                f"{folder} has both {found[part].name}/ and {name}/ for {PARTS[part]}. Move "
                "one of them elsewhere."
            )
        found[part] = folder / name
    if TRAINING_PART in found and len(named) > 1:
        return found
    if found and len(found) == len([entry for entry in visible if _is_folder(entry)]):
        only = found[min(found)]
        held = " and ".join(f"{path.name}/" for path in found.values())
        raise UserError(
            f"{folder} holds nothing but {held}, which is called like a part of a data set and has "
            f"a folder for each label in it. Name {only}, or rename it where it is a label."
        )
    return {}


def _refuse_foreign(folder: Path, names: Collection[str], parts: Iterable[str]) -> None:
    """Refuse a folder whose parts would be taken for labels, while files in it hold the labels."""
    for name, tool in _FOREIGN_FILES.items():
        if name in names or any(os.path.isfile(folder / part / name) for part in parts):  # noqa: PTH113
            raise UserError(
                f"{folder} is {tool}: {name} says the labels, and its folders don't. Read it in "
                f"with `python collect.py --import {typed(folder)} --dataset FOLDER`, and train "
                "on that."
            )


def _refuse_nested(part_folder: Path, part: int) -> None:
    """Refuse `training_set/training_set/cat`: the inner folder would be taught as a label."""
    with os.scandir(part_folder) as entries:
        inside = [entry.name for entry in entries if _is_visible(entry) and _is_folder(entry)]
    if len(inside) == 1 and part_of_name(inside[0]) == part:
        raise UserError(
            f"{part_folder} holds another {inside[0]}/ and no label. Move what is in it one folder "
            f"up, or read it in with `python collect.py --import {typed(part_folder.parent)}`."
        )


def _is_visible(entry: os.DirEntry[str]) -> bool:
    return not (is_ignored_folder if _is_folder(entry) else is_ignored_file)(entry.name)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link in a circle
        return False


def _holds_labels(path: Path) -> bool:
    """Whether pictures can only be in folders below: there are some, and no picture here."""
    has_folders = False
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                if _is_folder(entry):
                    has_folders |= not is_ignored_folder(entry.name)
                elif is_picture_name(Path(entry.name)) and not is_ignored_file(entry.name):
                    return False
    except OSError as error:
        raise UserError(
            f"{path} can't be opened ({error.strerror or error}), so it is not known whether it "
            "is a part of the data set. Check its permissions, or move it elsewhere."
        ) from error
    return has_folders
