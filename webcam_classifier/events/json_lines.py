"""JSON lines for programs: for every labelled frame, or only for events; rotated by size."""

from __future__ import annotations

import math
import sys
import time
from pathlib import Path

from webcam_classifier.camera.protocol import CameraStatus
from webcam_classifier.errors import UserError
from webcam_classifier.events.event import Event, iso_time
from webcam_classifier.events.event_stream import steady_label
from webcam_classifier.events.sink import DRAIN_SECONDS, QueuedSink, QueueSettings, Tell
from webcam_classifier.live.loop import LabelledFrame
from webcam_classifier.live.status_words import status_fields
from webcam_classifier.storage import explain_os_error, is_stream
from webcam_classifier.visible_text import json_line

STANDARD_OUTPUT = "-"
KEPT_FILES = 5
"""How many full files are kept beside the current one; FILE.1 is the newest."""

_FILE_DRAIN_SECONDS = 60.0


class JsonLines(QueuedSink[bytes]):
    """Writes lines of JSON, each one whole and at once.

    A line is written in one call, so a reader finds no partial line, not even after the program was
    killed. An older file is replaced: one file is one run.

    Args:
        place: A file, or `-` for standard output.
        tell: Called with a sentence when lines are dropped, because nobody reads standard output.
        events_only: Whether to write only events, not every frame.
        size_limit: The size in bytes at which a new file is begun; None never does. Standard output
            and pipes have no limit.
        waits: Whether frames wait for slow writing instead of lines being dropped, as for a video
            file.

    Raises:
        UserError: The file can't be written.
    """

    def __init__(
        self,
        place: str,
        tell: Tell,
        *,
        events_only: bool = False,
        size_limit: int | None = None,
        waits: bool = False,
    ) -> None:
        self._path = Path(place)
        self._events_only = events_only
        has_limit = place != STANDARD_OUTPUT and not is_stream(self._path)
        self._size_limit = size_limit if has_limit else None
        self._size = 0
        self._error: Exception | None = None
        try:
            if place == STANDARD_OUTPUT:
                self._file = open(sys.stdout.fileno(), "wb", buffering=0, closefd=False)  # noqa: SIM115 closed by close; a descriptor is no path
            elif self._path.is_dir():
                raise UserError(f"{place} is a folder. Name a file in it, or - for the output.")
            else:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._file = self._path.open("wb", buffering=0)
        except OSError as error:
            raise UserError(explain_os_error(error, self._path)) from error
        super().__init__(
            f"--json-lines {place}",
            tell,
            QueueSettings(
                waits_when_full=waits,
                drain_seconds=_FILE_DRAIN_SECONDS if waits else DRAIN_SECONDS,
            ),
        )

    def take_frame(self, labelled: LabelledFrame) -> None:
        """Write the line of a frame, or one for each region; a label not known yet is null.

        Raises:
            UserError: An earlier line could not be written, as on a full disk.
            BrokenPipeError: Nobody reads standard output any more.
        """
        self._check()
        if not self._events_only:
            for region in labelled.regions:
                self.offer(_line(frame_fields(region)))

    def take_event(self, event: Event) -> None:
        """Write the line of an event, if events are written."""
        if self._events_only:
            self.offer(_line(event.fields_with_picture()))

    def take_status(self, status: CameraStatus) -> None:
        """Write a line when the camera stops giving pictures, and when it gives them again.

        Raises:
            UserError: An earlier line could not be written, as on a full disk.
            BrokenPipeError: Nobody reads standard output any more.
        """
        self._check()
        if not self._events_only:
            self.offer(_line(status_fields(status, time.time() - time.monotonic())))

    def deliver(self, item: bytes) -> None:
        """Write one line; an error is raised by the next call of `take_frame` or `close`."""
        if self._error is not None:
            return
        try:
            if self._size_limit is not None and self._size + len(item) > self._size_limit:
                self._rotate()
            self._size += len(item)
            unwritten = memoryview(item)
            while unwritten:  # a pipe may take less than a long line
                unwritten = unwritten[self._file.write(unwritten) or 0 :]
        except BrokenPipeError as error:
            self._error = error
        except OSError as error:
            self._error = UserError(explain_os_error(error, self._path))

    def close(self) -> None:
        """Write what is pending.

        Raises:
            UserError: A line could not be written, as on a full disk.
            BrokenPipeError: Nobody reads standard output any more.
        """
        super().close()
        if self.counts.pending == 0:  # else a thread is still writing
            self._file.close()
        self._check()

    def _check(self) -> None:
        if self._error is not None:
            raise self._error

    def _rotate(self) -> None:
        if not self._size:
            return
        self._file.close()
        for number in range(KEPT_FILES, 0, -1):
            source = self._numbered(number - 1) if number > 1 else self._path
            if source.exists():
                source.replace(self._numbered(number))
        self._file = self._path.open("wb", buffering=0)
        self._size = 0

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")


def frame_fields(labelled: LabelledFrame) -> dict[str, object]:
    """Return the fields of a frame's line: its own prediction, and the steady label."""
    frame, prediction = labelled.frame, labelled.prediction
    fields: dict[str, object] = {
        "index": frame.index,
        **({"region": labelled.region} if labelled.region else {}),
        # Computed each time, because the system clock may be set while this runs.
        "time": iso_time(time.time() - (time.monotonic() - frame.captured_at)),
        "captured_at": round(frame.captured_at, 6),
        "label": prediction.label if prediction.labels else None,
        "confidence": round(prediction.confidence, 6) if prediction.labels else None,
        "probabilities": {
            label: round(probability, 6)
            for label, probability in zip(
                prediction.labels, prediction.probabilities.tolist(), strict=True
            )
        },
        "age_ms": round(1000 * labelled.age, 3),
        "steady_label": steady_label(labelled.steady),
    }
    if prediction.unknown_score is not None and math.isfinite(prediction.unknown_score):
        fields["unknown"] = prediction.is_unknown
        fields["unknown_score"] = round(prediction.unknown_score, 6)
    if frame.name:
        fields["name"] = frame.name
    return fields


def _line(fields: dict[str, object]) -> bytes:
    return json_line(fields).encode() + b"\n"
