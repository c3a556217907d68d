"""Write snapshots to disk in the background, burst by burst, and take bursts back."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from webcam_classifier.closing import Closing
from webcam_classifier.dataset.bursts import Burst, Bursts, UndoneBurst
from webcam_classifier.dataset.picture_files import encode_snapshot
from webcam_classifier.dataset.snapshot_name import new_session
from webcam_classifier.errors import UserError
from webcam_classifier.frame import BgrImage
from webcam_classifier.storage import remove_stale_partials, write_atomically

_WAITING_AT_MOST = 16  # pictures; 15 MB at 640x480, 100 MB at 1920x1080


@dataclass(frozen=True, eq=False)
class _Job:
    burst: Burst
    name: str  # of the file
    image: BgrImage


class Recorder(Closing):
    """Saves snapshots as `dataset/<label>/<session>-<burst>-<index>.jpg`.

    A separate thread encodes and writes, so `save` returns at once. At the end of the context it
    writes what is still waiting, whatever ended the work. All methods may be called from any
    thread.

    An error in that thread never ends it. It is kept, and raised as a `UserError` by `check`,
    `save`, `flush` and `close` until `try_again`; `__cause__` is the error itself. Once a snapshot
    could not be written, those that wait are dropped as well.

    Args:
        dataset: The folder of the labels' folders; made when the first snapshot is written.
        on_done: Called in the writer's thread for each snapshot that was saved and not undone:
            with its path and the file's content, or None where it could not be written. What it
            raises counts as having gone wrong; the snapshot stays.
    """

    def __init__(
        self,
        dataset: Path,
        on_done: Callable[[Path, bytes | None], None] = lambda _path, _content: None,
    ) -> None:
        self._dataset = dataset
        self._on_done = on_done
        remove_stale_partials(dataset)
        self._bursts = Bursts(new_session())
        self._burst: Burst | None = None  # guarded by the bursts' lock
        self._changed = threading.Condition()  # guards all below; taken after the bursts' lock
        self._waiting: deque[_Job] = deque()
        self._writing = 0  # files right now, in the thread and by `add_file`
        self._emptied: set[Path] = set()  # folders whose pictures were undone
        self._is_closed = False
        self._is_stopped = False  # the thread takes nothing any more
        self._failures: list[UserError] = []
        self._lets_go = False
        self._writer = threading.Thread(target=self._write_all, name="snapshot-writer", daemon=True)
        self._writer.start()

    @property
    def written(self) -> dict[str, int]:
        """How many snapshots of this session are on disk, for each label that has any."""
        return self._bursts.written

    @property
    def undoable(self) -> UndoneBurst | None:
        """The burst that `undo` would take back."""
        return self._bursts.last

    def start_burst(self, label: str) -> None:
        """Start a burst, to which all snapshots belong until the next one is started."""
        with self._bursts.lock:
            self._burst = Burst(label)

    def save(self, image: BgrImage, is_corrected: bool = False) -> Path | None:
        """Hand a picture over to the writer; it never waits.

        Args:
            image: (height, width, 3) uint8; it must not be changed afterwards.
            is_corrected: Whether its name should say that the model's answer was wrong.

        Returns:
            Where it will be; None if the disk did not keep up, and it was not taken.

        Raises:
            UserError: Something went wrong in the writer, or the recorder was closed.
        """
        self.check()
        with self._bursts.lock:
            burst = self._burst
            if burst is None:
                raise ValueError("a snapshot needs a burst: call start_burst first")
            name = f"{self._bursts.next_name(burst, is_corrected)}.jpg"
            job = _Job(burst, name, image)
            if not self._hand_over(job):
                return None
            self._bursts.count(burst, name)
        return self._dataset / burst.label / name

    def wait_for_room(self) -> None:
        """Wait until `save` takes a picture, if the disk does not keep up."""
        with self._changed:
            self._wait_for(self._has_room)

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
        self._begin_writing()
        try:
            try:
                write_atomically(path, content)
            except BaseException:
                self._bursts.finish_write(burst, name, is_written=False)
                raise
            if not self._bursts.finish_write(burst, name, is_written=True):
                _remove(path)  # it was undone while it was being written
        finally:
            self._end_writing()
        return path

    def adopt(self, label: str, names: Iterable[str]) -> None:
        """Make pictures that were written in another way one burst that `undo` takes back.

        Args:
            label: Theirs.
            names: Paths of their files below the label's folder.
        """
        burst = Burst(label)
        with self._bursts.lock:
            for name in names:
                self._bursts.count(burst, name)
                self._bursts.finish_write(burst, name, is_written=True)

    def undo(self) -> UndoneBurst | None:
        """Take the last burst back: its files, and those that are still to be written.

        Returns:
            What was taken back; None if nothing is left of this session.

        Raises:
            UserError: A file can't be removed; all others were.
        """
        with self._bursts.lock:
            burst = self._bursts.take_back()
            if burst is None:
                return None
            if self._burst is not None:
                self._burst = Burst(self._burst.label)
        problems: list[UserError] = []
        for name in sorted(burst.written):
            try:
                _remove(self._dataset / burst.label / name)
            except UserError as error:
                problems.append(error)
        with self._changed:
            self._emptied.add(self._dataset / burst.label)
            self._remove_emptied()
        _raise_first(problems)
        return burst.describe()

    def forget_picture(self, label: str, name: str) -> None:
        """Remove a picture from its burst, because its file was removed in another way."""
        self._bursts.forget_picture(label, name)

    def rename_label(self, old: str, new: str | None) -> None:
        """Follow a label's folder to another name; None forgets its bursts, as it was removed.

        Call `flush` first, so that no snapshot is on its way to the old name.
        """
        with self._bursts.lock:
            self._burst = None
            self._bursts.rename_label(old, new)

    def flush(self) -> None:
        """Wait until all snapshots are written that were saved before, or were given up.

        Raises:
            UserError: Something went wrong in the writer.
        """
        with self._changed:
            self._wait_for(self._is_idle)
        self.check()

    def check(self) -> None:
        """Raise an error of the writer, so that nobody goes on recording onto a full disk.

        Raises:
            UserError: A snapshot could not be written, one that was undone could not be removed,
                or `on_done` raised something.
        """
        with self._changed:
            failures = list(self._failures)
        _raise_first(failures)

    def try_again(self) -> None:
        """Clear the writer's error: the disk may have space again."""
        with self._changed:
            self._failures.clear()
            self._lets_go = False

    def close(self) -> None:
        """Write what is still waiting and stop; a second call does no more than `check`.

        Raises:
            UserError: Something went wrong in the writer.
        """
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        self._writer.join()
        self.check()

    def _hand_over(self, job: _Job) -> bool:
        """Let a picture wait for the writer; False where too many do."""
        with self._changed:
            if self._is_closed or self._is_stopped:
                raise UserError(
                    f"Recording has ended, so {job.name} was not saved. Start again to record more."
                )
            if not self._has_room():
                return False
            self._waiting.append(job)
            self._changed.notify_all()
            return True

    def _wait_for(self, has_come: Callable[[], bool]) -> None:
        if threading.current_thread() is self._writer:
            raise RuntimeError("on_done can't wait for the thread that it is called in")
        self._changed.wait_for(has_come)

    def _has_room(self) -> bool:
        is_over = self._is_closed or self._is_stopped
        return is_over or len(self._waiting) < _WAITING_AT_MOST

    def _is_idle(self) -> bool:
        return self._is_stopped or not (self._waiting or self._writing)

    def _write_all(self) -> None:
        try:
            while (job := self._next_job()) is not None:
                path = self._dataset / job.burst.label / job.name
                try:
                    if not job.burst.is_undone:
                        self._write(job, path)
                except BaseException as error:  # whatever it is must reach those who wait
                    self._fail(f"{path}: what was to follow its saving failed", error)
                finally:
                    self._end_writing()
        finally:
            with self._changed:
                self._is_stopped = True
                self._changed.notify_all()

    def _next_job(self) -> _Job | None:
        """Wait for the next picture; None after the last one of a recorder that was closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_closed)
            if not self._waiting:
                return None
            job = self._waiting.popleft()
            self._begin_writing()
            self._changed.notify_all()  # there is room for one more
            return job

    def _begin_writing(self) -> None:
        with self._changed:
            self._writing += 1

    def _end_writing(self) -> None:
        with self._changed:
            self._writing -= 1
            self._remove_emptied()
            self._changed.notify_all()

    def _remove_emptied(self) -> None:
        """Remove folders that have nothing left, unless a file may be on its way into one."""
        if self._writing:
            return  # whoever writes it comes back here
        for folder in self._emptied:
            with suppress(OSError):  # an empty one would be a label without pictures to train.py
                folder.rmdir()
        self._emptied.clear()

    def _write(self, job: _Job, path: Path) -> None:
        content = None
        if not self._lets_go:
            try:
                content = encode_snapshot(job.image)
                write_atomically(path, content)
            except BaseException as error:
                # Later pictures are let go of: the queue must not block the window's thread.
                self._lets_go, content = True, None
                self._fail(f"{path} could not be written", error)
        if self._bursts.finish_write(job.burst, job.name, is_written=content is not None):
            self._on_done(path, content)
        elif content is not None:
            _remove(path)  # it was undone while it was being written

    def _fail(self, what: str, error: BaseException) -> None:
        """Keep what went wrong for `check`."""
        if not isinstance(error, UserError):
            said = UserError(f"{what} ({type(error).__name__}: {error}). Start again.")
            said.__cause__ = error
            error = said
        with self._changed:
            self._failures.append(error)


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"{path} can't be removed: {error.strerror}. Remove it by hand.") from error


def _raise_first(problems: Sequence[UserError]) -> None:
    """Raise the first of some problems, and say how many more there are."""
    if not problems:
        return
    first, count = problems[0], len(problems) - 1
    more = f" {count} more things went wrong after that." if count > 1 else ""
    more = " One more thing went wrong after that." if count == 1 else more
    # A new one each time: one that is raised again and again grows its traceback.
    raise UserError(f"{first}{more}") from (first.__cause__ or first)
