"""Recognise a folder that comes already split: `train/ valid/ test/`, each with label folders."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from webcam_classifier.dataset.ignored_files import is_ignored_file, is_ignored_folder
from webcam_classifier.dataset.picture_files import is_picture_name
from webcam_classifier.errors import UserError

PARTS = ("training", "validation", "test")
"""What pictures are for: to learn from, to choose by, to measure with."""

TRAINING_PART, VALIDATION_PART, TEST_PART = range(3)

_FOLDER_NAMES: Mapping[str, int] = {
    "train": TRAINING_PART,
    "training": TRAINING_PART,
    "valid": VALIDATION_PART,
    "val": VALIDATION_PART,
    "validation": VALIDATION_PART,
    "test": TEST_PART,
    "testing": TEST_PART,
}


def find_parts(folder: Path) -> dict[int, Path]:
    """Find the parts of a folder that came split.

    It did where a training folder has label folders in it and stands beside another part's.
    Pictures right in a training folder make it a label that is called so. A test folder whose
    pictures have no labels can't measure anything, so it is none of the parts.

    Args:
        folder: It exists.

    Returns:
        The folder of each part, by its index in `PARTS`; nothing where it is one whole.

    Raises:
        UserError: Two folders are the same part, such as `val` and `valid`, or one that is called
            like a part can't be opened.
    """
    with os.scandir(folder) as entries:
        alike = [entry for entry in entries if entry.name.lower() in _FOLDER_NAMES]
        named = sorted(entry.name for entry in alike if _is_folder(entry))
    found: dict[int, Path] = {}
    for name in named:
        if not _holds_labels(folder / name):
            continue
        part = _FOLDER_NAMES[name.lower()]
        if part in found:
            raise UserError(
                f"{folder} has both {found[part].name}/ and {name}/ for {PARTS[part]}. Move "
                "one of them elsewhere."
            )
        found[part] = folder / name
    return found if TRAINING_PART in found and len(named) > 1 else {}


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
