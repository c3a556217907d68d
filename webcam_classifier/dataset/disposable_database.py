"""A SQLite file as a cache: whatever happens to it, the work goes on without it.

Several programs and threads may use it at once. Nothing waits for the disk (`synchronous` is off):
a program that is killed leaves an intact file, and a file damaged by a power cut is thrown away. So
each reader has to check what it reads: SQLite detects damage to its own structure, not to the
values.
"""

from __future__ import annotations

import logging
import math
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import sqlite3  # at run time only where it is used: some builds of Python lack it

_Result = TypeVar("_Result")

_BUSY_SECONDS = 2.0  # another program's commits take milliseconds
_REST_SECONDS = 30.0  # after a failure, as waiting for a lock each time would hold up the work
_PAGE_BYTES = 8192  # twice as fast as 4096 with rows of 10 to 20 kB, and wastes less than 16384
_MOST_JOURNAL_BYTES = 4_000_000
_MAGIC = b"SQLite format 3\0"  # https://www.sqlite.org/fileformat.html
_FORMAT_PLACE, _NEWEST_FORMAT = slice(18, 20), 2
_OF_DAMAGE = (MemoryError, UnicodeDecodeError)  # wild lengths; messages that quote wild names
_NO_DAMAGE = ("locked", "readonly", "disk i/o", "is full", "unable to open", "denied", "interrupt")
_FREE_SHARE = 0.25  # of the file; less is left for what comes next
_PAGES_AT_ONCE = 512  # moved in one short transaction


class _LeftAloneError(Exception):
    """The file is whole, but is not for this version of this program."""


