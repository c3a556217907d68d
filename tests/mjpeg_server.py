"""A network camera on this machine: a real HTTP server that sends JPEG pictures for ever."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cv2
import numpy as np

PERIOD = 0.04  # seconds from picture to picture


@contextmanager
def serve_mjpeg(frame_count: int, then_silent_for: float = 0.0) -> Iterator[str]:
    """Serve a stream whose n-th picture is as bright as 4 n, once, and yield its address."""
    silence = threading.Event()
    was_served = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if was_served.is_set():
                self.send_error(503)
                return
            was_served.set()
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.end_headers()
            try:
                for number in range(frame_count):
                    self._send(number)
                    time.sleep(PERIOD)
            except OSError:  # the reader has gone
                return
            silence.wait(then_silent_for)

        def _send(self, number: int) -> None:
            picture = np.full((48, 64, 3), 4 * number % 256, np.uint8)
            jpeg = cv2.imencode(".jpg", picture)[1].tobytes()
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
            self.wfile.write(head.encode() + jpeg + b"\r\n")

        def log_message(self, *_arguments: object) -> None:
            """Keep the test's output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/video"
    finally:
        silence.set()
        server.shutdown()
        thread.join()
        server.server_close()
