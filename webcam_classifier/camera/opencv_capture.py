"""Open OpenCV's VideoCapture without its log output, and query this build's features."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Sequence
from typing import Protocol, cast

import cv2

_FFMPEG_LEVEL = "OPENCV_FFMPEG_LOGLEVEL"
_SILENT = 0  # OpenCV's LOG_LEVEL_SILENT
_FFMPEG_IS_QUIET = "-8"  # FFmpeg's AV_LOG_QUIET


def open_capture(
    source: str | int, backend: int, parameters: Sequence[int] = ()
) -> cv2.VideoCapture:
    """Open a capture; its `isOpened` says whether it worked.

    The messages of OpenCV and FFmpeg on stderr when it fails are suppressed: the caller reports it
    in a sentence. The variables OPENCV_LOG_LEVEL and OPENCV_FFMPEG_LOGLEVEL bring them back.

    Args:
        source: A file, URL, pipeline, device file or device number.
        backend: One of `cv2.CAP_*`.
        parameters: Pairs of a `cv2.CAP_PROP_*` and its value, for opening.
    """
    with quiet_log, _quiet_ffmpeg:
        if isinstance(source, int):
            return cv2.VideoCapture(source, backend, parameters)
        return cv2.VideoCapture(source, backend, parameters)


class _LogLevel(Protocol):
    """Where OpenCV keeps its log level."""

    def getLogLevel(self) -> int: ...  # noqa: N802  OpenCV's name

    def setLogLevel(self, level: int, /) -> int: ...  # noqa: N802


class QuietLog:
    """Suppresses OpenCV's log while any stream is open or being opened.

    Several threads may do so, and one of them may hang: the last one restores the former level.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._before: int | None = None  # None: somebody asked for the noise, or for less

    def __enter__(self) -> None:
        with self._lock:
            self._users += 1
            if self._users == 1 and "OPENCV_LOG_LEVEL" not in os.environ:
                self._before = _log_level().getLogLevel()
                _log_level().setLogLevel(_SILENT)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0 and self._before is not None:
                _log_level().setLogLevel(self._before)
                self._before = None


quiet_log = QuietLog()


def _log_level() -> _LogLevel:
    # A module of its own, or in an older OpenCV two functions at the top.
    return cast("_LogLevel", getattr(cv2.utils, "logging", cv2))


class _QuietFfmpeg:
    """Sets the variable that OpenCV reads as it opens something with FFmpeg for the first time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._is_set = False

    def __enter__(self) -> None:
        with self._lock:
            self._users += 1
            if self._users == 1 and _FFMPEG_LEVEL not in os.environ:
                os.environ[_FFMPEG_LEVEL] = _FFMPEG_IS_QUIET
                self._is_set = True

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0 and self._is_set:
                os.environ.pop(_FFMPEG_LEVEL, None)
                self._is_set = False


_quiet_ffmpeg = _QuietFfmpeg()


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