class DisposableDatabase:
    """The database, opened when it is first used.

    Args:
        path: Of the file. A damaged file is replaced; a folder, another program's database and a
            newer version's are left alone.
        application_id: SQLite's, 32 bits: whose file it is.
        version: Of the schema, from 1; a file of an older version is replaced.
        schema: The statements that make it, as `sqlite_master` gives them back.
        log: Called with one line for each kind of failure, once.
    """

    def __init__(
        self,
        path: Path,
        application_id: int,
        version: int,
        schema: Sequence[str],
        log: logging.Logger,
    ) -> None:
        self._path = path
        self._application_id = application_id
        self._version = version
        self._schema = tuple(schema)
        self._log = log
        self._said: set[str] = set()
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._finalizer: weakref.finalize[[sqlite3.Connection], DisposableDatabase] | None = None
        self._reads_from = self._writes_from = -math.inf

    def read(self, work: Callable[[sqlite3.Connection], _Result], otherwise: _Result) -> _Result:
        """Do something that writes nothing.

        Args:
            work: What to do; it may be done twice.
            otherwise: The result if there is no database, or if it can't be read now.
        """
        return self._do(work, otherwise, create=False)

    def write(self, work: Callable[[sqlite3.Connection], _Result], otherwise: _Result) -> _Result:
        """Do something in one transaction, in a new file where there is none.

        Args:
            work: What to do; it may be done twice.
            otherwise: The result if nothing can be written now.
        """

        def transaction(connection: sqlite3.Connection) -> _Result:
            with connection:
                connection.execute("BEGIN IMMEDIATE")
                return work(connection)

        return self._do(transaction, otherwise, create=True)

    def shrink(self) -> None:
        """Remove the file's free pages if they are a large part of it."""

        def free_pages(connection: sqlite3.Connection) -> int:
            free, pages = _number(connection, "freelist_count"), _number(connection, "page_count")
            return free if free > pages * _FREE_SHARE else 0

        def shorten(connection: sqlite3.Connection) -> int:
            connection.execute(f"PRAGMA incremental_vacuum({_PAGES_AT_ONCE})").fetchall()
            return _number(connection, "freelist_count")

        free = self.read(free_pages, 0)
        while free > (left := self.read(shorten, free) if free else 0):
            free = left

    def check(self) -> bool:
        """Check the whole file, and delete it if its structure is damaged.

        Returns:
            Whether it was deleted.
        """
        with self._lock:
            self._disconnect()
            return self._replace_if_damaged()

    def close(self) -> None:
        """Close the file; it is opened again when it is used again."""
        with self._lock:
            self._disconnect()

    def _do(
        self,
        work: Callable[[sqlite3.Connection], _Result],
        otherwise: _Result,
        create: bool,
    ) -> _Result:
        with self._lock:
            if time.monotonic() < (self._writes_from if create else self._reads_from):
                return otherwise
            try:
                import sqlite3
            except ImportError as error:
                self._rest(error, seconds=math.inf)
                return otherwise
            for is_last in (False, True):
                try:
                    connection = self._connect(create)
                    return otherwise if connection is None else work(connection)
                except _LeftAloneError as error:
                    self._disconnect()
                    self._rest(error)
                    return otherwise
                except (sqlite3.Error, OSError, *_OF_DAMAGE) as error:
                    self._disconnect()
                    # Else a second try helps where the file was replaced behind our back.
                    if is_last or "locked" in str(error):
                        self._rest(error, also_reading=not create)
                        return otherwise
                    self._replace_if_damaged()
            return otherwise

    def _connect(self, create: bool) -> sqlite3.Connection | None:
        if self._connection is None:
            # Its folder is not made: one that was moved away for a moment could not come back.
            if not create and not self._path.exists():
                return None
            connection = self._new_connection("rwc" if create else "rw")
            self._connection = connection
            self._finalizer = weakref.finalize(self, _close, connection)
            connection.execute("PRAGMA cell_size_check=ON")
            connection.execute("PRAGMA synchronous=OFF")
            if self._is_empty(connection):
                if not create:
                    self._disconnect()
                    return None
                self._create(connection)
            self._check(connection)
            # Not WAL, which can't be read in a folder that is read-only, nor used over a network.
            # A journal that stays makes a commit ten times as fast; `_close` removes it.
            connection.execute("PRAGMA journal_mode=PERSIST")
            connection.execute(f"PRAGMA journal_size_limit={_MOST_JOURNAL_BYTES}")
        return self._connection

    def _new_connection(self, mode: str) -> sqlite3.Connection:
        import sqlite3

        uri = f"{self._path.absolute().as_uri()}?mode={mode}"
        connection = sqlite3.connect(
            uri, uri=True, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        connection.text_factory = _decoded
        return connection

    def _is_empty(self, connection: sqlite3.Connection) -> bool:
        (count,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        return count == 0 and _number(connection, "application_id") == 0

    def _create(self, connection: sqlite3.Connection) -> None:
        connection.execute(f"PRAGMA page_size={_PAGE_BYTES}")
        connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
        with connection:
            connection.execute("BEGIN IMMEDIATE")
            if not self._is_empty(connection):  # another program was faster
                return
            for statement in self._schema:
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id={self._application_id}")
            connection.execute(f"PRAGMA user_version={self._version}")

    def _check(self, connection: sqlite3.Connection) -> None:
        """Refuse a file that is not of this schema.

        Raises:
            _LeftAloneError: It is another program's, or a newer version's.
            sqlite3.DatabaseError: It is of an older version, or damaged.
        """
        import sqlite3

        if _number(connection, "application_id") != self._application_id:
            raise _LeftAloneError("it is another program's database")
        version = _number(connection, "user_version")
        if version > self._version:
            raise _LeftAloneError("it was made by a newer version")
        rows = connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")
        if version < self._version or {sql for (sql,) in rows} != set(self._schema):
            raise sqlite3.DatabaseError("it has other tables")

    def _replace_if_damaged(self) -> bool:
        with suppress(OSError):
            if self._is_damaged():
                # The file last: what lies beside it without it is deleted by SQLite itself.
                for ending in ("-journal", "-wal", "-shm", ""):
                    self._path.with_name(self._path.name + ending).unlink(missing_ok=True)
                self._log.warning("%s was damaged, and is rebuilt.", self._path)
                return True
        return False

    def _is_damaged(self) -> bool:
        """Look at the whole file; what is locked is left to those who use it."""
        import sqlite3

        if not self._path.is_file():
            return False
        with self._path.open("rb") as file:
            header = file.read(100)
        if header and not header.startswith(_MAGIC):
            return True
        # SQLite would take a file of an unknown format for one that can't be written.
        if header and max(header[_FORMAT_PLACE], default=0) > _NEWEST_FORMAT:
            return True
        try:
            with closing(self._new_connection("rw")) as connection:
                if self._is_empty(connection):
                    return False
                self._check(connection)
                return connection.execute("PRAGMA integrity_check(1)").fetchall() != [("ok",)]
        except _LeftAloneError:
            return False
        except _OF_DAMAGE:
            return True
        except sqlite3.Error as error:
            return not any(words in str(error).lower() for words in _NO_DAMAGE)

    def _disconnect(self) -> None:
        if self._finalizer is not None:
            self._finalizer()
        self._connection = self._finalizer = None

    def _rest(
        self, problem: Exception, *, also_reading: bool = True, seconds: float = _REST_SECONDS
    ) -> None:
        self._writes_from = time.monotonic() + seconds
        if also_reading:
            self._reads_from = self._writes_from
        if str(problem) not in self._said:
            self._said.add(str(problem))
            done = "read from or kept" if also_reading else "kept"
            self._log.warning("Nothing is %s in %s for now: %s.", done, self._path, problem)


def _decoded(content: bytes) -> str:
    return content.decode(errors="replace")  # damage can make text of anything


def _number(connection: sqlite3.Connection, pragma: str) -> int:
    return int(connection.execute(f"PRAGMA {pragma}").fetchone()[0])


def _close(connection: sqlite3.Connection) -> None:
    import sqlite3

    with suppress(sqlite3.Error, *_OF_DAMAGE):
        connection.execute("PRAGMA busy_timeout=0")
        if not connection.in_transaction:
            connection.execute("PRAGMA journal_mode=DELETE")  # removes the journal that stayed
    with suppress(sqlite3.Error):
        connection.close()
