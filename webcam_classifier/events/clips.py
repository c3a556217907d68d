"""Save a short video of each event, from some seconds before it to some seconds after it."""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import cv2
import numpy as np

from webcam_classifier.camera.video_file import VideoFile
from webcam_classifier.errors import UserError
from webcam_classifier.events.defaults import CLIP_SECONDS, CLIPS_SIZE_LIMIT
from webcam_classifier.events.event import Event, jpeg
from webcam_classifier.events.sink import DeliveryError, QueuedSink, QueueSettings, Tell
from webcam_classifier.frame import Frame
from webcam_classifier.live.loop import LabelledFrame
from webcam_classifier.storage import check_writable, explain_os_error

_LONGEST = 60.0  # seconds of one clip, which events in quick succession share
_QUEUE_LIMIT = 30  # frames waiting to be compressed
_FILE_DRAIN_SECONDS = 60.0
_CLIP_NAME = re.compile(r"\d{8}-\d{6}-.+-.+\.mp4")  # other videos in the folder are never deleted


@dataclass(frozen=True, eq=False)
class _Picture:
    """A frame of the last seconds, compressed as a JPEG."""

    index: int
    captured_at: float
    content: bytes


@dataclass(eq=False)
class _Clip:
    """A clip whose frames are being collected."""

    event: Event
    name: str
    started_at: float
    until: float
    pictures: list[_Picture] = field(default_factory=list)


class Clips(QueuedSink["Frame | Event"]):
    """Writes FOLDER/20260131-120000-LABEL-ID.mp4 for each event, or ...-REGION-LABEL-ID.mp4.

    Frames are compressed outside of the loop and kept as JPEGs for some seconds; if that is too
    slow, frames are dropped and counted; those of a video file wait instead. An event during a clip
    makes the clip longer. When the clips take more than the limit, the oldest are deleted.

    Args:
        folder: Where the clips are written; created if it is missing.
        tell: Called with a sentence when a clip can't be written, as on a full disk.
        seconds: How much to keep before an event, and after it.
        size_limit: The limit for all clips together, in bytes.
        file_rate: Frames a second of a video file, whose own time counts then; None for a live
            source.

    Raises:
        UserError: The folder can't be written.
    """

    def __init__(
        self,
        folder: Path,
        tell: Tell,
        *,
        seconds: float = CLIP_SECONDS,
        size_limit: int = CLIPS_SIZE_LIMIT,
        file_rate: float | None = None,
    ) -> None:
        check_writable(folder)
        self._folder = folder
        self._seconds = seconds
        self._size_limit = size_limit
        self._recent: deque[_Picture] = deque()
        self._clip: _Clip | None = None
        self._file_rate = file_rate
        self._newest_at = 0.0  # of a video file, in seconds from its beginning
        self._own: list[Path] = []  # written since the start, oldest first
        settings = QueueSettings(limit=_QUEUE_LIMIT)
        if file_rate is not None:
            settings = replace(settings, waits_when_full=True, drain_seconds=_FILE_DRAIN_SECONDS)
        super().__init__(f"--clips {folder}", tell, settings)

    def take_frame(self, labelled: LabelledFrame) -> None:
        """Keep a frame for some seconds."""
        frame = labelled.frame
        if self._file_rate is not None:
            self._newest_at = frame.index / self._file_rate
            frame = replace(frame, captured_at=self._newest_at)
        self.offer(frame)

    def take_event(self, event: Event) -> None:
        """Begin a clip, at the frame that was taken last."""
        is_file = self._file_rate is not None
        self.offer(replace(event, monotonic=self._newest_at) if is_file else event)

    def deliver(self, item: Frame | Event) -> None:
        """Take a frame or an event, and write the clip that has ended by then.

        Raises:
            DeliveryError: The clip can't be written.
        """
        now = item.captured_at if isinstance(item, Frame) else item.monotonic
        ended = None
        if self._clip is not None and now > self._clip.until:
            ended, self._clip = self._clip, None
        if isinstance(item, Event):
            self._begin(item)
        else:
            self._keep(item)
        if ended is not None:  # last, so that an error here doesn't lose the new frame or event
            self._write(ended)

    def note_success(self, item: Frame | Event) -> None:
        """Do nothing: taking a frame says nothing about whether clips can be written."""

    def close(self) -> None:
        """Write the clip that is being collected, as far as it got."""
        super().close()
        clip, self._clip = self._clip, None
        if clip is not None and not self.counts.pending:
            try:
                self._write(clip)
            except DeliveryError as error:
                self._fail(str(error))

    def _keep(self, frame: Frame) -> None:
        """Add a frame to those of the last seconds, and to the clip that is being collected."""
        picture = _Picture(frame.index, frame.captured_at, jpeg(frame.image))
        self._recent.append(picture)
        while self._recent[0].captured_at < frame.captured_at - self._seconds:
            self._recent.popleft()
        if self._clip is not None:
            self._clip.pictures.append(picture)

    def _begin(self, event: Event) -> None:
        until = event.monotonic + self._seconds
        if self._clip is not None:
            self._clip.until = min(until, self._clip.started_at + _LONGEST)
            return
        at = datetime.fromtimestamp(event.wall_time)  # local time
        told = f"{event.region}-{event.label}" if event.region else event.label
        label = re.sub(r"[^\w-]+", "_", told)[:40]
        name = f"{at:%Y%m%d-%H%M%S}-{label}-{event.id}.mp4"
        self._clip = _Clip(event, name, event.monotonic, until, list(self._recent))

    def _write(self, clip: _Clip) -> None:
        if not clip.pictures:
            return
        path = self._folder / clip.name
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._remove_oldest()
            # OpenCV does not report a full disk. The video is smaller than the pictures are.
            if shutil.disk_usage(self._folder).free < sum(
                len(picture.content) for picture in clip.pictures
            ):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            with VideoFile(path, self._rate(clip)) as video:
                for picture in clip.pictures:
                    image = cv2.imdecode(np.frombuffer(picture.content, np.uint8), cv2.IMREAD_COLOR)
                    frame = np.asarray(image, dtype=np.uint8)
                    video.write(frame, Frame(frame, picture.index, picture.captured_at))
            self._own.append(path)
            self._remove_oldest()
            super().note_success(clip.event)
        except (UserError, OSError) as error:
            # Without the clip's own name, so that the same reason is reported only once.
            reason = str(error if isinstance(error, UserError) else explain_os_error(error, path))
            reason = reason.replace(str(path), str(self._folder))
            raise DeliveryError(f"{self.name}: {reason}", may_retry=False) from error

    def _rate(self, clip: _Clip) -> float:
        first, last = clip.pictures[0], clip.pictures[-1]
        count = len(clip.pictures) - 1
        seconds = last.captured_at - first.captured_at
        return min(120.0, max(1.0, count / seconds)) if count and seconds > 0 else 1.0

    def _remove_oldest(self) -> None:
        """Delete the oldest clips until all fit; the newest one stays.

        Those of this run are the newest, in the order in which they were written: the system clock
        may have been set back before one of them was named.
        """
        found = {path for path in self._folder.glob("*.mp4") if _CLIP_NAME.fullmatch(path.name)}
        self._own = [path for path in self._own if path in found]
        sizes: dict[Path, int] = {}
        for path in [*sorted(found.difference(self._own)), *self._own]:
            with suppress(FileNotFoundError):  # somebody has just removed it
                sizes[path] = path.stat().st_size
        total = sum(sizes.values())
        for path in list(sizes)[:-1]:
            if total <= self._size_limit:
                break
            path.unlink(missing_ok=True)
            total -= sizes[path]
