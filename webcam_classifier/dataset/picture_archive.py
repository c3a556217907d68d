"""Read pictures out of an untrusted zip file.

Nothing is ever written under a name from the archive: pictures are returned as bytes, one at a
time. An entry whose path leads outside is refused and named all the same, since it is either an
attack or a mistake. The size in an entry is not trusted: bytes are counted as they are unpacked.
"""

from __future__ import annotations

import stat
import struct
import zipfile
import zlib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO

from webcam_classifier.dataset.ignored_files import is_ignored_file, is_ignored_folder
from webcam_classifier.dataset.picture_files import is_picture_name
from webcam_classifier.errors import UserError

_ENCRYPTED = 0x1  # in an entry's flags
_SAYS_UTF8 = 0x800  # likewise
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # others may need gigabytes to unpack
_ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".jar")
_RATIO_FROM = 1_000_000  # bytes; below it even a flat picture is harmless
_CHUNK = 1 << 16
_READABLE_AT_MOST = 300  # characters of a name that are repeated to a person

_END = struct.Struct("<4s4H2LH")  # the record at the end of an archive, before its comment
_END_MARK, _END64_MARK = b"PK\x05\x06", b"PK\x06\x07"
_END64_LOCATOR = 20  # bytes, just before the record at the end
_LONGEST_COMMENT = 1 << 16
_ENTRY_BYTES = 600  # of the directory, for each entry: long names


@dataclass(frozen=True)
class ArchiveLimits:
    """Limits on what is read from a zip file.

    Attributes:
        entries: Files in it.
        picture_bytes: Of one file, unpacked.
        unpacked_bytes: Of all files together.
        ratio: How much larger a packed file may become; of pictures, only flat bitmaps come near.
        remedy: What to do with a larger file, as a sentence.
    """

    entries: int
    picture_bytes: int
    unpacked_bytes: int
    ratio: int
    remedy: str


class ArchiveError(UserError):
    """The whole archive is refused."""


@dataclass(frozen=True)
class Entry:
    """A picture in an archive, or an entry that is refused.

    Attributes:
        path: Its folders and its name, as they stand in the archive, without `.` for a folder.
        problem: Why it is refused; None for a picture, or a file that was asked for by name.
        is_guess: Whether it is unknown how the letters of its path are written.
    """

    path: str
    problem: str | None
    is_guess: bool
    _info: zipfile.ZipInfo

    @property
    def folders(self) -> tuple[str, ...]:
        """The folders that it is in, outermost first."""
        return PurePosixPath(self.path).parts[:-1]

    @property
    def is_picture(self) -> bool:
        """Whether it has a picture's name."""
        return is_picture_name(Path(self.name))

    @property
    def name(self) -> str:
        """The file's name."""
        return PurePosixPath(self.path).name


class PictureArchive:
    """The pictures in a zip file; a context manager.

    Args:
        file: Open for reading, and left to its owner.
        limits: How much is taken.
        wanted: Names of files that are no pictures and are wanted too, in lower case.

    Attributes:
        entries: All entries that matter to a person; folders and hidden files are ignored.

    Raises:
        ArchiveError: It is no zip file, or has more entries than are taken.
    """

    def __init__(
        self, file: IO[bytes], limits: ArchiveLimits, wanted: Collection[str] = ()
    ) -> None:
        _check_directory(file, limits)
        try:
            self._zip = zipfile.ZipFile(file)
        except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
            raise ArchiveError(f"It is not a whole zip file ({error}). Make it again.") from error
        if len(self._zip.infolist()) > limits.entries:
            raise ArchiveError(
                f"It holds {len(self._zip.infolist())} files, and at most {limits.entries} are "
                f"taken at once. {limits.remedy}"
            )
        self.entries = [
            _entry(info, wanted)
            for info in self._zip.infolist()
            if not _is_passed_over(info, wanted)
        ]
        self._limits = limits
        self._left = limits.unpacked_bytes

    def __enter__(self) -> PictureArchive:
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()

    def read(self, entry: Entry) -> bytes:
        """Unpack one picture.

        Args:
            entry: Of this archive, without a problem.

        Raises:
            EntryError: It is damaged, or unpacks to more than a picture may have.
            ArchiveError: The archive unpacks to more than is taken in all.
        """
        content = bytearray()
        most = self._most_bytes(entry)
        try:
            with self._zip.open(entry._info) as packed:
                while chunk := packed.read(_CHUNK):
                    content += chunk
                    self._left -= len(chunk)
                    if len(content) > most:
                        raise EntryError("unpacks to far more than its size in the archive")
                    if self._left < 0:
                        raise ArchiveError(
                            f"It unpacks to more than {self._limits.unpacked_bytes // 1_000_000} "
                            f"MB. {self._limits.remedy}"
                        )
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError) as error:
            # RuntimeError: the archive's directory and the entry itself disagree.
            raise EntryError(f"damaged in the archive ({error})") from error
        return bytes(content)

    def _most_bytes(self, entry: Entry) -> int:
        by_ratio = max(_RATIO_FROM, self._limits.ratio * entry._info.compress_size)
        return min(self._limits.picture_bytes, by_ratio)


