"""The bursts of a recording session, so that they can be undone and renamed."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field

from webcam_classifier.dataset.snapshot_name import SnapshotName


@dataclass(frozen=True)
class UndoneBurst:
    """A burst that was taken back.

    Attributes:
        label: What it showed.
        count: How many snapshots it had.
        names: Of their files.
    """

    label: str
    count: int
    names: tuple[str, ...] = field(default=(), compare=False)


@dataclass(eq=False)
class Burst:
    """Pictures recorded in one go.

    Attributes:
        label: What they show.
        number: Of the burst, from 1; 0 until it has a picture.
        taken: Pictures so far, including those that were removed again.
        is_undone: Whether it was taken back.
        names: Of its files, including those still to be written.
        written: Of those on the disk.
    """

    label: str
    number: int = 0
    taken: int = 0
    is_undone: bool = False
    names: list[str] = field(default_factory=list)
    written: set[str] = field(default_factory=set)

    def describe(self) -> UndoneBurst:
        """Say what would be taken back."""
        return UndoneBurst(self.label, len(self.names), tuple(self.names))


class Bursts:
    """The bursts of a session. All methods may be called from any thread.

    Args:
        session: From `new_session`.

    Attributes:
        lock: May be held to have several answers agree.
    """

    def __init__(self, session: str) -> None:
        self.lock = threading.RLock()
        self._session = session
        self._kept: list[Burst] = []  # not undone, with a picture at least, oldest first
        self._numbered = 0

    @property
    def written(self) -> dict[str, int]:
        """How many pictures of these bursts are on disk, for each label that has any."""
        with self.lock:
            found: Counter[str] = Counter()
            for burst in self._kept:
                found[burst.label] += len(burst.written)
            return {label: count for label, count in found.items() if count}

    @property
    def last(self) -> UndoneBurst | None:
        """What `take_back` would take back."""
        with self.lock:
            return self._kept[-1].describe() if self._kept else None

    def next_name(self, burst: Burst, is_corrected: bool = False) -> str:
        """Name a burst's next picture, without an ending."""
        with self.lock:
            number = burst.number or self._numbered + 1
            return SnapshotName(self._session, number, burst.taken + 1, is_corrected).format()

    def count(self, burst: Burst, name: str) -> None:
        """Count a picture that was taken; with its first one a burst gets its number."""
        with self.lock:
            if not burst.number:
                self._numbered += 1
                burst.number = self._numbered
                self._kept.append(burst)
            burst.taken += 1
            burst.names.append(name)

    def finish_write(self, burst: Burst, name: str, is_written: bool) -> bool:
        """Record whether a picture was written; return whether it is still wanted.

        It is not if its burst was taken back, or if `forget_picture` took it out of the burst.
        """
        with self.lock:
            if burst.is_undone or name not in burst.names:
                return False
            if is_written:
                burst.written.add(name)
            else:
                self._drop(burst, name)
            return True

    def take_back(self) -> Burst | None:
        """Remove and return the last burst; None if there is none."""
        with self.lock:
            if not self._kept:
                return None
            burst = self._kept.pop()
            burst.is_undone = True
            return burst

    def forget_picture(self, label: str, name: str) -> None:
        """Remove a picture from its burst, because its file was removed in another way."""
        with self.lock:
            for burst in [one for one in self._kept if one.label == label and name in one.names]:
                self._drop(burst, name)

    def rename_label(self, old: str, new: str | None) -> None:
        """Move a label's bursts to another label; None forgets them."""
        with self.lock:
            if new is None:
                self._kept = [burst for burst in self._kept if burst.label != old]
                return
            for burst in self._kept:
                burst.label = new if burst.label == old else burst.label

    def _drop(self, burst: Burst, name: str) -> None:
        burst.names.remove(name)
        burst.written.discard(name)
        if not burst.names and burst in self._kept:  # it is not where its label was removed
            self._kept.remove(burst)
