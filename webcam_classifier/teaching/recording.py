"""Choose which frames become snapshots, and keep track of their saving."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from webcam_classifier.dataset.index import Dataset, Picture
from webcam_classifier.dataset.recorder import Recorder
from webcam_classifier.dataset.snapshot_quality import SnapshotQuality
from webcam_classifier.errors import UserError
from webcam_classifier.frame import BgrImage, Frame
from webcam_classifier.prediction import Prediction
from webcam_classifier.rate_limiter import RateLimiter
from webcam_classifier.teaching.state import Skip

DISK_TOO_SLOW = "taken faster than the disk writes"
"""Why a snapshot is skipped although its picture is fine."""

LATE_RELEASE = 0.2
"""Seconds before the release of a key from which no picture is taken: people often lower the hand
before they release the key, and the camera then sees no label, or the next one."""

_TOLD_LATE = 0.1  # seconds at most until a release of the key is noticed
_HELD_BACK_AT_MOST = 16  # pictures, 15 MB at 640x480; a camera gives fewer in that time


@dataclass(frozen=True, eq=False)
class _HeldBack:
    """A picture that becomes a snapshot if the key is held long enough after it.

    Attributes:
        captured_at: Seconds on the monotonic clock.
        image: (height, width, 3) uint8.
        prediction: What the model said about it, if there is one.
    """

    captured_at: float
    image: BgrImage
    prediction: Prediction | None


class Recording:
    """Takes snapshots while a label is recorded; all methods may be called from any thread.

    A recording without a limit drops the pictures of its last `LATE_RELEASE` seconds when it is
    stopped. So each of its pictures is held back that long before it is saved. The first one is
    saved at once: a tap on the key is meant to give a picture.

    Args:
        dataset: Lists snapshots from the moment they are taken, before they are on the disk.
        rate: Snapshots a second; infinity takes every frame.
        keep_all: Whether to take dark, bright, blurred and repeated frames too.
        on_change: Called from any thread whenever something changed that a person is shown.

    Attributes:
        recorder: Saves the snapshots.
        skipped: How many frames were not taken, by reason.
        last_skip: The last frame that was not taken; None once one was taken after it.
        problem: Why snapshots could not be saved; empty once one was saved again.
    """

    def __init__(
        self,
        dataset: Dataset,
        rate: float,
        keep_all: bool,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self.recorder = Recorder(dataset.folder, self._done)
        self.skipped: Counter[str] = Counter()
        self.last_skip: Skip | None = None
        self.problem = ""
        self._dataset = dataset
        self._on_change = on_change
        self._pace = RateLimiter(rate)
        self._quality = None if keep_all else SnapshotQuality()
        self._lock = threading.Lock()
        self._label: str | None = None
        self._at_most: int | None = None
        self._taken = 0  # pictures of the burst
        self._held_back: deque[_HeldBack] = deque()
        self._last_index = -1  # of the last frame; none is taken twice
        self._is_held_up = False

    @property
    def label(self) -> str | None:
        """The label that is being recorded; None if none is."""
        return self._label

    def start(self, label: str, at_most: int | None) -> None:
        """Take the frames from now on; see `RecordingSession.start_recording`."""
        with self._lock:
            # Looked up here, because a change of labels may have ended just before.
            if self._is_held_up:
                raise UserError(
                    "The pictures are being changed at the moment. Record once that is done."
                )
            self._dataset.check_known(label)
            self._at_most = at_most
            if label == self._label:
                return
            self._let_go(time.monotonic())
            self._note_failure()
            self.recorder.try_again()
            self.recorder.start_burst(label)
            self._pace.restart()
            self._label, self._taken = label, 0

    def stop(self, released_at: float | None = None) -> None:
        """Take no more frames, and drop those from just before the key was released.

        Args:
            released_at: When the key was released, in seconds on the monotonic clock; None is now.
        """
        with self._lock:
            self._let_go(time.monotonic() if released_at is None else released_at)

    def end(self) -> None:
        """Take no more frames, and keep all that were taken: no key was released."""
        with self._lock:
            self._let_go(float("inf"))

    @contextmanager
    def held_up(self) -> Iterator[None]:
        """Stop, write what is waiting, and take nothing while the context is open."""
        with self._lock:
            self._let_go(time.monotonic())
            self._is_held_up = True
        try:
            with suppress(UserError):  # noted below; snapshots that failed are not in the way
                self.recorder.flush()
            self._note_failure()
            yield
        finally:
            self._is_held_up = False

    def take(self, frame: Frame, prediction: Prediction | None = None, wait: bool = False) -> bool:
        """Take a frame if a snapshot is due.

        Args:
            frame: The frame.
            prediction: The model's prediction for it; its embedding is used for training at once.
            wait: Whether to wait for a slow disk rather than skip the frame.

        Returns:
            Whether it is a snapshot now, or will be unless the key is released at once.
        """
        with self._lock:
            label, now = self._label, time.monotonic()
            is_full = self._at_most is not None and self._taken >= self._at_most
            if label is None or is_full or self._is_held_up:
                return False
            self._take_held_back(frame.captured_at - LATE_RELEASE - _TOLD_LATE)
            if frame.index == self._last_index or not self._pace.is_due(now):
                return False
            self._last_index = frame.index
            if wait:
                self.recorder.wait_for_room()
            taken = _HeldBack(frame.captured_at, frame.image, prediction)
            # A file's pictures come as fast as they can be read, and nobody holds a key for them.
            waits = self._taken > 0 and self._at_most is None and not wait
            is_taken = self._judge(label, taken, now, waits)
        self._on_change()
        return is_taken

    def forget_last(self, label: str) -> None:
        """Forget what the last picture of a label looked like, because it was removed."""
        if self._quality is not None:
            self._quality.forget(label)

    def _judge(self, label: str, taken: _HeldBack, now: float, waits: bool) -> bool:
        """Save a picture or hold it back.

        Returns:
            False if it was skipped, or could not be saved.
        """
        problem = None if self._quality is None else self._quality.problem(label, taken.image)
        if problem is not None:
            self._skip(problem.value, now)
            return False
        if waits and self._is_writing_well():
            self._held_back.append(taken)
            if len(self._held_back) > _HELD_BACK_AT_MOST:
                self._save(label, self._held_back.popleft(), now)
        elif not self._save(label, taken, now):
            return False
        if self._quality is not None:
            self._quality.keep(label, taken.image)
        self._taken, self.last_skip = self._taken + 1, None
        return True

    def _take_held_back(self, until: float) -> None:
        """Save the pictures held back that were captured up to a moment."""
        while self._held_back and self._held_back[0].captured_at <= until:
            taken = self._held_back.popleft()
            if self._label is not None:
                self._save(self._label, taken, time.monotonic())

    def _let_go(self, released_at: float) -> None:
        """End the burst: save what was captured early enough, and drop the rest."""
        self._take_held_back(released_at - LATE_RELEASE)
        if self._held_back and self._label is not None:
            self.forget_last(self._label)
        self._held_back.clear()
        self._label = None

    def _skip(self, reason: str, now: float) -> None:
        self.skipped[reason] += 1
        self.last_skip = Skip(reason, now)

    def _save(self, label: str, taken: _HeldBack, now: float) -> bool:
        """Save a picture, or note why it was not saved.

        Returns:
            Whether it is being saved.
        """
        try:
            path = self._hand_over(label, taken)
        except UserError as error:
            self.problem, self._label = str(error), None
            return False
        if path is None:
            self._skip(DISK_TOO_SLOW, now)
        return path is not None

    def _hand_over(self, label: str, taken: _HeldBack) -> Path | None:
        """Pass a picture to the writer.

        Returns:
            Its future path; None if the disk does not keep up.
        """
        prediction = taken.prediction
        is_corrected, embedding = False, None
        if prediction is not None:
            is_corrected = label in prediction.labels and prediction.label != label
            embedding = prediction.embedding
        with self._dataset.changed:  # it must be in the index before it is written
            if prediction is not None and prediction.crop != self._dataset.crop:
                embedding = None  # of the crop before this one
            path = self.recorder.save(taken.image, is_corrected)
            if path is None:
                return None
            seen = Picture(
                label,
                path.name,
                is_on_disk=False,
                embeddings=None if embedding is None else embedding[np.newaxis],
            )
            self._dataset.add([seen])
        return path

    def _is_writing_well(self) -> bool:
        try:
            self.recorder.check()
        except UserError:  # saving a picture raises it as well
            return False
        return True

    def _note_failure(self) -> None:
        try:
            self.recorder.check()
        except UserError as error:
            self.problem = str(error)

    def _done(self, path: Path, content: bytes | None) -> None:
        """Note, in the writer's thread, whether a snapshot was saved.

        Args:
            path: Its path.
            content: Of the file; None if it was not saved.
        """
        label, name = path.parent.name, path.name
        if content is None:
            self._dataset.remove(label, [name])
            self._note_failure()
            self._on_change()
            return
        if self.problem:
            self.problem = ""
            self._on_change()
        with self._dataset.changed:
            known = self._dataset.get(label, name)
            if known is not None:
                content_hash = hashlib.sha256(content).hexdigest()
                written = replace(known, is_on_disk=True, content_hash=content_hash)
                self._dataset.replace([(known, written)])
