"""A folder of unlabelled pictures that wait for somebody to label them, with a note on each."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from webcam_classifier.dataset.picture_files import is_picture_name
from webcam_classifier.errors import UserError
from webcam_classifier.storage import explain_os_error

NOTES_NAME = ".notes.jsonl"
"""A line for each picture that was ever kept in the folder, also of those that have left it."""


@dataclass(frozen=True)
class UnlabelledNote:
    """Why a picture was kept.

    Attributes:
        name: Of its file.
        reason: `unknown`, `unsure`, or `change`: just before the steady label changed.
        guess: The likeliest label.
        confidence: Of it, 0 to 1.
        time: When it was captured, in ISO 8601; empty where that is not known.
    """

    name: str
    reason: str
    guess: str
    confidence: float
    time: str


def unlabelled_names(folder: Path) -> tuple[str, ...]:
    """List the names of the pictures in the folder, newest first; empty without a folder.

    Raises:
        UserError: It can't be listed.
    """
    try:
        with os.scandir(folder) as entries:
            names = [
                entry.name
                for entry in entries
                if not entry.name.startswith(".")
                and is_picture_name(Path(entry.name))
                and entry.is_file(follow_symlinks=False)
            ]
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise UserError(explain_os_error(error, folder, reading=True)) from error
    return tuple(sorted(names, reverse=True))


def read_notes(folder: Path) -> Mapping[str, UnlabelledNote]:
    """Read the notes on pictures, by their names; invalid lines are ignored."""
    try:
        lines = (folder / NOTES_NAME).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return {}
    found = {}
    for line in lines:
        try:
            fields = json.loads(line)
            note = UnlabelledNote(
                name=str(fields["name"]),
                reason=str(fields["reason"]),
                guess=str(fields["guess"]),
                confidence=float(fields["confidence"]),
                time=str(fields["time"]),
            )
        except (ValueError, KeyError, TypeError, RecursionError):
            continue
        found[note.name] = note
    return found


def append_note(folder: Path, note: UnlabelledNote) -> None:
    """Note why a picture was kept.

    Raises:
        OSError: It can't be written.
    """
    with (folder / NOTES_NAME).open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(note), ensure_ascii=False) + "\n")
