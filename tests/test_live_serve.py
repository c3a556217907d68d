"""The page and the API of a running loop, asked of the real server by real clients."""

from __future__ import annotations

import asyncio
import http.client
import json
import logging
import os
import signal
import socket
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from playwright.sync_api import ConsoleMessage, FilePayload, Page, expect, sync_playwright
from starlette.requests import ClientDisconnect

from benchmarks.mosquitto import Mosquitto, Subscriber
from tests.colour_video import COLOURS
from tests.live_server import PATIENCE, ColourCamera, LiveServer, jpeg_of, run_live
from tests.studio_server import ROOT
from tests.tiny_model import write_tiny_model
from webcam_classifier.cli import live
from webcam_classifier.crop import Crop
from webcam_classifier.dataset.picture_files import decode_picture
from webcam_classifier.errors import UserError
from webcam_classifier.model.classifier import Classifier
from webcam_classifier.web.server import _is_about_us
from webcam_classifier.web.streams import EventStreams, MjpegStreams

ENDS_WITHIN = 2.0  # seconds; what is asked of Ctrl-C
CROP = Crop(0.125, 0.25, 0.5, 0.5)
UNKNOWN_THRESHOLD = 2.0  # of the tiny model: white is unknown, and a pure colour is not
PAGE_PATIENCE = 1000 * PATIENCE  # milliseconds


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models to choose from, one that is damaged, and one outside."""
    folder = tmp_path_factory.mktemp("serve")
    models = folder / "models"
    write_tiny_model(models / "colours" / "model.onnx", unknown_threshold=UNKNOWN_THRESHOLD)
    write_tiny_model(models / "weather" / "model.onnx", ("cold", "mild", "warm"), input_size=48)
    write_tiny_model(folder / "outside" / "model.onnx")
    (models / "damaged.onnx").write_bytes(b"no model at all")
    (models / "link.onnx").symlink_to(folder / "outside" / "model.onnx")
    (models / "loop.onnx").symlink_to("loop.onnx")
    (models / "folder.onnx").mkdir()
    os.mkfifo(models / "pipe.onnx")
    return folder


@pytest.fixture(scope="module")
def camera() -> Iterator[ColourCamera]:
    with ColourCamera().serve() as camera:
        yield camera


@pytest.fixture(scope="module")
def server(folder: Path, camera: ColourCamera) -> Iterator[LiveServer]:
    model = str(folder / "models" / "colours")
    with run_live(folder, model, "--source", camera.url, "--crop", "20,30,80,60") as server:
        server.until(lambda state: state["fresh"])
        yield server


def show(server: LiveServer, camera: ColourCamera, colour: str) -> dict[str, Any]:
    camera.colour = colour
    return server.until(lambda state: state["label"] == colour)


@contextmanager
def stream(
    server: LiveServer, path: str, headers: dict[str, str] | None = None
) -> Iterator[http.client.HTTPResponse]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    connection.request("GET", path, headers=server.bearer | (headers or {}))
    response = connection.getresponse()
    try:
        yield response
    finally:
        response.close()
        connection.close()


def next_picture(response: http.client.HTTPResponse) -> np.ndarray[Any, Any]:
    size = 0
    while (line := response.readline()) != b"\r\n" or size == 0:
        assert line, "the stream has ended"
        if line.lower().startswith(b"content-length:"):
            size = int(line.split(b":")[1])
    return decode_picture(response.read(size))


def next_event(response: http.client.HTTPResponse, kind: str) -> tuple[str, dict[str, Any]]:
    """Read on to the next event of a kind, and give its id and what it says."""
    found: dict[str, str] = {}
    while True:
        line = response.readline().decode().rstrip("\n")
        if line:
            name, _, value = line.partition(": ")
            found[name] = value
        elif found.get("event") == kind:
            return found.get("id", ""), json.loads(found["data"])
        else:
            found = {}


def test_the_state_is_what_is_there_now(server: LiveServer, camera: ColourCamera) -> None:
    before = show(server, camera, "green")
    assert before["confidence"] > 0.9
    assert before["unknown"] is False
    assert before["raw"]["label"] == "green"
    assert sum(before["raw"]["probabilities"].values()) == pytest.approx(1, abs=1e-4)
    assert before["camera"] == {"state": "live", "reason": None, "seconds_without_picture": None}
    assert before["model"].endswith("colours/model.onnx")
    assert before["frames_per_second"] > 0
    assert before["age_ms"] > 0
    after = server.until(lambda state: state["sequence"] > before["sequence"] + 3)
    assert after["label"] == "green"
    assert show(server, camera, "red")["raw"]["likeliest"] == "red"


def test_a_camera_that_stalls_has_no_label_anywhere(
    server: LiveServer, camera: ColourCamera
) -> None:
    show(server, camera, "green")
    with server.page(pictures=True) as page, stream(server, "/picture.mjpg") as pictures:
        page.until(lambda page: bool(page.picture) and page.state["camera"]["live"])
        assert np.ptp(next_picture(pictures).reshape(-1, 3).mean(axis=0)) > 50, "no colour"
        camera.hold()
        try:
            state = server.until(lambda state: not state["fresh"])
            for name in ("label", "confidence", "unknown", "raw", "frames_per_second"):
                assert state[name] is None, name
            state = server.until(lambda state: state["camera"]["state"] != "live")
            assert state["camera"]["reason"]
            assert state["label"] is None
            page.until(lambda page: not page.state["camera"]["live"])
            assert page.state["camera"]["problem"]
            ends = time.monotonic() + PATIENCE  # what was under way may still be one with a label
            while np.ptp(next_picture(pictures).reshape(-1, 3).mean(axis=0)) > 20:
                assert time.monotonic() < ends, "the picture is not grey"
            older = server.until(lambda now: now["age_ms"] > state["age_ms"] + 100)
            assert older["sequence"] == state["sequence"]
        finally:
            camera.colour = "red"
            camera.go_on()
        back = server.until(lambda state: state["fresh"])
        assert back["label"] == "red"
        page.until(lambda page: page.state["camera"]["live"])


def test_nobody_gets_anything_without_the_token(server: LiveServer) -> None:
    for path in ("/", "/state", "/events", "/picture.mjpg", "/model", "/live/watch.js"):
        assert server.ask_without_cookie("GET", path).status == 401, path
    posted = server.ask_without_cookie("POST", "/classify", b"x", {"Origin": server.origin})
    assert posted.status == 401
    assert "live.py printed" in posted.json["error"]
    wrong = {"Authorization": "Bearer " + "x" * 43}
    assert server.ask_without_cookie("GET", "/state", headers=wrong).status == 401
    opened = server.ask_without_cookie("GET", f"/?token={server.token}")
    cookie = {"Cookie": opened.headers["set-cookie"].partition(";")[0]}
    assert server.ask_without_cookie("GET", "/", headers=cookie).status == 200
    assert server.ask_without_cookie("GET", "/state", headers=server.bearer).status == 200


def test_who_is_refused_a_web_socket_writes_nothing_to_the_terminal(server: LiveServer) -> None:
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version": "13",
        "Origin": server.origin,
    }
    said = server.said
    for path in ("/ws/live", "/ws/none"):
        assert server.ask_without_cookie("GET", path, headers=upgrade).status == 401
    assert server.ask("GET", "/ws/none", headers=upgrade).status == 404
    server.state()
    assert "ASGI" not in server.said.removeprefix(said)


def test_other_names_and_pages_are_refused(server: LiveServer) -> None:
    jpeg = jpeg_of("red", np.random.default_rng(1))
    assert server.ask("GET", "/state", headers={"Host": "evil.example"}).status == 421
    assert server.ask("POST", "/classify", jpeg).status == 403, "a form of another page"
    evil = {"Origin": "http://evil.example"}
    assert server.ask("POST", "/classify", jpeg, evil).status == 403
    assert server.ask_without_cookie("POST", "/classify", jpeg, server.bearer | evil).status == 403
    assert server.ask_without_cookie("POST", "/classify", jpeg, server.bearer).status == 200
    assert server.change("POST", "/classify", jpeg).status == 200
    answer = server.ask("GET", "/")
    assert "script-src 'self'" in answer.headers["content-security-policy"]


def test_a_picture_that_is_sent_is_labelled_as_the_live_one(
    server: LiveServer, folder: Path
) -> None:
    own = Classifier(folder / "models" / "colours" / "model.onnx")
    own.crop = CROP
    image = np.full((200, 300, 3), 255, np.uint8)
    image[:, 150:] = COLOURS["green"]
    for ending in (".png", ".jpg"):
        content = cv2.imencode(ending, image)[1].tobytes()
        answer = server.ask_without_cookie("POST", "/classify", content, server.bearer)
        assert answer.status == 200
        assert (answer.json["width"], answer.json["height"]) == (300, 200)
        wanted = own.classify(decode_picture(content))
        assert answer.json["probabilities"] == pytest.approx(
            dict(zip(wanted.labels, wanted.probabilities.tolist(), strict=True)), abs=1e-4
        )
        assert wanted.is_unknown
        assert answer.json["unknown"] is True
        assert answer.json["label"] == "unknown"
        assert answer.json["likeliest"] == wanted.label


def test_a_picture_that_is_none_or_too_large_is_a_sentence(server: LiveServer) -> None:
    def post(content: bytes, headers: dict[str, str] | None = None) -> tuple[int, str]:
        answer = server.ask_without_cookie(
            "POST", "/classify", content, server.bearer | (headers or {})
        )
        return answer.status, answer.json["error"]

    assert post(b"no picture") == (400, post(b"no picture")[1])
    assert "Send a JPEG or PNG" in post(b"no picture")[1]
    assert post(b"")[0] == 400
    cut = cv2.imencode(".png", np.zeros((50, 50, 3), np.uint8))[1].tobytes()[:60]
    assert post(cut)[0] == 400
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    bomb = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk
    status, said = post(bomb + struct.pack(">I", zlib.crc32(chunk)) + cut[33:])
    assert status == 400
    assert "60000 x 60000" in said
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    connection.putrequest("POST", "/classify")
    for name, value in (server.bearer | {"Content-Length": "40000000"}).items():
        connection.putheader(name, value)
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()


def test_events_come_as_they_happen_and_missed_ones_come_again(
    server: LiveServer, camera: ColourCamera
) -> None:
    show(server, camera, "blue")
    with stream(server, "/events") as events:
        assert events.getheader("content-type", "").startswith("text/event-stream")
        assert next_event(events, "state")[1]["label"] == "blue"
        camera.colour = "green"
        last, change = next_event(events, "change")
        assert (change["label"], change["previous_label"]) == ("green", "blue")
        assert change["id"] == last
    show(server, camera, "red")
    show(server, camera, "blue")
    with stream(server, "/events", {"Last-Event-ID": last}) as events:
        assert [next_event(events, "change")[1]["label"] for _ in range(2)] == ["red", "blue"]
    with stream(server, "/events?latest=3") as events:
        latest = [next_event(events, "change")[1]["label"] for _ in range(3)]
        assert latest == ["green", "red", "blue"]
    assert server.ask("GET", "/events?latest=many").status == 400


def test_who_does_not_read_holds_nobody_up(server: LiveServer, camera: ColourCamera) -> None:
    show(server, camera, "blue")
    with ExitStack() as stack:
        for _ in range(3):
            deaf = stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            head = f"GET /picture.mjpg HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
            deaf.sendall(f"{head}Authorization: Bearer {server.token}\r\n\r\n".encode())
        pictures = stack.enter_context(stream(server, "/picture.mjpg"))
        page = stack.enter_context(server.page(pictures=True))
        for colour in ("green", "red", "green", "red"):
            show(server, camera, colour)
            channel = list(COLOURS).index(colour)
            ends = time.monotonic() + PATIENCE
            while next_picture(pictures).reshape(-1, 3).mean(axis=0).argmax() != channel:
                assert time.monotonic() < ends, "the stream stays behind"
            page.until(lambda page: page.prediction.get("frame", 0) > 0)


def test_so_many_streams_and_no_more_until_one_is_gone(server: LiveServer) -> None:
    for path in ("/events", "/picture.mjpg"):
        with ExitStack() as stack:
            streams = [stack.enter_context(stream(server, path)) for _ in range(16)]
            assert {opened.status for opened in streams} == {200}
            assert server.ask("HEAD", path).status == 200
            refused = server.ask("GET", path)
            assert refused.status == 503
            assert "too many" in refused.json["error"]
        ends = time.monotonic() + PATIENCE
        while True:
            with stream(server, path) as opened:
                if opened.status == 200:
                    break
            assert time.monotonic() < ends, "those that are gone still count"


def test_ctrl_c_ends_it_soon_whoever_watches(folder: Path, camera: ColourCamera) -> None:
    model = str(folder / "models" / "colours")
    for _ in range(2):  # other work on the machine may be in the way once
        with run_live(folder, model, "--source", camera.url) as server, ExitStack() as stack:
            server.until(lambda state: state["fresh"])
            page = stack.enter_context(server.page(pictures=True))
            page.until(lambda page: bool(page.picture))
            next_picture(stack.enter_context(stream(server, "/picture.mjpg")))
            next_event(stack.enter_context(stream(server, "/events")), "state")
            deaf = stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            head = f"GET /picture.mjpg HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
            deaf.sendall(f"{head}Authorization: Bearer {server.token}\r\n\r\n".encode())
            seconds = server.end(signal.SIGINT)
        assert server.process.returncode == 130, server.said
        assert "Traceback" not in server.said
        if seconds < ENDS_WITHIN:
            return
    pytest.fail(f"it took {seconds:.1f} s to end")


def test_who_is_cut_off_at_the_end_is_no_complaint_and_a_fault_is_one() -> None:
    def is_told(message: str, error: BaseException | None) -> bool:
        told = None if error is None else (type(error), error, None)
        return _is_about_us(logging.LogRecord("uvicorn", 40, "", 1, message, None, told))

    assert not is_told("Cancel 3 running task(s), timeout graceful shutdown exceeded", None)
    assert not is_told("Exception in ASGI application\n", asyncio.CancelledError())
    assert is_told("Exception in ASGI application\n", KeyError("label"))


def test_another_model_takes_over_by_its_name_alone(folder: Path, camera: ColourCamera) -> None:
    models = folder / "models"
    with run_live(
        folder, str(models / "colours"), "--source", camera.url, "--models", str(models)
    ) as server:
        show(server, camera, "blue")
        assert server.ask("GET", "/model").json == {
            "model": "colours",
            "models": ["colours", "damaged.onnx", "weather"],
        }
        with stream(server, "/events") as events:
            for name in ("../outside", "link.onnx", str(folder / "outside"), "nothing", ""):
                answer = server.change("POST", "/model", {"name": name})
                assert answer.status == 400, name
                assert "There is no model" in answer.json["error"], name
            damaged = server.change("POST", "/model", {"name": "damaged.onnx"})
            assert damaged.status == 400
            assert "damaged" in damaged.json["error"]
            assert server.until(lambda state: state["fresh"])["label"] == "blue"
            assert server.change("POST", "/model", {"name": "weather"}).status == 200
            change = next_event(events, "change")[1]
            assert (change["label"], change["previous_label"]) == ("cold", "blue")
            assert change["model"] == str(models / "weather" / "model.onnx")
        state = server.state()
        assert state["label"] == "cold"
        assert state["model"] == str(models / "weather" / "model.onnx")
        jpeg = jpeg_of("red", np.random.default_rng(1))
        sent = server.ask_without_cookie("POST", "/classify", jpeg, server.bearer)
        assert sent.json["label"] == "warm"
        assert sent.json["model"] == state["model"]


def test_a_broker_may_choose_the_model_too(
    folder: Path, camera: ColourCamera, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    models = folder / "models"
    try:
        broker = Mosquitto(tmp_path / "mosquitto")
    except UserError as error:
        pytest.skip(str(error))
    camera.colour = "green"
    with broker, Subscriber(broker.port, "#") as heard, run_live(
        folder, str(models / "colours"), "--source", camera.url, "--models", str(models),
        "--mqtt", f"mqtt://127.0.0.1:{broker.port}/home/door",
    ) as server:  # fmt: skip
        server.until(lambda _: [e["label"] for e in heard.json_of("home/door/event")] == ["green"])
        heard.publish("home/door/command", "model ../outside")
        server.until(lambda _: "There is no model '../outside'" in server.said)
        heard.publish("home/door/command", "model damaged.onnx")
        server.until(lambda _: "damaged.onnx is not a whole ONNX file" in server.said)
        assert server.until(lambda state: state["fresh"])["label"] == "green"
        heard.publish("home/door/command", "model weather")
        server.until(lambda _: len(heard.json_of("home/door/event")) == 2)
        event = heard.json_of("home/door/event")[1]
        assert (event["label"], event["model"]) == ("mild", str(models / "weather" / "model.onnx"))
        shown = {topic.split("/")[3]: payload for topic, payload, _ in heard.messages
                 if topic.startswith("homeassistant/binary_sensor/")}  # fmt: skip
        assert shown["is_mild"]
        server.until(lambda _: [p for t, p, _ in heard.messages if t.endswith("is_red/config")][-1:]
                     == [b""])  # fmt: skip


def test_what_makes_no_sense_is_a_sentence(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments, words in (
        (["--serve", "door"], "'door' is no port"),
        (["--serve", "70000"], "no port"),
        (["--no-token"], "--origin and --no-token are for --serve"),
        (["--models", str(folder)], "--models is for --serve and --mqtt"),
        (["--serve", "0", "--models", str(tmp_path / "none")], "is no folder"),
        (["--serve", "0", "--teach"], "python studio.py"),
    ):
        with pytest.raises(SystemExit):
            live.main(arguments)
        assert words in capsys.readouterr().err
    model = str(folder / "models" / "colours")
    common = [model, "--no-window", "--frames", "3", "--source", "demo"]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        other = f"--serve 127.0.0.1:{port + 1}"
        with pytest.raises(UserError, match=rf"Port {port} is taken .* {other}"):
            live.main([*common, "--serve", str(port)])
    with pytest.raises(UserError, match="--no-token is for this machine alone, and --serve"):
        live.main([*common, "--serve", "0.0.0.0:0", "--no-token"])


def test_without_the_servers_packages_it_says_what_to_install(folder: Path) -> None:
    # Python asks its finders first, and this one knows no uvicorn: as where it is missing.
    code = (
        "import sys\n"
        "class WithoutUvicorn:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] == 'uvicorn':\n"
        "            raise ModuleNotFoundError('No module named uvicorn', name=name)\n"
        "sys.meta_path.insert(0, WithoutUvicorn())\n"
        "from webcam_classifier.cli import live\n"
        "from webcam_classifier.cli.console import run_script\n"
        f"run_script(lambda: live.main([{str(folder / 'models' / 'colours')!r}, '--source', "
        "'demo', '--no-window', '--frames', '3', *sys.argv[1:]]))\n"
    )
    without = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False)
    assert without.returncode == 0, "nobody needs it who serves nothing"
    command = [sys.executable, "-c", code, "--serve", "0"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "error: The page needs the package uvicorn. Install" in done.stderr


def try_a_red_picture(page: Page) -> None:
    """Have the page answer a picture that is chosen, and go back to the live one."""
    by_id = page.get_by_test_id
    content = jpeg_of("red", np.random.default_rng(0))
    by_id("try-pictures").set_input_files(
        FilePayload(name="red.jpg", mimeType="image/jpeg", buffer=content)
    )
    expect(by_id("tried-verdict")).to_have_text("red", timeout=PAGE_PATIENCE)
    assert by_id("tried-label").count() == 0, "there is nothing to teach"
    by_id("try-back").click()
    expect(by_id("stage")).to_be_focused()


def ask_for_heat_in_vain(page: Page) -> None:
    """Ask for heat maps of a network that averages no feature map: it says why there are none."""
    button = page.get_by_test_id("heat-map")
    button.click()
    expect(page.get_by_role("alert")).to_contain_text("can't tell where it looked")
    expect(button).to_have_attribute("aria-pressed", "false")


@pytest.mark.slow
def test_the_page_in_a_browser_on_a_telephone_and_a_desk(
    chromium: str, folder: Path, camera: ColourCamera
) -> None:
    complaints: list[str] = []
    addresses: set[str] = set()

    def note(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            complaints.append(message.text)

    models = folder / "models"
    camera.colour = "blue"
    with run_live(
        folder, str(models / "colours"), "--source", camera.url, "--models", str(models)
    ) as server, sync_playwright() as playwright:  # fmt: skip
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 390, "height": 844}, color_scheme="dark")
        page.set_default_timeout(PAGE_PATIENCE)
        page.on("console", note)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: addresses.add(request.url))
        page.goto(server.link)
        by_id = page.get_by_test_id
        expect(by_id("verdict")).to_have_text("blue", timeout=PAGE_PATIENCE)
        expect(by_id("connection")).to_have_text("Connected")
        expect(by_id("bar")).to_have_count(3)
        camera.colour = "green"
        expect(by_id("verdict")).to_have_text("green", timeout=PAGE_PATIENCE)
        expect(by_id("changes").locator("b").first).to_have_text("green", timeout=PAGE_PATIENCE)
        middle = "canvas => [...canvas.getContext('2d').getImageData(80, 60, 1, 1).data]"
        red, green, blue, _ = by_id("picture").evaluate(middle)
        assert green > 150 > max(red, blue)
        try_a_red_picture(page)
        ask_for_heat_in_vain(page)
        for width, height in ((390, 844), (1440, 900)):
            page.set_viewport_size({"width": width, "height": height})
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width, "it scrolls sideways"
        camera.hold()
        expect(by_id("no-picture")).to_be_visible(timeout=PAGE_PATIENCE)
        expect(by_id("verdict")).to_have_text("")
        expect(by_id("frame-age")).to_have_text("\u2013")
        camera.go_on()
        expect(by_id("verdict")).to_have_text("green", timeout=PAGE_PATIENCE)
        by_id("model").select_option("damaged.onnx")
        expect(by_id("model-problem")).to_contain_text("damaged.onnx", timeout=PAGE_PATIENCE)
        complaints = [one for one in complaints if "status of 400" not in one]
        by_id("model").select_option("weather")
        expect(by_id("verdict")).to_have_text("mild", timeout=PAGE_PATIENCE)
        server.end()
        expect(by_id("connection")).to_have_text("Reconnecting…", timeout=PAGE_PATIENCE)
        expect(by_id("no-picture")).to_be_visible()
        before_the_end = [one for one in complaints if "ERR_CONNECTION" not in one]
        browser.close()
    assert before_the_end == []
    own = (server.origin, f"blob:{server.origin}")
    assert all(address.startswith(own) for address in addresses), addresses


def test_the_last_events_still_reach_a_client_as_the_server_ends() -> None:
    async def read() -> list[object]:
        streams = EventStreams()
        stream = aiter(streams.response(b"first", "", 0).body_iterator)
        read: list[object] = [await anext(stream)]
        streams.offer("change", {"label": "cup"}, "run-1")
        streams.end()
        return [*read, *[message async for message in stream]]

    first, last = asyncio.run(read())
    assert first == b"first"
    assert isinstance(last, bytes)
    assert b"cup" in last


@pytest.mark.parametrize("path", ["/events", "/picture.mjpg"])
def test_those_who_come_at_the_same_moment_count_as_well(path: str) -> None:
    async def open_many() -> None:
        events, pictures = EventStreams(), MjpegStreams()
        streams = events if path == "/events" else pictures
        waiting = []
        for _ in range(16):
            assert not streams.is_full
            is_events = path == "/events"
            waiting.append(events.response(b"", "", 0) if is_events else pictures.response())
        assert streams.is_full

        async def receive() -> dict[str, str]:
            return {"type": "http.disconnect"}

        async def send(_message: object) -> None:
            raise OSError("the client was gone before the response began")

        scope = {"type": "http", "asgi": {"spec_version": "2.4"}}
        with pytest.raises(ClientDisconnect):
            await waiting[0](scope, receive, send)
        assert not streams.is_full

    asyncio.run(open_many())
