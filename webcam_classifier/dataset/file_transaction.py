"""Add many files to a data set in one transaction: all of them arrive, or none.

They are first written into a hidden folder of the data set, each flushed to the disk. Renaming that
folder commits the transaction; then its files are moved to their places. A process that is killed
before the commit leaves a folder that is removed later, and one that is killed after it leaves a
folder whose files the next reader moves.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from webcam_classifier.errors import UserError
from webcam_classifier.storage import (
    check_writable,
    explain_os_error,
    flush_folder,
    remove_stale_partials,
)
from webcam_classifier.temporary_files import new_owned_name, partial_path

_COMMITTED_START, _COMMITTED_ENDING = ".arrivals.", ".decided"


class FileTransaction:
    """Files to be added to a data set together; a context manager.

    Args:
        dataset: The folder; it is made where it is missing.

    Raises:
        UserError: It can't be written.
    """

    def __init__(self, dataset: Path) -> None:
        check_writable(dataset)
        self._dataset = dataset
        self._is_new = not dataset.exists()
        self._folder = partial_path(dataset / "arrivals")
        self._folders: set[Path] = set()
        self._made = False

    def __enter__(self) -> FileTransaction:
        finish_transactions(self._dataset)
        remove_stale_partials(self._dataset, recursive=False)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        if self._is_new:
            with suppress(OSError):  # not where something arrived
                self._dataset.rmdir()

    def add(self, name: str, content: bytes) -> None:
        """Write a file to the hidden folder.

        Args:
            name: Its path below the data set, with forward slashes; nothing is there yet.
            content: All of it.

        Raises:
            UserError: It can't be written.
        """
        path = self._folder / name
        try:
            if path.parent not in self._folders:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._folders.add(path.parent)
            self._made = True
            with path.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise UserError(explain_os_error(error, self._dataset / name)) from error

    def commit(self) -> None:
        """Move all files to their places.

        Raises:
            UserError: They can't be moved; `finish_transactions` moves the rest once it can.
        """
        if not self._made:
            return
        committed = self._dataset / f"{_COMMITTED_START}{new_owned_name()}{_COMMITTED_ENDING}"
        try:
            self._folder.rename(committed)
            flush_folder(self._dataset)
            try:
                _move_all(committed, self._dataset)
            except KeyboardInterrupt:  # it is committed
                _move_all(committed, self._dataset)
                raise
        except OSError as error:
            raise UserError(explain_os_error(error, self._dataset)) from error


def finish_transactions(dataset: Path) -> None:
    """Finish the committed transactions of killed processes.

    Where the folder can't be written, it stays as it is.

    Args:
        dataset: The folder; it may be missing.
    """
    with suppress(OSError), os.scandir(dataset) as entries:
        cut_short = [
            entry.name
            for entry in entries
            if entry.name.startswith(_COMMITTED_START) and entry.name.endswith(_COMMITTED_ENDING)
        ]
        for name in cut_short:  # two that move at once don't harm each other
            _move_all(dataset / name, dataset)


def _move_all(committed: Path, dataset: Path) -> None:
    for path in _files_below(committed):
        target = dataset / path.relative_to(committed)
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():  # somebody put another file there meanwhile
            target = target.with_name(f"{target.stem}-{new_owned_name()}{target.suffix}")
        with suppress(FileNotFoundError):  # moved by another process that found it
            path.rename(target)
    shutil.rmtree(committed, ignore_errors=True)
    flush_folder(dataset)


def _files_below(folder: Path) -> Iterator[Path]:
    for above, _, names in os.walk(folder):
        for name in sorted(names):
            yield Path(above) / name
