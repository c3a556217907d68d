"""Check that a label can be the name of a folder, on every system to which it may be copied."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from pathlib import Path

from webcam_classifier.dataset.ignored_files import is_ignored_folder
from webcam_classifier.errors import UserError
from webcam_classifier.model_card import NO_PICTURE, UNKNOWN_NAME
from webcam_classifier.visible_text import hidden_characters

_LONGEST_NAME = 255  # bytes of UTF-8, the limit of ext4, and about that of NTFS and APFS
_FORBIDDEN = frozenset('/\\<>:"|?*')
_RESERVED_BY_WINDOWS = frozenset({"con", "prn", "aux", "nul", "conin$", "conout$"}) | {
    f"{device}{number}" for device in ("com", "lpt") for number in "0123456789¹²³"
}


def check_labels(labels: Sequence[str], dataset: Path) -> tuple[str, ...]:
    """Refuse labels that can't be folders side by side in a data set.

    Args:
        labels: As the user wrote them.
        dataset: Its folders, if it exists, count as labels too.

    Returns:
        The labels in Unicode's composed form (NFC), in the same order.

    Raises:
        UserError: A label can't be a folder's name, differs from another one only in case, or there
            is a file where its folder would be.
    """
    names = tuple(unicodedata.normalize("NFC", label) for label in labels)
    taken: dict[str, str] = {}
    for name in names:
        problem = label_problem(name)
        if problem is not None:
            raise UserError(f"The label {name!r} {problem}. Choose another name for it.")
        other = taken.setdefault(_key(name), name)
        if other != name:
            raise UserError(
                f"The labels {other!r} and {name!r} differ only in upper and lower case, and "
                "would share a folder on Windows and macOS. Rename one of them."
            )
    if len(taken) < len(names):
        repeated = next(name for name in names if names.count(name) > 1)
        raise UserError(f"The label {repeated!r} is given twice. Give each label once.")
    _check_against_folders(taken, dataset)
    return names


def ambiguous_names(labels: Sequence[str]) -> list[str]:
    """Say which labels of a data set will be taken for something else, a sentence for each.

    Args:
        labels: Names of folders, which anybody may have made.
    """
    sentences = []
    if UNKNOWN_NAME in labels:
        sentences.append(
            f"a label is called {UNKNOWN_NAME!r}, which is also what live shows where a picture is "
            "like none of the labels: the two can't be told apart. Rename its folder."
        )
    if NO_PICTURE in labels:
        sentences.append(
            f"a label is called {NO_PICTURE!r}, as is the event of live where the camera gives no "
            "picture: programs can't tell the two apart. Rename its folder."
        )
    first: dict[str, str] = {}
    for label in labels:
        other = first.setdefault(_key(label), label)
        if other != label:
            sentences.append(
                f"the labels {other!r} and {label!r} differ only in their letters' case or in how "
                "accents are written. If they are the same thing, move the pictures into one "
                "folder; else rename one."
            )
    return sentences


def check_new_label(name: str, known: Sequence[str], dataset: Path) -> str:
    """Refuse a label that conflicts with the existing ones, whatever is wrong with those.

    Args:
        name: As the user wrote it.
        known: The existing labels; folders from elsewhere may have names that are not allowed for
            new labels.
        dataset: As for `check_labels`.

    Returns:
        The label in composed form.

    Raises:
        UserError: As `check_labels` does.
    """
    alike = [label for label in known if _key(label) == _key(name)]
    *_, label = check_labels((*alike, name), dataset)
    return label


def label_problem(label: str) -> str | None:
    """Say why a name can't be used for a new label and its folder; None if it can.

    Args:
        label: In composed form; spaces inside and any script are fine.
    """
    forbidden = sorted(_FORBIDDEN.intersection(label))
    if not label:
        return "is empty"
    if forbidden:
        return f"has {forbidden[0]!r} in it, which no folder's name may have"
    hidden = hidden_characters(label)
    if hidden:
        return f"has an invisible character in it, {_code_point(hidden[0])}"
    if label != label.strip():
        return "begins or ends with a space"
    if label.startswith("."):
        return "begins with a dot, which would hide its folder"
    if is_ignored_folder(label):
        return "is the name of a folder that systems make, which is skipped"
    if _key(label) == UNKNOWN_NAME:
        return "is what live shows where a picture is like none of the labels; it needs no pictures"
    if _key(label) == NO_PICTURE:
        return "is the name of the event that says that the camera gives no picture"
    return _system_problem(label)


def _system_problem(label: str) -> str | None:
    """Say which system can't have a folder of this name."""
    if label.endswith("."):
        return "ends with a dot, which Windows removes"
    if label.split(".")[0].rstrip().lower() in _RESERVED_BY_WINDOWS:
        return "is a name that Windows keeps for a device"
    size = len(label.encode())
    if size > _LONGEST_NAME:
        return f"is {size} bytes long, and a folder's name has at most {_LONGEST_NAME}"
    return None


def _code_point(letter: str) -> str:
    name = unicodedata.name(letter, "a control character" if ord(letter) < 256 else "")
    return f"U+{ord(letter):04X} {name.lower()}".rstrip()


def _check_against_folders(labels: dict[str, str], dataset: Path) -> None:
    if not dataset.is_dir():
        return
    for label in labels.values():
        if (dataset / label).is_file():
            raise UserError(
                f"{dataset / label} is a file, and the label needs a folder there. Move it, or "
                "choose another label or --dataset."
            )
    for folder in sorted(path.name for path in dataset.iterdir() if path.is_dir()):
        label = labels.get(_key(folder), folder)
        if label != folder:
            raise UserError(
                f"The label {label!r} differs only in its letters' case or accents' form from the "
                f"folder {folder!r} in {dataset}. Use that name, or rename the folder."
            )


def _key(name: str) -> str:
    """Return a key that is equal for names that some file system treats as one."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
