"""The index of a folder of labelled pictures: what is in it and what is known of each picture.

The same index is used for a folder that is read once and for one that is watched while it changes.
It holds no pixels: a few kilobytes for each picture, and the embeddings.
"""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from webcam_classifier.crop import Crop
from webcam_classifier.dataset.ignored_files import is_ignored_folder
from webcam_classifier.dataset.listing import Listing, SkippedFile, list_dataset, printable
from webcam_classifier.dataset.predefined_split import TRAINING_PART
from webcam_classifier.dataset.snapshot_name import parse_snapshot_name
from webcam_classifier.errors import UserError

_CLOCK_STEP = 2_000_000_000
"""Nanoseconds within which a file system may give two changes the same time: FAT counts in steps of
two seconds, others in some milliseconds."""


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture of a data set; immutable: when more is known of it, a new one replaces it.

    Attributes:
        label: Its label.
        name: Its path below the label's folder, with forward slashes.
        root: The folder of its part below the data set, if the split is predefined; else empty.
        part: An index into `predefined_split.PARTS`.
        is_on_disk: Whether its file exists; else it is still being written.
        content_hash: sha256 of its file; empty until that is read.
        embeddings: (views, features) float32: of the picture itself, then of views of it; None
            where there are none yet.
        fingerprint: (256,) bool, see `fingerprints.fingerprint`; None until the file is decoded;
            until then embeddings are those of the live picture.
        small: (32, 32, 3) uint8, for comparing near duplicates; None likewise.
        size: Width and height in pixels; (0, 0) likewise.
    """

    label: str
    name: str
    root: str = ""
    part: int = TRAINING_PART
    is_on_disk: bool = True
    content_hash: str = ""
    embeddings: NDArray[np.float32] | None = None
    fingerprint: NDArray[np.bool_] | None = None
    small: NDArray[np.uint8] | None = None
    size: tuple[int, int] = (0, 0)

    @property
    def path(self) -> str:
        """Below the data set's folder, with forward slashes."""
        return "/".join(part for part in (self.root, self.label, self.name) if part)

    @property
    def key(self) -> str:
        """Unique within its label: its name, and its part if there are parts."""
        return f"{self.root}//{self.name}" if self.root else self.name

    @property
    def order(self) -> tuple[str, str, list[str]]:
        """A sort key that gives the order in which a folder lists pictures."""
        return self.root, self.label, self.name.split("/")

    @property
    def is_read(self) -> bool:
        """Whether its file was decoded."""
        return self.fingerprint is not None

    def is_embedded(self, views: int) -> bool:
        """Whether that many views of its file were embedded, including the picture itself."""
        return self.is_read and self.embeddings is not None and len(self.embeddings) >= views


