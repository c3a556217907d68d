"""A video or a folder of pictures as a camera: played at its own rate, in a loop."""

from __future__ import annotations

import time
from pathlib import Path

from webcam_classifier.camera.open_camera import open_camera
from webcam_classifier.camera.protocol import Camera, CameraError, CaptureSettings
from webcam_classifier.camera.supervisor import LiveCamera
from webcam_classifier.camera.video_file import file_rate
from webcam_classifier.dataset.picture_files import is_picture_name
from webcam_classifier.frame import BgrImage

_PICTURES_RATE = 2.0  # pictures a second of a folder, slow enough to look at each
_COMMON_RATE = 30.0  # frames a second of a video that does not state its rate


class FileGrabber:
    """Plays a file as a camera would deliver it; see `FrameGrabber`.

    Args:
        source: The file or folder, as for `--source`.
        opened: The opened source, which is closed here.
        rate: Frames a second.
    """

    def __init__(self, source: str, opened: Camera, rate: float) -> None:
        self._source = source
        self._opened = opened
        self._period = 1.0 / rate  # seconds
        self._due = time.monotonic()
        self._image: BgrImage | None = None

    def grab(self) -> bool:
        """Wait until the next frame is due; after the last frame it starts again.

        Raises:
            CameraError: The file is gone, or has no frames any more.
        """
        now = time.monotonic()
        # After the machine was suspended, it goes on from now without catching up.
        self._due = max(self._due, now - self._period) + self._period
        time.sleep(max(0.0, self._due - now))
        frame = self._opened.read()
        if frame is None:
            self._opened.close()
            self._opened = open_camera(self._source)
            frame = self._opened.read()
        self._image = None if frame is None else frame.image
        return frame is not None

    def retrieve(self) -> BgrImage | None:
        """Return the frame that was read last."""
        return self._image

    def describe(self, first: BgrImage) -> str:
        """Return a line that says what is played, and that it is not a camera."""
        height, width = first.shape[:2]
        return (
            f"{self._source}, played again and again, {width} x {height} at "
            f"{1.0 / self._period:g} frames a second"
        )

    def release(self) -> None:
        """Close the file."""
        self._opened.close()


def open_as_camera(source: str, settings: CaptureSettings) -> Camera:
    """Open any source as a live camera.

    Args:
        source: As for `--source`.
        settings: For a camera; a file has its own size and rate.

    Raises:
        CameraError: It can't be opened.
    """
    opened = open_camera(source, settings)
    if opened.is_live:
        return opened
    path = Path(source).expanduser()
    are_pictures = path.is_dir() or is_picture_name(path)
    rate = _PICTURES_RATE if are_pictures else file_rate(source) or _COMMON_RATE
    try:
        return LiveCamera(FileGrabber(source, opened, rate))
    except CameraError:
        opened.close()
        raise
