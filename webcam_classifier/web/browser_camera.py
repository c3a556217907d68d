"""The camera of a browser, as one of ours: JPEG frames that came over a WebSocket, the newest only.

The browser sends a frame when it is asked to, and it is asked when the last one was taken. So
there is never more than one frame on its way, and a slow network makes the picture rarer, not
older than its own way takes. When a frame was captured, the browser says by its own clock; see
`browser_clock`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

from webcam_classifier.camera.picture_watch import PictureWatch
from webcam_classifier.camera.protocol import CameraError, CameraStatus
from webcam_classifier.dataset.picture_files import PictureError, picture_size
from webcam_classifier.frame import BgrImage, Frame
from webcam_classifier.web.limits import FRAME_PIXELS

_JPEG = b"\xff\xd8\xff"


class FrameError(CameraError):
    """What the browser sent is no frame."""


class BrowserCamera:
    """The newest frame that a browser sent.

    Args:
        ask: Called, from whatever thread reads, whenever the next frame is wanted.
        on_close: Called when no frame is wanted any more.
    """

    is_live = True
    is_device = True
    frame_count = None
    skipped: Sequence[tuple[Path, str]] = ()
    description = "the browser's camera"

    def __init__(self, ask: Callable[[], None], on_close: Callable[[], None]) -> None:
        self._ask = ask
        self._on_close = on_close
        self._watch = PictureWatch()
        self._changed = threading.Condition()  # guards _newest and _closed
        self._newest: Frame | None = None
        self._closed = False
        self._count = 0

    @property
    def status(self) -> CameraStatus:
        """How it is doing."""
        return self._watch.status

    def offer(self, content: bytes, captured_at: float | None = None) -> None:
        """Take a frame from the browser; one that nobody has read yet is let go of.

        Args:
            content: A JPEG.
            captured_at: Seconds on this machine's monotonic clock; None: when it arrived, which is
                now.

        Raises:
            FrameError: It is no JPEG, damaged, or has too many pixels.
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
        """Wait for the next frame; None: the browser has gone, or the camera was closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._newest is not None or self._closed)
            frame, self._newest = self._newest, None
        if frame is not None:
            self._ask()  # the next one travels while this one is classified
        return frame

    def close(self) -> None:
        """Let a reader go that waits; a second call does nothing."""
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
        FrameError: It is no JPEG, damaged, or has too many pixels.
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
