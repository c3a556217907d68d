from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest
from jinja2 import Environment

from benchmarks.event_delivery import camera
from benchmarks.mosquitto import Mosquitto, Subscriber
from examples.gradio_app import answer as gradio_answer
from examples.robot import SPEEDS, STOP, steer
from examples.ros2_node import answer as ros_answer
from examples.ros2_node import picture_of
from tests.labelled_frames import an_event
from tests.tiny_model import write_tiny_model
from webcam_classifier.errors import UserError
from webcam_classifier.events.mqtt import MqttSink
from webcam_classifier.events.mqtt_broker import parse_broker
from webcam_classifier.model.classifier import Classifier
from webcam_classifier.model_card import NO_PICTURE

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


def test_the_notebook_runs_and_is_kept_without_outputs(tmp_path: Path) -> None:
    for needed in ("nbclient", "ipykernel"):
        if find_spec(needed) is None:
            pytest.skip(f"{needed} is not installed (requirements-dev.txt)")
    path = PROJECT / "examples" / "notebook.ipynb"
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    (tmp_path / "models" / "dataset").mkdir(parents=True)
    write_tiny_model(tmp_path / "models" / "dataset" / "model.onnx")
    program = (
        "import json, nbformat, sys\n"
        "from nbclient import NotebookClient\n"
        "notebook = nbformat.read(sys.argv[1], as_version=4)\n"
        "NotebookClient(notebook, timeout=120, kernel_name='python3').execute()\n"
        "print(json.dumps([cell.get('outputs') for cell in notebook.cells]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(PROJECT), "IPYTHONDIR": str(tmp_path / "ipython")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()[-1]
    assert "labels: blue, green, red" in said
    assert "image/jpeg" in said
    assert re.search(r"(blue|green|red|unknown): [0-9]+ frames", said)


def test_the_gradio_app_answers_with_probabilities(tmp_path: Path) -> None:
    write_tiny_model(tmp_path / "model.onnx")
    classifier = Classifier(tmp_path / "model.onnx")
    red = np.full((48, 64, 3), (250, 10, 10), np.uint8)  # RGB
    answered = gradio_answer(classifier, red)
    assert max(answered, key=lambda label: answered[label]) == "red"
    assert sum(answered.values()) == pytest.approx(1)
    assert gradio_answer(classifier, None) == {}


GRADIO_PROGRAM = """
import sys
from pathlib import Path
from gradio_client import Client, handle_file
from examples.gradio_app import build
from webcam_classifier import Classifier
page = build(Classifier(Path(sys.argv[1])))
_, address, _ = page.launch(prevent_thread_lock=True, quiet=True)
told = Client(address, verbose=False).predict(handle_file(sys.argv[2]), api_name="/classify")
print("told", told["label"])
page.close()
"""


def test_the_gradio_app_is_a_page(tmp_path: Path) -> None:
    if find_spec("gradio") is None:
        pytest.skip("gradio (370 MB) is not installed")
    write_tiny_model(tmp_path / "model.onnx")
    picture = tmp_path / "red.png"
    cv2.imwrite(str(picture), np.full((48, 64, 3), (10, 10, 250), np.uint8))
    command = [sys.executable, "-c", GRADIO_PROGRAM, str(tmp_path / "model.onnx"), str(picture)]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=300)
    assert "told red" in done.stdout, done.stderr


@dataclass
class Message:
    """As sensor_msgs/Image."""

    height: int
    width: int
    encoding: str
    step: int
    data: bytes


@pytest.mark.parametrize(
    ("encoding", "colour"),
    [
        ("bgr8", (10, 20, 250)),
        ("rgb8", (250, 20, 10)),
        ("rgba8", (250, 20, 10, 255)),
        ("bgra8", (10, 20, 250, 255)),
    ],
)
def test_the_ros_node_labels_pictures_of_every_encoding(
    tmp_path: Path, encoding: str, colour: tuple[int, ...]
) -> None:
    write_tiny_model(tmp_path / "model.onnx")
    pixels = np.full((48, 60, len(colour)), colour, np.uint8)
    padding = np.zeros((48, 7), np.uint8)  # rows may be longer than their pixels
    rows = np.hstack([pixels.reshape(48, -1), padding])
    message = Message(48, 60, encoding, rows.shape[1], rows.tobytes())
    assert (picture_of(message) == (10, 20, 250)).all()
    told = json.loads(ros_answer(Classifier(tmp_path / "model.onnx"), message, 12.5))
    assert (told["label"], told["stamp"]) == ("red", 12.5)


def test_the_ros_node_takes_grey_pictures_and_says_what_it_can_not_take() -> None:
    grey = Message(2, 3, "mono8", 3, bytes(range(6)))
    assert picture_of(grey)[1, 2].tolist() == [5, 5, 5]
    with pytest.raises(ValueError, match="16UC1"):
        picture_of(Message(2, 3, "16UC1", 6, bytes(12)))


def test_every_example_is_listed() -> None:
    folder = PROJECT / "examples"
    listed = set(
        re.findall(r"^\| \[(\S+)\]\(\1\)", (folder / "README.md").read_text(), re.MULTILINE)
    )
    files = {path.name for path in folder.iterdir() if path.is_file()}
    assert listed == files - {"README.md", "__init__.py"}


def test_the_program_in_the_readme_runs(tmp_path: Path) -> None:
    programs = re.findall(
        r"^```python\n(.*?)^```", (PROJECT / "README.md").read_text(), re.M | re.S
    )
    assert len(programs) == 1
    program = programs[0].replace('open_camera("0")', 'open_camera("demo")')
    assert program != programs[0]
    (tmp_path / "models" / "dataset").mkdir(parents=True)
    write_tiny_model(tmp_path / "models" / "dataset" / "model.onnx")
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", program],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert re.fullmatch(r"(blue|green|red|unknown) \d+ %\n", process.stdout.readline())
    finally:
        process.kill()
        process.communicate()
