"""Describe a camera's status: as a sentence for the terminal, and as fields for JSON."""

from __future__ import annotations

from datetime import datetime, timezone

from webcam_classifier.camera.protocol import CameraStatus


def status_sentence(status: CameraStatus) -> str:
    """Return a line that says that the camera is back, or why it gives no picture.

    Args:
        status: A status whose state has just changed.
    """
    if not status.is_stale:
        return "the camera is back"
    return f"no picture ({status.state}): {status.reason}"


def status_fields(status: CameraStatus, clock_offset: float) -> dict[str, object]:
    """Return a status as the fields of a line of JSON.

    Args:
        status: A status whose state has just changed.
        clock_offset: Seconds to add to the monotonic clock to get the time since 1970.
    """
    began_at = datetime.fromtimestamp(clock_offset + status.since, timezone.utc)
    fields: dict[str, object] = {
        "state": status.state,
        "time": began_at.isoformat(timespec="milliseconds"),
        "since": round(status.since, 6),
    }
    if status.reason:
        fields["reason"] = status.reason
    return fields
