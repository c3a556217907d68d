"""All pictures of a data set while it is taught: their labels, and what is known of each."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class KnownPicture:
    """A picture; it never changes: what is known better takes its place.

    Attributes:
        label: Its label.
        name: Its path below the label's folder, with forward slashes.
        is_on_disk: Whether its file is there; else it is on its way.
        content_hash: sha256 of its file; empty as long as nobody has read that.
        embeddings: (looks, features) float32: of the picture itself, then of views of it; None
            where it was not looked at.
        fingerprint: (256,) bool, see `labelled_pictures.fingerprint`; None where only the live
            picture was looked at, and not the file.
    """

    label: str
    name: str
    is_on_disk: bool
    content_hash: str = ""
    embeddings: NDArray[np.float32] | None = None
    fingerprint: NDArray[np.bool_] | None = None

    def is_settled(self, looks: int) -> bool:
        """Whether its file was looked at so often."""
        if self.embeddings is None or self.fingerprint is None:
            return False
        return len(self.embeddings) >= looks


class KnownPictures:
    """The pictures by label. All methods may be called from any thread, and none takes long.

    `changed` is notified at every change, and may be held to have several answers agree.

    Attributes:
        version: Counts the changes.
        changed_at: Seconds on the monotonic clock: when a picture or a label came or went.
        refused: Files that are no pictures, by label and name, with the reason.

    Args:
        labels: Without pictures, in the order in which they are shown.
    """

    def __init__(self, labels: Sequence[str] = ()) -> None:
        self.changed = threading.Condition()
        self.version = 0
        self.changed_at = time.monotonic()
        self.refused: dict[tuple[str, str], str] = {}
        self._pictures: dict[str, dict[str, KnownPicture]] = {label: {} for label in labels}

    @property
    def labels(self) -> tuple[str, ...]:
        """All of them, in the order in which they are shown."""
        with self.changed:
            return tuple(self._pictures)

    def counts(self) -> dict[str, int]:
        """How many pictures each label has."""
        with self.changed:
            return {label: len(pictures) for label, pictures in self._pictures.items()}

    def __len__(self) -> int:
        with self.changed:
            return sum(map(len, self._pictures.values()))

    def by_label(self) -> dict[str, list[KnownPicture]]:
        """All pictures, as they are now; labels without any are left out."""
        with self.changed:
            found = {label: list(pictures.values()) for label, pictures in self._pictures.items()}
        return {label: pictures for label, pictures in found.items() if pictures}

    def every(self) -> list[KnownPicture]:
        """All pictures, label by label."""
        return [picture for pictures in self.by_label().values() for picture in pictures]

    def get(self, label: str, name: str) -> KnownPicture | None:
        """One picture; None where there is none of that name."""
        with self.changed:
            return self._pictures.get(label, {}).get(name)

    def names(self, label: str, most: int | None = None) -> tuple[str, ...]:
        """Names of a label's pictures, newest first; none of an unknown label.

        Args:
            label: Theirs.
            most: How many at the most; None gives all.
        """
        with self.changed:
            return tuple(itertools.islice(reversed(self._pictures.get(label, {})), most))

    def contents(self) -> Mapping[str, KnownPicture]:
        """One picture for each content that is on the disk."""
        with self.changed:
            return {
                picture.content_hash: picture
                for pictures in self._pictures.values()
                for picture in pictures.values()
                if picture.content_hash
            }

    def add(self, pictures: Iterable[KnownPicture]) -> None:
        """Add pictures, the newest last; their labels are added where they are new."""
        with self.changed:
            found = list(pictures)
            for picture in found:
                self._pictures.setdefault(picture.label, {})[picture.name] = picture
            if found:
                self._notify()

    def replace(self, pictures: Iterable[tuple[KnownPicture, KnownPicture]]) -> None:
        """Put what is known better in the place of what was known; what is gone stays gone.

        Args:
            pictures: Each as it was taken from here, and what takes its place.
        """
        with self.changed:
            for old, new in pictures:
                known = self._pictures.get(old.label, {})
                if known.get(old.name) is old:
                    known[old.name] = new
            self.version += 1
            self.changed.notify_all()

    def remove(self, label: str, names: Iterable[str]) -> list[KnownPicture]:
        """Take pictures out, and give those that were there."""
        with self.changed:
            known = self._pictures.get(label, {})
            found = [known.pop(name) for name in names if name in known]
            if found:
                self._notify()
        return found

    def refuse(self, picture: KnownPicture, reason: str) -> None:
        """Take out what turned out to be no picture.

        Args:
            picture: As it was taken from here.
            reason: A few words.
        """
        with self.changed:
            if self.get(picture.label, picture.name) is picture:
                self.remove(picture.label, [picture.name])
                self.refused[picture.label, picture.name] = reason

    def add_label(self, label: str) -> None:
        """Add a label without pictures, behind the others; nothing happens where it is there."""
        with self.changed:
            if label not in self._pictures:
                self._pictures[label] = {}
                self._notify()

    def rename_label(self, old: str, new: str) -> None:
        """Give a label another name, at its place among the others."""
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

    def remove_label(self, label: str) -> list[KnownPicture]:
        """Take a label out, and give its pictures."""
        with self.changed:
            found = list(self._pictures.pop(label, {}).values())
            self._notify()
        return found

    def _notify(self) -> None:
        self.changed_at = time.monotonic()
        self.version += 1
        self.changed.notify_all()
