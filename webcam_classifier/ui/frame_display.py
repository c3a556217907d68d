"""What the main thread does with labelled frames: print, draw, save and show them."""

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
from webcam_classifier.live.unknown_watch import UnknownWatch
from webcam_classifier.ui import window_words

if TYPE_CHECKING:  # imported only when needed, for a quicker start
    from webcam_classifier.live.service_notify import ServiceNotifier
    from webcam_classifier.live.terminal_lines import TerminalLines

Draw = Callable[[LabelledFrame, str], BgrImage]
"""Draws a labelled frame, with a line about rate and age."""

_LOOK_EVERY = 0.02  # seconds between two checks of the window's keys while no frame comes
_WAIT = 0.1  # seconds to wait for a frame if there is no window, between checks of the camera
_STATUS_FOR = 0.3  # seconds that numbers stay the same, so that they can be read


@dataclass(frozen=True)
class SourceFacts:
    """What matters about a source when its frames are shown.

    Attributes:
        is_live: Whether it goes on by itself, as a camera does.
        are_pictures: Whether its frames are single pictures, each with a name.
        file_rate: Frames a second at which a video file plays; None if nothing tells.
        frame_count: How many frames there are; None if that is not known.
    """

    is_live: bool
    are_pictures: bool
    file_rate: float | None
    frame_count: int | None


def source_facts(source: str, camera: Camera) -> SourceFacts:
    """Gather what matters about a source when its frames are shown.

    Args:
        source: As the user named it.
        camera: The source, opened.
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
    """A window that shows labelled frames and obeys keys; used from the main thread only.

    Attributes:
        is_paused: Whether the picture is paused.
        wants_end: Whether the user wants to quit.
    """

    is_paused: bool
    wants_end: bool

    def show(self, labelled: LabelledFrame, status: str) -> None:
        """Draw a labelled frame and put it on the screen."""

    def stall(self, status: CameraStatus) -> None:
        """Show that there is no picture now, and no label from before."""

    def serve(self, wait: float = 0.001) -> None:
        """Let the window redraw itself and obey keys, waiting up to `wait` seconds for one."""

    def serve_until(self, due: float) -> None:
        """Serve the window until a moment on the monotonic clock, and as long as it is paused."""

    def pause(self) -> None:
        """Keep the picture until the user continues."""


class FrameDisplay:
    """Shows labelled frames to people: on the terminal, in a video and in a window.

    Args:
        source: Where the frames come from.
        terminal: Prints labels.
        video: Gets every frame, drawn.
        draw: Draws the frames of the video; needed if there is one.
        window: Shows the frames.
        notifier: Tells the service manager that labels are coming; closed at the end.
        on_unknown: Called with the names of the regions that have been unknown for a while,
            whenever they change.

    Attributes:
        stages: How long drawing took, and the age of the frames on the screen.
        terminal: As given.
        unknown: How much was unknown.
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
        on_unknown: Callable[[tuple[str, ...]], None] | None = None,
    ) -> None:
        self.stages = {name: Durations() for name in ("drawing", "age on the screen")}
        self._source = source
        self.terminal = terminal
        self.unknown = UnknownWatch()
        self._on_unknown = on_unknown
        self._told_unknown: tuple[str, ...] = ()
        self._video = video
        self._draw = draw
        self._window = window
        self._notifier = notifier
        self._status = ""
        self._status_until = 0.0
        self._due = 0.0
        self._last: LabelledFrame | None = None  # since the last gap

    def run(self, loop: LiveLoop) -> None:
        """Show what the loop labels, until the source ends or the user quits.

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
        self.unknown.take(labelled)
        self._tell_unknown()
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

    def _tell_unknown(self) -> None:
        """Tell which regions have been unknown for a while; single pictures take any time."""
        regions = self.unknown.regions
        if regions != self._told_unknown and not self._source.are_pictures:
            self._told_unknown = regions
            if self._on_unknown is not None:
                self._on_unknown(regions)

    def _stall(self, status: CameraStatus) -> None:
        """Show that there is no picture, and add that to the video."""
        self.unknown.forget_recent()
        self._status_until = 0.0  # numbers from before the gap are not shown after it
        if self._window is not None:
            self._window.stall(status)
        last, self._last = self._last, None
        if last is not None and self._video is not None:  # once: it stays until the next frame
            # Loaded only now, as all that draws is.
            from webcam_classifier.ui.stale_picture import draw_stale_picture

            now = time.monotonic()
            grey = draw_stale_picture(last.frame.image, window_words.NO_PICTURE, status.reason)
            self._video.write(grey, replace(last.frame, captured_at=now))

    def _serve(self, window: LabelWindow, labelled: LabelledFrame | None) -> None:
        """Serve the window; a video waits here for its own rate, and a picture for a key."""
        if labelled is not None and self._source.are_pictures:
            window.pause()  # before the keys are read, or an early key would be lost
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
    """Describe rate, inference time and age in one line, or which picture or frame it is.

    Args:
        labelled: The frame that will be drawn.
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