class EntryError(UserError):
    """One entry can't be read; its text is the reason, without the entry's name."""


def _check_directory(file: IO[bytes], limits: ArchiveLimits) -> None:
    """Check the length of the archive's directory before it is read into memory as a whole.

    Raises:
        ArchiveError: It is longer than one of as many entries as are taken, or not found.
    """
    size = file.seek(0, 2)
    file.seek(max(0, size - _LONGEST_COMMENT - _END.size - _END64_LOCATOR))
    tail = file.read()
    place = tail.rfind(_END_MARK)
    if place < 0 or len(tail) - place < _END.size:
        raise ArchiveError("It is not a whole zip file (its end is missing). Make it again.")
    directory_size = _END.unpack_from(tail, place)[5]
    is_huge = tail[max(0, place - _END64_LOCATOR) : place].startswith(_END64_MARK)
    if is_huge or directory_size > _ENTRY_BYTES * limits.entries:
        raise ArchiveError(
            f"It is of the kind for very large archives, and at most {limits.entries} files are "
            f"taken at once. {limits.remedy}"
        )
    file.seek(0)


def _entry(info: zipfile.ZipInfo, wanted: Collection[str]) -> Entry:
    name, is_guess = _decoded_name(info)
    problem = _problem(info, wanted)
    # A path that is refused is told as it stands there.
    return Entry(name if problem else str(PurePosixPath(name)), problem, is_guess, info)


def _decoded_name(info: zipfile.ZipInfo) -> tuple[str, bool]:
    """Read a name that may be UTF-8 without saying so, as macOS writes it; and tell if it can't be.

    What says nothing is IBM's code page 437 by the format (PKWARE's APPNOTE, appendix D), and in
    fact often another one.
    """
    name = info.filename
    if info.flag_bits & _SAYS_UTF8 or name.isascii():
        return name, False
    try:
        return name.encode("cp437").decode(), False
    except UnicodeEncodeError:  # it has its name in UTF-8 elsewhere, which was read
        return name, False
    except UnicodeDecodeError:
        return name, True


def _is_passed_over(info: zipfile.ZipInfo, wanted: Collection[str]) -> bool:
    parts = PurePosixPath(info.filename).parts
    # What macOS and file managers add is nothing that anybody chose to send.
    folders = [part for part in parts[:-1] if part != ".."]
    return (
        info.is_dir()
        or any(map(is_ignored_folder, folders))
        or (any(map(is_ignored_file, parts[-1:])) and parts[-1].lower() not in wanted)
    )


def path_problem(path: str) -> str | None:
    """Say why a path in an archive is refused; None where it is taken.

    Args:
        path: As it stands in the archive.
    """
    if path.startswith("/") or ".." in PurePosixPath(path).parts:
        return "its path leads out of the archive"
    if "\\" in path or PureWindowsPath(path).drive:
        return "its path is one of Windows, with a backslash or a drive"
    return None


def _problem(info: zipfile.ZipInfo, wanted: Collection[str]) -> str | None:
    path = PurePosixPath(info.filename)
    problem = path_problem(info.orig_filename) or path_problem(info.filename)
    if problem is not None:
        return problem
    if stat.S_ISLNK(info.external_attr >> 16):
        return "a link to another file, not a picture"
    if path.suffix.lower() in _ARCHIVES:
        return "an archive inside the archive; unpack it first"
    if not is_picture_name(Path(path)) and path.name.lower() not in wanted:
        return "not the name of a picture"
    if info.flag_bits & _ENCRYPTED:
        return "encrypted; make the archive without a password"
    if info.compress_type not in _METHODS:
        return "packed in an unusual way; make the archive with the usual one (deflate)"
    return None


def shortened(name: str) -> str:
    """Shorten and escape a name, so that it can be shown to a person."""
    printable = "".join(letter if letter.isprintable() else "?" for letter in name)
    if len(printable) <= _READABLE_AT_MOST:
        return printable
    return printable[:_READABLE_AT_MOST] + "..."
