"""A network camera that fails on demand: a server on this machine that sends JPEG pictures.

It stands for what cameras, cables and networks do: damaged parts, silence, a closed or refused
connection, a picture that stands still. Faults begin and end while somebody reads.
"""

from __future__ import annotations

import json
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial

import cv2
import numpy as np

FAULTS: dict[str, str] = {
    "junk": "one part in four is nothing but zeros",
    "empty": "one part in four has no content",
    "text": "one part in four is a text",
    "cut": "one picture in four is cut off after a third",
    "undecodable": "no part can be decoded",
    "noise": "bytes that are no parts at all",
    "silent": "nothing is sent; then it goes on",
    "silent connect": "nothing is sent, and no new connection is answered",
    "trickle": "some bytes a second",
    "frozen": "one and the same picture",
    "black": "black pictures",
    "size": "pictures of another size",
    "close": "the connection is closed, and the next one served",
    "reset": "the connection is reset, and the next one served",
    "half header": "every connection ends within its header",
    "down": "nobody listens, as while it restarts",
    "forbidden": "every connection is refused with 401",
    "error": "every connection is refused with 503",
    "page": "a page is sent in place of the stream",
}
"""What it can do wrong, each with what is then sent."""

_PICTURES = 40
_SIZE, _OTHER_SIZE = (160, 120), (240, 176)  # width, height
_SILENCE_STEP = 0.02  # seconds


def draw_pictures(width: int, height: int, count: int = _PICTURES) -> list[bytes]:
    """Draw pictures as a sensor gives them: a scene that moves, with noise.

    Args:
        width: Pixels.
        height: Pixels.
        count: How many; they are sent in turn.

    Returns:
        JPEG files.
    """
    generator = np.random.default_rng(0)
    scene = cv2.resize(generator.normal(128, 60, (9, 12, 3)), (2 * width, height))
    pictures = []
    for number in range(count):
        left = number * width // count
        noisy = scene[:, left : left + width] + generator.normal(0, 9, (height, width, 3))
        encoded = cv2.imencode(".jpg", np.clip(noisy, 0, 255).astype(np.uint8))[1]
        pictures.append(encoded.tobytes())
    return pictures


