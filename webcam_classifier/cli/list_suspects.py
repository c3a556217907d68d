"""`collect.py --review`: list the snapshots that somebody should check."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from webcam_classifier.command_names import as_installed, typed
from webcam_classifier.dataset.listing import printable
from webcam_classifier.dataset.unlabelled_pictures import (
    UnlabelledNote,
    read_notes,
    unlabelled_names,
)
from webcam_classifier.errors import UserError
from webcam_classifier.percentage import rounded_percentage

if TYPE_CHECKING:
    from webcam_classifier.teaching.review import Suspect

_TELL_EVERY = 1.0  # seconds
_LISTED = 20  # snapshots listed for each reason
_HEADS = {
    "label": "look like another label",
    "copy": "are near duplicates of another snapshot of their label",
    "quality": "are too dark, too bright or blurred",
}
_HEADS_OF_ONE = {
    "label": "looks like another label",
    "copy": "is a near duplicate of another snapshot of its label",
    "quality": "is too dark, too bright or blurred",
}


def list_suspects(folder: Path, as_json: bool) -> None:
    """Check a data set, or list the pictures in a folder of `live.py --keep-uncertain`.

    Args:
        folder: A folder with a folder for each label, or with pictures that have no label yet.
        as_json: Whether to print JSON, and nothing else, to standard output.

    Raises:
        UserError: There is nothing to check.
    """
    if not folder.is_dir():
        raise UserError(
            f"There is no folder {folder}. Record with `python collect.py LABEL`, or name another."
        )
    kept = unlabelled_names(folder)
    if kept:
        _tell_unlabelled(folder, kept, as_json)
        return
    suspects = _look_through(folder)
    if as_json:
        found = [{"file": str(folder / one.label / one.name), **asdict(one)} for one in suspects]
        print(json.dumps({"folder": str(folder), "suspects": found}, indent=2))
        return
    print(as_installed(describe_suspects(folder, suspects)))


def describe_suspects(folder: Path, suspects: Sequence[Suspect]) -> str:
    """Return the suspects as text for a person, with what to do about them."""
    if not suspects:
        return f"{folder}: nothing to look at; no snapshot looks wrong."
    lines = []
    for reason, head in _HEADS.items():
        own = [one for one in suspects if one.reason == reason]
        if not own:
            continue
        is_one = len(own) == 1
        lines.append(
            f"1 snapshot {_HEADS_OF_ONE[reason]}:" if is_one else f"{len(own)} snapshots {head}:"
        )
        lines += [
            f"  {printable(folder / one.label / one.name)}  {_about(one)}" for one in own[:_LISTED]
        ]
        if len(own) > _LISTED:
            lines.append(f"  and {len(own) - _LISTED} more; --json lists all")
    lines.append(
        f"next: python studio.py --dataset {typed(folder)}, and Review there, moves or removes "
        "them, several at once, with undo. Or move a file to another label's folder under its own "
        "name."
    )
    return "\n".join(lines)


def _about(suspect: Suspect) -> str:
    if suspect.reason == "label":
        looks = f"looks like {suspect.about}"
        if suspect.probability is None:
            return looks
        return f"{looks} ({rounded_percentage(suspect.probability, 0)})"
    return f"nearly the same as {suspect.about}" if suspect.reason == "copy" else suspect.about


def _look_through(folder: Path) -> tuple[Suspect, ...]:
    # Imported only now: recording does not need what learns.
    from webcam_classifier.backbone.load import default_backbone
    from webcam_classifier.teaching.session import TeachingSession

    with TeachingSession(folder, default_backbone()) as session:
        if not len(session):
            raise UserError(f"{folder} has no pictures. Record some, or name another folder.")
        said = ""
        while not session.wait_until_learnt(_TELL_EVERY):
            learning = session.learning_state()
            if learning.problem:
                raise UserError(learning.problem)
            waits = learning.pending
            told = f"{waits} snapshots still being analysed" if waits else "measuring"
            if told != said:
                print(told, file=sys.stderr)
            said = told
        for warning in session.state().warnings:
            print(f"warning: {warning}", file=sys.stderr)
        return session.review()


def _tell_unlabelled(folder: Path, names: Sequence[str], as_json: bool) -> None:
    notes = read_notes(folder)
    if as_json:
        found = [
            {"file": str(folder / name), **(asdict(notes[name]) if name in notes else {})}
            for name in names
        ]
        print(json.dumps({"folder": str(folder), "unlabelled": found}, indent=2))
        return
    count = "1 picture waits" if len(names) == 1 else f"{len(names)} pictures wait"
    lines = [f"{count} for a label in {folder}:"]
    lines += [
        f"  {printable(folder / name)}  {describe_note(notes.get(name))}"
        for name in names[:_LISTED]
    ]
    if len(names) > _LISTED:
        lines.append(f"  and {len(names) - _LISTED} more; --json lists all")
    lines.append(
        f"next: python studio.py --unlabelled {typed(folder)}, and Review there, moves them to "
        "labels of dataset/. Or move a file to a label's folder under its own name."
    )
    print(as_installed("\n".join(lines)))


def describe_note(note: UnlabelledNote | None) -> str:
    """Return why a picture was kept; empty if that is not known."""
    if note is None:
        return ""
    guess = f"perhaps {note.guess}, {rounded_percentage(note.confidence, 0)}"
    reason = {"change": "just before a change"}.get(note.reason, note.reason)
    return f"{reason}; {guess}"
