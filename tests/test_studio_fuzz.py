"""Whatever is sent to the page's server: an answer or an end in time, no traceback, and it goes on.

Seeds are fixed. `STUDIO_FUZZ_ROUNDS=200 python -m pytest tests/test_studio_fuzz.py` tries longer.
"""

from __future__ import annotations

import json
import math
import os
import random
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed

from tests.studio_files import picture, zipped
from tests.studio_server import StudioServer, run_small_studio

ROUNDS = int(os.environ.get("STUDIO_FUZZ_ROUNDS", "3"))
REQUESTS = 60  # of a round
MESSAGES = 40
FRAMES = 25
ANSWERS_WITHIN = 20.0  # seconds
CLOSED_BY_US = {1000, 1001, 1002, 1003, 1007, 1009, 4400, 4409, 4429}

PATHS = (
    "/", "/page/main.js", "/report", "/api/state", "/api/labels", "/api/labels/cup",
    "/api/labels/cup/pictures", "/api/labels/cup/uploads/a.jpg", "/api/labels/cup/uploads/a.zip",
    "/api/uploads/a.zip", "/api/pictures/cup/a.jpg", "/api/undo", "/api/camera", "/api/export",
    "/api/cancel", "/api/crop", "/api/watch", "/api/models/model.onnx", "/ws/live", "/ws/camera",
)  # fmt: skip
METHODS = ("GET", "HEAD", "POST", "PATCH", "DELETE", "PUT", "OPTIONS", "TRACE", "BREW", "")
ODD_TEXTS = (
    "", "cup", "\x00", "..", "../../etc/passwd", "%00", "%ff", "%2e%2e%2f", "a" * 5000, "🤷", "con",
    "\u202egpj", "\u200b", "'", '"', "<script>", "\ud800", "what?", "-1", "NaN", "1e999", " ",
)  # fmt: skip
ODD_VALUES: tuple[object, ...] = (
    *ODD_TEXTS, None, True, 0, -1, 1.5, 10**40, math.nan, math.inf, [], {}, [[[[]]]], {"a": {}},
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


@pytest.fixture(scope="module")
def studio(folder: Path) -> Iterator[StudioServer]:
    with run_small_studio(folder, "cup") as server:
        yield server
        assert server.ask("GET", "/api/state").status == 200
        assert server.process.poll() is None
        assert "Traceback" not in (folder / "stderr.txt").read_text()
        assert list((folder / "dataset").glob("../*.jpg")) == []
        server.end()
    assert "Traceback" not in (folder / "stderr.txt").read_text()


def odd_json(generator: random.Random) -> bytes:
    names = ("name", "kind", "mode", "epochs", "precision", "with", "type", "label", "on", "frame")
    fields = {name: generator.choice(ODD_VALUES) for name in generator.sample(names, 4)}
    return generator.choice(
        (
            json.dumps(fields).encode(),
            json.dumps(generator.choice(ODD_VALUES)).encode(),
            b"[" * 30_000,
            b"\xff\xfe{",
            b"",
        )
    )


def odd_body(generator: random.Random) -> bytes:
    whole = generator.choice(
        (picture(generator.randrange(5)), zipped(("cup/1.jpg", picture(7))), odd_json(generator))
    )
    return mutated(whole, generator)


def mutated(content: bytes, generator: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(generator.choice((0, 1, 5, 50))):
        if changed:
            changed[generator.randrange(len(changed))] = generator.randrange(256)
    return bytes(changed[: generator.choice((len(changed), len(changed) // 2, 10**9))])


def odd_request(studio: StudioServer, generator: random.Random) -> bytes:
    path = generator.choice(PATHS)
    if generator.random() < 0.3:
        path += "/" + generator.choice(ODD_TEXTS).encode("utf-8", "replace").hex()
    if generator.random() < 0.3:
        path += generator.choice(("?side=", "?token=", "?client=", "/%", "//", "/%ff", "?" * 99))
    body = odd_body(generator)
    headers = [
        f"Host: 127.0.0.1:{studio.port}",
        f"Cookie: {studio.cookie['Cookie']}",
        f"Origin: {studio.origin}",
        f"Content-Length: {len(body)}",
    ]
    odd = (
        "Content-Length: -1", "Content-Length: 99999999999999999999", "Content-Length: 7",
        "Transfer-Encoding: chunked", "Transfer-Encoding: gzip", "Expect: 100-continue",
        "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Key: x",
        "Sec-WebSocket-Version: 1", "Host: [::1", "Cookie: =;=;;", "X-Studio-Client: " + "é" * 50,
        "Range: bytes=5-1,-3,0-0", "If-None-Match: *", "no colon at all", "Content-Type: \x7f",
    )  # fmt: skip
    headers += generator.sample(odd, generator.choice((0, 0, 1, 2)))
    if generator.random() < 0.3:
        headers.pop(generator.randrange(len(headers)))
    head = f"{generator.choice(METHODS)} {path} HTTP/{generator.choice(('1.1', '1.1', '1.0', '9'))}"
    request = "\r\n".join([head, *headers, "", ""]).encode("utf-8", "replace") + body
    return mutated(request, generator) if generator.random() < 0.3 else request


@pytest.mark.timeout(60 + 60 * ROUNDS)
def test_every_request_is_answered_or_ended(studio: StudioServer, folder: Path) -> None:
    for seed in range(ROUNDS):
        generator = random.Random(seed)
        for _ in range(REQUESTS):
            request = odd_request(studio, generator)
            with socket.create_connection(("127.0.0.1", studio.port), timeout=60) as raw:
                raw.settimeout(ANSWERS_WITHIN)
                with suppress(ConnectionError):
                    raw.sendall(request)
                    raw.shutdown(socket.SHUT_WR)
                answer = b""
                with suppress(ConnectionError):
                    while more := raw.recv(1 << 16):
                        answer += more
            status = answer[9:12]
            assert status != b"500", request[:500]
            assert not answer or status.isdigit() or answer[:1] in b"\x81\x82\x88", answer[:100]
    assert "Traceback" not in (folder / "stderr.txt").read_text()


def odd_message(generator: random.Random) -> str | bytes:
    kinds = ("hello", "shown", "claim", "release", "record", "clock", "frame", "alive", "next", 7)
    keys = ("label", "on", "frame", "pictures", "clock", "browser", "captured")
    fields: dict[str, object] = {key: generator.choice(ODD_VALUES) for key in keys}
    fields["type"] = generator.choice(kinds)
    choice = generator.random()
    if choice < 0.6:
        return json.dumps(fields)
    if choice < 0.75:
        return mutated(picture(generator.randrange(5)), generator)
    return odd_json(generator).decode("utf-8", "replace")


@pytest.mark.timeout(60 + 60 * ROUNDS)
@pytest.mark.parametrize("path", ["/ws/live", "/ws/camera"])
def test_every_message_is_taken_or_ends_its_websocket_with_a_reason(
    studio: StudioServer, folder: Path, path: str
) -> None:
    codes: set[int] = set()
    for seed in range(ROUNDS):
        generator = random.Random(1000 + seed)
        for _ in range(MESSAGES):
            with studio.socket(path) as opened:
                with suppress(ConnectionClosed):
                    for _ in range(generator.randrange(1, 6)):
                        opened.send(odd_message(generator))
                    opened.send("{")  # is the last straw, where none before was
                codes.add(end_code(opened.recv))
    assert codes <= CLOSED_BY_US
    assert "Traceback" not in (folder / "stderr.txt").read_text()
    with studio.page() as page:
        page.until(lambda page: page.state["recording"] is None)


def end_code(receive: Callable[[float], object]) -> int:
    """Wait for the end, and give its code; 1006 where there was none."""
    try:
        while True:
            receive(ANSWERS_WITHIN)
    except ConnectionClosed as closed:
        return 1006 if closed.rcvd is None else closed.rcvd.code


def handshake(studio: StudioServer, path: str) -> socket.socket:
    raw = socket.create_connection(("127.0.0.1", studio.port), timeout=ANSWERS_WITHIN)
    raw.sendall(
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{studio.port}\r\nOrigin: {studio.origin}\r\n"
        f"Cookie: {studio.cookie['Cookie']}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
    )
    head = b""
    while b"\r\n\r\n" not in head:
        head += raw.recv(1)
    assert head.startswith(b"HTTP/1.1 101 ")
    return raw


def odd_frames(generator: random.Random) -> bytes:
    """Frames as RFC 6455 has them, or nearly."""
    made = b""
    for _ in range(generator.randrange(1, 5)):
        first = generator.choice((0x81, 0x82, 0x01, 0x00, 0x80, 0x88, 0x89, 0x8A, 0x83, 0xF1))
        payload = generator.choice((b"", b"{}", b"\xff\xff", b"\x03", b"x" * 126, b"\x03\xe8ok"))
        length = generator.choice((len(payload), len(payload), 5, 127))
        if length < 126:
            size = bytes([0x80 | length])
        elif length == 126:
            size = bytes([0x80 | 126]) + length.to_bytes(2, "big")
        else:
            size = bytes([0x80 | 127]) + generator.choice((2**63 + 1, 2**40, 127)).to_bytes(
                8, "big"
            )
        made += bytes([first]) + size + bytes(4) + payload
    return made


@pytest.mark.timeout(60 + 60 * ROUNDS)
@pytest.mark.parametrize("path", ["/ws/live", "/ws/camera"])
def test_frames_that_are_none_end_their_websocket(
    studio: StudioServer, folder: Path, path: str
) -> None:
    for seed in range(ROUNDS):
        generator = random.Random(2000 + seed)
        for _ in range(FRAMES):
            with handshake(studio, path) as raw, suppress(ConnectionError):
                raw.sendall(odd_frames(generator))
                raw.shutdown(socket.SHUT_WR)
                while raw.recv(1 << 16):
                    pass
    assert "Traceback" not in (folder / "stderr.txt").read_text()


def test_a_flood_of_messages_ends_its_websocket_and_nobody_elses(studio: StudioServer) -> None:
    with studio.page() as calm:
        studio.change("POST", "/api/camera", {"kind": "device"}, calm.client)
        calm.until(lambda page: bool(page.prediction))
        for path, message in (
            ("/ws/live", json.dumps({"type": "claim"})),
            (f"/ws/camera?client={calm.client}", json.dumps({"type": "frame", "captured": 1.0})),
        ):
            with studio.socket(path) as flood:
                with suppress(ConnectionClosed):
                    while True:
                        for _ in range(100):
                            flood.send(message)
                code = end_code(flood.recv)
            assert code in (4429, 1006)  # the goodbye may be lost, since not all was read
        studio.change("POST", "/api/camera", {"kind": "device"}, calm.client)
        shown = calm.prediction["frame"]
        calm.until(lambda page: page.prediction["frame"] > shown)
