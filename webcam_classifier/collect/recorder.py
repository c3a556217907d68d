"""Write snapshots to disk in the background, burst by burst, and take bursts back."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import Full, Queue
from types import TracebackType

from webcam_classifier.data.pictures import encode_snapshot, is_picture_name
from webcam_classifier.data.snapshot_name import SnapshotName, new_session
from webcam_classifier.errors import UserError
from webcam_classifier.frame import BgrImage
from webcam_classifier.storage import remove_stale_partials, write_atomically

_WAITING_AT_MOST = 16  # pictures; 15 MB at 640x480, 100 MB at 1920x1080


@dataclass(frozen=True)
class UndoneBurst:
    """A burst that was taken back.

    Attributes:
        label: What it showed.
        count: How many snapshots it had.
    """

    label: str
    count: int


@dataclass(eq=False)
class _Burst:
    """Pictures recorded in one go; `undone` and `written` are guarded by the recorder's lock."""

    label: str
    number: int
    count: int = 0
    undone: bool = False
    written: list[Path] = field(default_factory=list)


class Recorder:
    """Saves snapshots as `dataset/<label>/<session>-<burst>-<index>.jpg`.

    A thread of its own encodes and writes, so `save` returns at once. As a context manager it
    writes what is still waiting before it ends, whatever ended the work.

    Args:
        dataset: The folder of the labels' folders; made when the first snapshot is written.
        labels: Whose existing pictures are counted; checked by `check_labels`.

    Raises:
        UserError: A file stands where a label's folder is to be.
    """

    def __init__(self, dataset: Path, labels: Sequence[str]) -> None:
        self._dataset = dataset
        self._session = new_session()
        remove_stale_partials(dataset)
        self._counts = Counter({label: _count_pictures(dataset / label) for label in labels})
        self._burst: _Burst | None = None
        self._bursts: list[_Burst] = []  # not undone, with a picture at least, oldest first
        self._numbered = 0
        self._lock = threading.Lock()
        self._failure: Exception | None = None
        self._written: Counter[str] = Counter()
        self._waiting: Queue[tuple[_Burst, int, BgrImage] | None] = Queue(_WAITING_AT_MOST)
        self._writer = threading.Thread(target=self._write_all, name="snapshot-writer", daemon=True)
        self._writer.start()

    @property
    def counts(self) -> dict[str, int]:
        """How many pictures each label has, with those on disk before and those on the way."""
        return dict(self._counts)

    @property
    def written(self) -> dict[str, int]:
        """How many snapshots of this session are on disk, for each label that has any."""
        with self._lock:
            return {label: count for label, count in self._written.items() if count}

    def start_burst(self, label: str) -> None:
        """Let the snapshots that follow belong together, until the next burst is started."""
        self._burst = _Burst(label, number=0)

    def save(self, image: BgrImage, wait: bool = False) -> bool:
        """Hand a picture over to the writer.

        Args:
            image: (height, width, 3) uint8; it must not be changed afterwards.
            wait: Whether to wait where the disk does not keep up, rather than to do without.

        Returns:
            False where the disk did not keep up, and the picture was not taken.

        Raises:
            UserError: An earlier snapshot could not be written.
        """
        self.check()
        burst = self._burst
        if burst is None:
            raise ValueError("a snapshot needs a burst: call start_burst first")
        if burst.count == 0:
            burst.number = self._numbered + 1
        try:
            self._waiting.put((burst, burst.count + 1, image), block=wait)
        except Full:
            return False
        if burst.count == 0:
            self._numbered += 1
            self._bursts.append(burst)
        burst.count += 1
        self._counts[burst.label] += 1
        return True

    def undo(self) -> UndoneBurst | None:
        """Take the last burst back: its files, and those that are still to be written.

        Returns:
            What was taken back, or None where nothing is left of this session.

        Raises:
            UserError: A file can't be removed.
        """
        if not self._bursts:
            return None
        burst = self._bursts.pop()
        with self._lock:
            burst.undone = True
            files = list(burst.written)
            self._written[burst.label] -= len(files)
        for path in files:
            _remove(path)
        with suppress(OSError):  # an empty folder would be a label without pictures to train.py
            (self._dataset / burst.label).rmdir()
        self._counts[burst.label] -= burst.count
        self.start_burst(burst.label)
        return UndoneBurst(burst.label, burst.count)

    def check(self) -> None:
        """Raise what went wrong in the writer, so that nobody records into a full disk.

        Raises:
            UserError: A snapshot could not be written.
        """
        if self._failure is not None:
            raise self._failure

    def close(self) -> None:
        """Write what is still waiting and stop; a second call does nothing.

        Raises:
            UserError: A snapshot could not be written.
        """
        if self._writer.is_alive():
            self._waiting.put(None)
            self._writer.join()
        self.check()

    def __enter__(self) -> Recorder:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.close()
        except UserError:
            if error is None:  # else the first error is the one to tell
                raise

    def _write_all(self) -> None:
        while (job := self._waiting.get()) is not None:
            burst, index, image = job
            if self._failure is None and not burst.undone:
                try:
                    self._write(burst, index, image)
                except Exception as error:  # whatever it is must reach the thread that waits
                    # Later pictures are let go of: the queue must not block the window's thread.
                    self._failure = error

    def _write(self, burst: _Burst, index: int, image: BgrImage) -> None:
        name = SnapshotName(self._session, burst.number, index).format()
        path = self._dataset / burst.label / f"{name}.jpg"
        write_atomically(path, encode_snapshot(image))
        with self._lock:
            if not burst.undone:
                burst.written.append(path)
                self._written[burst.label] += 1
                return
        _remove(path)  # it was undone while it was being written


def _count_pictures(folder: Path) -> int:
    if folder.exists() and not folder.is_dir():
        raise UserError(
            f"{folder} is a file, and the label needs a folder there. Move it, or choose another "
            "label or --dataset."
        )
    pictures = (path for path in folder.rglob("*") if is_picture_name(path))
    return sum(not path.name.startswith(".") for path in pictures)


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"{path} can't be removed: {error.strerror}. Remove it by hand.") from error
