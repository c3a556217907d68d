"""A network camera does everything wrong that it can, and comes back."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from benchmarks.faulty_camera import FAULTS, FaultyCamera
from webcam_classifier.camera.open_camera import open_camera
from webcam_classifier.camera.protocol import Camera, CameraError, CaptureSettings
from webcam_classifier.frame import Frame

_RATE = 12.0  # pictures a second: all faults are tried at once, on two cores
_PATIENCE = 60.0  # seconds; a machine under load is slow, not wrong
_KNOWN_AFTER = 40  # pictures: then it is known that they change from one to the next

PASSING = ("junk", "empty", "text", "cut", "size")
"""Pictures go on between the damaged ones, so nothing is to be told."""

EXPECTED: Mapping[str, set[str]] = {
    "undecodable": {"stalled", "reopening"},
    "noise": {"stalled", "reopening"},
    "silent": {"stalled"},
    "silent connect": {"stalled"},
    "trickle": {"stalled", "reopening"},
    "frozen": {"frozen"},
    "black": {"black"},
}
"""What is told first; of all others that the connection is made again."""


class Reader:
    """Reads a camera to its end, in a thread."""

    def __init__(self, camera: Camera) -> None:
        self.frames: list[Frame] = []
        self._camera = camera
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while (frame := self._camera.read()) is not None:
            self.frames.append(frame)

    def has_ended(self) -> bool:
        self._thread.join(5)
        return not self._thread.is_alive()


@dataclass(frozen=True)
class Observation:
    """What was seen of one fault.

    Attributes:
        state: What was told of it first; `live` where nothing was told.
        reason: Why, in a sentence.
        pictures: How many came during the fault.
        stale: How many were given while the camera was told to be away.
        back_after: Seconds from its end to the first picture.
        in_order: Whether the index of frames only ever grew.
        close_seconds: How long it took to let go.
        is_closed: Whether the reader got its end.
    """

    state: str
    reason: str
    pictures: int
    stale: int
    back_after: float
    in_order: bool
    close_seconds: float
    is_closed: bool


def wait_until(is_so: Callable[[], bool], what: str) -> None:
    until = time.monotonic() + _PATIENCE
    while not is_so():
        assert time.monotonic() < until, f"it did not come to pass: {what}"
        time.sleep(0.005)


def observe(fault: str) -> Observation:
    """Let a camera do something wrong, and see what becomes of it."""
    with FaultyCamera(_RATE) as server:
        camera = open_camera(server.url)
        reader = Reader(camera)
        frames = reader.frames
        wait_until(lambda: len(frames) > _KNOWN_AFTER, f"pictures before {fault}")
        before = len(frames)
        server.begin(fault)
        if fault in PASSING:
            wait_until(lambda: len(frames) > before + 20, f"pictures during {fault}")
        else:
            wait_until(lambda: camera.status.is_stale, f"{fault} is told")
        status, told_at = camera.status, len(frames)
        if fault not in (*PASSING, "close", "reset"):
            time.sleep(0.7)
        stale = len(frames) - told_at
        ended_at = server.end()
        wait_until(
            lambda: bool(frames) and frames[-1].captured_at > ended_at, f"a picture after {fault}"
        )
        assert camera.status.state == "live"
        back_at = next(frame.captured_at for frame in frames if frame.captured_at > ended_at)
        started = time.monotonic()
        camera.close()
        close_seconds = time.monotonic() - started
        is_closed = reader.has_ended()
        indices = [frame.index for frame in frames]
    return Observation(
        state=status.state,
        reason=status.reason,
        pictures=told_at - before,
        stale=0 if fault in (*PASSING, "close", "reset") else stale,
        back_after=back_at - ended_at,
        in_order=indices == sorted(set(indices)),
        close_seconds=close_seconds,
        is_closed=is_closed,
    )


@pytest.fixture(scope="module")
def observations() -> Mapping[str, Observation]:
    """All faults at once, each with a camera of its own: waiting is most of the work."""
    with ThreadPoolExecutor(len(FAULTS)) as pool:
        return dict(zip(FAULTS, pool.map(observe, FAULTS), strict=True))


@pytest.mark.parametrize("fault", FAULTS)
def test_a_camera_comes_back_by_itself_after(
    fault: str, observations: Mapping[str, Observation]
) -> None:
    seen = observations[fault]
    assert seen.in_order
    assert seen.stale == 0
    assert seen.back_after < 20
    assert seen.is_closed
    assert seen.close_seconds < 2
    if fault in PASSING:
        assert seen.state == "live"
    else:
        assert seen.state in EXPECTED.get(fault, {"reopening"})
        assert seen.reason


def test_cameras_are_back_within_a_second(observations: Mapping[str, Observation]) -> None:
    waits = sorted(seen.back_after for seen in observations.values())
    assert waits[len(waits) // 2] < 1.0


def test_a_source_that_is_given_up_ends_with_an_error_that_says_why() -> None:
    settings = CaptureSettings(give_up_after=1.0)
    with FaultyCamera() as server, open_camera(server.url, settings) as camera:
        camera.read()
        server.begin("down")
        with pytest.raises(CameraError, match="has given no picture for 1 seconds"):
            for _ in iter(camera.read, None):
                pass
        assert camera.status.state == "ended"


def test_a_first_connection_that_fails_says_so_at_once() -> None:
    with FaultyCamera() as server:
        server.begin("forbidden")
        started = time.monotonic()
        with pytest.raises(CameraError, match="No video comes from"):
            open_camera(server.url)
        assert time.monotonic() - started < 5


def test_it_is_opened_again_with_growing_pauses() -> None:
    with FaultyCamera() as server, open_camera(server.url) as camera:
        camera.read()
        server.begin("error")
        wait_until(lambda: server.connections > 3, "it is opened again")
        began, before = time.monotonic(), server.connections
        time.sleep(2)
        tried = server.connections - before
        assert tried <= (time.monotonic() - began) / 0.4  # 0.8 s, then 1 s
        server.end()
        assert camera.read() is not None


def test_closing_a_camera_that_hangs_takes_no_time_and_happens_once() -> None:
    with FaultyCamera() as server:
        camera = open_camera(server.url)
        camera.read()
        server.begin("silent")
        wait_until(lambda: camera.status.state == "stalled", "it stalls")
        started = time.monotonic()
        camera.close()
        camera.close()
        assert time.monotonic() - started < 2
        assert camera.read() is None
