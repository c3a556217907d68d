"""Several regions of one picture, each labelled by a model of its own and told apart everywhere."""

from __future__ import annotations

import json
import os
import pty
import shlex
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from playwright.sync_api import expect, sync_playwright

from benchmarks.mosquitto import Mosquitto, Subscriber
from tests.colour_video import COLOURS
from tests.labelled_frames import an_event, labelled_frame
from tests.live_server import PATIENCE, ColourCamera, LiveServer, run_live
from tests.tiny_model import write_tiny_model
from webcam_classifier.camera.open_camera import open_camera
from webcam_classifier.camera.protocol import CameraStatus
from webcam_classifier.cli import live
from webcam_classifier.cli.runtime_search import SearchesInTurn, first_runtime
from webcam_classifier.crop import Crop
from webcam_classifier.errors import UserError
from webcam_classifier.events.event import Event
from webcam_classifier.events.event_stream import EventStream
from webcam_classifier.events.mqtt import MqttSink
from webcam_classifier.events.mqtt_broker import parse_broker
from webcam_classifier.events.mqtt_topics import Topics, discovery
from webcam_classifier.events.prometheus import PrometheusSink
from webcam_classifier.events.serial_port import SerialPort
from webcam_classifier.events.sink import Sink, SinkCounts
from webcam_classifier.frame import BgrImage
from webcam_classifier.live.loop import LabelledFrame, LiveLoop
from webcam_classifier.live.region import PartClassifier, Region
from webcam_classifier.model.classifier import Classifier
from webcam_classifier.model.writer import write_model
from webcam_classifier.model_card import NO_PICTURE
from webcam_classifier.runtime.choice import AUTO, known_runtime
from webcam_classifier.runtime.device_name import physical_cores
from webcam_classifier.runtime.providers import ExecutionConfig
from webcam_classifier.ui.region_overlay import draw_regions

LEFT, RIGHT = Crop(0.0, 0.0, 0.5, 1.0), Crop(0.5, 0.0, 0.5, 1.0)
GATE, LAMP = ("open", "shut", "away"), ("off", "dim", "on")
AT_ONCE = ("--no-window", "--provider", "cpu", "--threads", "1")
SEEN = [("blue", "blue"), ("blue", "red"), ("green", "red")]
"""What the two halves of the clip show, a second each; blue is each model's first label."""


def halves(left: str, right: str) -> BgrImage:
    image = np.empty((120, 160, 3), np.uint8)
    image[:, :80], image[:, 80:] = COLOURS[left], COLOURS[right]
    return image


def wait_until(is_so: Callable[[], object], seconds: float = PATIENCE) -> None:
    ends = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < ends, "it did not come to be in time"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models; what the lamp's was trained on is the right half of the picture."""
    folder = tmp_path_factory.mktemp("regions")
    write_tiny_model(folder / "gate" / "model.onnx", GATE)
    path = folder / "lamp" / "model.onnx"
    card = write_tiny_model(path, LAMP, input_size=48)
    write_model(onnx.load(path), replace(card, crop=RIGHT), path)
    (folder / "damaged.onnx").write_bytes(b"no model at all")
    return folder


@pytest.fixture(scope="module")
def clip(folder: Path) -> Path:
    path = folder / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (160, 120))
    for left, right in SEEN:
        for _ in range(10):
            writer.write(halves(left, right))
    writer.release()
    return path


@pytest.fixture
def regions(folder: Path) -> tuple[str, ...]:
    """The gate is the left half, in pixels; the lamp is what its model was trained on."""
    gate, lamp = f"gate={folder / 'gate'}:0,0,80,120", f"lamp={folder / 'lamp'}"
    return ("--region", gate, "--region", lamp)


# The whole command


