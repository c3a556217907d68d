"""Add pictures that were uploaded: one file, or a zip file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO

from webcam_classifier.dataset.picture_archive import (
    Entry,
    EntryError,
    PictureArchive,
    shortened,
)
from webcam_classifier.errors import UserError
from webcam_classifier.teaching.session import TeachingSession
from webcam_classifier.teaching.state import Refusal
from webcam_classifier.web.limits import ARCHIVE_LIMITS
from webcam_classifier.web.picture_problem import picture_problem

_TOLD = 100  # refused files that are listed


@dataclass(frozen=True)
class Upload:
    """The result of an upload.

    Attributes:
        added: How many pictures were added.
        refused: The files that were not added, and why.
    """

    added: int
    refused: Sequence[Refusal]

    def to_dict(self) -> dict[str, object]:
        """Return the fields for the page; of many refused files, only the first are listed."""
        told = [
            {"name": shortened(refusal.name), "reason": refusal.reason}
            for refusal in self.refused[:_TOLD]
        ]
        return {"added": self.added, "refused": told, "refused_count": len(self.refused)}


def add_picture(session: TeachingSession, label: str, name: str, content: bytes) -> Upload:
    """Add one picture to a label.

    Raises:
        UserError: There is no such label, or the disk can't be written.
    """
    problem = picture_problem(content)
    if problem is not None:
        return Upload(0, [Refusal(name, problem)])
    refused = session.add_pictures(label, [(name, content)])
    return Upload(1 - len(refused), refused)


def add_archive(session: TeachingSession, label: str, file: IO[bytes]) -> Upload:
    """Add all pictures of a zip file to one label, whatever folders they are in.

    Raises:
        UserError: The archive is refused as a whole, there is no such label, or the disk can't be
            written. Pictures that were added before stay.
    """
    with PictureArchive(file, ARCHIVE_LIMITS) as archive:
        return _add_entries(session, label, archive, archive.entries)


def add_labelled_archive(session: TeachingSession, file: IO[bytes]) -> Upload:
    """Add the pictures of a zip file whose folders are the labels; new labels are created.

    A single folder around all others is taken for the data set.

    Raises:
        UserError: As for `add_archive`.
    """
    with PictureArchive(file, ARCHIVE_LIMITS) as archive:
        by_label, refused = _by_label(archive.entries)
        added = 0
        for label, entries in by_label.items():
            try:
                if label not in [known.name for known in session.state().labels]:
                    label = session.add_label(label)
            except UserError as error:
                refused += [Refusal(entry.path, str(error)) for entry in entries]
                continue
            upload = _add_entries(session, label, archive, entries)
            added += upload.added
            refused += upload.refused
        return Upload(added, refused)


def _by_label(entries: Sequence[Entry]) -> tuple[dict[str, list[Entry]], list[Refusal]]:
    good = [entry for entry in entries if entry.problem is None]
    refused = [Refusal(entry.path, entry.problem) for entry in entries if entry.problem]
    outermost = {entry.folders[:1] for entry in good}
    depth = 1 if len(outermost) == 1 and all(len(entry.folders) > 1 for entry in good) else 0
    by_label: dict[str, list[Entry]] = {}
    for entry in good:
        if len(entry.folders) > depth:
            by_label.setdefault(entry.folders[depth], []).append(entry)
        else:
            refused.append(Refusal(entry.path, "not in a folder that says its label"))
    return by_label, refused


def _add_entries(
    session: TeachingSession, label: str, archive: PictureArchive, entries: Sequence[Entry]
) -> Upload:
    refused: list[Refusal] = []
    given = 0

    def unpacked() -> Iterator[tuple[str, bytes]]:
        nonlocal given
        for entry in entries:
            problem = entry.problem
            content = b""
            if problem is None:
                try:
                    content = archive.read(entry)
                    problem = picture_problem(content)
                except EntryError as error:
                    problem = str(error)
            if problem is not None:
                refused.append(Refusal(entry.path, problem))
                continue
            given += 1
            yield entry.path, content

    not_added = session.add_pictures(label, unpacked())
    return Upload(given - len(not_added), [*refused, *not_added])
