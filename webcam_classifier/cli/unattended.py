"""Record one label without a window: in scripts, on devices without a screen, or from a video."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from webcam_classifier.camera.protocol import Camera, CameraStatus
from webcam_classifier.errors import UserError
from webcam_classifier.progress import Stage, track
from webcam_classifier.teaching.recording_session import RecordingSession
from webcam_classifier.ui.record_words import describe_skipped

_LOOK_EVERY = 0.1  # seconds between two checks of the camera's status
_GIVES_UP_AFTER = 30.0  # seconds in which a live source gave nothing to record


def count_down(camera: Camera, seconds: int) -> None:
    """Count down on the terminal while a person gets ready and the camera adapts to the light.

    Args:
        camera: Read all the time.
        seconds: How long; 0 does not count.
    """
    started = time.monotonic()
    for left in range(seconds, 0, -1):
        print(f"recording begins in {left} ...", file=sys.stderr, flush=True)
        while time.monotonic() < started + seconds - left + 1:
            if camera.read() is None:
                return


def record_unattended(
    camera: Camera, session: RecordingSession, label: str, count: int | None, every: int
) -> int:
    """Record a label in one burst, with a line of progress.

    Args:
        camera: The opened source. A file is read as fast as possible, and no frame is dropped.
        session: What records; for a file its rate must be infinite.
        label: One of its labels.
        count: How many pictures to record; None continues to the end of the source.
        every: 1 takes every frame, 5 every fifth.

    Returns:
        How many pictures were recorded.

    Raises:
        UserError: A picture could not be written, the camera was unplugged, or a live source
            gave nothing to record for half a minute.
    """
    session.start_recording(label, at_most=count)
    wanted = count if count is not None else _expected(camera, every)
    recorded = _recorded(camera, session, every, count)
    try:
        return sum(1 for _ in track(Stage.RECORD, recorded, wanted, label))
    except KeyboardInterrupt:
        session.stop_recording()  # drops the last pictures: the person was no longer in the pose
        raise


@contextmanager
def watched(camera: Camera, tell: Callable[[CameraStatus], None]) -> Iterator[None]:
    """Report from a thread when a camera stops giving pictures, and when it gives them again.

    Args:
        camera: Read by another thread in the meantime.
        tell: Called once for each new state.
    """
    is_over = threading.Event()

    def watch() -> None:
        told: str = "live"
        while not is_over.wait(_LOOK_EVERY):
            status = camera.status
            if status.state != told and (status.is_stale or status.state == "live"):
                told = status.state
                tell(status)

    thread = threading.Thread(target=watch, name="status-watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def _expected(camera: Camera, every: int) -> int | None:
    return None if camera.frame_count is None else -(-camera.frame_count // every)


def _recorded(
    camera: Camera, session: RecordingSession, every: int, count: int | None
) -> Iterator[int]:
    """Yield the number of each picture that was recorded, from 1."""
    done = 0
    last = time.monotonic()
    while done != count and (frame := camera.read()) is not None:
        if frame.index % every:
            continue
        is_recorded = session.take(frame, wait=not camera.is_live)
        session.check()
        now = time.monotonic()
        last = max(last, camera.status.since)  # time without a picture does not count
        if is_recorded:
            done, last = done + 1, now
            yield done
        elif camera.is_live and session.state().last_skip and now - last > _GIVES_UP_AFTER:
            raise UserError(
                f"Nothing could be recorded for {_GIVES_UP_AFTER:.0f} s: "
                f"{describe_skipped(session.state())}. Move, improve the light, or add --keep-all."
            )