class Dataset:
    """The pictures of a folder by label. All methods may be called from any thread.

    >>> from pathlib import Path
    >>> from webcam_classifier import Dataset
    >>> dataset = Dataset(Path("dataset"))
    >>> dataset.refresh()
    True
    >>> dataset.counts()
    {'blue': 6, 'red': 6}

    `changed` is notified at every change, and may be held to make several answers consistent.

    Args:
        folder: One folder for each label, or for each part with label folders in it; it may be
            missing. Nothing is read before `refresh`.
        labels: Without pictures, in the order in which they are shown.
        crop: The part of each picture that is looked at; None is all of it.

    Attributes:
        folder: As given.
        crop: As above; everything known of pictures is about this part. `look_at` changes it.
        version: Counts the changes.
        changed_at: Seconds on the monotonic clock: when a picture or a label was last added or
            removed.
        refused: Files that are not pictures, by label and key.
        is_split: Whether the folder has a predefined split.
    """

    def __init__(self, folder: Path, labels: Sequence[str] = (), crop: Crop | None = None) -> None:
        self.folder = folder
        self.crop = crop
        self.changed = threading.Condition()
        self.version = 0
        self.changed_at = time.monotonic()
        self.refused: dict[tuple[str, str], SkippedFile] = {}
        self.is_split = False
        self._skipped: tuple[SkippedFile, ...] = ()
        self._pictures: dict[str, dict[str, Picture]] = {label: {} for label in labels}
        self._refused_as: dict[tuple[str, str], tuple[int, ...] | None] = {}
        self._stamp: Mapping[str, int] | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """All of them, in the order in which they are shown."""
        with self.changed:
            return tuple(self._pictures)

    def check_known(self, label: str) -> None:
        """Raise a `UserError` if there is no such label."""
        if label not in self.labels:
            raise UserError(f"There is no label {label!r}. Add it first.")

    @property
    def skipped(self) -> tuple[SkippedFile, ...]:
        """The files that are not used, and why; they are left where they are."""
        with self.changed:
            return (*self._skipped, *self.refused.values())

    def refresh(self) -> bool:
        """Update the index with what changed in the folder since the last time.

        New pictures are added, for each label the newest last; missing ones are forgotten. A
        refused file is tried again once it has changed. Two seconds after its last change, an
        unchanged folder is not listed again.

        Returns:
            Whether anything may have changed.

        Raises:
            UserError: The folder is gone with its pictures, which are not forgotten because of
                that, or its split is ambiguous.
            OSError: The folder can't be listed.
        """
        now = time.time_ns()
        stamp = _folder_stamp(self.folder)
        mended = self._mended()
        with self.changed:
            if stamp == self._stamp and not mended:
                return False
            self._stamp = None  # until it was listed, whatever comes between
        # Only what was there before the folder was read can turn out to be gone.
        before = [picture for picture in self.every() if picture.is_on_disk]
        listing = self._list(len(before))
        # What changes now may get the time that the last change had, and must be seen all the same.
        is_settled = abs(now - max(stamp.values(), default=0)) > _CLOCK_STEP
        found = {}
        for one in listing.pictures:
            root = one.full_name.partition("/")[0] if listing.is_split else ""
            picture = Picture(one.label, one.name, root, one.part)
            found[one.label, picture.key] = picture
        with self.changed:
            self.is_split = listing.is_split
            self._skipped = listing.skipped
            # What is in a folder that can't be opened for now is not gone.
            closed = {str(one.path) for one in listing.skipped if one.is_closed}
            for picture in before:
                is_found = (picture.label, picture.key) in found
                if not is_found and not (closed and self._is_below(picture, closed)):
                    self.remove(picture.label, [picture.key])
            self.refused = {
                key: why for key, why in self.refused.items() if key in found and key not in mended
            }
            self._refused_as = {key: self._refused_as[key] for key in self.refused}
            for label in listing.labels:
                self.add_label(label)
            self.add(
                picture
                for picture in sorted(found.values(), key=_age)
                if self.get(picture.label, picture.key) is None
                and (picture.label, picture.key) not in self.refused
            )
            self._stamp = stamp if stamp and is_settled and not closed else None
        return True

    def counts(self) -> dict[str, int]:
        """How many pictures each label has."""
        with self.changed:
            return {label: len(pictures) for label, pictures in self._pictures.items()}

    def __len__(self) -> int:
        with self.changed:
            return sum(map(len, self._pictures.values()))

    def by_label(self) -> dict[str, list[Picture]]:
        """All pictures, as they are now; labels without any are left out."""
        with self.changed:
            found = {label: list(pictures.values()) for label, pictures in self._pictures.items()}
        return {label: pictures for label, pictures in found.items() if pictures}

    def every(self) -> list[Picture]:
        """All pictures, label by label."""
        return [picture for pictures in self.by_label().values() for picture in pictures]

    def ordered(self) -> list[Picture]:
        """All pictures, in the order in which the folder lists them."""
        return sorted(self.every(), key=lambda picture: picture.order)

    def path(self, picture: Picture) -> Path:
        """The file of a picture."""
        return self.folder / picture.root / picture.label / picture.name

    def get(self, label: str, key: str) -> Picture | None:
        """One picture by its key; None where there is none."""
        with self.changed:
            return self._pictures.get(label, {}).get(key)

    def names(self, label: str, most: int | None = None) -> tuple[str, ...]:
        """Keys of a label's pictures, newest first; none of an unknown label.

        Args:
            label: Theirs.
            most: How many at the most; None gives all.
        """
        with self.changed:
            return tuple(itertools.islice(reversed(self._pictures.get(label, {})), most))

    def contents(self) -> Mapping[str, Picture]:
        """One picture for each content that is on the disk, by its hash."""
        with self.changed:
            return {
                picture.content_hash: picture
                for pictures in self._pictures.values()
                for picture in pictures.values()
                if picture.content_hash
            }

    def add(self, pictures: Iterable[Picture]) -> None:
        """Add pictures, the newest last; their labels are added where they are new."""
        with self.changed:
            found = list(pictures)
            for picture in found:
                self._pictures.setdefault(picture.label, {})[picture.key] = picture
            if found:
                self._notify()

    def replace(self, pictures: Iterable[tuple[Picture, Picture]]) -> None:
        """Replace pictures by newer versions of them; removed ones stay removed.

        Args:
            pictures: Each as it was taken from here, with its replacement.
        """
        with self.changed:
            for old, new in pictures:
                known = self._pictures.get(old.label, {})
                if known.get(old.key) is old:
                    known[old.key] = new
            self.version += 1
            self.changed.notify_all()

    def look_at(self, crop: Crop | None) -> None:
        """Choose another part of each picture; everything known of the former part is forgotten.

        Args:
            crop: The part; None is all of it.
        """
        with self.changed:
            self.crop = crop
            self._pictures = {
                label: {
                    key: replace(one, embeddings=None, fingerprint=None, small=None, size=(0, 0))
                    for key, one in pictures.items()
                }
                for label, pictures in self._pictures.items()
            }
            self._notify()

    def remove(self, label: str, keys: Iterable[str]) -> list[Picture]:
        """Remove pictures from the index, not from the disk; return those that were there.

        Those still on the disk come back with the next `refresh`.
        """
        with self.changed:
            known = self._pictures.get(label, {})
            found = [known.pop(key) for key in keys if key in known]
            if found:
                self._stamp = None
                self._notify()
        return found

    def refuse(self, picture: Picture, reason: str) -> None:
        """Remove a file that turned out not to be a picture, until it changes.

        Args:
            picture: As it was taken from here.
            reason: A few words.
        """
        path = self.path(picture)
        refused_as = _file_stamp(path)
        if refused_as is not None and abs(time.time_ns() - max(refused_as)) <= _CLOCK_STEP:
            refused_as = None  # it may still be on its way here from elsewhere
        with self.changed:
            if self.get(picture.label, picture.key) is picture:
                self.remove(picture.label, [picture.key])
                self.refused[picture.label, picture.key] = SkippedFile(path, reason)
                self._refused_as[picture.label, picture.key] = refused_as

    def add_label(self, label: str) -> None:
        """Add a label without pictures after the others; nothing happens if it exists."""
        with self.changed:
            if label not in self._pictures:
                self._pictures[label] = {}
                self._notify()

    def rename_label(self, old: str, new: str) -> None:
        """Rename a label, which keeps its place among the others."""
        with self.changed:
            self._pictures = {
                (new if label == old else label): (
                    {name: replace(picture, label=new) for name, picture in pictures.items()}
                    if label == old
                    else pictures
                )
                for label, pictures in self._pictures.items()
            }
            self._notify()

    def remove_label(self, label: str) -> list[Picture]:
        """Remove a label from the index, and return its pictures."""
        with self.changed:
            found = list(self._pictures.pop(label, {}).values())
            self._notify()
        return found

    def _is_below(self, picture: Picture, folders: Collection[str]) -> bool:
        path = self.folder / picture.path
        return any(str(parent) in folders for parent in path.parents)

    def _list(self, known: int) -> Listing:
        """List the folder; one that never was there, or held nothing, is empty."""
        if self.folder.is_dir():
            return list_dataset(self.folder)
        if known:
            problem = "is a file now" if self.folder.exists() else "is gone"
            raise UserError(
                f"The folder {printable(self.folder)} {problem}, and {known} pictures were in it. "
                "Put it back, or record new ones."
            )
        return Listing(self.folder, (), False, (), ())

    def _mended(self) -> set[tuple[str, str]]:
        """Return the refused files that have changed since."""
        with self.changed:
            refused = {key: file.path for key, file in self.refused.items()}
            known = dict(self._refused_as)
        return {
            key
            for key, path in refused.items()
            if known[key] is None or known[key] != _file_stamp(path)
        }

    def _notify(self) -> None:
        self.changed_at = time.monotonic()
        self.version += 1
        self.changed.notify_all()


def check_is_whole(folder: Path) -> None:
    """Refuse a folder with a predefined split: snapshots would change the test part.

    Raises:
        UserError: It has one, or it is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file, and pictures need a folder. Name another one.")
    if folder.is_dir() and list_dataset(folder).is_split:
        raise UserError(
            f"{folder} has a predefined split, which recording would mix up. Train on it with "
            "`python train.py`, or name a folder with one folder for each label."
        )


def _folder_stamp(folder: Path) -> Mapping[str, int]:
    """What changes when a picture comes or goes: when each folder changed last."""
    found = {}
    for path, folders, _ in os.walk(folder):
        try:
            found[path] = Path(path).stat().st_mtime_ns
        except OSError:  # it went this very moment
            found[path] = -1
        folders[:] = [name for name in folders if not is_ignored_folder(name)]
    return found


def _file_stamp(path: Path) -> tuple[int, ...] | None:
    """When a file changed last, and its permissions; None where it can't be asked."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ctime_ns


def _age(picture: Picture) -> tuple[str, bool, str]:
    """Recorded pictures, whose names sort by time, count as newer than those from elsewhere."""
    stem = picture.name.rpartition("/")[2].rpartition(".")[0]
    return picture.label, parse_snapshot_name(stem) is not None, picture.key
