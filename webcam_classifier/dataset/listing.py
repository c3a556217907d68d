"""List the picture files of a folder, the same way for train, evaluate, live and export.

- Hidden and system files and folders are ignored; see `ignored_files`.
- A link to a file is followed. A link to a folder is followed once below a label, and not where it
  leads to a folder above itself.
- What can't be used is listed with the reason: foreign files, folders that can't be opened, broken
  links, names that are not UTF-8. None of these stop the rest.
- The order is that of the names, folder by folder, and does not depend on the file system.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from webcam_classifier.dataset.file_transaction import finish_transactions
from webcam_classifier.dataset.ignored_files import is_ignored_file, is_ignored_folder
from webcam_classifier.dataset.picture_files import is_picture_name
from webcam_classifier.dataset.predefined_split import TRAINING_PART, find_parts
from webcam_classifier.errors import UserError

_NAME_NOT_UTF_8 = "its name is not UTF-8; rename it"
_CANNOT_BE_OPENED = "can't be opened"
_LOOSE = "not in a label's folder"


@dataclass(frozen=True)
class SkippedFile:
    """A file or folder that is not used, and why; it is left where it is.

    Attributes:
        path: Its path; `printable` makes it fit to be shown.
        reason: A few words.
    """

    path: Path
    reason: str

    @property
    def is_closed(self) -> bool:
        """Whether its content is unknown, because it could not be opened."""
        return self.reason.startswith(_CANNOT_BE_OPENED)

    @property
    def is_misnamed(self) -> bool:
        """Whether it would be used under another name."""
        return self.reason == _NAME_NOT_UTF_8


@dataclass(frozen=True)
class ListedPicture:
    """A file that has a picture's name, in a folder of labels.

    Attributes:
        path: Of the file.
        label: The folder that it is in.
        part: An index into `predefined_split.PARTS`; `TRAINING_PART` if the folder is not split.
        name: The path below the label's folder, with forward slashes.
        full_name: The path below the data set, with forward slashes.
    """

    path: Path
    label: str
    part: int
    name: str
    full_name: str


@dataclass(frozen=True)
class Listing:
    """What a folder of labelled pictures holds.

    Attributes:
        folder: The data set.
        labels: The names of the labels, sorted; one may have no picture.
        is_split: Whether it has a predefined split.
        pictures: In the order of their full names, component by component.
        skipped: What is not used.
    """

    folder: Path
    labels: tuple[str, ...]
    is_split: bool
    pictures: tuple[ListedPicture, ...]
    skipped: tuple[SkippedFile, ...]


def list_dataset(folder: Path) -> Listing:
    """List the pictures of a folder that has one folder for each label; none of them is opened.

    Args:
        folder: `folder/<label>/.../<picture>`, or `folder/<part>/<label>/.../<picture>` with the
            parts of `predefined_split`.

    Raises:
        UserError: The folder is missing or can't be opened, or two folders are the same part.
    """
    if not folder.is_dir():
        raise UserError(
            f"There is no folder {printable(folder)}. Record pictures with `python collect.py "
            "thumbs_up thumbs_down`, or name the folder that holds one folder for each label."
        )
    check_can_be_opened(folder)
    finish_transactions(folder)
    parts = find_parts(folder)
    skipped = _left_beside(folder, set(parts.values())) if parts else []
    roots = sorted((path, part) for part, path in parts.items()) or [(folder, TRAINING_PART)]
    pictures: list[ListedPicture] = []
    labels: set[str] = set()
    for root, part in roots:
        start = "" if root == folder else f"{root.name}/"
        for label in _label_folders(root, skipped):
            labels.add(label.name)
            for name, path in _pictures_below(Path(label.path), skipped):
                full_name = f"{start}{label.name}/{name}"
                pictures.append(ListedPicture(path, label.name, part, name, full_name))
    return Listing(folder, tuple(sorted(labels)), bool(parts), tuple(pictures), tuple(skipped))


def list_pictures(folder: Path) -> tuple[list[Path], list[SkippedFile]]:
    """List the pictures of a folder and its subfolders, whatever those mean.

    Args:
        folder: An existing folder.

    Returns:
        The pictures in the order of their paths, component by component, and what is not used.

    Raises:
        UserError: The folder can't be opened.
    """
    check_can_be_opened(folder)
    skipped: list[SkippedFile] = []
    return [path for _, path in _pictures_below(folder, skipped)], skipped


def check_can_be_opened(folder: Path) -> None:
    """Refuse a folder whose names can't be read.

    Raises:
        UserError: That is so.
    """
    try:
        os.scandir(folder).close()
    except OSError as error:
        raise UserError(
            f"The folder {printable(folder)} can't be opened ({error.strerror or error}). Check "
            "its permissions, or name another one."
        ) from error


def printable(path: Path) -> str:
    r"""Format a path so that it can be shown on any terminal and written to any UTF-8 file.

    Bytes that are not UTF-8 and control characters become escapes, such as `\xff`; a usual path
    stays as it is.

    Args:
        path: As the system gave it.
    """
    text = os.fsencode(path).decode("utf-8", errors="backslashreplace")
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in text
    )


@dataclass(frozen=True)
class _Entry:
    name: str
    path: str
    is_folder: bool  # else a file
    is_link: bool


def _left_beside(folder: Path, parts: Collection[Path]) -> list[SkippedFile]:
    """List what is beside the parts of a predefined split."""
    skipped: list[SkippedFile] = []
    for entry in _entries_below(folder, skipped):
        path = Path(entry.path)
        if not entry.is_folder:
            skipped.append(SkippedFile(path, _LOOSE))
        elif path not in parts:
            reason = "a folder without label folders, or no part of the set"
            skipped.append(SkippedFile(path, reason))
    return skipped


def _label_folders(root: Path, skipped: list[SkippedFile]) -> Iterator[_Entry]:
    for entry in _entries_below(root, skipped):
        problem = None if entry.is_folder else _LOOSE
        if entry.is_folder and entry.is_link:
            problem = _link_problem(Path(entry.path), [], set())
        if problem is None:
            yield entry
        else:
            skipped.append(SkippedFile(Path(entry.path), problem))


def _pictures_below(folder: Path, skipped: list[SkippedFile]) -> Iterator[tuple[str, Path]]:
    """Walk a folder in order of name; yield each picture's name below it, and its path."""
    followed: set[Path] = set()
    # A stack instead of recursion: folders may be nested deeper than Python calls. With each
    # folder goes where the link lies that led there.
    waiting = [("", _entries_below(folder, skipped), folder.absolute().parent.resolve())]
    while waiting:
        above, entries, entered_from = waiting[-1]
        entry = next(entries, None)
        if entry is None:
            waiting.pop()
            continue
        path = Path(entry.path)
        if entry.is_folder:
            if entry.is_link:
                problem = _link_problem(path, [place for *_, place in waiting], followed)
                if problem is not None:
                    skipped.append(SkippedFile(path, problem))
                    continue
                entered_from = path.parent.resolve()
            below = f"{above}{entry.name}/"
            waiting.append((below, _entries_below(path, skipped), entered_from))
        elif is_picture_name(path):
            yield above + entry.name, path
        else:
            ending = path.suffix or "no ending"
            skipped.append(SkippedFile(path, f"{ending}: not JPEG, PNG, BMP or WebP"))


