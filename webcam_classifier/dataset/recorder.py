"""Write snapshots to disk in the background, burst by burst, and take bursts back."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from queue import Full, Queue
from types import TracebackType

from webcam_classifier.dataset.bursts import Burst, Bursts, UndoneBurst
from webcam_classifier.dataset.listing import list_pictures
from webcam_classifier.dataset.picture_files import encode_snapshot
from webcam_classifier.dataset.snapshot_name import new_session
from webcam_classifier.errors import UserError
from webcam_classifier.frame import BgrImage
from webcam_classifier.storage import remove_stale_partials, write_atomically

_WAITING_AT_MOST = 16  # pictures; 15 MB at 640x480, 100 MB at 1920x1080


class Recorder:
    """Saves snapshots as `dataset/<label>/<session>-<burst>-<index>.jpg`.

    A thread of its own encodes and writes, so `save` returns at once. As a context manager it
    writes what is still waiting before it ends, whatever ended the work. All methods may be called
    from any thread.

    Args:
        dataset: The folder of the labels' folders; made when the first snapshot is written.
        labels: Whose existing pictures are counted; checked by `check_labels`.
        on_done: Called in the writer's thread for each snapshot that was saved and not undone:
            with its path and the file's content, or None where it could not be written.

    Raises:
        UserError: A file stands where a label's folder is to be.
    """

    def __init__(
        self,
        dataset: Path,
        labels: Sequence[str],
        on_done: Callable[[Path, bytes | None], None] = lambda _path, _content: None,
    ) -> None:
        self._dataset = dataset
        self._on_done = on_done
        remove_stale_partials(dataset)
        counts = {label: _count_pictures(dataset / label) for label in labels}
        self._bursts = Bursts(new_session(), counts)
        self._burst: Burst | None = None  # guarded by the bursts' lock
        self._failure: Exception | None = None
        self._waiting: Queue[tuple[Burst, str, BgrImage] | None] = Queue(_WAITING_AT_MOST)
        self._writer = threading.Thread(target=self._write_all, name="snapshot-writer", daemon=True)
        self._writer.start()

    @property
    def counts(self) -> dict[str, int]:
        """How many pictures each label has, with those on disk before and those on the way."""
        return self._bursts.counts

    @property
    def written(self) -> dict[str, int]:
        """How many snapshots of this session are on disk, for each label that has any."""
        return self._bursts.written

    @property
    def undoable(self) -> UndoneBurst | None:
        """The burst that `undo` would take back."""
        return self._bursts.last

    def start_burst(self, label: str) -> None:
        """Let the snapshots that follow belong together, until the next burst is started."""
        with self._bursts.lock:
            self._burst = Burst(label)

    def save(self, image: BgrImage, wait: bool = False, is_corrected: bool = False) -> Path | None:
        """Hand a picture over to the writer.

        Args:
            image: (height, width, 3) uint8; it must not be changed afterwards.
            wait: Whether to wait where the disk does not keep up, rather than to do without.
            is_corrected: Whether its name is to say that it was answered wrongly.

        Returns:
            Where it is going to be; None where the disk did not keep up, and it was not taken.

        Raises:
            UserError: An earlier snapshot could not be written.
        """
        self.check()
        with self._bursts.lock:
            burst = self._burst
            if burst is None:
                raise ValueError("a snapshot needs a burst: call start_burst first")
            name = f"{self._bursts.next_name(burst, is_corrected)}.jpg"
            if not wait:
                try:
                    self._waiting.put_nowait((burst, name, image))
                except Full:
                    return None
            self._bursts.count(burst, name)
        if wait:
            self._waiting.put((burst, name, image))
        return self._dataset / burst.label / name

    def add_file(self, burst: Burst, ending: str, content: bytes) -> Path:
        """Write a picture from elsewhere, before this returns.

        Args:
            burst: What it belongs to; it need not be the one that is recorded.
            ending: Of its name, such as `.png`.
            content: Of the file.

        Returns:
            Where it is.

        Raises:
            UserError: It could not be written.
        """
        with self._bursts.lock:
            name = self._bursts.next_name(burst) + ending
            self._bursts.count(burst, name)
        path = self._dataset / burst.label / name
        try:
            write_atomically(path, content)
        except UserError:
            self._bursts.settle(burst, name, is_written=False)
            raise
        if not self._bursts.settle(burst, name, is_written=True):
            _remove(path)  # it was undone while it was being written
        return path

    def undo(self) -> UndoneBurst | None:
        """Take the last burst back: its files, and those that are still to be written.

        Returns:
            What was taken back, or None where nothing is left of this session.

        Raises:
            UserError: A file can't be removed.
        """
        with self._bursts.lock:
            burst = self._bursts.take_back()
            if burst is None:
                return None
            if self._burst is not None:
                self._burst = Burst(self._burst.label)
        for name in burst.written:
            _remove(self._dataset / burst.label / name)
        with suppress(OSError):  # an empty folder would be a label without pictures to train.py
            (self._dataset / burst.label).rmdir()
        return burst.describe()

    def forget_picture(self, label: str, name: str) -> None:
        """Leave a picture out of its burst, because it was removed otherwise."""
        self._bursts.forget_picture(label, name)

    def rename_label(self, old: str, new: str | None) -> None:
        """Follow a label's folder to another name; None forgets its bursts, as it was removed.

        Call `flush` first, so that no snapshot is on its way to the old name.
        """
        with self._bursts.lock:
            self._burst = None
            self._bursts.rename_label(old, new)

    def flush(self) -> None:
        """Wait until all snapshots are written that were saved before."""
        self._waiting.join()

    def check(self) -> None:
        """Raise what went wrong in the writer, so that nobody records into a full disk.

        Raises:
            UserError: A snapshot could not be written.
        """
        if self._failure is not None:
            raise self._failure

    def try_again(self) -> None:
        """Let go of what went wrong in the writer: the disk may have space again."""
        self._failure = None

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
            burst, name, image = job
            try:
                if not burst.is_undone:
                    self._write(burst, name, image)
            finally:
                self._waiting.task_done()

    def _write(self, burst: Burst, name: str, image: BgrImage) -> None:
        path = self._dataset / burst.label / name
        content = None
        if self._failure is None:
            try:
                content = encode_snapshot(image)
                write_atomically(path, content)
            except Exception as error:  # whatever it is must reach the thread that waits
                # Later pictures are let go of: the queue must not block the window's thread.
                self._failure, content = error, None
        if self._bursts.settle(burst, name, is_written=content is not None):
            self._on_done(path, content)
        elif content is not None:
            _remove(path)  # it was undone while it was being written


def _count_pictures(folder: Path) -> int:
    if folder.exists() and not folder.is_dir():
        raise UserError(
            f"{folder} is a file, and the label needs a folder there. Move it, or choose another "
            "label or --dataset."
        )
    return len(list_pictures(folder)[0]) if folder.exists() else 0


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"{path} can't be removed: {error.strerror}. Remove it by hand.") from error
