"""Display names for labels that are mere numbers: `{"21": "fire lily"}` in a JSON file."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from webcam_classifier.errors import UserError

CATEGORY_NAMES_FILES = ("category_names.json", "cat_to_name.json")
"""What such a file is called in a data set's folder; the second is what the flowers' has."""


def find_category_names(folder: Path) -> dict[str, str]:
    """Read the category names in a data set's folder; empty without such a file.

    Args:
        folder: Of the data set.

    Raises:
        UserError: There is a file, and it can't be read.
    """
    for name in CATEGORY_NAMES_FILES:
        if (folder / name).is_file():
            return read_category_names(folder / name)
    return {}


def read_category_names(path: Path) -> dict[str, str]:
    """Read category names.

    Args:
        path: A JSON file with one object: a label as key, its name for people as value.

    Returns:
        Names by label.

    Raises:
        UserError: The file is missing, damaged, or holds something else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UserError(
            f"The category names {path} can't be read ({error.strerror or error}). Check its name."
        ) from error
    except ValueError as error:
        raise UserError(
            f'{path} is not JSON ({error}). It has to look like {{"21": "fire lily", ...}}.'
        ) from error
    if not isinstance(content, dict) or not content:
        raise UserError(
            f'{path} holds no category names. It has to look like {{"21": "fire lily", ...}}.'
        )
    for label, name in content.items():
        if not isinstance(name, str) or not name.strip():
            raise UserError(
                f"{path} gives the label {label!r} the name {name!r}. Give it a text in quotes."
            )
    return {label: " ".join(name.split()) for label, name in content.items()}


def display_names(labels: Sequence[str], category_names: Mapping[str, str]) -> tuple[str, ...]:
    """The display name of each label, all of them different.

    Args:
        labels: In the model's order.
        category_names: Names by label. A label without one keeps its own; two labels with one
            name have their own added: `lily (21)`.

    Returns:
        As many as there are labels; none at all where there are no category names.

    Raises:
        UserError: The names are those of other labels.
    """
    if not category_names:
        return ()
    if not any(label in category_names for label in labels):
        known, named = ", ".join(list(labels)[:5]), ", ".join(list(category_names)[:5])
        raise UserError(
            f"The category names are for {named}, ..., and the labels are {known}, ... Name the "
            "file that belongs to this data set with --category-names, or move it elsewhere."
        )
    names = [category_names.get(label, label) for label in labels]
    counts = Counter(names)
    return tuple(
        name if counts[name] == 1 else f"{name} ({label})"
        for name, label in zip(names, labels, strict=True)
    )
