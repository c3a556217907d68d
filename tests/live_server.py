"""`live.py --serve` as a user runs it, before a network camera whose picture the test chooses."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from tests.colour_video import COLOURS
from tests.studio_server import ROOT, StudioServer

PATIENCE = 60.0  # seconds

_PERIOD = 0.04  # seconds from picture to picture


class ColourCamera:
    """A network camera that shows one colour, with noise that is another one each time.

    Attributes:
        colour: What it shows, of `COLOURS`.
        url: Of its stream.
    """

    def __init__(self) -> None:
        self.colour = "blue"
        self.url = ""
        self._goes_on = threading.Event()
        self._goes_on.set()
        self._is_over = threading.Event()

    def hold(self) -> None:
        """Send nothing more, until `go_on`."""
        self._goes_on.clear()

    def go_on(self) -> None:
        self._goes_on.set()

    @contextmanager
    def serve(self) -> Iterator[ColourCamera]:
        camera = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
                self.end_headers()
                generator = np.random.default_rng(0)
                while not camera._is_over.wait(_PERIOD):
                    camera._goes_on.wait()
                    jpeg = jpeg_of(camera.colour, generator)
                    size = f"Content-Length: {len(jpeg)}"
                    head = f"--frame\r\nContent-Type: image/jpeg\r\n{size}\r\n\r\n"
                    try:
                        self.wfile.write(head.encode() + jpeg + b"\r\n")
                    except OSError:  # the reader has gone
                        return

            def log_message(self, *_arguments: object) -> None:
                """Keep the test's output clean."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        self.url = f"http://127.0.0.1:{server.server_port}/video"
        try:
            yield self
        finally:
            self._is_over.set()
            self._goes_on.set()
            server.shutdown()
            thread.join()
            server.server_close()


def jpeg_of(colour: str, generator: np.random.Generator) -> bytes:
    """A picture of 160 x 120 pixels, of a pure colour with a little noise on it."""
    noise = generator.integers(0, 20, (120, 160, 3))
    image = np.abs(np.array(COLOURS[colour]) - noise).astype(np.uint8)
    return cv2.imencode(".jpg", image)[1].tobytes()


class LiveServer(StudioServer):
    """A running `python live.py --serve`."""

    def __init__(self, process: subprocess.Popen[str], link: str, errors: Path) -> None:
        super().__init__(process, link)
        self.cookie = {"Cookie": f"live-{self.port}={self.token}"} if self.token else {}
        self.bearer = {"Authorization": f"Bearer {self.token}"}
        self._errors = errors

    @property
    def said(self) -> str:
        """What was told at the terminal so far."""
        return self._errors.read_text()

    def state(self) -> dict[str, Any]:
        answer = self.ask("GET", "/state")
        assert answer.status == 200, answer
        return answer.json

    def until(self, holds: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """Ask for the state until something holds, and give that state."""
        ends = time.monotonic() + PATIENCE
        while True:
            state = self.state()
            if holds(state):
                return state
            assert time.monotonic() < ends, (state, self.said)
            time.sleep(0.02)


@contextmanager
def run_live(folder: Path, *arguments: str, serve: str = "0") -> Iterator[LiveServer]:
    """Run `live.py --serve` without a window, and wait for its link."""
    errors = folder / "stderr.txt"
    command = [
        sys.executable, str(ROOT / "live.py"), "--no-window", "--serve", serve, *arguments,
    ]  # fmt: skip
    with errors.open("w") as stderr:
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=stderr, text=True, cwd=folder
        )
    try:
        yield LiveServer(process, _link(process, errors), errors)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def _link(process: subprocess.Popen[str], errors: Path) -> str:
    ends = time.monotonic() + PATIENCE
    while time.monotonic() < ends:
        for line in errors.read_text().splitlines():
            if line.startswith("open "):
                return line.split()[1]
        assert process.poll() is None, errors.read_text()
        time.sleep(0.02)
    raise AssertionError(f"live.py did not print its link: {errors.read_text()}")
