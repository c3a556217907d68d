"""What the main thread does with labelled frames: say, draw, save and show them."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from webcam_classifier.camera.protocol import Camera, CameraStatus
from webcam_classifier.camera.video_file import VideoFile, file_rate
from webcam_classifier.dataset.picture_files import is_picture_name
from webcam_classifier.frame import BgrImage
from webcam_classifier.live.loop import LabelledFrame, LiveLoop
from webcam_classifier.live.timing import Durations
from webcam_classifier.ui import window_words

if TYPE_CHECKING:  # what draws is loaded when something is drawn: a start without it is quicker
    from webcam_classifier.live.service_notify import ServiceNotifier
    from webcam_classifier.live.sinks import TerminalLines

Draw = Callable[[LabelledFrame, str], BgrImage]
"""Gives a labelled frame as a person sees it, with a line that says how fast and how old."""

_LOOK_EVERY = 0.02  # seconds between two looks at the window's keys, where no frame comes
_WAIT = 0.1  # seconds to wait for a frame without a window, and between two looks at the camera
_STATUS_FOR = 0.3  # seconds that numbers stand still, so that they can be read


@dataclass(frozen=True)
class SourceFacts:
    """What matters about a source when its frames are shown.

    Attributes:
        is_live: It goes on by itself.
        are_pictures: Its frames are single pictures, each with a name.
        file_rate: Frames a second at which a video file plays; None if nothing tells.
        frame_count: How many frames there are, where that is known.
    """

    is_live: bool
    are_pictures: bool
    file_rate: float | None
    frame_count: int | None


def source_facts(source: str, camera: Camera) -> SourceFacts:
    """Gather what matters about a source when its frames are shown.

    Args:
        source: As the user named it.
        camera: What was opened by that name.
    """
    path = Path(source).expanduser()
    are_pictures = not camera.is_live and (path.is_dir() or is_picture_name(path))
    return SourceFacts(
        is_live=camera.is_live,
        are_pictures=are_pictures,
        file_rate=None if camera.is_live or are_pictures else file_rate(source),
        frame_count=camera.frame_count,
    )


class LabelWindow(Protocol):
    """A window that shows labelled frames and obeys keys; used from the main thread alone.

    Attributes:
        is_paused: Whether the picture stands still.
        wants_end: Whether the user has ended it.
    """

    is_paused: bool
    wants_end: bool

    def show(self, labelled: LabelledFrame, status: str) -> None:
        """Draw a labelled frame and put it on the screen."""

    def stall(self, status: CameraStatus) -> None:
        """Show that there is no picture now, and nothing of what was seen before."""

    def serve(self, wait: float = 0.001) -> None:
        """Let the window draw itself and obey keys, waiting so many seconds for one."""

    def serve_until(self, due: float) -> None:
        """Serve the window up to a moment on the monotonic clock, and as long as it is paused."""

    def pause(self) -> None:
        """Let the picture stand until the user goes on."""


class Show:
    """Everything that a person sees of the labels.

    Args:
        source: Where the frames come from.
        terminal: Says in words what is seen.
        video: Gets every drawn frame.
        draw: Draws what the video gets; needed if there is one.
        window: Shows them.
        notifier: Tells the service manager that labels come; closed at the end.
    """

    def __init__(
        self,
        source: SourceFacts,
        *,
        terminal: TerminalLines | None = None,
        video: VideoFile | None = None,
        draw: Draw | None = None,
        window: LabelWindow | None = None,
        notifier: ServiceNotifier | None = None,
    ) -> None:
        self.stages = {name: Durations() for name in ("drawing", "age on the screen")}
        self._source = source
        self.terminal = terminal
        self._video = video
        self._draw = draw
        self._window = window
        self._notifier = notifier
        self._status = ""
        self._status_until = 0.0
        self._due = 0.0
        self._last: LabelledFrame | None = None  # since the last gap

    def run(self, loop: LiveLoop) -> None:
        """Show what the loop labels, to the end of the source or until the user ends it.

        Raises:
            Exception: Whatever ended the loop's thread before its time.
        """
        with self._notifier or nullcontext():
            self._run(loop)

    def _run(self, loop: LiveLoop) -> None:
        for labelled in loop.results(_WAIT if self._window is None else _LOOK_EVERY):
            if self._notifier is not None:
                self._notifier.turn(labelled, loop.status)
            if labelled is not None:
                self._show(labelled)
            elif loop.status.is_stale:
                self._stall(loop.status)
            if self._window is not None:
                self._serve(self._window, labelled)
                if self._window.wants_end:
                    break

    def _show(self, labelled: LabelledFrame) -> None:
        if self.terminal is not None:
            self.terminal.show(labelled)
        if self._video is None and self._window is None:
            return
        self._last = labelled
        started_at = time.monotonic()
        if not self._source.is_live or started_at >= self._status_until:
            self._status = describe_status(labelled, self._source, started_at)
            self._status_until = started_at + _STATUS_FOR
        if self._window is not None:
            self._window.show(labelled, self._status)
        if self._video is not None and self._draw is not None:
            self._video.write(self._draw(labelled, self._status), labelled.frame)
        self.stages["drawing"].add(time.monotonic() - started_at)

    def _stall(self, status: CameraStatus) -> None:
        """Show and write that there is no picture."""
        self._status_until = 0.0  # numbers from before the gap are not shown after it
        if self._window is not None:
            self._window.stall(status)
        last, self._last = self._last, None
        if last is not None and self._video is not None:  # once: it stands until there is another
            # Loaded only now, as all that draws is.
            from webcam_classifier.ui.stale_picture import draw_stale_picture

            now = time.monotonic()
            grey = draw_stale_picture(last.frame.image, window_words.NO_PICTURE, status.reason)
            self._video.write(grey, replace(last.frame, captured_at=now))

    def _serve(self, window: LabelWindow, labelled: LabelledFrame | None) -> None:
        """Give the window its turn; a file waits here for its own speed, a picture for a key."""
        if labelled is not None and self._source.are_pictures:
            window.pause()  # before keys are looked at, or one that comes early would be lost
        window.serve()
        if labelled is None:
            return
        if self._source.is_live:
            if not window.is_paused:
                age = time.monotonic() - labelled.frame.captured_at
                self.stages["age on the screen"].add(age)
            return
        if self._source.file_rate:
            self._due = max(self._due + 1 / self._source.file_rate, time.monotonic() - 0.1)
        window.serve_until(self._due)


def describe_status(labelled: LabelledFrame, source: SourceFacts, now: float) -> str:
    """Say in one line how fast it goes and how old the picture is, or which picture it is.

    Args:
        labelled: What is going to be drawn.
        source: Where it comes from.
        now: Seconds on the monotonic clock.
    """
    frame = labelled.frame
    if frame.name:
        return frame.name
    if not source.is_live:
        return window_words.frame_of(frame.index + 1, source.frame_count)
    inference = sum(region.inference_seconds for region in labelled.regions)
    return window_words.pace(labelled.frames_per_second, inference, now - frame.captured_at)