def test_lines_commands_clips_and_video_tell_regions_apart(
    regions: tuple[str, ...], clip: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    lines, written = tmp_path / "lines.jsonl", tmp_path / "written"
    write = (
        "import os, sys; e = os.environ; open(sys.argv[1], 'a').write("
        "f\"{e['WEBCAM_CLASSIFIER_REGION']} {e['WEBCAM_CLASSIFIER_LABEL']}\\n\")"
    )
    command = f"{sys.executable} -c {shlex.quote(write)} {written}"
    live.main(
        [*regions, *AT_ONCE, "--source", str(clip), "--json-lines", str(lines),
         "--when", f"gate/shut={command}", "--when", f"on={command}",
         "--when", f"lamp/shut={command}",
         "--clips", str(tmp_path / "clips"), "--save", str(tmp_path / "drawn.avi")]
    )  # fmt: skip
    told = [json.loads(line) for line in lines.read_text().splitlines()]
    assert [(line["index"], line["region"]) for line in told] == [
        (index, region) for index in range(30) for region in ("gate", "lamp")
    ]
    labels = [(line["region"], line["label"]) for line in told[::10]]
    assert labels == [("gate", "open")] * 4 + [("gate", "shut")] * 2
    assert [line["label"] for line in told[1::20]] == ["off", "on", "on"]
    assert sorted(written.read_text().splitlines()) == ["gate shut", "lamp on"]
    [video] = (tmp_path / "clips").glob("*.mp4")
    assert "-gate-open-" in video.name
    output = capfd.readouterr()
    said = [line.split(" s  ")[1] for line in output.out.splitlines()]
    assert [line.split()[:2] for line in said] == [
        ["gate:", "open"], ["lamp:", "off"], ["lamp:", "on"], ["gate:", "shut"]
    ]  # fmt: skip
    assert "--when lamp/shut: the region has no such label" in output.err
    assert output.err.count("looks at a part of the picture alone: 0,0,0.5,1 ") == 1
    assert output.err.count("looks at a part of the picture alone: 0.5,0,0.5,1 ") == 1
    assert "inference, gate" in output.err
    assert (tmp_path / "drawn.avi").stat().st_size > 0


def test_events_carry_the_region_and_its_own_time(
    regions: tuple[str, ...], clip: Path, tmp_path: Path
) -> None:
    lines = tmp_path / "events.jsonl"
    live.main(
        [*regions, *AT_ONCE, "--source", str(clip), "--json-lines", str(lines), "--events-only"]
    )
    events = [json.loads(line) for line in lines.read_text().splitlines()]
    assert [
        (event["region"], event["label"], event["previous_label"], event["previous_seconds"])
        for event in events
    ] == [
        ("gate", "open", None, None), ("lamp", "off", None, None),
        ("lamp", "on", "off", 1.0), ("gate", "shut", "open", 2.0),
    ]  # fmt: skip
    assert [event["number"] for event in events] == [0, 1, 2, 3]
    assert {event["region"]: Path(event["model"]).parent.name for event in events} == {
        "gate": "gate", "lamp": "lamp"
    }  # fmt: skip


def test_pictures_are_named_region_by_region(
    regions: tuple[str, ...], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "photo.png"
    cv2.imwrite(str(path), halves("green", "red"))
    live.main([*regions, *AT_ONCE, "--source", str(path)])
    lines = capfd.readouterr().out.splitlines()
    assert [line.split()[:3] for line in lines] == [
        [f"{path}:", "gate:", "shut"], [f"{path}:", "lamp:", "on"]
    ]  # fmt: skip


def test_a_file_that_two_regions_name_is_opened_once(
    folder: Path, clip: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    lines = tmp_path / "lines.jsonl"
    model = folder / "gate"
    live.main(
        ["--region", f"left={model}:0,0,0.5,1", "--region", f"right={model}/model.onnx:0.5,0,0.5,1",
         *AT_ONCE, "--source", str(clip), "--json-lines", str(lines)]
    )  # fmt: skip
    told = [json.loads(line) for line in lines.read_text().splitlines()]
    assert [line["label"] for line in told[20:22]] == ["open", "away"]
    assert capfd.readouterr().err.count("runs on") == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--region", "gate"], "is not NAME=MODEL"),
        (["--region", "a/b=gate"], "has '/' in it"),
        (["--region", "a=gate:0.5,0"], "region a: '0.5,0' is not LEFT,TOP"),
        (["--region", "a=gate", "--region", "A=lamp"], "--region A is given twice"),
        (["gate", "--region", "a=gate"], "MODEL (gate) is for one model"),
        (["--region", "a=gate", "--crop", "0,0,1,0.5"], "--crop is for one model"),
        (["--region", "a=gate", "--teach", "cup"], "--teach is for one model"),
        (["--region", "a=gate", "--explain"], "--explain is for one model"),
        (["--region", "a=gate", "--models", "."], "--models is for one model"),
        (["--region", "a=gate", "--keep-uncertain", "x"], "--keep-uncertain is for one model"),
        (["--region", "a=gate", "--top", "2"], "--top has no effect"),
    ],
)
def test_what_regions_can_not_be_or_have_is_refused(
    arguments: list[str], says: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        live.main(arguments)
    assert says in capfd.readouterr().err


@pytest.mark.parametrize(
    ("lamp", "says"),
    [
        ("damaged.onnx", "The region lamp: .*damaged.onnx"),
        ("nothing-there", "The region lamp: There is no model file"),
        ("lamp:100,0,100,100", "--region lamp: 100,0,100,100 is not a part of a picture of 160"),
    ],
)
def test_the_region_at_fault_is_named_at_the_start(
    folder: Path, clip: Path, lamp: str, says: str
) -> None:
    regions = ["--region", f"gate={folder / 'gate'}", "--region", f"lamp={folder / lamp}"]
    with pytest.raises(UserError, match=says):
        live.main([*regions, *AT_ONCE, "--source", str(clip)])


# The loop


def test_steady_labels_of_regions_know_nothing_of_each_other(folder: Path, clip: Path) -> None:
    runtime = ExecutionConfig(threads=1)
    shared = Classifier(folder / "gate" / "model.onnx", runtime)
    parts = [
        Region("left", PartClassifier(shared, LEFT), "m"),
        Region("right", PartClassifier(shared, RIGHT), "m"),
    ]
    recorded: list[LabelledFrame] = []
    with (
        open_camera(str(clip)) as camera,
        LiveLoop(camera, parts, smoothing=0.3, file_rate=10, record=recorded.append) as loop,
    ):
        shown = [labelled for labelled in loop.results(wait=0.02) if labelled is not None]
        with pytest.raises(ValueError, match="several regions"):
            loop.change_classifier(shared)
    assert len(recorded) == len(shown) == 30
    assert [one.region for one in shown[0].regions] == ["left", "right"]
    raw = [tuple(one.prediction.label for one in frame.regions) for frame in recorded]
    assert raw[9::10] == [("open", "open"), ("open", "away"), ("shut", "away")]
    steady = [tuple(one.steady.label for one in frame.regions) for frame in recorded]
    assert steady[10] == ("open", "open"), "it waits until the change is believed"
    assert steady[19] == ("open", "away")
    assert [one.prediction.crop for one in shown[-1].regions] == [LEFT, RIGHT]
    assert len({one.labelled_at for one in shown[-1].regions}) == 1


# Events


def two(index: int, gate: str, lamp: str, *, at: float | None = None) -> LabelledFrame:
    """A frame of two regions."""
    first, second = (labelled_frame(index, label, captured_at=at) for label in (gate, lamp))
    beside = replace(second, frame=first.frame, region="lamp", model="l.onnx")
    return replace(first, region="gate", model="g.onnx", beside=(beside,))


class Kept(Sink):
    def __init__(self) -> None:
        self.name = "kept"
        self.events: list[Event] = []

    @property
    def counts(self) -> SinkCounts:
        return SinkCounts()

    def take_event(self, event: Event) -> None:
        self.events.append(event)

    def close(self) -> None:
        pass


def test_each_region_changes_by_itself_and_has_no_picture_of_its_own() -> None:
    kept = Kept()
    stream = EventStream([kept], source="demo", model={"gate": "g.onnx", "lamp": "l.onnx"})
    for index, (gate, lamp) in enumerate([("cup", "cup"), ("cup", "hand"), ("none", "hand")]):
        stream.take(two(index, gate, lamp))
    stream.take_status(CameraStatus("stalled", time.monotonic(), "unplugged"))
    stream.take(two(3, "none", "cup"))
    told = [(event.region, event.label, event.previous_label, event.model) for event in kept.events]
    assert told == [
        ("gate", "cup", None, "g.onnx"), ("lamp", "cup", None, "l.onnx"),
        ("lamp", "hand", "cup", "l.onnx"), ("gate", "none", "cup", "g.onnx"),
        ("gate", NO_PICTURE, "none", "g.onnx"), ("lamp", NO_PICTURE, "hand", "l.onnx"),
        ("gate", "none", NO_PICTURE, "g.onnx"), ("lamp", "cup", NO_PICTURE, "l.onnx"),
    ]  # fmt: skip
    assert len({event.id for event in kept.events}) == len(kept.events)
    assert "region" not in an_event().fields(), "one model is told as it always was"


def test_figures_have_the_region_as_a_label() -> None:
    from prometheus_client.parser import text_string_to_metric_families

    with PrometheusSink("127.0.0.1", 0, [], has_regions=True) as sink:
        for index in range(3):
            sink.take_frame(two(index, "cup", "hand"))
        for region, label in [("gate", "cup"), ("gate", "hand"), ("lamp", "cup")]:
            sink.take_event(replace(an_event(0, label), region=region))
        with urllib.request.urlopen(f"http://127.0.0.1:{sink.port}/metrics") as answer:
            text = answer.read().decode()
    samples = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    now = {key[1:]: value for key, value in samples.items() if key[0] == "webcam_classifier_label"}
    assert now == {
        (("label", "cup"), ("region", "gate")): 0,
        (("label", "hand"), ("region", "gate")): 1,
        (("label", "cup"), ("region", "lamp")): 1,
        (("label", "hand"), ("region", "lamp")): 0,
    }
    assert samples["webcam_classifier_frames_total",] == 3
    assert samples["webcam_classifier_inference_seconds_count", ("region", "lamp")] == 3
    gate_cup = ("webcam_classifier_changes_total", ("label", "cup"), ("region", "gate"))
    assert samples[gate_cup] == 1


def test_the_serial_line_begins_with_the_region() -> None:
    controller, device = pty.openpty()
    try:
        with SerialPort(os.ttyname(device), print) as sink:
            sink.take_event(replace(an_event(0, "open"), region="gate"))
            wait_until(lambda: sink.counts.delivered == 1)
        assert os.read(controller, 1000).replace(b"\r\n", b"\n") == b"gate\topen\t0.90\n"
    finally:
        os.close(controller)
        os.close(device)


def test_a_broker_gets_topics_and_entities_of_each_region(tmp_path: Path) -> None:
    try:
        broker = Mosquitto(tmp_path / "mosquitto", "")
    except UserError as error:
        pytest.skip(str(error))
    regions = {"gate": GATE, "light ü": LAMP}

    with broker:
        address = parse_broker(f"mqtt://127.0.0.1:{broker.port}/home/yard")
        with MqttSink(address, print, ["cup"], tmp_path / "queue.db") as before:
            before.take_event(an_event(0, "cup"))
            wait_until(lambda: before.counts.delivered == 1)
        with Subscriber(broker.port, "#") as all_of_it:
            wait_until(lambda: all_of_it.of("home/yard/state"))
            with MqttSink(address, print, regions, tmp_path / "queue.db") as sink:
                sink.take_event(replace(an_event(0, "open", with_image=True), region="gate"))
                sink.take_event(replace(an_event(1, "on"), region="light ü"))
                wait_until(lambda: all_of_it.of("home/yard/light ü/state"))
            [gate] = all_of_it.json_of("home/yard/gate/state")
            assert (gate["region"], gate["label"]) == ("gate", "open")
            assert all_of_it.json_of("home/yard/light ü/event")[0]["label"] == "on"
            assert all_of_it.of("home/yard/gate/picture")[0].startswith(b"\xff\xd8")
            wait_until(lambda: len(all_of_it.of("home/yard/availability")) == 3)
            assert all_of_it.of("home/yard/availability") == [b"offline", b"online", b"offline"]
        with Subscriber(broker.port, "#") as late:
            # The two regions' entities, the camera's, one label of before, and four more topics.
            wait_until(lambda: late.of("home/yard/light ü/state") and len(late.messages) >= 22)
            assert late.of("home/yard/availability") == [b"offline"]
            assert not late.of("home/yard/state"), "what one model said no longer holds"
            found = {
                topic: json.loads(payload)
                for topic, payload, _ in late.messages
                if topic.startswith("homeassistant/") and "is_cup" not in topic
            }
    assert len({one["unique_id"] for one in found.values()}) == len(found) == 2 * 8 + 1
    assert len({str(one["device"]) for one in found.values()}) == 1
    names = {one["name"]: one for one in found.values()}
    assert names["gate label"]["state_topic"] == "home/yard/gate/state"
    assert names["gate label"]["options"] == [*GATE, "unknown", "no_picture"]
    assert names["light ü dim"]["state_topic"] == "home/yard/light ü/state"
    assert names["Picture"]["topic"] == "home/yard/picture"
    alone = [json.loads(payload)["name"] for _, payload in discovery(Topics("home/yard"), ["cup"])]
    assert alone == ["Label", "Confidence", "cup", "Picture"]


# What is drawn


def test_plates_stand_at_their_regions_and_not_on_each_other() -> None:
    image = np.full((480, 640, 3), 128, np.uint8)

    def drawn(*crops: Crop | None, mirrored: bool = False) -> BgrImage:
        frames = [
            replace(one, prediction=replace(one.prediction, crop=crop))
            for one, crop in zip(two(0, "cup", "hand").regions, crops, strict=True)
        ]
        return draw_regions(image, replace(frames[0], beside=(frames[1],)), mirrored=mirrored)

    def rows(picture: BgrImage, columns: slice) -> int:
        """How many rows have plates, which are dark."""
        return int((picture[:, columns].min(axis=(1, 2)) < 60).sum())

    both = drawn(LEFT, RIGHT)
    one_plate = rows(both, np.s_[4:300])
    assert one_plate > 20
    assert rows(both, np.s_[324:600]) == pytest.approx(one_plate, abs=1)
    stacked = drawn(None, None)
    assert rows(stacked, np.s_[4:300]) == pytest.approx(2 * one_plate, abs=4)
    corner = Crop(0.75, 0.5, 0.25, 0.5)
    at_the_left = drawn(corner, corner, mirrored=True)
    assert (at_the_left[:, 170:] == image[:, 170:]).all()
    assert (drawn(corner, corner)[:, :470] == image[:, :470]).all()
    assert (image == 128).all()


# Served


@pytest.fixture(scope="module")
def camera() -> Iterator[ColourCamera]:
    with ColourCamera().serve() as camera:
        yield camera


@pytest.fixture(scope="module")
def server(folder: Path, camera: ColourCamera) -> Iterator[LiveServer]:
    regions = (
        "--region",
        f"gate={folder / 'gate'}:0,0,0.5,1",
        "--region",
        f"lamp={folder / 'lamp'}",
    )
    with run_live(folder, *regions, *AT_ONCE[1:], "--source", camera.url) as server:
        server.until(lambda state: state["fresh"])
        yield server


def test_the_state_has_every_region(server: LiveServer, camera: ColourCamera) -> None:
    camera.colour = "green"
    state = server.until(lambda state: state["regions"]["gate"]["label"] == "shut")
    assert state["regions"]["lamp"]["label"] == "dim"
    assert state["regions"]["lamp"]["raw"]["likeliest"] == "dim"
    assert state["regions"]["gate"]["confidence"] > 0.9
    assert state["regions"]["gate"]["model"].endswith("gate/model.onnx")
    assert not {"label", "confidence", "raw", "model"} & set(state), "nothing is of all regions"
    picture = server.ask("GET", "/picture.jpg")
    assert picture.status == 200
    camera.hold()
    stale = server.until(lambda state: not state["fresh"])
    assert {name: one["label"] for name, one in stale["regions"].items()} == {
        "gate": None, "lamp": None
    }  # fmt: skip
    camera.go_on()
    server.until(lambda state: state["fresh"])


def test_a_picture_that_is_sent_is_labelled_in_every_region(server: LiveServer) -> None:
    content = cv2.imencode(".png", halves("green", "red"))[1].tobytes()
    answer = server.ask_without_cookie("POST", "/classify", content, server.bearer)
    assert answer.status == 200
    regions = answer.json["regions"]
    assert (regions["gate"]["label"], regions["lamp"]["label"]) == ("shut", "on")
    assert (answer.json["width"], answer.json["height"]) == (160, 120)
    broken = server.ask_without_cookie("POST", "/classify", b"no picture", server.bearer)
    assert broken.status == 400


def test_no_region_changes_its_model(server: LiveServer) -> None:
    assert server.ask("GET", "/model").json == {"model": None, "models": []}
    answer = server.change("POST", "/model", json.dumps({"name": "lamp"}).encode())
    assert answer.status == 400
    assert "Each region keeps its model" in answer.json["error"]


def test_the_page_shows_a_line_for_each_region(
    chromium: str, server: LiveServer, camera: ColourCamera
) -> None:
    complaints: list[str] = []
    camera.colour = "blue"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 390, "height": 844})
        page.set_default_timeout(1000 * PATIENCE)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(server.link)
        labels = page.get_by_test_id("region-label")
        expect(labels).to_have_text(["open", "off"], timeout=1000 * PATIENCE)
        camera.colour = "red"
        expect(labels).to_have_text(["away", "on"], timeout=1000 * PATIENCE)
        expect(page.get_by_test_id("verdict")).to_be_hidden()
        newest = page.get_by_test_id("changes").locator("b")
        expect(newest.filter(has_text="gate: away")).to_have_count(1, timeout=1000 * PATIENCE)
        camera.hold()
        expect(labels).to_have_text(["\u2013", "\u2013"], timeout=1000 * PATIENCE)
        camera.go_on()
        browser.close()
    assert complaints == []


# Which runtime


def test_runtimes_of_several_models_are_tried_in_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if physical_cores() == 1:
        pytest.skip("with one core there may be nothing to try")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    paths = [tmp_path / name / "model.onnx" for name in ("gate", "lamp")]
    for path, size in zip(paths, (32, 48), strict=True):
        write_tiny_model(path, input_size=size)
    classifiers = [
        Classifier(path, first_runtime(path, AUTO, 0, pytest.fail)[0].runtime) for path in paths
    ]
    said: list[str] = []
    with SearchesInTurn(classifiers, 0, said.append):
        ends = ("now runs on", "stays on")
        wait_until(lambda: sum(line.startswith(ends) for line in said) == 2, seconds=300)
    assert said[0].startswith("trying cpu")
    assert [
        path for line in said if line.startswith(ends) for path in paths if str(path) in line
    ] == paths
    for path in paths:
        assert known_runtime(path, AUTO, 0, pytest.fail) is not None
