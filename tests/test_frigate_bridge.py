"""The bridge to Frigate, run as a program, with a real broker and a real web server."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from benchmarks.mosquitto import Mosquitto, Subscriber
from examples.frigate_bridge import States
from tests.live_server import jpeg_of
from tests.studio_server import ROOT
from tests.tiny_model import write_tiny_model
from webcam_classifier.dataset.picture_files import encode_snapshot
from webcam_classifier.errors import UserError

PATIENCE = 60.0  # seconds
AVAILABLE = "frigate-bridge/gate/available"


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    try:
        broker = Mosquitto(tmp_path / "mosquitto")
    except UserError as error:
        pytest.skip(str(error))
    with broker:
        yield broker


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "gate" / "model.onnx"
    write_tiny_model(path, unknown_threshold=2.0)
    return path


@contextmanager
def bridge(model: Path, port: int, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "examples.frigate_bridge", str(model)]
    process = subprocess.Popen(
        [*command, f"mqtt://127.0.0.1:{port}/frigate", *arguments],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def wait_until(holds: Callable[[], object]) -> None:
    ends = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < ends, "it did not come to that"
        time.sleep(0.01)


def test_a_state_changes_when_enough_answers_agree() -> None:
    states = States(3)
    answers = ["open", "open", "closed", "open", "open", "open", "open", "closed", "open"]
    assert [states.take("gate", answer) for answer in answers] == [
        *[None] * 5, "open", None, None, None,
    ]  # fmt: skip
    assert [states.take("yard", "closed") for _ in range(4)] == [None, None, "closed", None]
    assert [states.take("gate", "closed") for _ in range(3)] == [None, None, "closed"]


def test_crops_come_in_and_states_go_out_in_frigates_own_shape(
    broker: Mosquitto, model: Path
) -> None:
    generator = np.random.default_rng(0)
    with Subscriber(broker.port, "#") as heard:
        with bridge(model, broker.port, "--object", "car"):
            wait_until(lambda: heard.of(AVAILABLE) == [b"online"])

            def show(camera: str, colour: str, times: int, kind: str = "car") -> None:
                for _ in range(times):
                    heard.publish(f"frigate/{camera}/{kind}/snapshot", jpeg_of(colour, generator))

            gate, yard = "frigate/gate/classification/gate", "frigate/yard/classification/gate"
            show("gate", "red", 5, kind="person")
            show("gate", "blue", 2)
            heard.publish("frigate/gate/car/snapshot", b"no picture")
            heard.publish("frigate/gate/car", b"1")
            show("gate", "green", 1)
            show("gate", "blue", 3)
            show("yard", "green", 3)
            wait_until(lambda: heard.of(yard) == [b"green"])
            assert heard.of(gate) == [b"blue"]
            white = encode_snapshot(np.full((60, 80, 3), 255, np.uint8))
            for _ in range(3):
                heard.publish("frigate/gate/car/snapshot", white)
            wait_until(lambda: heard.of(gate) == [b"blue", b"unknown"])
            with Subscriber(broker.port, "frigate/#") as late:
                wait_until(lambda: late.of(gate) == [b"unknown"])
        wait_until(lambda: heard.of(AVAILABLE) == [b"online", b"offline"])


def test_whole_pictures_are_taken_from_its_http_api(broker: Mosquitto, model: Path) -> None:
    generator = np.random.default_rng(0)
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            if self.path != "/api/front%20gate/latest.jpg":
                self.send_error(404)
                return
            self.send_response(200)
            self.end_headers()
            self.wfile.write(jpeg_of("red", generator))

        def log_message(self, *_: object) -> None:
            """Keep the test's output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    poll = f"http://127.0.0.1:{server.server_port}/"
    arguments = (
        "--poll", poll, "--camera", "no such", "--camera", "front gate", "--agree", "1",
        "--name", "doors",
    )  # fmt: skip
    try:
        with (
            Subscriber(broker.port, "#") as heard,
            bridge(model, broker.port, *arguments) as process,
        ):
            wait_until(lambda: heard.of("frigate/front gate/classification/doors") == [b"red"])
            process.send_signal(signal.SIGINT)
            assert process.wait(PATIENCE) == 130
            wait_until(
                lambda: heard.of("frigate-bridge/doors/available") == [b"online", b"offline"]
            )
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert "/api/no%20such/latest.jpg" in asked
