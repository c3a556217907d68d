"""A browser's camera as a `Camera`: the newest of the JPEG frames that arrive over a WebSocket.

The browser sends a frame when it is asked to, and it is asked once the previous one was taken. So
there is never more than one frame on its way, and a slow network lowers the frame rate but does not
let frames queue up. The browser gives the time of capture by its own clock; see `browser_clock`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

from webcam_classifier.camera.health_monitor import HealthMonitor
from webcam_classifier.camera.protocol import CameraError, CameraStatus
from webcam_classifier.dataset.picture_files import PictureError, picture_size
from webcam_classifier.frame import BgrImage, Frame
from webcam_classifier.web.limits import FRAME_PIXELS

_JPEG = b"\xff\xd8\xff"


class FrameError(CameraError):
    """What the browser sent is not a usable frame."""


class BrowserCamera:
    """The newest frame that a browser sent.

    Args:
        ask: Called from the reading thread whenever the next frame is wanted.
        on_close: Called when no more frames are wanted.
    """

    is_live = True
    is_device = True
    frame_count = None
    skipped: Sequence[tuple[Path, str]] = ()
    description = "the browser's camera"

    def __init__(self, ask: Callable[[], None], on_close: Callable[[], None]) -> None:
        self._ask = ask
        self._on_close = on_close
        self._watch = HealthMonitor()
        self._changed = threading.Condition()  # guards _newest and _closed
        self._newest: Frame | None = None
        self._closed = False
        self._count = 0

    @property
    def status(self) -> CameraStatus:
        """The status of the camera."""
        return self._watch.status

    def offer(self, content: bytes, captured_at: float | None = None) -> None:
        """Take a frame from the browser; it replaces one that was not read yet.

        Args:
            content: A JPEG.
            captured_at: When it was captured, in seconds on this machine's monotonic clock; None is
                now.

        Raises:
            FrameError: It is not a JPEG, is damaged, or has too many pixels.
        """
        if captured_at is None:
            captured_at = time.monotonic()
        image = decode_frame(content)
        if not self._watch.saw(image, captured_at):
            self._ask()
            return
        with self._changed:
            self._newest = Frame(image, self._count, captured_at)
            self._count += 1
            self._changed.notify_all()

    def read(self) -> Frame | None:
        """Wait for the next frame; None if the browser is gone or the camera was closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._newest is not None or self._closed)
            frame, self._newest = self._newest, None
        if frame is not None:
            self._ask()  # the next one is sent while this one is classified
        return frame

    def close(self) -> None:
        """Wake a reader that is waiting; a second call does nothing."""
        with self._changed:
            self._closed = True
            self._watch.end()
            self._newest = None
            self._changed.notify_all()
        self._on_close()

    def __enter__(self) -> BrowserCamera:
        self._ask()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def decode_frame(content: bytes) -> BgrImage:
    """Decode one frame of a browser's camera.

    Args:
        content: A JPEG.

    Returns:
        (height, width, 3) uint8, blue green red.

    Raises:
        FrameError: It is not a JPEG, is damaged, or has too many pixels.
    """
    try:
        if not content.startswith(_JPEG):
            raise PictureError("of another kind")
        width, height = picture_size(content)
    except PictureError as error:
        raise FrameError(
            "A frame of the camera was no JPEG picture. Load the page again."
        ) from error
    if width * height > FRAME_PIXELS:
        raise FrameError(
            f"A frame of the camera has {width} x {height} pixels, and at most "
            f"{FRAME_PIXELS // 1_000_000} million are taken. Choose a smaller picture."
        )
    decoded = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    if decoded is None:
        raise FrameError("A frame of the camera was damaged. Load the page again.")
    return np.asarray(decoded, dtype=np.uint8)
