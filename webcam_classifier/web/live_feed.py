"""The sink that passes the loop's newest frame and its events to everybody who watches.

The loop only leaves its newest frame here. A separate thread draws and encodes it if somebody waits
for a picture. A slow client gets fewer pictures, never older ones, and delays nobody.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from webcam_classifier.camera.protocol import CameraStatus
from webcam_classifier.crop import Crop
from webcam_classifier.events.event import Event, iso_time
from webcam_classifier.events.sink import Sink, SinkCounts
from webcam_classifier.frame import BgrImage
from webcam_classifier.live.loop import LabelledFrame
from webcam_classifier.live.region import PartClassifier
from webcam_classifier.live.status_words import status_fields
from webcam_classifier.web.event_loop import call_in_loop
from webcam_classifier.web.heat_maps import HeatMaps
from webcam_classifier.web.limits import PICTURE_BYTES
from webcam_classifier.web.live_hub import DEVICE, NO_PICTURE, CameraFacts
from webcam_classifier.web.live_messages import (
    camera_message,
    crop_message,
    prediction_fields,
)
from webcam_classifier.web.live_picture import encoded, fitting, with_picture, without_picture
from webcam_classifier.web.streams import EventStreams, MjpegStreams
from webcam_classifier.web.viewers import Viewers

_LOOK_EVERY = 0.1  # seconds between two checks of the camera while no frame comes
_STALE_EVERY = 0.5  # seconds between two pictures that show that there is no new one
_OLD_AFTER = 1.0  # seconds after which a label is no longer shown
_OLD_AFTER_FRAMES = 4.0  # the same in frames, for a slow loop; the longer time counts
_END_WITHIN = 1.0  # seconds
_NOTHING_SEEN = {"label": None, "confidence": None, "unknown": None, "raw": None}


@dataclass(frozen=True)
class Drawing:
    """The functions that draw the pictures to send; each returns a picture of the same size.

    Attributes:
        view: Draws a picture for the page, which shows the label beside it: without a label, or
            with the labels of regions, which belong at their places.
        overlay: Draws the labels onto a picture.
        stale: Draws the last picture, with a note that there is no new one.
    """

    view: Callable[[BgrImage, LabelledFrame], BgrImage]
    overlay: Callable[[BgrImage, LabelledFrame], BgrImage]
    stale: Callable[[BgrImage, CameraStatus], BgrImage]


@dataclass(frozen=True)
class Watched:
    """What is watched.

    Attributes:
        source: Where the frames come from, without a password.
        description: The camera, for a person.
        status: Returns the camera's current status.
        model: Returns the path of the current model.
        labels: Returns its labels.
        crop: Returns the part of the picture it uses.
        answering: Returns the classifier with that part; None if there are regions.
        regions: The path of each region's model; empty if one model labels the whole picture.
    """

    source: str
    description: str
    status: Callable[[], CameraStatus]
    model: Callable[[], str]
    labels: Callable[[], tuple[str, ...]]
    crop: Callable[[], Crop | None]
    answering: Callable[[], PartClassifier | None]
    regions: Mapping[str, str] = field(default_factory=dict)


class LiveFeed(Sink):
    """Takes labelled frames and events, and passes the newest to everybody who watches.

    Its thread runs while the context is open. `use_loop` sets the event loop of the server.

    Args:
        name: Its name for a person.
        watched: What is watched.
        drawing: Draws the pictures.

    Attributes:
        viewers: The open pages; used from the event loop.
        pictures: The clients of the picture stream; used from the event loop.
        events: The clients of the event stream; used from the event loop.
    """

    def __init__(self, name: str, watched: Watched, drawing: Drawing) -> None:
        self.name = name
        self.viewers = Viewers()
        self.pictures = MjpegStreams()
        self.events = EventStreams()
        self._watched = watched
        self._drawing = drawing
        self._heat_maps = HeatMaps(watched.answering, self.viewers.is_heat_map_wanted)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._number = 0
        self._newest: LabelledFrame | None = None
        self._sent = 0  # pictures that were encoded
        self._facts: tuple[CameraFacts, str] | None = None
        self._stale_at = 0.0
        self._is_over = False
        self._waiting: tuple[int, LabelledFrame] | None = None
        self._changed = threading.Condition()  # guards _waiting and _is_over
        self._thread = threading.Thread(target=self._run, name="live-feed", daemon=True)
        self._thread.start()

    @property
    def counts(self) -> SinkCounts:
        """The number of encoded pictures, and of events that slow clients missed."""
        return SinkCounts(delivered=self._sent, dropped=self.events.dropped)

    def use_loop(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """Set the event loop of the server; None once it has ended."""
        self._loop = loop

    def take_frame(self, labelled: LabelledFrame) -> None:
        """Keep the newest frame, and wake the thread if somebody watches."""
        self._number += 1
        self._newest = labelled
        if self._is_watched:
            with self._changed:
                self._waiting = self._number, labelled
                self._changed.notify()

    def take_event(self, event: Event) -> None:
        """Pass an event to the clients of the event stream."""
        self._in_loop(self.events.offer, "change", event.fields(), event.id)

    def take_status(self, status: CameraStatus) -> None:
        """Pass the camera's status to the clients of the event stream."""
        fields = status_fields(status, time.time() - time.monotonic())
        self._in_loop(self.events.offer, "status", fields, "")

    def close(self) -> None:
        """End the thread and all streams."""
        with self._changed:
            self._is_over = True
            self._changed.notify()
        self._thread.join(_END_WITHIN)
        self._in_loop(self._end_streams)

    def state(self) -> dict[str, Any]:
        """Return the current state for programs; while no picture comes, there is no label."""
        now = time.monotonic()
        status, newest, number = self._watched.status(), self._newest, self._number
        seen = _NOTHING_SEEN if not self._watched.regions else {"regions": self._regions(None)}
        fields: dict[str, Any] = {
            "sequence": number,
            **seen,
            "age_ms": None,
            "frames_per_second": None,
            "fresh": False,
            "time": iso_time(time.time()),
            "camera": {
                "state": status.state,
                "reason": status.reason or None,
                "seconds_without_picture": round(status.seconds_without_picture(now), 1)
                if status.is_stale
                else None,
            },
            "source": self._watched.source,
            **({} if self._watched.regions else {"model": self._watched.model()}),
        }
        if newest is None:
            return fields
        age = now - newest.frame.captured_at
        fields["age_ms"] = round(1000 * age, 1)
        if status.is_stale or newest.frame.captured_at < status.since or is_old(newest, now):
            return fields
        found = {"frames_per_second": round(newest.frames_per_second, 1), "fresh": True}
        if self._watched.regions:
            return {**fields, "regions": self._regions(newest), **found}
        return {**fields, **_seen(newest), **found, "model": newest.model or fields["model"]}

    def page_state(self, _client: str | None = None) -> dict[str, Any]:
        """Return the state that a page shows besides the picture."""
        facts, model = self._camera_facts(), self._watched.model()
        return {
            "camera": camera_message(facts, time.monotonic()),
            "labels": [{"name": label} for label in self._watched.labels()],
            "crop": crop_message(self._watched.crop()),
            "source": self._watched.source,
            "model": model,
            "viewers": len(self.viewers),
            "limits": {"picture_bytes": PICTURE_BYTES},
            "regions": list(self._watched.regions),
        }

    def still(self) -> bytes | None:
        """Return the newest frame as a JPEG with its labels drawn; None before the first."""
        newest = self._newest
        return None if newest is None else self._overlay(newest, fitting(newest.frame.image))

    def _regions(self, newest: LabelledFrame | None) -> dict[str, Any]:
        """Return the state of each region, without a label if `newest` is None."""
        seen = {} if newest is None else {one.region: _seen(one) for one in newest.regions}
        return {
            name: {**seen.get(name, _NOTHING_SEEN), "model": model}
            for name, model in self._watched.regions.items()
        }

    @property
    def _is_watched(self) -> bool:
        return len(self.viewers) > 0 or len(self.pictures) > 0

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(
                    lambda: self._waiting is not None or self._is_over, _LOOK_EVERY
                )
                if self._is_over:
                    return
                waiting, self._waiting = self._waiting, None
            self._look_at_camera()
            if self._watched.status().is_stale:
                self._show_stale()
            elif waiting is not None:
                self._show(*waiting)

    def _look_at_camera(self) -> None:
        facts = self._camera_facts(), self._watched.model()
        if facts != self._facts:
            self._facts = facts
            self._in_loop(self.viewers.tell_state)

    def _camera_facts(self) -> CameraFacts:
        status = self._watched.status()
        return CameraFacts(
            DEVICE,
            self._watched.description,
            problem=(status.reason or NO_PICTURE) if status.is_stale else None,
            is_live=status.state == "live",
            last_picture_at=status.last_picture_at if status.is_stale else None,
        )

    def _show(self, number: int, labelled: LabelledFrame) -> None:
        wants_view, wants_overlay = self.viewers.is_picture_wanted(), self.pictures.is_one_wanted()
        picture = without_picture(number, labelled)
        overlay = None
        if wants_view or wants_overlay:
            small = fitting(labelled.frame.image)
            self._sent += 1
            if wants_view:
                view = self._drawing.view(small, labelled)
                picture = with_picture(number, labelled, view, self._heat_maps.of(labelled))
            if wants_overlay:
                overlay = self._overlay(labelled, small)
        self._in_loop(self.viewers.offer, picture)
        if overlay is not None:
            self._in_loop(self.pictures.offer, overlay)

    def _overlay(self, labelled: LabelledFrame, small: BgrImage) -> bytes | None:
        status = self._watched.status()
        if status.is_stale or is_old(labelled, time.monotonic()):
            return encoded(self._drawing.stale(small, status))
        return encoded(self._drawing.overlay(small, labelled))

    def _show_stale(self) -> None:
        newest, now = self._newest, time.monotonic()
        if newest is None or now < self._stale_at or not self.pictures.is_one_wanted():
            return
        self._stale_at = now + _STALE_EVERY
        overlay = self._overlay(newest, fitting(newest.frame.image))
        if overlay is not None:
            self._in_loop(self.pictures.offer, overlay)

    def _end_streams(self) -> None:
        self.pictures.end()
        self.events.end()

    def _in_loop(self, call: Callable[..., None], *values: object) -> None:
        """Have a function called in the event loop, from any thread."""
        call_in_loop(self._loop, call, *values)


def _seen(labelled: LabelledFrame) -> dict[str, Any]:
    told = prediction_fields(labelled.steady)
    return {
        **{key: told[key] for key in ("label", "confidence", "unknown")},
        "raw": prediction_fields(labelled.prediction),
    }


def is_old(labelled: LabelledFrame, now: float) -> bool:
    """Whether the newest label is too old to be shown, because the loop has stalled.

    Args:
        labelled: The newest labelled frame.
        now: Seconds on the monotonic clock.
    """
    rate = labelled.frames_per_second
    slowest = _OLD_AFTER_FRAMES / rate if rate > 0 else _OLD_AFTER
    return now - labelled.labelled_at > max(_OLD_AFTER, slowest)
