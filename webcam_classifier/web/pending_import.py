"""Files that a page sent to be imported: checked first, and added once a person confirms."""

from __future__ import annotations

import secrets
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from webcam_classifier.dataset.picture_archive import shortened
from webcam_classifier.errors import UserError
from webcam_classifier.exchange.import_dataset import Imported
from webcam_classifier.exchange.layouts import SIDE_FILES
from webcam_classifier.exchange.sources import FilesSource, Source, open_archive
from webcam_classifier.progress import Event, Progress, listening
from webcam_classifier.storage import explain_os_error
from webcam_classifier.teaching.session import TeachingSession
from webcam_classifier.temporary_files import process_folder
from webcam_classifier.web.limits import (
    ARCHIVE_BYTES,
    ARCHIVE_ENTRIES,
    IMPORT_LIMITS,
    is_archive_name,
)

_NAMED = 100  # files that are listed on the page


class ImportCancelledError(UserError):
    """The import was cancelled while it was working; nothing was added."""


class PendingImport:
    """One zip file, or single pictures, in a temporary folder; their names are never used as paths.

    The methods that work with the files are called in threads, one at a time.

    Args:
        session: The session that the pictures are added to.
        label: The label of all pictures; None takes those of the zip file.

    Attributes:
        id: Its id for the page.

    Raises:
        UserError: No temporary folder can be created.
    """

    def __init__(self, session: TeachingSession, label: str | None) -> None:
        self.id = secrets.token_hex(8)
        self._session = session
        self._label = label
        self._folder = process_folder() / f"import-{self.id}"
        try:
            self._folder.mkdir()
        except OSError as error:
            raise UserError(explain_os_error(error, self._folder)) from error
        self._files: dict[str, Path] = {}
        self._numbered = 0
        self._bytes = 0
        self._progress: Progress | None = None
        self._is_dropped = False
        self._working = threading.Lock()

    @property
    def is_at_work(self) -> bool:
        """Whether its files are being checked or added."""
        return self._working.locked()

    @property
    def _is_archive(self) -> bool:
        return is_archive_name(next(iter(self._files), ""))

    def new_path(self) -> Path:
        """Return the path for the next file.

        Raises:
            UserError: There are too many already.
        """
        if len(self._files) >= ARCHIVE_ENTRIES:
            raise UserError(
                f"At most {ARCHIVE_ENTRIES} pictures are taken at once. Add the others afterwards."
            )
        self._numbered += 1
        return self._folder / str(self._numbered)

    def take(self, name: str, path: Path) -> None:
        """Add a file that has arrived.

        Args:
            name: The name it was sent with.
            path: From `new_path`.

        Raises:
            UserError: The files are too large together, or a zip file is not alone; the file was
                deleted.
        """
        size = self._bytes + path.stat().st_size
        problem = ""
        if size > ARCHIVE_BYTES:
            most = ARCHIVE_BYTES // 1_000_000
            problem = f"At most {most} MB are taken at once. Add the others afterwards."
        elif self._files and (is_archive_name(name) or self._is_archive):
            problem = "A zip file is read in by itself. Choose it alone."
        if problem:
            path.unlink(missing_ok=True)
            raise UserError(problem)
        self._files[_unused(name, self._files)] = path
        self._bytes = size

    def look(self) -> dict[str, Any]:
        """Return what would be added; nothing changes.

        Raises:
            UserError: It can't be imported.
        """
        known = {label.name for label in self._session.state().labels}
        with self._work() as (source, name):
            found = self._session.rehearse_import(source, name, self._label)
        return _told(found, known)

    def add(self) -> dict[str, Any]:
        """Add the pictures, all or none, and return what was added.

        Raises:
            UserError: It can't be imported.
        """
        known = {label.name for label in self._session.state().labels}
        with self._work() as (source, name):
            found = self._session.read_in(source, name, self._label)
        return _told(found, known)

    def progress(self) -> dict[str, Any]:
        """Return the progress of the current work."""
        progress = self._progress
        return {
            "done": 0 if progress is None else progress.done,
            "total": None if progress is None else progress.total,
        }

    def drop(self) -> None:
        """Delete the files; work on them is cancelled, and adds nothing."""
        self._is_dropped = True
        if not self.is_at_work:
            shutil.rmtree(self._folder, ignore_errors=True)

    @contextmanager
    def _work(self) -> Iterator[tuple[Source, str]]:
        if not self._working.acquire(blocking=False):
            raise UserError("These files are already being read. Wait until that is done.")
        try:
            with listening(self._listen), self._opened() as opened:
                yield opened
        finally:
            self._working.release()
            self._progress = None
            if self._is_dropped:
                shutil.rmtree(self._folder, ignore_errors=True)

    @contextmanager
    def _opened(self) -> Iterator[tuple[Source, str]]:
        names = list(self._files)
        if not names:
            raise UserError("No file has arrived. Choose one.")
        if not self._is_archive:
            if self._label is None:
                raise UserError("Single pictures need a label. Drop them onto one.")
            yield FilesSource(self._files), "What was sent"
            return
        with self._files[names[0]].open("rb") as file:
            shown = shortened(names[0])
            with open_archive(file, shown, IMPORT_LIMITS, SIDE_FILES) as source:
                yield source, shown

    def _listen(self, event: Event) -> None:
        if self._is_dropped:
            raise ImportCancelledError("The import was cancelled, and nothing was added.")
        if isinstance(event, Progress):
            self._progress = event


def _unused(name: str, taken: dict[str, Path]) -> str:
    """Return a name that no other file of this import has, since phones reuse names."""
    path, number, found = Path(name), 2, name
    while found in taken:
        found = f"{path.stem}-{number}{path.suffix}"
        number += 1
    return found


def _told(found: Imported, known: set[str]) -> dict[str, Any]:
    """Return what the page shows of an import; of many files, only the first are listed."""
    elsewhere = [(name, f"in the data set already, as {label}") for name, label in found.elsewhere]
    left_out = [*elsewhere, *found.refused]
    return {
        "tool": found.tool,
        "count": sum(found.added.values()),
        "labels": [
            {"name": name, "count": count, "is_new": name not in known}
            for name, count in found.added.items()
        ],
        "known": found.known,
        "left_out": [
            {"name": shortened(name), "reason": reason} for name, reason in left_out[:_NAMED]
        ],
        "left_out_count": len(left_out),
        "renamed": [{"old": old, "new": new} for old, new in found.renamed.items()],
        "notes": list(found.notes),
    }
