"""A queue of events on the disk, so that undelivered events survive the end of the program."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from webcam_classifier.storage import explain_os_error

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS pending ("
    "number INTEGER PRIMARY KEY AUTOINCREMENT, payload BLOB NOT NULL, picture BLOB)"
)


@dataclass(frozen=True)
class Pending:
    """An event waiting in the queue.

    Attributes:
        number: Its position in the queue; newer events have larger numbers.
        payload: The message to send.
        picture: A JPEG; None if there is none.
    """

    number: int
    payload: bytes
    picture: bytes | None


class EventQueue:
    """The events that are not delivered yet, oldest first; threads may share it.

    Only one program at a time can use a file. Once `add` has returned, the event survives the end
    of this program.

    Args:
        path: The file; None keeps the queue in memory.
        limit: How many events wait at most; the oldest are dropped first.

    Raises:
        OSError: The file can't be written, is not a queue, or is used by another program.
    """

    def __init__(self, path: Path | None, limit: int) -> None:
        self._path = path
        self._limit = limit
        self._lock = threading.Lock()
        with _told_as_os_error():
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(
                ":memory:" if path is None else path,
                timeout=0.5,
                check_same_thread=False,
                isolation_level=None,
            )
            # Held until the program ends, however it ends: two would send all events twice.
            self._connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._connection.execute("PRAGMA journal_mode = WAL")
            # A commit reaches the operating system at once, so it survives a killed program;
            # `flush` writes it to the disk, so that it survives a power cut.
            self._connection.execute("PRAGMA synchronous = NORMAL")
            self._connection.execute("BEGIN EXCLUSIVE")
            self._connection.execute(_SCHEMA)
            self._connection.execute("COMMIT")
            row = self._connection.execute("SELECT COUNT(*) FROM pending").fetchone()
        self._count = int(row[0])

    def __len__(self) -> int:
        return self._count

    def add(self, payload: bytes, picture: bytes | None) -> int:
        """Append an event.

        Args:
            payload: The message to send.
            picture: A JPEG; None if there is none.

        Returns:
            How many old events were dropped for it.

        Raises:
            OSError: It can't be written, as on a full disk.
        """
        with self._lock, _told_as_os_error():
            self._connection.execute(
                "INSERT INTO pending (payload, picture) VALUES (?, ?)", (payload, picture)
            )
            self._count += 1
            surplus = self._count - self._limit
            if surplus <= 0:
                return 0
            self._connection.execute(
                "DELETE FROM pending WHERE number IN "
                "(SELECT number FROM pending ORDER BY number LIMIT ?)",
                (surplus,),
            )
            self._count -= surplus
            return surplus

    def flush(self) -> None:
        """Write everything to the disk, so that it survives a power cut; takes some milliseconds.

        Raises:
            OSError: It can't be written.
        """
        with self._lock, _told_as_os_error():
            self._connection.execute("PRAGMA wal_checkpoint(FULL)").fetchall()

    def oldest(self) -> Pending | None:
        """Return the next event to deliver; None if none is waiting.

        Raises:
            OSError: The file can't be read.
        """
        with self._lock, _told_as_os_error():
            row = self._connection.execute(
                "SELECT number, payload, picture FROM pending ORDER BY number LIMIT 1"
            ).fetchone()
        return None if row is None else Pending(int(row[0]), bytes(row[1]), row[2])

    def remove(self, number: int) -> None:
        """Remove an event that was delivered.

        Args:
            number: Its position in the queue.

        Raises:
            OSError: The file can't be written.
        """
        with self._lock, _told_as_os_error():
            removed = self._connection.execute("DELETE FROM pending WHERE number = ?", (number,))
            self._count -= removed.rowcount

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()


@contextmanager
def _told_as_os_error() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise OSError(str(error)) from error


def open_event_queue(path: Path, limit: int) -> tuple[EventQueue, str]:
    """Open the queue on the disk, or one in memory if that fails.

    Args:
        path: The file.
        limit: How many events wait at most.

    Returns:
        The queue, and a sentence that says why it is in memory; empty if it is on the disk.
    """
    try:
        return EventQueue(path, limit), ""
    except OSError as error:
        reason = str(error)
        if "locked" in reason:
            reason = f"another program uses {path}"
        elif error.errno is not None:
            reason = explain_os_error(error, path)
        else:
            reason = f"{path}: {reason}"
        return EventQueue(None, limit), reason
