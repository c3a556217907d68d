"""Sources that don't wait for their reader: one thread takes every frame, the newest one counts."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from webcam_classifier.camera.protocol import CameraError
from webcam_classifier.frame import BgrImage, Frame

_PATIENCE = 5.0  # seconds without a frame, after which a camera counts as stalled
_JOIN_WITHIN = 1.0  # seconds; a driver that hangs longer is left to its thread


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

    A thread grabs every frame, so that no queue grows old anywhere, and decodes only those that
    somebody waits for. `read` gives the first frame that arrives after it was called. Against
    handing out the last frame that had already arrived this costs a slow reader part of one
    frame's time, but the picture is as young as it can be, and unread frames cost no decoding.

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
        self._wanted = True
        self._frame: Frame | None = None
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
        """Wait for the next frame to arrive; None: the stream has ended or was closed.

        Raises:
            CameraError: The source broke off, or gave nothing for `patience` seconds.
        """
        with self._changed:
            if not self._ended:
                # What was decoded for an earlier call, or to see that the camera works, is old.
                self._frame = None
                self._wanted = True
        frame = self._await_frame()
        with self._changed:
            self._frame = None
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
        index = 0
        while not self._stop.is_set() and self._grabber.grab():
            captured_at = time.monotonic()
            if self._wanted:
                image = self._grabber.retrieve()
                if image is not None:
                    self._hand_over(Frame(image, index, captured_at))
            index += 1

    def _hand_over(self, frame: Frame) -> None:
        with self._changed:
            if not self._ended:
                self._frame = frame
                self._wanted = False
                self._changed.notify_all()
