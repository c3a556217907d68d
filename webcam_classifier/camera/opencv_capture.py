"""Open OpenCV's VideoCapture without its noise, and ask what this build of it can do."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import cv2

_FFMPEG_LEVEL = "OPENCV_FFMPEG_LOGLEVEL"
_FFMPEG_IS_QUIET = "-8"  # FFmpeg's AV_LOG_QUIET


def open_capture(
    source: str | int, backend: int, parameters: Sequence[int] = ()
) -> cv2.VideoCapture:
    """Open a capture; whether it worked, its `isOpened` tells.

    What OpenCV and FFmpeg say on stderr when it doesn't work is held back: the caller says it in
    a sentence. The variables OPENCV_LOG_LEVEL and OPENCV_FFMPEG_LOGLEVEL bring it back.

    Args:
        source: A file, URL, pipeline, device file or device number.
        backend: One of `cv2.CAP_*`.
        parameters: Pairs of a `cv2.CAP_PROP_*` and its value, for opening.
    """
    with _quiet_opencv(), _quiet_ffmpeg():
        if isinstance(source, int):
            return cv2.VideoCapture(source, backend, parameters)
        return cv2.VideoCapture(source, backend, parameters)


@contextmanager
def _quiet_opencv() -> Iterator[None]:
    if "OPENCV_LOG_LEVEL" in os.environ:  # somebody asked for the noise, or for less
        yield
        return
    before = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(before)


@contextmanager
def _quiet_ffmpeg() -> Iterator[None]:
    """Set the variable that OpenCV reads as it opens something with FFmpeg for the first time."""
    if _FFMPEG_LEVEL in os.environ:
        yield
        return
    os.environ[_FFMPEG_LEVEL] = _FFMPEG_IS_QUIET
    try:
        yield
    finally:
        os.environ.pop(_FFMPEG_LEVEL, None)


def has_gstreamer() -> bool:
    """Whether this build of OpenCV can run GStreamer pipelines; pip's can't."""
    return re.search(r"GStreamer:\s+YES", cv2.getBuildInformation()) is not None


def file_backend() -> int:
    """Say which backend reads files and network streams.

    FFmpeg where this build has it: the others would take a name with digits in it for a
    numbered series of pictures.
    """
    return cv2.CAP_FFMPEG if cv2.videoio_registry.hasBackend(cv2.CAP_FFMPEG) else cv2.CAP_ANY


def four_characters(code: float) -> str:
    """Spell a FOURCC property out, such as 'MJPG'; empty where the backend has none."""
    text = int(code).to_bytes(4, "little") if 0 < code < 2**32 else b""
    return text.decode("ascii", "ignore").strip() if text.strip(b"\0").isascii() else ""
