"""Which of the frames that are seen become snapshots, and what became of them."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import numpy as np

from webcam_classifier.dataset.index import Dataset, Picture
from webcam_classifier.dataset.recorder import Recorder
from webcam_classifier.dataset.snapshot_quality import SnapshotQuality
from webcam_classifier.errors import UserError
from webcam_classifier.frame import BgrImage, Frame
from webcam_classifier.pace import Pace
from webcam_classifier.prediction import Prediction
from webcam_classifier.teaching.state import Skip

DISK_TOO_SLOW = "taken faster than the disk writes"
"""Why a snapshot is skipped that nothing is wrong with."""


class Recording:
    """Takes snapshots while a label is recorded; all methods may be called from any thread.

    Args:
        dataset: Where snapshots are known from the moment they are taken, and then saved.
        rate: Snapshots a second; infinity takes every frame.
        keep_all: Take dark, bright, blurred and repeated ones too.
        on_change: Called from any thread whenever something changed that a person is told.

    Attributes:
        recorder: Saves them.
        skipped: How many frames were not taken, by reason.
        last_skip: The last of them; None once one was taken after it.
        corrections: Snapshots that were answered with another label when they were taken.
        problem: Why snapshots could not be saved; empty once one was saved after it.
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
        self.corrections = 0
        self.problem = ""
        self._dataset = dataset
        self._on_change = on_change
        self._pace = Pace(rate)
        self._quality = None if keep_all else SnapshotQuality()
        self._lock = threading.Lock()
        self._label: str | None = None
        self._at_most: int | None = None
        self._taken = 0  # of the burst
        self._last_index = -1  # of a frame; no frame is taken twice
        self._is_held_up = False

    @property
    def label(self) -> str | None:
        """What is being recorded."""
        return self._label

    def start(self, label: str, at_most: int | None) -> None:
        """Take the frames from now on; see `RecordingSession.start_recording`."""
        with self._lock:
            self._at_most = at_most
            if label == self._label:
                return
            self._note_failure()
            self.recorder.try_again()
            self.recorder.start_burst(label)
            self._pace.restart()
            self._label, self._taken = label, 0

    def stop(self) -> None:
        """Take no more frames."""
        with self._lock:
            self._label = None

    @contextmanager
    def held_up(self) -> Iterator[None]:
        """Stop, and take nothing and have everything written as long as the context lasts."""
        with self._lock:
            self._label, self._is_held_up = None, True
        try:
            with suppress(UserError):  # noted: what was given up is in nobody's way
                self.recorder.flush()
            self._note_failure()
            yield
        finally:
            self._is_held_up = False

    def take(self, frame: Frame, prediction: Prediction | None = None, wait: bool = False) -> bool:
        """Take a frame where its time has come.

        Args:
            frame: What was seen.
            prediction: What was answered; what the network made of the frame is learnt at once.
            wait: Whether to wait where the disk does not keep up, rather than to skip the frame.

        Returns:
            Whether it is a snapshot now.
        """
        with self._lock:
            label, now = self._label, time.monotonic()
            is_full = self._at_most is not None and self._taken >= self._at_most
            if label is None or is_full or self._is_held_up:
                return False
            if frame.index == self._last_index or not self._pace.is_due(now):
                return False
            self._last_index = frame.index
            if wait:
                self.recorder.wait_for_room()
            is_taken = self._try_to_save(label, frame.image, prediction, now)
        self._on_change()
        return is_taken

    def forget_last(self, label: str) -> None:
        """Forget what the last picture of a label looked like, as it is gone."""
        if self._quality is not None:
            self._quality.forget(label)

    def _try_to_save(
        self, label: str, image: BgrImage, prediction: Prediction | None, now: float
    ) -> bool:
        """Save a picture, or take note of why it was not."""
        try:
            reason = self._save(label, image, prediction)
        except UserError as error:
            self.problem, self._label = str(error), None
            return False
        if reason is None:
            self._taken, self.last_skip = self._taken + 1, None
            return True
        self.skipped[reason] += 1
        self.last_skip = Skip(reason, now)
        return False

    def _save(self, label: str, image: BgrImage, prediction: Prediction | None) -> str | None:
        """Save a picture; tells why it was not taken, or None where it was."""
        problem = None if self._quality is None else self._quality.problem(label, image)
        if problem is not None:
            return problem.value
        is_corrected, embedding = False, None
        if prediction is not None:
            is_corrected = label in prediction.labels and prediction.label != label
            embedding = prediction.embedding
        with self._dataset.changed:  # it must be known before it is written
            if prediction is not None and prediction.crop != self._dataset.crop:
                embedding = None  # of a part that was looked at until a moment ago
            path = self.recorder.save(image, is_corrected)
            if path is None:
                return DISK_TOO_SLOW
            seen = Picture(
                label,
                path.name,
                is_on_disk=False,
                embeddings=None if embedding is None else embedding[np.newaxis],
            )
            self._dataset.add([seen])
        self.corrections += is_corrected
        if self._quality is not None:
            self._quality.keep(label, image)
        return None

    def _note_failure(self) -> None:
        try:
            self.recorder.check()
        except UserError as error:
            self.problem = str(error)

    def _done(self, path: Path, content: bytes | None) -> None:
        """Learn in the writer's thread what became of a snapshot."""
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
