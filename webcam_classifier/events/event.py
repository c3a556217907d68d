"""An event: the steady label has changed."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import datetime, timezone

import cv2
import numpy as np

from webcam_classifier.frame import BgrImage

_JPEG_QUALITY = 85


@dataclass(frozen=True, eq=False)
class Event:
    """A change of the steady label.

    Attributes:
        id: A unique id, made of the run and the number. An event that is delivered twice has the
            same id both times.
        number: Counts the events of a run, from 0; a gap means that one was lost.
        wall_time: When the frame was captured, in seconds since 1970 (UTC), according to the system
            clock at the time of the event.
        monotonic: When the frame was captured, in seconds on the monotonic clock.
        label: The new label, `unknown`, or `NO_PICTURE`.
        confidence: Its probability, 0 to 1; None for `unknown` and `NO_PICTURE`.
        previous_label: The label before; None for the first event.
        previous_seconds: How long the previous label lasted; None for the first event.
        age: Seconds from the capture of the frame to its label.
        source: Where the frames come from, as the user named it, without a password.
        model: The path of the model file.
        image: (height, width, 3) uint8, blue green red; None if no picture is wanted.
        region: The name of the region whose label changed; empty if there is one model.
    """

    id: str
    number: int
    wall_time: float
    monotonic: float
    label: str
    confidence: float | None
    previous_label: str | None
    previous_seconds: float | None
    age: float
    source: str
    model: str
    image: BgrImage | None = None
    region: str = ""

    @property
    def time(self) -> str:
        """The wall time as ISO 8601 in UTC, to the millisecond."""
        return iso_time(self.wall_time)

    def fields(self) -> dict[str, object]:
        """Return the fields to send as JSON, without the picture."""
        return {
            "event": "change",
            "id": self.id,
            "number": self.number,
            **({"region": self.region} if self.region else {}),
            "time": self.time,
            "monotonic": round(self.monotonic, 6),
            "label": self.label,
            "confidence": _rounded(self.confidence, 6),
            "previous_label": self.previous_label,
            "previous_seconds": _rounded(self.previous_seconds, 3),
            "age_ms": round(1000 * self.age, 3),
            "source": self.source,
            "model": self.model,
        }

    def fields_with_picture(self) -> dict[str, object]:
        """Return the same fields, with the picture as a base64-encoded JPEG if there is one."""
        picture = (
            {} if self.image is None else {"jpeg": base64.b64encode(jpeg(self.image)).decode()}
        )
        return {**self.fields(), **picture}


def jpeg(image: BgrImage) -> bytes:
    """Compress a picture as a JPEG.

    Args:
        image: (height, width, 3) uint8, blue green red.
    """
    return np.asarray(
        cv2.imencode(".jpg", image, (cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY))[1]
    ).tobytes()


def iso_time(wall_time: float) -> str:
    """Write seconds since 1970 as ISO 8601 in UTC, to the millisecond."""
    return datetime.fromtimestamp(wall_time, timezone.utc).isoformat(timespec="milliseconds")


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
