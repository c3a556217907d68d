"""Recognise a folder that comes already split: `train/ valid/ test/`, each with label folders."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

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
        UserError: Two folders are the same part, such as `val` and `valid`.
    """
    candidates = sorted(path for path in folder.iterdir() if _is_named_like_a_part(path))
    found: dict[int, Path] = {}
    for path in candidates:
        if not _holds_labels(path):
            continue
        part = _FOLDER_NAMES[path.name.lower()]
        if part in found:
            raise UserError(
                f"{folder} has both {found[part].name}/ and {path.name}/ for {PARTS[part]}. Move "
                "one of them elsewhere."
            )
        found[part] = path
    return found if TRAINING_PART in found and len(candidates) > 1 else {}


def _is_named_like_a_part(path: Path) -> bool:
    return path.name.lower() in _FOLDER_NAMES and path.is_dir()


def _holds_labels(path: Path) -> bool:
    """Tell whether pictures can only be in folders below: there are some, and no picture here."""
    inside = [entry for entry in path.iterdir() if not entry.name.startswith(".")]
    has_folders = any(entry.is_dir() for entry in inside)
    return has_folders and not any(entry.is_file() and is_picture_name(entry) for entry in inside)
