"""The folder of a data set while it is taught: what is in it, and what is moved out of the way."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path

from webcam_classifier.dataset.given_parts import find_parts
from webcam_classifier.dataset.picture_files import is_picture_name
from webcam_classifier.dataset.snapshot_name import parse_snapshot_name
from webcam_classifier.errors import UserError
from webcam_classifier.storage import explain_os_error
from webcam_classifier.teaching.known_pictures import KnownPicture, KnownPictures

REMOVED_FOLDER = ".removed"
"""Below the data set; what a person removes is moved there, and never deleted."""

_ENDINGS = {b"\xff\xd8\xff": ".jpg", b"\x89PNG": ".png", b"BM": ".bmp", b"RIFF": ".webp"}


def check_is_whole(dataset: Path) -> None:
    """Refuse a folder that came split into parts: snapshots would change what measures.

    Raises:
        UserError: It did, or it is a file.
    """
    if dataset.exists() and not dataset.is_dir():
        raise UserError(f"{dataset} is a file, and pictures need a folder. Name another one.")
    if dataset.is_dir() and find_parts(dataset):
        raise UserError(
            f"{dataset} came split into parts, which recording would mix up. Teach with it by "
            "`python train.py`, or name a folder with one folder for each label."
        )


def list_pictures(dataset: Path) -> dict[str, list[str]]:
    """Name the picture files of each label, as `load_labelled_pictures` would find them.

    Args:
        dataset: It may be missing.

    Returns:
        By label, paths below its folder with forward slashes, in order of name.
    """
    if not dataset.is_dir():
        return {}
    labels = sorted(
        entry.name for entry in os.scandir(dataset) if entry.is_dir() and entry.name[0] != "."
    )
    return {label: _files_below(dataset / label) for label in labels}


def folder_stamp(dataset: Path) -> Mapping[str, int]:
    """Give what changes when a picture comes or goes: when each folder changed last."""
    found = {}
    for path, folders, _ in os.walk(dataset):
        found[path] = Path(path).stat().st_mtime_ns
        folders[:] = [name for name in folders if not name.startswith(".")]
    return found


class FolderWatch:
    """Notices what other hands do in a folder.

    Args:
        dataset: The folder; it may be missing.
    """

    def __init__(self, dataset: Path) -> None:
        self._dataset = dataset
        self._stamp: Mapping[str, int] = {}

    def look_out(self, pictures: KnownPictures) -> None:
        """Bring in pictures that came, of each label the newest last; forget those that are gone.

        Args:
            pictures: What was known before.
        """
        stamp = folder_stamp(self._dataset)
        if stamp == self._stamp:
            return
        # Only what was there before the folder was read can turn out to be gone.
        before = [picture for picture in pictures.every() if picture.is_on_disk]
        found = {
            label: dict.fromkeys(names) for label, names in list_pictures(self._dataset).items()
        }
        with pictures.changed:
            for picture in before:
                if picture.name not in found.get(picture.label, ()):
                    pictures.remove(picture.label, [picture.name])
            for label, name in tuple(pictures.refused):
                if name not in found.get(label, ()):
                    del pictures.refused[label, name]
            for label in found:
                pictures.add_label(label)
            pictures.add(
                KnownPicture(label, name, is_on_disk=True)
                for label, names in found.items()
                for name in sorted(names, key=_age_key)
                if pictures.get(label, name) is None and (label, name) not in pictures.refused
            )
        self._stamp = stamp


def picture_ending(content: bytes) -> str:
    """Give the ending that a picture file's name should have, by its content.

    Args:
        content: Of a file that `decode_picture` reads.
    """
    return next(ending for start, ending in _ENDINGS.items() if content.startswith(start))


def move_away(dataset: Path, label: str, name: str = "") -> None:
    """Move a label's folder, or one picture of it, to where removed ones are kept.

    Args:
        dataset: The data set.
        label: Its folder; nothing happens where it is missing.
        name: Of the picture; empty moves the whole folder.

    Raises:
        UserError: It can't be moved.
    """
    source = dataset / label / name
    moment = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%S.%f")
    target = dataset / REMOVED_FOLDER / moment / label / name
    if not source.exists():
        return
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        source.rename(target)
        remove_if_empty(dataset / label)
    except OSError as error:
        raise UserError(explain_os_error(error, source)) from error


def remove_if_empty(folder: Path) -> None:
    """Remove a label's folder without anything in it: to train.py it would be a label."""
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def _files_below(folder: Path) -> list[str]:
    found = []
    for path, _, names in os.walk(folder):
        below = Path(path).relative_to(folder).as_posix()
        start = "" if below == "." else f"{below}/"
        found += [start + name for name in names if name[0] != "." and is_picture_name(Path(name))]
    return sorted(found, key=lambda name: name.split("/"))


def _age_key(name: str) -> tuple[bool, str]:
    """Recorded pictures, whose names sort by time, count as newer than those from elsewhere."""
    stem = name.rpartition("/")[2].rpartition(".")[0]
    return parse_snapshot_name(stem) is not None, name
