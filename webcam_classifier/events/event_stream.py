"""From labelled frames to events, and to every sink."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Sequence

from webcam_classifier.camera.protocol import CameraStatus
from webcam_classifier.errors import UserError
from webcam_classifier.events.event import NO_PICTURE, Event
from webcam_classifier.events.sink import Sink
from webcam_classifier.frame import BgrImage
from webcam_classifier.live.loop import LabelledFrame
from webcam_classifier.model_card import UNKNOWN_NAME
from webcam_classifier.prediction import Prediction


class EventStream:
    """Watches the steady label, makes an event of each change, and gives all to the sinks.

    >>> stream = EventStream([], source="demo", model="models/cups/model.onnx")

    Args:
        sinks: Each gets every frame and every event, and returns at once.
        source: Where the frames come from, for the events.
        model: The model's file, for events of frames that name none.
        file_rate: Frames a second of a video file, whose labels last in its own time; None for
            other sources.
        with_pictures: Whether events carry their frame's picture.
    """

    def __init__(
        self,
        sinks: Sequence[Sink],
        *,
        source: str,
        model: str,
        file_rate: float | None = None,
        with_pictures: bool = False,
    ) -> None:
        self.sinks = tuple(sinks)
        self._source = source
        self._model = model
        self._change_model: Callable[[str], None] | None = None
        self._file_rate = file_rate
        self._with_pictures = with_pictures
        self._run_id = secrets.token_hex(6)
        self._number = 0
        self._label: str | None = None
        self._since = 0.0
        self._is_model_new = False
        self._is_paused = False
        self._newest: LabelledFrame | None = None
        self._lock = threading.Lock()  # frames and stalls come from different threads

    @property
    def label(self) -> str | None:
        """The label of the newest event; None before the first."""
        return self._label

    @property
    def newest_image(self) -> BgrImage | None:
        """The picture of the newest frame, (height, width, 3) uint8; None before the first."""
        newest = self._newest
        return None if newest is None else newest.frame.image

    def pause(self) -> None:
        """Make no events until `resume`; frames go on to the sinks that take them."""
        self._is_paused = True

    def resume(self) -> None:
        """Make events again; where the label changed meanwhile, that is the first."""
        self._is_paused = False

    def change_model_with(self, request: Callable[[str], None]) -> None:
        """Say what asks for another model by its name, and returns at once."""
        self._change_model = request

    def change_model(self, name: str) -> None:
        """Ask for another model; what becomes of it is told at the terminal.

        Raises:
            UserError: There is none to choose from.
        """
        if self._change_model is None:
            raise UserError("There are no other models here to change to.")
        self._change_model(name)

    def take(self, labelled: LabelledFrame) -> None:
        """Take a labelled frame; `LiveLoop` calls it with each of them.

        The first frame of another model is an event, whatever its label.

        Raises:
            UserError: A file that every frame is written to can't be written any more.
        """
        frame = labelled.frame
        self._newest = labelled
        if labelled.model and labelled.model != self._model:
            self._use_model(labelled)
        for sink in self.sinks:
            sink.take_frame(labelled)
        label = steady_label(labelled.steady)
        if label is None:
            return
        confidence = None if label == UNKNOWN_NAME else labelled.steady.confidence
        at = frame.index / self._file_rate if self._file_rate else frame.captured_at
        image = frame.image if self._with_pictures else None
        self._change_to(label, confidence, at, frame.captured_at, labelled.age, image)

    def take_status(self, status: CameraStatus) -> None:
        """Take note of how the source is doing: an event where it gives no pictures any more.

        The next frame ends that. `LiveLoop` calls it when the state changes.
        """
        for sink in self.sinks:
            sink.take_status(status)
        if not status.is_stale:
            return
        now = time.monotonic()
        newest = self._newest
        age = 0.0 if newest is None else now - newest.frame.captured_at
        self._change_to(NO_PICTURE, None, now, now, age, None)

    def _use_model(self, labelled: LabelledFrame) -> None:
        self._model = labelled.model
        with self._lock:
            self._is_model_new = True
        for sink in self.sinks:
            sink.take_labels(labelled.prediction.labels)

    def _change_to(
        self,
        label: str,
        confidence: float | None,
        at: float,
        captured_at: float,
        age: float,
        image: BgrImage | None,
    ) -> None:
        with self._lock:
            if (label == self._label and not self._is_model_new) or self._is_paused:
                return
            self._is_model_new = False
            event = Event(
                id=f"{self._run_id}-{self._number:06d}",
                number=self._number,
                # Anew each time: the wall clock may be set while this runs.
                wall_time=time.time() - (time.monotonic() - captured_at),
                monotonic=captured_at,
                label=label,
                confidence=confidence,
                previous_label=self._label,
                previous_seconds=None if self._label is None else max(0.0, at - self._since),
                age=age,
                source=self._source,
                model=self._model,
                image=image,
            )
            self._number += 1
            self._label, self._since = label, at
            for sink in self.sinks:
                sink.take_event(event)


def steady_label(steady: Prediction) -> str | None:
    """The label that an event is about; None where nothing is known yet."""
    if not steady.labels:
        return None
    return UNKNOWN_NAME if steady.is_unknown else steady.label
