"""The live picture of the studio: one camera and one loop, for any number of pages.

A separate thread opens the camera, takes the labelled frames from the loop, and encodes a frame as
a JPEG if somebody waits for one. If the camera fails, the pages show why, and it is tried again.
While no picture comes, they show for how long, and nothing is labelled.
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
from webcam_classifier.web.heat_maps import HeatMaps
from webcam_classifier.web.live_picture import (
    LivePicture,
    fitting,
    with_picture,
    without_picture,
)

_logger = logging.getLogger(__name__)

DEVICE, BROWSER, NONE = "device", "browser", "none"
KINDS = (DEVICE, BROWSER, NONE)

_SMOOTHING = 0.2  # seconds; steady enough to read, quick enough for a new label
_LOOK_EVERY = 0.05  # seconds between two checks for another choice of camera
_TRY_AGAIN_AFTER = 3.0  # seconds after a failure of the camera
_END_WITHIN = 1.5  # seconds
NO_PICTURE = "The camera sends nothing."
"""The message if a camera gives no picture and no reason."""


@dataclass(frozen=True)
class CameraFacts:
    """The camera that is used, and its state.

    Attributes:
        kind: One of `KINDS`.
        description: The camera, for a person; empty if none is open.
        is_device: Whether it is a camera, which is shown as a mirror image.
        problem: Why there is no picture; None if there is one, or none is wanted.
        is_live: Whether pictures are coming. If not, the last label no longer holds.
        last_picture_at: When the last picture was captured by any camera, in seconds on the
            monotonic clock; None before the first, and while pictures are coming.
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
        classifier: Used from the loop's thread only.
        record: Called in the loop's thread with each labelled frame.
        open_device: Opens this machine's own camera.
        is_picture_wanted: Returns whether somebody waits for a picture; called for each frame.
        heat_maps: Tells where the label of a picture was found, if somebody wants to know.
        on_picture: Called in the hub's thread with each labelled frame.
        on_change: Called in any thread when `facts` has changed.

    Attributes:
        facts: The camera that is used, and its state.
    """

    def __init__(
        self,
        classifier: FrameClassifier,
        record: Callable[[LabelledFrame], None],
        open_device: Callable[[], Camera],
        is_picture_wanted: Callable[[], bool],
        heat_maps: HeatMaps,
        on_picture: Callable[[LivePicture], None],
        on_change: Callable[[], None],
    ) -> None:
        self.facts = CameraFacts(DEVICE)
        self._classifier = classifier
        self._record = record
        self._open_device = open_device
        self._is_picture_wanted = is_picture_wanted
        self._heat_maps = heat_maps
        self._on_picture = on_picture
        self._on_change = on_change
        self._browser: BrowserCamera | None = None
        self._kind = DEVICE
        self._choice = 0  # counts the choices, so that the thread notices a new one
        self._is_open = True
        self._pictures = 0
        self._last_picture_at: float | None = None
        self._changed = threading.Condition()  # guards the choice of camera
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
        """Choose a camera; the one in use is closed. Choosing the same one reopens it.

        Args:
            kind: One of `KINDS`; `BROWSER` waits until one is attached.
        """
        with self._changed:
            self._choose(kind, None)

    def attach(self, camera: BrowserCamera) -> None:
        """Use a browser's camera instead of the current one."""
        with self._changed:
            self._choose(BROWSER, camera)

    def detach(self, camera: BrowserCamera) -> None:
        """Stop using a browser's camera, if it is still in use."""
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
            except Exception as error:  # a bug must not end the whole page
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
                    with self._changed:  # a new choice has set the facts already
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
        heat_map = self._heat_maps.of(labelled)
        return with_picture(self._pictures, labelled, fitting(labelled.frame.image), heat_map)

    def _tell(self, facts: CameraFacts) -> None:
        if facts != self.facts:
            self.facts = facts
            self._on_change()


def _in_short(error: UserError) -> str:
    """Shorten an error to what makes sense on a page, without the list of sources."""
    first = str(error).partition("\n")[0]
    return f"{first[:-1]}." if first.endswith(":") else first


def _why_nothing(kind: str) -> str | None:
    if kind == DEVICE:
        return "The camera has ended. It is opened again."
    if kind == BROWSER:
        return "No browser's camera is sending pictures. Start it on the page."
    return None
