"""The newest frame of a live source, decoded only if it is needed."""

from __future__ import annotations

import threading
import time
from collections import deque

from webcam_classifier.camera.protocol import CameraError
from webcam_classifier.frame import Frame

_MEASURED_PERIODS = 15  # whose median is the frame period: one stall, or a few frames at once, hide
_OLD = 2.0  # frame periods; the next frame, at most one away, is then the better one
_EARLY = 2.0  # frame periods that a reader may come sooner than last time and find a frame
_LATE = 2.0  # likewise later, beyond as long again as last time
_WAKE_EVERY = 0.5  # seconds; on Windows Ctrl-C is obeyed only between two waits


class NewestFrame:
    """A slot for one frame: a thread puts each new one there, and a reader takes it.

    A frame that was not taken before is returned at once, or else the next one to arrive. So a
    reader that needs a little more than a frame's time gets one frame after another, not every
    other one; the frame may then be up to one period older than one that was waited for, and its
    `captured_at` says so. A frame older than two periods, such as one from before a pause of the
    reader, is skipped for the next one.

    Decoding costs time that inference may need. So `is_wanted` says what to decode: frames for
    which a reader waits, and in advance only those that it may take if it stays away about as long
    as last time.

    All methods are to be called with the lock held.

    Args:
        lock: Guards it, together with whatever else its owner keeps.
    """

    def __init__(self, lock: threading.RLock) -> None:
        self._came = threading.Condition(lock)
        self._is_awaited = True
        self._given_at: float | None = None  # when a frame was taken last
        self._away = 0.0  # seconds from there to the next call
        self._grabbed_at: float | None = None
        self._periods: deque[float] = deque(maxlen=_MEASURED_PERIODS)  # seconds
        self._frame: Frame | None = None  # decoded, and not taken yet
        self._failure: CameraError | None = None
        self._has_ended = False

    def wait_for_first(self, patience: float) -> bool:
        """Wait for the first frame, without taking it.

        Args:
            patience: Seconds.

        Returns:
            Whether there is one, or an end without one.

        Raises:
            CameraError: The source broke off.
        """
        due = time.monotonic() + patience
        while not self._has_news() and (left := due - time.monotonic()) > 0:
            self._came.wait(min(left, _WAKE_EVERY))
        if self._frame is None and self._failure is not None:
            raise self._failure
        return self._has_news()

    @property
    def has_frame(self) -> bool:
        """Whether a frame waits to be taken."""
        return self._frame is not None

    def take(self) -> Frame | None:
        """Take the newest frame, or wait for the next one; no frame is given twice.

        Returns:
            At most two frame periods old, except for the last one before the end; None where
            there is none any more.

        Raises:
            CameraError: The source broke off, or was given up.
        """
        now = time.monotonic()
        oldest = now  # what was decoded to see that the camera works is passed over
        if self._given_at is not None:
            self._away = now - self._given_at
            oldest = now - _OLD * self._period()
        if self._frame is not None and self._frame.captured_at < oldest and not self._has_ended:
            self._frame = None
        self._is_awaited = True
        try:
            while not self._has_news():
                self._came.wait(_WAKE_EVERY)
        finally:
            self._is_awaited = False
        if self._frame is None and self._failure is not None:
            raise self._failure
        frame, self._frame = self._frame, None
        self._given_at = time.monotonic()
        return frame

    def grabbed(self, at: float) -> bool:
        """Record that a frame has arrived.

        Args:
            at: Seconds on the monotonic clock.

        Returns:
            Whether to decode it: a reader waits for it, or may do so before the next one arrives.
        """
        if self._grabbed_at is not None:
            self._periods.append(at - self._grabbed_at)
        self._grabbed_at = at
        if self._is_awaited:
            return True
        if self._given_at is None:
            return False  # nobody began to read
        gone_for, period = at - self._given_at, self._period()
        return self._away - _EARLY * period <= gone_for <= 2 * self._away + _LATE * period

    def put(self, frame: Frame) -> None:
        """Keep a frame for the reader in place of the one before."""
        if not self._has_ended:
            self._frame = frame
            self._is_awaited = False
            self._came.notify_all()

    def forget(self) -> None:
        """Drop a frame from before a gap, and wait for the next one."""
        self._frame = None
        self._grabbed_at = None

    def end(self, failure: CameraError | None = None) -> None:
        """Release all readers after the last frame; only the first call counts.

        Args:
            failure: What they are told; without one they get None.
        """
        if not self._has_ended:
            self._has_ended, self._failure = True, failure
            self._came.notify_all()

    def close(self) -> None:
        """Release all readers at once."""
        self._has_ended, self._failure, self._frame = True, None, None
        self._came.notify_all()

    def _has_news(self) -> bool:
        return self._frame is not None or self._has_ended

    def _period(self) -> float:
        """The time between frames lately, in seconds; 0 before the second one."""
        # The middle one; `statistics` takes longer to load than much else of a live start.
        periods = sorted(self._periods)
        return periods[len(periods) // 2] if periods else 0.0
