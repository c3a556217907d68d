"""The source of an import: a folder, a zip file or single files, as names and bytes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from webcam_classifier.dataset.ignored_files import is_ignored_folder
from webcam_classifier.dataset.listing import list_pictures, printable
from webcam_classifier.dataset.picture_archive import (
    ArchiveError,
    ArchiveLimits,
    Entry,
    EntryError,
    PictureArchive,
    shortened,
)
from webcam_classifier.dataset.picture_files import (
    PictureError,
    check_header,
    is_picture_name,
    picture_ending,
)
from webcam_classifier.errors import UserError
from webcam_classifier.storage import explain_os_error

LIMITS = ArchiveLimits(
    entries=60_000,
    picture_bytes=64_000_000,
    unpacked_bytes=4_000_000_000,
    ratio=200,
    remedy="Unpack it, and name the folder.",
)
"""The limits of a zip file: those of the format without its extensions for large files."""

_SIDE_BYTES = 32_000_000  # of all files that say labels; they are held in the memory


class ReadError(UserError):
    """One file can't be read; its text is the reason, without the file's name."""


class Source(Protocol):
    """Names and bytes of the files of a source."""

    @property
    def names(self) -> Sequence[str]:
        """Paths of the pictures, with forward slashes."""

    @property
    def side_files(self) -> dict[str, bytes]:
        """The contents of the files that hold labels or crops, by path."""

    @property
    def refused(self) -> Sequence[tuple[str, str]]:
        """Paths of files that can't be used, with the reason."""

    @property
    def notes(self) -> Sequence[str]:
        """What a person should know of it, a sentence each."""

    def read(self, name: str) -> bytes:
        """Read one picture.

        Raises:
            ReadError: It can't be read.
        """


@contextmanager
def open_source(path: Path, wanted: Sequence[str]) -> Iterator[Source]:
    """Open a folder or a zip file, as long as the context lasts.

    Args:
        path: Of it; Teachable Machine's `project.tm` is a zip file too.
        wanted: Names of the files, in lower case, that say what pictures are.

    Raises:
        UserError: It is neither, or can't be read.
    """
    if path.is_dir():
        yield _FolderSource(path, wanted)
        return
    try:
        with path.open("rb") as file:
            if file.read(2) != b"PK":
                raise UserError(
                    f"{printable(path)} is neither a folder nor a zip file. Name one that holds "
                    "pictures; a video is recorded with `python collect.py LABEL --no-window "
                    "--source FILE`."
                )
            with open_archive(file, printable(path), LIMITS, wanted) as archive:
                yield archive
    except OSError as error:
        if error.filename is not None and Path(os.fsdecode(error.filename)) == path:
            raise UserError(explain_os_error(error, path, reading=True)) from error
        raise


@contextmanager
def open_archive(
    file: IO[bytes], name: str, limits: ArchiveLimits, wanted: Sequence[str]
) -> Iterator[Source]:
    """Open a zip file, as long as the context lasts.

    Args:
        file: Open for reading, and left to its owner.
        name: How a person knows it.
        limits: How much is taken of it.
        wanted: As for `open_source`.

    Raises:
        UserError: It is no zip file, or too large.
    """
    try:
        with PictureArchive(file, limits, wanted) as archive:
            yield _ZipSource(archive)
    except ArchiveError as error:
        raise UserError(f"{name} can't be taken. {error}") from error


class FilesSource:
    """Single files, wherever they are: a name is only for display.

    Args:
        files: By name. A picture whose name has no picture's ending gets the one of its content.
    """

    side_files: dict[str, bytes] = {}  # noqa: RUF012 never changed
    notes: Sequence[str] = ()

    def __init__(self, files: Mapping[str, Path]) -> None:
        self._files: dict[str, Path] = {}
        refused: list[tuple[str, str]] = []
        for name, path in files.items():
            try:
                self._files[name if is_picture_name(Path(name)) else _with_ending(name, path)] = (
                    path
                )
            except ReadError as error:
                refused.append((name, str(error)))
        self.names: Sequence[str] = tuple(self._files)
        self.refused: Sequence[tuple[str, str]] = refused

    def read(self, name: str) -> bytes:
        """Read one picture; see `Source`."""
        return _read_file(self._files[name])