def _link_problem(link: Path, came_by: Sequence[Path], followed: set[Path]) -> str | None:
    """Say why a link to a folder is not followed; else add its target to those that were."""
    target = link.resolve()
    for place in (link.parent.resolve(), *came_by):
        if target == place or target in place.parents:
            return "a link to a folder that it is in itself"
    if target in followed:
        return "a link to a folder that another link led to already"
    followed.add(target)
    return None


def _entries_below(folder: Path, skipped: list[SkippedFile]) -> Iterator[_Entry]:
    """Return the files and folders directly in a folder that are not ignored, by name."""
    try:
        with os.scandir(folder) as found:
            ordered = sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        skipped.append(SkippedFile(folder, _cannot_be_opened(error)))
        return iter(())
    return _usable(ordered, skipped)


def _usable(found: Iterable[os.DirEntry[str]], skipped: list[SkippedFile]) -> Iterator[_Entry]:
    for entry in found:
        name = entry.name
        is_link = False
        try:
            is_folder = entry.is_dir(follow_symlinks=False)
            problem = None
            if not is_folder and not entry.is_file(follow_symlinks=False):
                is_link = entry.is_symlink()
                is_folder = is_link and entry.is_dir()
                if not is_folder and not entry.is_file():
                    problem = _no_file(is_link)
        except OSError as error:
            is_folder, problem = False, _cannot_be_opened(error)
        if is_ignored_folder(name) if is_folder else is_ignored_file(name):
            continue
        if not _is_utf8(name):
            problem = _NAME_NOT_UTF_8
        if problem is None:
            yield _Entry(name, entry.path, is_folder, is_link)
        else:
            skipped.append(SkippedFile(Path(entry.path), problem))


def _no_file(is_link: bool) -> str:
    return "a link that leads to no file" if is_link else "neither a file nor a folder"


def _cannot_be_opened(error: OSError) -> str:
    return f"{_CANNOT_BE_OPENED}: {error.strerror or error}"


def _is_utf8(name: str) -> bool:
    return name.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in name)
