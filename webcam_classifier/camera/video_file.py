"""Write what was drawn to a video file that plays at natural speed."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import time
from pathlib import Path

import cv2
import numpy as np

from webcam_classifier.errors import UserError
from webcam_classifier.frame import BgrImage, Frame
from webcam_classifier.storage import explain_os_error, replace_atomically

_CODECS = {".mp4": ("mp4v", "avc1"), ".avi": ("MJPG",)}  # the first one that works is taken
_MEASURE_RATE_FOR = 0.5  # seconds of a live source that are kept until its rate is known
_TRIAL_FRAMES = 5  # encoded once to see how long that takes
_ENCODING_SHARE = 0.5  # of the time, at the most
_SMALLEST_VIDEO = 65_536  # bytes; on a disk with less room no writer can be opened
_COMMON_RATE = 30.0  # frames a second, where nothing tells


def file_rate(source: str) -> float | None:
    """Tell at how many frames a second a video file plays; None where it does not say.

    Args:
        source: A file, or the address of one.
    """
    path = Path(source).expanduser()
    # FFmpeg takes what stands before a colon for a protocol, and knows no home folder.
    capture = cv2.VideoCapture(str(path.resolve()) if path.is_file() else source)
    try:
        rate = float(capture.get(cv2.CAP_PROP_FPS))
    finally:
        capture.release()
    return rate if 0.1 <= rate <= 1000 else None


class VideoFile:
    """Writes drawn frames to a video that plays at natural speed.

    A file's frames are written one after another at the file's own rate. For a live source the
    rate is measured on the first half second, and lowered where encoding could not keep up. After
    that a frame's capture time says where it belongs: the frame before it stands still where some
    were dropped.

    The video is written to a hidden file beside its place and moved there by `__exit__`, also
    after Ctrl-C or an unplugged camera. What the disk had room for of one that was cut short is
    moved too, and `__exit__` raises a `UserError`. Odd sizes lose their last row or column, which
    no common codec can keep.

    Args:
        path: Ends with .mp4 or .avi; an older file is replaced.
        rate: Frames a second of a file; None for a live source.

    Raises:
        UserError: No such kind of video, or the place can't be written.
    """

    def __init__(self, path: Path, rate: float | None) -> None:
        if path.suffix.lower() not in _CODECS:
            raise UserError(
                f"{path} does not end like a video. Name it with the ending "
                f"{' or '.join(_CODECS)}, such as annotated.mp4."
            )
        self._path = path
        # OpenCV chooses the container by the ending, so the hidden name must keep it.
        self._hidden = path.with_name(f".{path.stem}.{secrets.token_hex(4)}{path.suffix}")
        self._rate = rate
        self._by_time = rate is None
        self._waiting: list[tuple[BgrImage, Frame]] = []
        self._writer: cv2.VideoWriter | None = None
        self._size = (0, 0)  # width, height
        self._first_at = 0.0
        self._written = 0
        self._last: BgrImage | None = None
        try:
            if path.is_dir():
                raise UserError(f"{path} is a folder. Name a file in it: {path / 'annotated.mp4'}.")
            path.parent.mkdir(parents=True, exist_ok=True)
            self._hidden.touch()
        except OSError as error:
            raise UserError(explain_os_error(error, path)) from error

    def __enter__(self) -> VideoFile:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._write_waiting()
            if self._writer is not None:
                self._writer.release()
                self._move_into_place()
        finally:
            self._hidden.unlink(missing_ok=True)

    def write(self, image: BgrImage, frame: Frame) -> None:
        """Write one drawn frame.

        Args:
            image: (height, width, 3) uint8; another size than the first is scaled to it.
            frame: What it was drawn on, for its time and index.

        Raises:
            UserError: This OpenCV can't write such videos.
        """
        if self._writer is not None:
            self._write(image, frame)
            return
        self._waiting.append((image, frame))
        waited = frame.captured_at - self._waiting[0][1].captured_at
        if not self._by_time or waited >= _MEASURE_RATE_FOR:
            self._write_waiting()

    def _write_waiting(self) -> None:
        """Open the writer, now or never, and write what was kept until the rate was known."""
        if not self._waiting:
            return
        height, width = self._waiting[0][0].shape[:2]
        self._size = max(2, width // 2 * 2), max(2, height // 2 * 2)
        if self._rate is None:
            self._rate = self._affordable_rate()
        self._writer = self._open(self._rate)
        self._first_at = self._waiting[0][1].captured_at
        for image, frame in self._waiting:
            self._write(image, frame)
        self._waiting.clear()

    def _affordable_rate(self) -> float:
        """Take the source's rate, or less where encoding could not keep up.

        Standing frames have to be encoded too: at a rate that is too high, catching up would
        take longer and longer.
        """
        images = [self._fitting(image) for image, _ in self._waiting[:_TRIAL_FRAMES]]
        writer = self._open(_COMMON_RATE)
        started_at = time.monotonic()
        for image in images:
            writer.write(image)
        seconds = (time.monotonic() - started_at) / len(images)
        writer.release()
        rate = measured_rate(self._waiting[0][1], self._waiting[-1][1])
        return max(1.0, min(rate, _ENCODING_SHARE / max(seconds, 1e-6)))

    def _open(self, rate: float) -> cv2.VideoWriter:
        for codec in _CODECS[self._path.suffix.lower()]:
            writer = cv2.VideoWriter(
                str(self._hidden), cv2.VideoWriter.fourcc(*codec), round(rate, 2), self._size
            )
            if writer.isOpened():
                return writer
        if shutil.disk_usage(self._hidden.parent).free < _SMALLEST_VIDEO:
            raise UserError(
                explain_os_error(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), self._path)
            )
        raise UserError(
            f"This OpenCV can't write {self._path.suffix} videos, so {self._path} was not "
            f"written. Name it with the ending .avi, or install opencv-python from PyPI."
        )

    def _write(self, image: BgrImage, frame: Frame) -> None:
        assert self._writer is not None and self._rate is not None  # noqa: PT018 opened above
        fitting = self._fitting(image)
        if self._by_time:
            place = round((frame.captured_at - self._first_at) * self._rate)
            while self._last is not None and self._written < place:
                self._writer.write(self._last)
                self._written += 1
            if place < self._written:
                return  # two frames in the time of one
        self._writer.write(fitting)
        self._last = fitting
        self._written += 1

    def _fitting(self, image: BgrImage) -> BgrImage:
        width, height = self._size
        if image.shape[0] - height in (0, 1) and image.shape[1] - width in (0, 1):
            return image[:height, :width]
        scaled = cv2.resize(image, self._size, interpolation=cv2.INTER_AREA)
        return np.asarray(scaled, dtype=np.uint8)

    def _move_into_place(self) -> None:
        check = cv2.VideoCapture(str(self._hidden))
        readable = check.read()[0]
        # OpenCV does not say that a disk is full; the container then counts fewer frames, or none.
        # Other backends than FFmpeg compute the count from the duration, and may be off by one.
        is_counted = readable and check.getBackendName() == "FFMPEG"
        is_cut = is_counted and check.get(cv2.CAP_PROP_FRAME_COUNT) < self._written
        check.release()
        if not readable:
            raise UserError(
                f"The video {self._path} was damaged and has been deleted. Check whether the disk "
                "is full, and start again."
            )
        replace_atomically(self._path, lambda partial: _move(self._hidden, partial))
        if is_cut:
            raise UserError(
                f"The video {self._path} is cut short: not all of its {self._written} frames could "
                "be written. Check whether the disk is full, and start again."
            )


def _move(source: Path, target: Path) -> None:
    source.replace(target)


def measured_rate(first: Frame, last: Frame) -> float:
    """Tell how many frames a second a live source delivered, dropped ones included."""
    seconds = last.captured_at - first.captured_at
    frames = last.index - first.index
    return min(240.0, max(1.0, frames / seconds)) if frames and seconds > 0 else _COMMON_RATE
