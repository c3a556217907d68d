"""Turn labelled frames into events, and pass both to the sinks."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from webcam_classifier.camera.protocol import CameraStatus
from webcam_classifier.errors import UserError
from webcam_classifier.events.event import Event
from webcam_classifier.events.sink import Sink
from webcam_classifier.frame import BgrImage
from webcam_classifier.live.loop import LabelledFrame
from webcam_classifier.model_card import NO_PICTURE, UNKNOWN_NAME
from webcam_classifier.prediction import Prediction


@dataclass(eq=False)
class _Told:
    """The last event of a region.

    Attributes:
        model: The path of the model file.
        label: The label of the last event; None before the first.
        since: When that label began, in seconds; for a file, in the time of the video.
        is_model_new: Whether the next frame makes an event even if its label is the same.
    """

    model: str
    label: str | None = None
    since: float = 0.0
    is_model_new: bool = False


class EventStream:
    """Watches the steady label of each region, and passes frames and changes to the sinks.

    >>> stream = EventStream([], source="demo", model="models/cups/model.onnx")

    Args:
        sinks: Each gets every frame and every event, and must return at once.
        source: Where the frames come from, for the events.
        model: The path of the model file, for frames that don't name one; or that of each region by
            its name.
        file_rate: Frames a second of a video file, in whose time labels last; None for other
            sources.
        with_pictures: Whether events carry the picture of their frame.
    """

    def __init__(
        self,
        sinks: Sequence[Sink],
        *,
        source: str,
        model: str | Mapping[str, str],
        file_rate: float | None = None,
        with_pictures: bool = False,
    ) -> None:
        self.sinks = tuple(sinks)
        self._source = source
        files = {"": model} if isinstance(model, str) else model
        self._told = {region: _Told(file) for region, file in files.items()}
        self._change_model: Callable[[str], None] | None = None
        self._file_rate = file_rate
        self._with_pictures = with_pictures
        self._run_id = secrets.token_hex(6)
        self._number = 0
        self._is_paused = False
        self._is_stale = False  # no picture comes
        self._newest: LabelledFrame | None = None
        # Frames, stalls and commands come from different threads.
        self._lock = threading.RLock()

    @property
    def newest_image(self) -> BgrImage | None:
        """The picture of the newest frame, (height, width, 3) uint8; None before the first."""
        newest = self._newest
        return None if newest is None else newest.frame.image

    def pause(self) -> None:
        """Make no events until `resume`; the sinks still get frames."""
        self._is_paused = True

    def resume(self) -> None:
        """Make events again, the first one if the label has changed in the meantime.

        If the camera gives no picture, that is the event: no frame would come to make it.
        """
        with self._lock:
            self._is_paused = False
            if self._is_stale:
                self._tell_no_picture()

    def change_model_with(self, request: Callable[[str], None]) -> None:
        """Set the function that requests another model by its name; it must return at once."""
        self._change_model = request

    def change_model(self, name: str) -> None:
        """Request another model; the outcome is printed to the terminal.

        Raises:
            UserError: There are no models to choose from.
        """
        if self._change_model is None:
            raise UserError("There are no other models here to change to.")
        self._change_model(name)

    def take(self, labelled: LabelledFrame) -> None:
        """Take a labelled frame; the `record` hook of `LiveLoop`.

        The first frame of another model makes an event, whatever its label.

        Raises:
            UserError: A file that every frame is written to can no longer be written.
        """
        frame = labelled.frame
        self._newest = labelled
        for region in labelled.regions:
            if region.model and region.model != self._told[region.region].model:
                self._use_model(region)
        for sink in self.sinks:
            sink.take_frame(labelled)
        at = frame.index / self._file_rate if self._file_rate else frame.captured_at
        image = frame.image if self._with_pictures else None
        for region in labelled.regions:
            label = steady_label(region.steady)
            if label is None:
                continue
            confidence = None if label == UNKNOWN_NAME else region.steady.confidence
            self._change_to(
                region.region, label, confidence, at, frame.captured_at, region.age, image
            )

    def take_status(self, status: CameraStatus) -> None:
        """Take a change of the source's status; if it gives no pictures, that makes an event.

        There is one event for each region, and the next frame makes another. This is the
        `on_status` hook of `LiveLoop`.

        Args:
            status: The new status.
        """
        for sink in self.sinks:
            sink.take_status(status)
        with self._lock:
            self._is_stale = status.is_stale
            if status.is_stale:
                self._tell_no_picture()

    def _tell_no_picture(self) -> None:
        now = time.monotonic()
        newest = self._newest
        age = 0.0 if newest is None else now - newest.frame.captured_at
        for region in self._told:
            self._change_to(region, NO_PICTURE, None, now, now, age, None)

    def _use_model(self, labelled: LabelledFrame) -> None:
        told = self._told[labelled.region]
        with self._lock:
            told.model, told.is_model_new = labelled.model, True
        for sink in self.sinks:
            sink.take_labels(labelled.prediction.labels)

    def _change_to(
        self,
        region: str,
        label: str,
        confidence: float | None,
        at: float,
        captured_at: float,
        age: float,
        image: BgrImage | None,
    ) -> None:
        with self._lock:
            told = self._told[region]
            if (label == told.label and not told.is_model_new) or self._is_paused:
                return
            told.is_model_new = False
            event = Event(
                id=f"{self._run_id}-{self._number:06d}",
                number=self._number,
                # Computed each time, because the system clock may be set while this runs.
                wall_time=time.time() - (time.monotonic() - captured_at),
                monotonic=captured_at,
                label=label,
                confidence=confidence,
                previous_label=told.label,
                previous_seconds=None if told.label is None else max(0.0, at - told.since),
                age=age,
                source=self._source,
                model=told.model,
                image=image,
                region=region,
            )
            self._number += 1
            told.label, told.since = label, at
            for sink in self.sinks:
                sink.take_event(event)


def steady_label(steady: Prediction) -> str | None:
    """Return the label that an event is about; None if the model has no labels yet."""
    if not steady.labels:
        return None
    return UNKNOWN_NAME if steady.is_unknown else steady.label
