"""An RTSP camera on this machine: motion JPEG over RTP (RFC 2435), within the RTSP connection."""

from __future__ import annotations

import random
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from benchmarks.faulty_camera import draw_pictures

_RATE = 20.0  # pictures a second
_CLOCK = 90_000  # of RTP's time stamps, a second
_LARGEST = 1400  # bytes of a picture in one packet
_JPEG = 26  # RTP's payload type


@dataclass(frozen=True)
class _Scan:
    """What RTP sends of a JPEG: the rest is known to both sides.

    Attributes:
        size: Width and height in blocks of 8 pixels.
        tables: Quantisation, of brightness and colour.
        content: The compressed picture.
    """

    size: tuple[int, int]
    tables: bytes
    content: bytes


def _scan_of(jpeg: bytes) -> _Scan:
    tables, size, at = b"", (0, 0), 2
    while True:
        marker, length = struct.unpack_from(">HH", jpeg, at)
        content = jpeg[at + 4 : at + 2 + length]
        if marker == 0xFFDB:  # quantisation, one table or several
            tables += b"".join(content[i + 1 : i + 65] for i in range(0, len(content), 65))
        elif marker == 0xFFC0:
            height, width = struct.unpack_from(">HH", content, 1)
            size = width // 8, height // 8
        elif marker == 0xFFDA:
            return _Scan(size, tables, jpeg[at + 2 + length : -2])
        at += 2 + length


class RtspCamera:
    """Serves one stream to whoever connects.

    Attributes:
        is_silent: Set it, and no picture is sent until it is cleared.
    """

    def __init__(self) -> None:
        self.is_silent = False
        self.port = 0
        self._scans = [_scan_of(picture) for picture in draw_pictures(160, 128)]
        self._is_over = threading.Event()
        self._clients: set[socket.socket] = set()
        self._listener: socket.socket | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"rtsp://127.0.0.1:{self.port}/stream"

    def start(self) -> None:
        """Listen, on the same port as before."""
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen()
        self.port = listener.getsockname()[1]
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def stop(self) -> None:
        """Go away, as a camera that loses its power."""
        sockets = [*self._clients, self._listener]
        self._listener = None
        for one in sockets:
            if one is not None:
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
                one.close()

    def close(self) -> None:
        self._is_over.set()
        self.stop()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:  # it was closed
                return
            self._clients.add(client)
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with suppress(OSError, ValueError):
            pending = b""
            while True:
                while b"\r\n\r\n" not in pending:
                    received = client.recv(4096)
                    if not received:
                        return
                    pending += received
                head, _, pending = pending.partition(b"\r\n\r\n")
                if self._answer(client, head.decode()) == "PLAY":
                    self._send_pictures(client)
        self._clients.discard(client)
        client.close()

    def _answer(self, client: socket.socket, request: str) -> str:
        method = request.split(" ", 1)[0]
        number = request.lower().partition("cseq:")[2].split()[0]
        fields, body = {"CSeq": number}, ""
        if method == "OPTIONS":
            fields["Public"] = "OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN"
        elif method == "DESCRIBE":
            body = (
                "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=camera\r\nt=0 0\r\n"
                f"m=video 0 RTP/AVP {_JPEG}\r\na=control:video\r\n"
            )
            fields |= {"Content-Type": "application/sdp", "Content-Base": f"{self.url}/"}
        elif method == "SETUP":
            fields["Transport"] = "RTP/AVP/TCP;unicast;interleaved=0-1"
        fields |= {"Session": "1", "Content-Length": str(len(body))}
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        client.sendall(f"RTSP/1.0 200 OK\r\n{lines}\r\n{body}".encode())
        return method

    def _send_pictures(self, client: socket.socket) -> None:
        sequence, number = random.randrange(1000), 0
        while not self._is_over.is_set():
            time.sleep(1 / _RATE)
            if self.is_silent:
                continue
            stamp = round(time.monotonic() * _CLOCK) & 0xFFFFFFFF
            for packet in self._packets(self._scans[number % len(self._scans)], sequence, stamp):
                client.sendall(b"$\0" + struct.pack(">H", len(packet)) + packet)
                sequence = sequence + 1 & 0xFFFF
            number += 1

    def _packets(self, scan: _Scan, sequence: int, stamp: int) -> Iterator[bytes]:
        for start in range(0, len(scan.content), _LARGEST):
            part = scan.content[start : start + _LARGEST]
            is_last = start + _LARGEST >= len(scan.content)
            head = struct.pack(
                ">BBHII", 0x80, _JPEG | is_last << 7, sequence & 0xFFFF, stamp, 0x5EED
            )
            # Type 1 is 4:2:0; a quality of 255 says that the tables come along.
            jpeg = struct.pack(">I", start) + bytes([1, 255, *scan.size])
            tables = b"\0\0" + struct.pack(">H", len(scan.tables)) + scan.tables
            yield head + jpeg + (tables if start == 0 else b"") + part
            sequence += 1


@contextmanager
def serve_rtsp() -> Iterator[RtspCamera]:
    """Serve a camera as long as the context lasts."""
    camera = RtspCamera()
    try:
        yield camera
    finally:
        camera.close()
