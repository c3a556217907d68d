"""Teaching over the running server, as the page does it: record, learn, watch, share, go on."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from starlette.websockets import WebSocket
from websockets.exceptions import ConnectionClosed

from tests.display_server import wait_for
from tests.stage import Stage, open_session
from tests.studio_server import (
    ROOT,
    SMALL_CAMERA,
    Page,
    StudioServer,
    free_port,
    need_weights,
    run_studio,
)
from webcam_classifier.dataset.picture_files import decode_picture, encode_snapshot
from webcam_classifier.frame import BgrImage
from webcam_classifier.web import teacher
from webcam_classifier.web.studio import Studio
from webcam_classifier.web.viewers import Viewer

COLOURS = {"blue": (220, 40, 40), "green": (40, 200, 40), "red": (40, 40, 220)}
ENDED = ("done", "failed", "cancelled")
RATE = 15  # frames a second
SHOWN_FOR = 1.2  # seconds that a colour stays


@pytest.fixture(autouse=True)
def _weights() -> None:
    need_weights()


def coloured(colour: tuple[int, int, int], seed: int) -> BgrImage:
    """Draw a picture of a colour with blotches, other ones for each seed."""
    generator = np.random.default_rng(seed)
    noise = generator.normal(0, 20, (120, 160, 3))
    blotches = np.kron(generator.normal(0, 40, (10, 10, 1)), np.ones((12, 16, 1)))
    return np.clip(noise + blotches + colour, 0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video of three colours, one after another."""
    path = tmp_path_factory.mktemp("clip") / "colours.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), RATE, (160, 120))
    frames = int(RATE * SHOWN_FOR)
    for place, colour in enumerate(COLOURS.values()):
        for number in range(frames):
            writer.write(coloured(colour, place * frames + number))
    writer.release()
    return path


def colour_on(page: Page) -> str:
    """Say which colour the picture shows that a page was sent last."""
    if not page.picture:
        return ""
    return list(COLOURS)[int(decode_picture(page.picture).mean((0, 1)).argmax())]


def answer_on(page: Page) -> str:
    labels = page.prediction.get("labels", [])
    return str(labels[int(np.argmax(page.prediction["probabilities"]))]) if labels else ""


def pictures_on_disk(dataset: Path) -> dict[str, int]:
    return {label: len(list((dataset / label).glob("*.jpg"))) for label in COLOURS}


def add_labels(studio: StudioServer, page: Page) -> None:
    for name in COLOURS:
        answer = studio.change("POST", "/api/labels", {"name": name}, page.client)
        assert answer.status == 200, answer.body


def record_all(page: Page, count: int = 4) -> None:
    """Hold each label's button while its colour is to be seen."""
    for label in COLOURS:
        # From the end of another colour on: there is time before the next one comes.
        page.until(lambda page, label=label: colour_on(page) not in ("", label))  # type: ignore[misc]
        page.until(lambda page, label=label: colour_on(page) == label)  # type: ignore[misc]
        before = page.count(label)
        page.say(type="record", label=label, on=True)
        page.until(lambda page: page.count(label) >= before + count)  # noqa: B023 called at once
        page.say(type="record", label=label, on=False)
    page.until(lambda page: page.state["recording"] is None)


def test_from_an_empty_folder_it_tells_three_labels_apart_that_it_was_just_shown(
    tmp_path: Path, clip: Path
) -> None:
    with run_studio(tmp_path, "--source", str(clip)) as studio, studio.page(True) as page:
        page.until(lambda page: bool(page.prediction))
        assert page.prediction["labels"] == []
        page.until(lambda page: "again and again" in page.state["camera"]["description"])
        add_labels(studio, page)
        record_all(page)
        page.until(lambda page: set(page.prediction["labels"]) == set(COLOURS))
        right: list[bool] = []
        seen: set[str] = set()
        while seen != set(COLOURS) or len(right) < 30:
            if page.next() == "prediction":
                seen.add(colour_on(page))
                right.append(answer_on(page) == colour_on(page))
        assert np.mean(right) > 0.7  # steadied, so it follows each change a moment later
        counts = {label: page.count(label) for label in COLOURS}
        undone = studio.change("POST", "/api/undo", {}, page.client).json["undone"]
        page.until(lambda page: page.count("red") == counts["red"] - undone["count"])
        assert undone["label"] == "red"
        expected = counts | {"red": counts["red"] - undone["count"]}
        # A picture is counted while it is on its way to the disk, which may be slow.
        wait_for(lambda: pictures_on_disk(tmp_path / "dataset") == expected, seconds=60.0)


