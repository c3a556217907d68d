"""Sources that don't wait for their reader: one thread takes every frame, the newest one counts."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from webcam_classifier.camera.protocol import CameraError
from webcam_classifier.frame import BgrImage, Frame

_PATIENCE = 5.0  # seconds without a frame, after which a camera counts as stalled
_JOIN_WITHIN = 1.0  # seconds; a driver that hangs longer is left to its thread
_MEASURED_PERIODS = 15  # whose median is the frame period: one stall, or a few frames at once, hide
_OLD = 2.0  # frame periods; the next frame, at most one away, is then the better one
_EARLY = 2.0  # frame periods that a reader may come sooner than last time and find a frame
_LATE = 2.0  # likewise later, beyond as long again as last time


class FrameGrabber(Protocol):
    """What the thread drives; only that thread calls it, since OpenCV's capture is not shared."""

    def grab(self) -> bool:
        """Wait for the next frame without decoding it; False: the stream has ended.

        Raises:
            CameraError: The source broke off.
        """

    def retrieve(self) -> BgrImage | None:
        """Decode the frame grabbed last; None: it is damaged."""

    def describe(self, first: BgrImage) -> str:
        """Say in one line what it is and what it really gives."""

    def release(self) -> None:
        """Let go of the device."""


class LiveCamera:
    """The newest frame of a source that goes on by itself.

    A thread grabs every frame, so that no queue grows old anywhere, and keeps the newest one.
    `read` gives it at once where it was not given before, and else the next one to arrive. So a
    reader that needs a little more than a frame's time gets one frame after another, not every
    other one; the frame may then be up to one period older than one that was waited for, and its
    `captured_at` says so. A frame older than two periods, such as one left from before a pause of
    the reader, is passed over for the next one.

    Decoding costs time that inference may need. The thread decodes what somebody waits for, and
    in advance only what a reader may fetch who stays away about as long as last time.

    Args:
        grabber: The source; released by the thread.
        is_device: See `Camera`.
        patience: Seconds to wait for one frame, here and in `read`.

    Raises:
        CameraError: No first frame came.
    """

    is_live = True
    frame_count = None
    skipped: Sequence[tuple[Path, str]] = ()

    def __init__(
        self, grabber: FrameGrabber, is_device: bool = False, patience: float = _PATIENCE
    ) -> None:
        self.is_device = is_device
        self.description = "the camera"
        self._grabber = grabber
        self._patience = patience
        self._changed = threading.Condition()
        self._is_awaited = True
        self._given_at: float | None = None  # when `read` gave a frame last
        self._away = 0.0  # seconds from there to the next call
        self._periods: deque[float] = deque(maxlen=_MEASURED_PERIODS)  # seconds
        self._frame: Frame | None = None  # decoded, and not given yet
        self._failure: CameraError | None = None
        self._ended = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="camera", daemon=True)
        self._thread.start()
        try:
            first = self._await_frame()
            if first is None:
                raise CameraError("The source ended before its first frame. Check that it is on.")
        except BaseException:
            self.close()
            raise
        self.description = grabber.describe(first.image)

    def read(self) -> Frame | None:
        """Take the newest frame, or wait for the next one; no frame is given twice.

        Returns:
            At most two frame periods old, except for the last frame of a stream that has ended;
            None where there is none any more, or the camera was closed.

        Raises:
            CameraError: The source broke off, or gave nothing for `patience` seconds.
        """
        with self._changed:
            now = time.monotonic()
            oldest = now  # what was decoded to see that the camera works is passed over
            if self._given_at is not None:
                self._away = now - self._given_at
                oldest = now - _OLD * self._period()
            if self._frame is not None and self._frame.captured_at < oldest and not self._ended:
                self._frame = None
            self._is_awaited = True
            try:
                frame = self._await_frame()
            finally:
                self._is_awaited = False
            self._frame = None
            self._given_at = time.monotonic()
            return frame

    def close(self) -> None:
        """Stop the thread, which releases the device; a reader that waits gets None."""
        self._stop.set()
        with self._changed:
            self._ended = True
            self._frame = None
            self._failure = None
            self._changed.notify_all()
        self._thread.join(_JOIN_WITHIN)

    def __enter__(self) -> LiveCamera:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _await_frame(self) -> Frame | None:
        with self._changed:
            if not self._changed.wait_for(self._has_news, self._patience):
                raise CameraError(
                    f"No picture has come from {self.description} for {self._patience:.0f} "
                    "seconds. Unplug it and plug it in again, or check the network."
                )
            if self._frame is None and self._failure is not None:
                raise self._failure
            return self._frame

    def _has_news(self) -> bool:
        return self._frame is not None or self._ended

    def _run(self) -> None:
        failure: CameraError | None = None
        try:
            self._grab_frames()
        except CameraError as error:
            failure = error
        except Exception as error:  # it has to reach the reader, who would wait for ever
            failure = CameraError(f"{self.description} broke off: {error}. Open it again.")
            failure.__cause__ = error
        finally:
            self._grabber.release()
            with self._changed:
                if not self._stop.is_set():
                    self._failure = failure
                self._ended = True
                self._changed.notify_all()

    def _grab_frames(self) -> None:
        index, before = 0, None
        while not self._stop.is_set() and self._grabber.grab():
            captured_at = time.monotonic()
            if before is not None:
                self._periods.append(captured_at - before)
            before = captured_at
            if self._is_wanted(captured_at):
                image = self._grabber.retrieve()
                if image is not None:
                    self._hand_over(Frame(image, index, captured_at))
            index += 1

    def _is_wanted(self, captured_at: float) -> bool:
        """Whether a frame is read now, or may be read before the next one arrives."""
        with self._changed:
            if self._is_awaited:
                return True
            if self._given_at is None:
                return False  # nobody began to read
            gone_for, period = captured_at - self._given_at, self._period()
            return self._away - _EARLY * period <= gone_for <= 2 * self._away + _LATE * period

    def _period(self) -> float:
        """The time between frames lately, in seconds; 0 before the second one."""
        # The middle one; `statistics` takes longer to load than much else of a live start.
        periods = sorted(self._periods)
        return periods[len(periods) // 2] if periods else 0.0

    def _hand_over(self, frame: Frame) -> None:
        with self._changed:
            if not self._ended:
                self._frame = frame
                self._is_awaited = False
                self._changed.notify_all()
