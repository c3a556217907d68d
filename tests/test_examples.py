from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from jinja2 import Environment

from benchmarks.event_delivery import camera
from benchmarks.mosquitto import Mosquitto, Subscriber
from examples.robot import SPEEDS, STOP, steer
from tests.labelled_frames import an_event
from tests.tiny_model import write_tiny_model
from webcam_classifier.errors import UserError
from webcam_classifier.events.event import NO_PICTURE
from webcam_classifier.events.mqtt import MqttSink, parse_broker

PROJECT = Path(__file__).resolve().parents[1]


class SeenEnoughError(Exception):
    """Ends an example, which goes on as long as its camera does."""


@pytest.fixture
def source(tmp_path: Path) -> Iterator[str]:
    """A network camera that shows blue and green in turn, and a model of three labels for it."""
    write_tiny_model(tmp_path / "model.onnx", labels=("forward", "left", "none"))
    jpegs = [
        cv2.imencode(".jpg", np.full((48, 64, 3), colour, np.uint8))[1].tobytes()
        for colour in ((255, 0, 0), (0, 255, 0))
    ]
    with camera(jpegs) as address:
        yield address


def test_the_robot_steers_by_what_it_sees(tmp_path: Path, source: str) -> None:
    driven: list[tuple[float, float]] = []

    def drive(left: float, right: float) -> None:
        if driven[-1:] != [(left, right)]:
            driven.append((left, right))
        if len(driven) > 20 or set(SPEEDS.values()) & set(driven) == wanted:
            raise SeenEnoughError

    wanted = {SPEEDS["forward"], SPEEDS["left"]}
    with pytest.raises(SeenEnoughError):
        steer(str(tmp_path), source, drive)
    assert set(driven) <= {*wanted, STOP}
    assert wanted <= set(driven)


def test_the_robot_runs_as_a_program(tmp_path: Path, source: str) -> None:
    lines = lines_of(["robot", str(tmp_path), source], wanted="left 0.1 right 0.5")
    assert set(lines) <= {"left 0.5 right 0.5", "left 0.1 right 0.5", "left 0.0 right 0.0"}


def test_the_lamp_is_lit_while_the_label_is_seen(
    tmp_path: Path, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpiozero = pytest.importorskip("gpiozero")
    from gpiozero.pins.mock import MockFactory, MockPin

    from examples.gpio_light import light

    levels: list[bool] = []

    class WatchedPin(MockPin):  # type: ignore[misc]  # it ships no types
        def _set_state(self, value: float) -> None:
            super()._set_state(value)
            if levels[-1:] != [bool(value)]:
                levels.append(bool(value))
            if len(levels) == 4:
                raise SeenEnoughError

    factory = MockFactory(pin_class=WatchedPin)
    monkeypatch.setattr(gpiozero.Device, "pin_factory", factory)
    with pytest.raises(SeenEnoughError):
        light(str(tmp_path), source, "left", 17)
    assert levels == [False, True, False, True]
    factory.reset()


def lines_of(example: Sequence[str], wanted: str) -> list[str]:
    """What an example prints until a line comes."""
    process = subprocess.Popen(
        [sys.executable, "-m", f"examples.{example[0]}", *example[1:]],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        text=True,
    )
    lines: list[str] = []
    try:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line.strip())
            if line.strip() == wanted:
                return lines
    finally:
        process.kill()
        process.communicate()
    raise AssertionError(f"it never said {wanted}")


def test_what_home_assistant_listens_to_is_what_the_camera_sends(tmp_path: Path) -> None:
    text = (PROJECT / "examples" / "home_assistant.yaml").read_text()
    command = re.search(r"--mqtt mqtt://USER:PASSWORD@HOST/(\S+)", text)
    assert command is not None
    topics = set(re.findall(r"topic: (\S+)", text))
    templates = re.findall(r'value_template: "(.*)"', text)
    payloads = re.findall(r"payload: (\S+)", text)
    try:
        broker = Mosquitto(tmp_path / "mosquitto")
    except UserError as error:
        pytest.skip(str(error))
    with broker, Subscriber(broker.port, "#") as subscriber:
        url = f"mqtt://127.0.0.1:{broker.port}/{command[1]}"
        with MqttSink(parse_broker(url), print, ["cup"], tmp_path / "queue.db") as sink:
            sink.take_event(an_event(0, "cup"))
            sink.take_event(an_event(1, NO_PICTURE))
            end = time.monotonic() + 30
            while len(subscriber.of(f"{command[1]}/state")) < 2:
                assert time.monotonic() < end
                time.sleep(0.01)
        while b"offline" not in subscriber.of(f"{command[1]}/availability"):
            assert time.monotonic() < end
            time.sleep(0.01)
        sent = {topic for topic, *_ in subscriber.messages}
        states = subscriber.json_of(f"{command[1]}/state")
    assert topics <= sent
    environment = Environment()
    told = [environment.from_string(templates[0]).render(value_json=state) for state in states]
    assert told == ["cup", NO_PICTURE]
    assert payloads == ["cup", NO_PICTURE, "offline"]
    trigger = {"payload_json": states[0]}
    assert environment.from_string(templates[1]).render(trigger=trigger) == "True"