def test_what_was_recorded_outlives_a_kill_and_the_same_link_works_again(
    tmp_path: Path, clip: Path
) -> None:
    with run_studio(tmp_path, "--source", str(clip), port=free_port()) as studio:
        with studio.page(True) as page:
            add_labels(studio, page)
            record_all(page)
            counts = {label: page.count(label) for label in COLOURS}
        studio.end(signal.SIGKILL)
        with (
            run_studio(tmp_path, "--source", str(clip), port=studio.port) as again,
            again.page() as page,
        ):
            assert again.link == studio.link
            page.until(lambda page: len(page.prediction.get("labels", [])) == len(COLOURS))
            # The last snapshots may have been on their way to the disk.
            assert all(counts[label] - page.count(label) <= 1 for label in COLOURS)


@pytest.mark.timeout(300)
def test_the_model_that_is_taught_is_downloaded_watched_and_measured_alike(
    tmp_path: Path, clip: Path
) -> None:
    with run_studio(tmp_path, "--source", str(clip)) as studio, studio.page(True) as page:
        add_labels(studio, page)
        record_all(page, count=6)
        assert studio.ask("GET", "/report").status == 404
        assert studio.change("POST", "/api/watch", {"with": "model"}, page.client).status == 400
        told = studio.change("POST", "/api/teach", {"mode": "head"}, page.client).json["job"]
        assert told["status"] == "running"
        assert studio.change("POST", "/api/export", {"precision": "fp16"}).status == 409
        page.until(lambda page: (page.state["job"] or told)["status"] in ENDED, 200)
        assert page.state["job"]["status"] == "done", page.state["job"]
        page.until(lambda page: bool(page.state["models"]))
        report = studio.ask("GET", "/report")
        assert report.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
        model = studio.ask("GET", "/api/models/model.onnx")
        assert model.headers["content-disposition"] == 'attachment; filename="model.onnx"'
        assert model.body == (tmp_path / "models" / "model.onnx").read_bytes()
        assert studio.change("POST", "/api/watch", {"with": "model"}, page.client).status == 200
        page.until(lambda page: page.state["watching"] == "model")
        for label in COLOURS:
            page.until(lambda page, label=label: answer_on(page) == label)  # type: ignore[misc]
    downloaded = tmp_path / "downloaded.onnx"
    downloaded.write_bytes(model.body)
    command = [
        sys.executable,
        str(ROOT / "evaluate.py"),
        str(downloaded),
        str(tmp_path / "dataset"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "accuracy 100.0 %" in done.stdout


def test_one_page_teaches_at_a_time_and_frees_the_role_when_it_goes(tmp_path: Path) -> None:
    with (
        run_studio(tmp_path, *SMALL_CAMERA) as studio,
        studio.page() as second,
    ):
        with studio.page() as first:
            assert studio.change("POST", "/api/labels", {"name": "cup"}, first.client).status == 200
            first.until(lambda page: page.state["teacher"] == "you")
            second.until(lambda page: page.state["teacher"] == "other")
            for method, path in (("POST", "/api/labels"), ("POST", "/api/undo")):
                for client in (second.client, "", "nobody"):
                    assert studio.change(method, path, {"name": "hat"}, client).status == 409
            second.say(type="record", label="cup", on=True)
            second.say(type="claim")
            second.until(lambda page: len(page.refused) == 2)
            with studio.socket(f"/ws/camera?client={second.client}") as camera:
                with pytest.raises(ConnectionClosed) as closed:
                    camera.recv(10)
                assert closed.value.rcvd is not None
                assert closed.value.rcvd.code == 4409
            first.say(type="record", label="cup", on=True)
            second.until(lambda page: page.state["recording"] == "cup")
        second.until(lambda page: page.state["recording"] is None)
        second.until(lambda page: page.state["teacher"] is None)
        assert studio.change("POST", "/api/labels", {"name": "hat"}, second.client).status == 200
        second.say(type="release")
        second.until(lambda page: page.state["teacher"] is None)


def test_a_recording_ends_when_another_page_takes_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page that began it may not end it any more."""
    monkeypatch.setattr(teacher, "_LEFT_AFTER", 0.0)  # seconds without a word from the teacher

    async def take_over(studio: Studio) -> None:
        first, second = (Viewer(unconnected_socket(), studio.state) for _ in range(2))
        for viewer in (first, second):
            studio.viewers.enter(viewer)
        await studio.handle_message(first, {"type": "record", "label": "cup", "on": True})
        assert studio.session.is_recording
        await studio.handle_message(second, {"type": "claim"})
        await studio.handle_message(first, {"type": "record", "label": "cup", "on": False})
        assert studio.teacher.holder == second.client
        assert not studio.session.is_recording

    with open_session(tmp_path / "data", ["cup"]) as session:
        asyncio.run(take_over(Studio(session, tmp_path / "models", Stage)))


def unconnected_socket() -> WebSocket:
    async def never(*_: object) -> Any:  # noqa: ANN401 as ASGI has it
        raise AssertionError("nothing is sent or received")

    return WebSocket({"type": "websocket"}, never, never)


def test_nobody_is_sent_a_picture_before_the_last_was_shown_nor_holds_others_up(
    tmp_path: Path,
) -> None:
    with (
        run_studio(tmp_path, *SMALL_CAMERA) as studio,
        studio.socket("/ws/live") as slow,
        studio.page(True) as quick,
    ):
        slow.send(json.dumps({"type": "hello", "pictures": True}))
        shown = quick.prediction.get("frame", 0)
        quick.until(lambda page: page.prediction.get("frame", 0) > shown + 20)
        messages = []
        with suppress(TimeoutError):
            while True:
                messages.append(slow.recv(0.2))
        pictures = [message for message in messages if isinstance(message, bytes)]
        told = [json.loads(message) for message in messages if isinstance(message, str)]
        (first,) = [message for message in told if message["type"] == "prediction"]
        assert len(pictures) == 1
        slow.send(json.dumps({"type": "shown", "frame": first["frame"]}))
        while (then := json.loads(slow.recv(10)))["type"] != "prediction":
            pass
        assert then["frame"] > first["frame"] + 15  # the newest, none of those in between
        assert then["age_ms"] < 1000


def test_a_camera_that_can_t_be_opened_is_told_and_the_browsers_takes_its_place(
    tmp_path: Path,
) -> None:
    missing = str(tmp_path / "no_such_clip.mp4")
    with run_studio(tmp_path, "--source", missing) as studio, studio.page(True) as page:
        page.until(lambda page: bool(page.state["camera"]["problem"]))
        assert "no_such_clip.mp4" in page.state["camera"]["problem"]
        with browser_camera(studio, page) as sent:
            page.until(lambda page: page.prediction.get("width") == 160)
            page.until(lambda page: page.state["camera"]["problem"] is None)
            assert page.state["camera"]["kind"] == "browser"
            assert colour_on(page) == "green"
            asked_for = len(sent)  # each of them, one after the other, and none is passed over
            page.until(lambda page: page.prediction["frame"] + 2 >= asked_for)
        page.until(lambda page: "browser" in (page.state["camera"]["problem"] or ""))
        studio.change("POST", "/api/camera", {"kind": "none"}, page.client)
        page.until(lambda page: page.state["camera"]["kind"] == "none")
        assert page.state["camera"]["problem"] is None


@contextmanager
def browser_camera(studio: StudioServer, page: Page) -> Iterator[list[int]]:
    """Send green frames as a browser's camera does, one each time that it is asked to."""
    sent: list[int] = []
    ended = threading.Event()

    def send_all() -> None:
        with studio.socket(f"/ws/camera?client={page.client}") as opened:
            while not ended.is_set():
                assert json.loads(opened.recv(10))["type"] == "next"
                opened.send(encode_snapshot(coloured(COLOURS["green"], len(sent))))
                sent.append(len(sent))

    thread = threading.Thread(target=send_all)
    thread.start()
    try:
        yield sent
    finally:
        ended.set()
        thread.join()


def test_a_newer_camera_takes_the_place_of_an_older_one(tmp_path: Path) -> None:
    with run_studio(tmp_path, *SMALL_CAMERA) as studio, studio.page() as page:
        with studio.socket(f"/ws/camera?client={page.client}") as older:
            assert json.loads(older.recv(10))["type"] == "next"
            with studio.socket(f"/ws/camera?client={page.client}") as newer:
                assert json.loads(newer.recv(10))["type"] == "next"
                with pytest.raises(ConnectionClosed) as closed:
                    older.recv(10)
                assert closed.value.rcvd is not None
                assert closed.value.rcvd.code == 4409
        studio.change("POST", "/api/camera", {"kind": "device"}, page.client)
        page.until(lambda page: "simulated" in page.state["camera"]["description"])
