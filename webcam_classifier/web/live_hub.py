"""The live picture of the page: one camera, one loop that labels its frames, however many look on.

A thread of its own opens the camera, takes the labelled frames over from the loop, and encodes a
frame as JPEG where somebody waits for one: never in the loop's thread, and not at all where nobody
looks. A camera that fails is a sentence on the page and is tried again; it ends nothing. As long as
no picture comes, everybody is told so, and for how long, and nothing is labelled.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from webcam_classifier.camera.protocol import Camera, CameraStatus
from webcam_classifier.errors import UserError
from webcam_classifier.live.loop import LabelledFrame, LiveLoop
from webcam_classifier.live.region import FrameClassifier
from webcam_classifier.web.browser_camera import BrowserCamera
from webcam_classifier.web.live_picture import (
    LivePicture,
    fitting,
    with_picture,
    without_picture,
)

_logger = logging.getLogger(__name__)

DEVICE, BROWSER, NONE = "device", "browser", "none"
KINDS = (DEVICE, BROWSER, NONE)

_SMOOTHING = 0.2  # seconds; steadies what is shown, and lets a new label through in time
_LOOK_EVERY = 0.05  # seconds between two looks at whether another camera is wanted
_TRY_AGAIN_AFTER = 3.0  # seconds after a camera failed
_END_WITHIN = 1.5  # seconds
NO_PICTURE = "The camera sends nothing."
"""What is said of a camera that gives no picture and no reason."""


@dataclass(frozen=True)
class CameraFacts:
    """What is known of the camera.

    Attributes:
        kind: One of `KINDS`.
        description: What it is; empty while there is none.
        is_device: Whether somebody may stand in front of it, who wants to see a mirror.
        problem: Why there is no picture; None if there is one, or none is wanted.
        is_live: Whether pictures come. Else what was seen last is no longer what is there.
        last_picture_at: Seconds on the monotonic clock: when the last picture was captured, by
            whichever camera; None before the first, and while pictures come.
    """

    kind: str
    description: str = ""
    is_device: bool = False
    problem: str | None = None
    is_live: bool = False
    last_picture_at: float | None = None


class LiveHub:
    """Labels the frames of the chosen camera while the context is open.

    Args:
        classifier: Used from the loop's thread alone.
        record: Called in the loop's thread with each labelled frame.
        open_device: Opens this machine's own camera.
        is_picture_wanted: Whether somebody waits for a picture; asked for each frame.
        on_picture: Called with each labelled frame, in the hub's thread.
        on_change: Called, in any thread, when what is known of the camera changed.
    """

    def __init__(
        self,
        classifier: FrameClassifier,
        record: Callable[[LabelledFrame], None],
        open_device: Callable[[], Camera],
        is_picture_wanted: Callable[[], bool],
        on_picture: Callable[[LivePicture], None],
        on_change: Callable[[], None],
    ) -> None:
        self.facts = CameraFacts(DEVICE)
        self._classifier = classifier
        self._record = record
        self._open_device = open_device
        self._is_picture_wanted = is_picture_wanted
        self._on_picture = on_picture
        self._on_change = on_change
        self._browser: BrowserCamera | None = None
        self._kind = DEVICE
        self._choice = 0  # counts what was chosen, so that the thread sees a change
        self._is_open = True
        self._pictures = 0
        self._last_picture_at: float | None = None
        self._changed = threading.Condition()  # guards what was chosen
        self._thread = threading.Thread(target=self._run, name="live-hub", daemon=True)

    def __enter__(self) -> LiveHub:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._is_open = False
            self._choose(self._kind, None)
        self._thread.join(_END_WITHIN)

    def use(self, kind: str) -> None:
        """Choose a camera; the one in use is closed. The same again tries it anew.

        Args:
            kind: One of `KINDS`; `BROWSER` waits until one is attached.
        """
        with self._changed:
            self._choose(kind, None)

    def attach(self, camera: BrowserCamera) -> None:
        """Use the camera of a browser, in place of whatever is used."""
        with self._changed:
            self._choose(BROWSER, camera)

    def detach(self, camera: BrowserCamera) -> None:
        """Let go of a browser's camera, where it is still the one in use."""
        with self._changed:
            if self._browser is camera:
                self._choose(BROWSER, None)

    def _choose(self, kind: str, browser: BrowserCamera | None) -> None:
        if self._browser is not None:
            self._browser.close()  # wakes the loop, which waits for its next frame
        self._kind, self._browser = kind, browser
        self._choice += 1
        is_awaited = kind == DEVICE or browser is not None
        self._tell(self._without_picture(kind, None if is_awaited else _why_nothing(kind)))
        self._changed.notify_all()

    def _run(self) -> None:
        while True:
            with self._changed:
                if not self._is_open:
                    return
                choice, kind, browser = self._choice, self._kind, self._browser
            try:
                source = self._source(kind, browser)
                if source is not None:
                    self._show(source, kind, choice)
                problem = _why_nothing(kind)
            except UserError as error:
                problem = _in_short(error)
            except Exception as error:  # a mistake of ours must not end the whole page
                _logger.exception("the live picture broke off")
                problem = f"The live picture broke off ({error}). It is tried again."
            with self._changed:
                if self._choice == choice:
                    self._tell(self._without_picture(kind, problem))
                    patience = _TRY_AGAIN_AFTER if kind == DEVICE else None
                    self._changed.wait_for(lambda: self._choice != choice, patience)  # noqa: B023 waited for before the next round

    def _source(
        self, kind: str, browser: BrowserCamera | None
    ) -> AbstractContextManager[Camera] | None:
        if kind == DEVICE:
            return self._open_device()
        return browser

    def _show(self, source: AbstractContextManager[Camera], kind: str, choice: int) -> None:
        with source as camera:
            loop = LiveLoop(camera, self._classifier, smoothing=_SMOOTHING, record=self._record)
            with loop:
                for labelled in loop.results(_LOOK_EVERY):
                    status = camera.status
                    with self._changed:  # what was chosen meanwhile has been told already
                        if self._choice != choice:
                            return
                        if labelled is not None:
                            self._last_picture_at = labelled.frame.captured_at
                        self._tell(self._facts(kind, camera, status))
                    if labelled is not None and not status.is_stale:
                        self._on_picture(self._pictured(labelled))

    def _facts(self, kind: str, camera: Camera, status: CameraStatus) -> CameraFacts:
        return CameraFacts(
            kind,
            camera.description,
            camera.is_device,
            problem=(status.reason or NO_PICTURE) if status.is_stale else None,
            is_live=status.state == "live",
            last_picture_at=None if status.state == "live" else self._last_picture_at,
        )

    def _without_picture(self, kind: str, problem: str | None) -> CameraFacts:
        return CameraFacts(kind, problem=problem, last_picture_at=self._last_picture_at)

    def _pictured(self, labelled: LabelledFrame) -> LivePicture:
        self._pictures += 1
        if not self._is_picture_wanted():
            return without_picture(self._pictures, labelled)
        return with_picture(self._pictures, labelled, fitting(labelled.frame.image))

    def _tell(self, facts: CameraFacts) -> None:
        if facts != self.facts:
            self.facts = facts
            self._on_change()


def _in_short(error: UserError) -> str:
    """Leave out what is for the terminal, such as all the sources that `--source` takes."""
    first = str(error).partition("\n")[0]
    return f"{first[:-1]}." if first.endswith(":") else first


def _why_nothing(kind: str) -> str | None:
    if kind == DEVICE:
        return "The camera has ended. It is opened again."
    if kind == BROWSER:
        return "No browser's camera is sending pictures. Start it on the page."
    return None