class FaultyCamera:
    """Serves one stream to whoever connects, as long as the context lasts.

    Args:
        rate: Pictures a second.
        on_good: Called in a thread with the time on the monotonic clock whenever a good picture,
            another one than before, is about to be sent.

    Attributes:
        fault: One of `FAULTS`, or empty; set it at any time.
        connections: How many were made.
    """

    def __init__(
        self, rate: float = 25.0, on_good: Callable[[float], None] = lambda _at: None
    ) -> None:
        self.fault = ""
        self.connections = 0
        self._period = 1 / rate
        self._on_good = on_good
        self._pictures = draw_pictures(*_SIZE)
        self._larger = draw_pictures(*_OTHER_SIZE)
        black = np.zeros((_SIZE[1], _SIZE[0], 3), np.uint8)
        self._black = cv2.imencode(".jpg", black)[1].tobytes()
        self._is_over = threading.Event()
        self._clients: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener: socket.socket | None = None
        self.port = 0
        self._listen()

    @property
    def url(self) -> str:
        """Where it is found."""
        return f"http://127.0.0.1:{self.port}/video"

    def __enter__(self) -> FaultyCamera:
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._stop_listening()
        self.drop()

    def begin(self, fault: str) -> None:
        """Do something wrong from now on.

        Args:
            fault: One of `FAULTS`.
        """
        assert fault in FAULTS, fault
        self.fault = fault
        if fault == "down":
            self._stop_listening()
        if fault in ("close", "reset", "half header", "down", "forbidden", "error", "page"):
            self.drop(with_reset=fault == "reset")

    def end(self) -> float:
        """Be a good camera again.

        Returns:
            Since when, in seconds on the monotonic clock.
        """
        before, self.fault = self.fault, ""
        if before == "down":
            self._listen()
        return time.monotonic()

    def drop(self, with_reset: bool = False) -> None:
        """Close every connection."""
        with self._lock:
            clients, self._clients = self._clients, set()
        for client in clients:
            with suppress(OSError):
                if with_reset:
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                else:
                    client.shutdown(socket.SHUT_RDWR)
                client.close()

    def _listen(self) -> None:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen(16)
        self.port = listener.getsockname()[1]
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def _stop_listening(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)  # or else `accept` would go on
            listener.close()

    def _accept(self, listener: socket.socket) -> None:
        while not self._is_over.is_set():
            try:
                client, _ = listener.accept()
            except OSError:  # it was closed
                return
            with self._lock:
                self._clients.add(client)
            self.connections += 1
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            client.settimeout(30)
            client.recv(4096)
            self._answer(client)
        except OSError:  # the reader has gone, or the connection was dropped
            pass
        finally:
            with self._lock:
                self._clients.discard(client)
            client.close()

    def _answer(self, client: socket.socket) -> None:
        while self.fault == "silent connect" and not self._is_over.is_set():
            time.sleep(_SILENCE_STEP)
        if self.fault in ("forbidden", "error"):
            status = b"401 Unauthorized" if self.fault == "forbidden" else b"503 Unavailable"
            client.sendall(b"HTTP/1.0 " + status + b"\r\nContent-Length: 0\r\n\r\n")
            return
        if self.fault == "page":
            client.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: text/html\r\n\r\n<p>Log in")
            return
        if self.fault == "half header":
            client.sendall(b"HTTP/1.0 200 OK\r\nContent-Ty")
            return
        client.sendall(
            b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n"
        )
        for content, is_good in self._parts():
            if is_good:  # told before: the reader may have it as soon as it is sent
                self._on_good(time.monotonic())
            client.sendall(content)

    def _parts(self) -> Iterator[tuple[bytes, bool]]:
        """What is sent, each at its time, and whether it is a good picture."""
        due = time.monotonic()
        number = 0
        while not self._is_over.is_set():
            number += 1
            fault = self.fault
            if fault in ("silent", "silent connect"):
                time.sleep(_SILENCE_STEP)
                continue
            picture = self._pictures[number % _PICTURES]
            if fault == "trickle":
                yield from ((bytes([byte]), False) for byte in _part(picture)[: number % 7 + 3])
                time.sleep(0.2)
                continue
            due = max(due + self._period, time.monotonic() - self._period)
            time.sleep(max(0.0, due - time.monotonic()))
            yield self._part(fault, number, picture)

    def _part(self, fault: str, number: int, picture: bytes) -> tuple[bytes, bool]:
        is_bad_one = number % 4 == 3
        if fault == "noise":
            return np.random.default_rng(number).bytes(3000), False
        if fault == "undecodable":
            return _part(b"\0" * 1000), False
        if fault == "frozen":
            return _part(self._pictures[0]), False
        if fault == "black":
            return _part(self._black), False
        if fault == "size":
            return _part(self._larger[number % _PICTURES]), True
        damaged = {
            "junk": b"\0" * 2000,
            "empty": b"",
            "text": b"the camera is busy\n" * 5,
            "cut": picture[: len(picture) // 3],
        }
        if is_bad_one and fault in damaged:
            return _part(damaged[fault]), False
        return _part(picture), True


def _part(content: bytes) -> bytes:
    head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(content)}\r\n\r\n"
    return head.encode() + content + b"\r\n"


def serve(count: int, rate: float) -> None:
    """Serve cameras and obey lines of JSON on the standard input, until it ends.

    The first line of output is the list of addresses. A line of input is a camera's number and a
    fault, or an empty name for the end of one, or null. Each is answered with times on the
    monotonic clock: now, and for each camera when it sent a good picture last.

    Args:
        count: How many cameras.
        rate: Pictures a second, of each.
    """
    good_at = [time.monotonic()] * count
    cameras = [FaultyCamera(rate, partial(good_at.__setitem__, number)) for number in range(count)]
    print(json.dumps([camera.url for camera in cameras]), flush=True)
    for line in sys.stdin:
        number, fault = json.loads(line)
        if fault:
            cameras[number].begin(fault)
        elif fault is not None:
            cameras[number].end()
        print(json.dumps([time.monotonic(), *good_at]), flush=True)


if __name__ == "__main__":
    serve(int(sys.argv[1]), float(sys.argv[2]))