def _with_ending(name: str, path: Path) -> str:
    content = _read_file(path)
    try:
        check_header(content)
    except PictureError as error:
        raise ReadError(str(error)) from error
    return f"{name}{picture_ending(content)}"


def _read_file(path: Path) -> bytes:
    try:
        if path.stat().st_size > LIMITS.picture_bytes:
            raise ReadError(f"larger than {LIMITS.picture_bytes // 1_000_000} MB")
        return path.read_bytes()
    except OSError as error:
        raise ReadError(f"can't be opened: {error.strerror or error}") from error


@dataclass
class _FolderSource:
    folder: Path
    wanted: Sequence[str]

    def __post_init__(self) -> None:
        pictures, skipped = list_pictures(self.folder)
        self.names: Sequence[str] = [path.relative_to(self.folder).as_posix() for path in pictures]
        self.side_files: dict[str, bytes] = {}
        for above, folders, names in os.walk(self.folder):
            folders[:] = sorted(name for name in folders if not is_ignored_folder(name))
            for name in sorted(names):
                path = Path(above, name)
                if name.lower() in self.wanted:
                    if path.stat().st_size > _SIDE_BYTES:
                        raise UserError(
                            f"{printable(path)} has more than {_SIDE_BYTES // 1_000_000} MB, which "
                            "no list of labels has. Move it elsewhere."
                        )
                    self.side_files[path.relative_to(self.folder).as_posix()] = path.read_bytes()
        self.refused: Sequence[tuple[str, str]] = [
            (printable(one.path.relative_to(self.folder)), one.reason)
            for one in skipped
            if one.path.name.lower() not in self.wanted
        ]
        self.notes: Sequence[str] = ()

    def read(self, name: str) -> bytes:
        return _read_file(self.folder / name)


class _ZipSource:
    def __init__(self, archive: PictureArchive) -> None:
        self._archive = archive
        self._entries: dict[str, Entry] = {}
        self.side_files: dict[str, bytes] = {}
        refused: list[tuple[str, str]] = []
        for entry in archive.entries:
            if entry.problem is not None:
                refused.append((entry.path, entry.problem))
            elif entry.path in self._entries or entry.path in self.side_files:
                refused.append((entry.path, "stands twice in the archive; the first one is taken"))
            elif entry.is_picture:
                self._entries[entry.path] = entry
            else:
                self.side_files[entry.path] = self._read_side_file(entry)
        self.names: Sequence[str] = sorted(self._entries, key=lambda name: name.split("/"))
        self.refused: Sequence[tuple[str, str]] = refused
        guessed = [entry.path for entry in self._entries.values() if entry.is_guess]
        self.notes: Sequence[str] = []
        if guessed:
            self.notes = [
                "The zip file does not say how the letters of its names are written, such as "
                f"{shortened(min(guessed))}. Look whether the labels are right."
            ]

    def _read_side_file(self, entry: Entry) -> bytes:
        try:
            content = self._archive.read(entry)
        except EntryError as error:
            raise ArchiveError(
                f"{shortened(entry.path)} in it can't be read: {error}. Get it again."
            ) from error
        if sum(map(len, self.side_files.values())) + len(content) > _SIDE_BYTES:
            raise ArchiveError(
                f"Its lists of labels have more than {_SIDE_BYTES // 1_000_000} MB. Leave out what "
                "is no list."
            )
        return content

    def read(self, name: str) -> bytes:
        try:
            return self._archive.read(self._entries[name])
        except EntryError as error:
            raise ReadError(str(error)) from error
