"""An RTSP camera falls silent, and goes away and comes back."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import numpy as np

from tests.faults.rtsp_server import serve_rtsp
from webcam_classifier.camera.open_camera import open_camera
from webcam_classifier.frame import Frame


def wait_until(is_so: Callable[[], bool], what: str) -> None:
    until = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < until, f"it did not come to pass: {what}"
        time.sleep(0.01)


def test_an_rtsp_camera_is_waited_for_and_opened_again() -> None:
    frames: list[Frame] = []

    def read() -> None:
        while (frame := camera.read()) is not None:
            frames.append(frame)

    with serve_rtsp() as server, open_camera(server.url) as camera:
        assert camera.is_live
        assert camera.description == f"{server.url}, 160 x 128"
        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        wait_until(lambda: len(frames) > 40, "pictures")
        assert np.ptp(frames[-1].image) > 100  # a picture, not a plain one

        server.is_silent = True
        wait_until(lambda: camera.status.state == "stalled", "it is told")
        server.is_silent = False
        before = len(frames)
        wait_until(lambda: len(frames) > before + 5, "pictures after the silence")

        server.stop()
        wait_until(lambda: camera.status.state == "reopening", "it is told")
        time.sleep(0.5)
        before = len(frames)
        server.start()
        wait_until(lambda: len(frames) > before + 5, "pictures after the restart")
        assert camera.status.state == "live"
        started = time.monotonic()
        camera.close()
        assert time.monotonic() - started < 2
        reader.join(5)
        assert not reader.is_alive()
    indices = [frame.index for frame in frames]
    assert indices == sorted(set(indices))
