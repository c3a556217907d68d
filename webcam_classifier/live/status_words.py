"""Say how a camera is doing: as a sentence for the terminal, as fields for a line of JSON."""

from __future__ import annotations

from datetime import datetime, timezone

from webcam_classifier.camera.protocol import CameraStatus


def status_sentence(status: CameraStatus) -> str:
    """Say in a line what became of the picture.

    Args:
        status: One that differs from the one before by its state.
    """
    if not status.is_stale:
        return "the camera is back"
    return f"no picture ({status.state}): {status.reason}"


def status_fields(status: CameraStatus, clock_offset: float) -> dict[str, object]:
    """Write a status as fields of a line of JSON, which has no label.

    Args:
        status: One that differs from the one before by its state.
        clock_offset: Seconds from the monotonic clock to the time of day.
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
