"""What a person and a program see of `live.py` and `collect.py` while a camera is away."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from benchmarks.faulty_camera import FaultyCamera
from tests.tiny_model import write_tiny_model
from webcam_classifier.frame import BgrImage

PROJECT = Path(__file__).resolve().parents[2]
_PATIENCE = 60.0  # seconds
_AT_ONCE = 2.0  # seconds that Ctrl-C may take


class Started:
    """A command of ours that runs in a folder, and is killed at the end."""

    def __init__(self, folder: Path, script: str, *arguments: object) -> None:
        self._streams = {name: folder / f"{script}.{name}" for name in ("out", "err")}
        with self._streams["out"].open("w") as out, self._streams["err"].open("w") as err:
            self.process = subprocess.Popen(
                [sys.executable, str(PROJECT / f"{script}.py"), *map(str, arguments)],
                cwd=folder,
                stdout=out,
                stderr=err,
            )

    @property
    def out(self) -> str:
        return self._streams["out"].read_text(encoding="utf-8")

    @property
    def err(self) -> str:
        return self._streams["err"].read_text(encoding="utf-8")

    def stop(self, sent: signal.Signals) -> tuple[float, int]:
        """Send a signal; tells after how many seconds it ended, and with which code."""
        started = time.monotonic()
        self.process.send_signal(sent)
        code = self.process.wait(_PATIENCE)
        return time.monotonic() - started, code


Start = Callable[..., Started]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[Started] = []

    def run(script: str, *arguments: object) -> Started:
        started.append(Started(tmp_path, script, *arguments))
        return started[-1]

    yield run
    for one in started:
        one.process.kill()
        one.process.wait()


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.onnx"
    write_tiny_model(path)
    return path


@pytest.fixture
def server() -> Iterator[FaultyCamera]:
    with FaultyCamera(15.0) as camera:
        yield camera


def wait_until(is_so: Callable[[], bool], what: str) -> None:
    until = time.monotonic() + _PATIENCE
    while not is_so():
        assert time.monotonic() < until, f"it did not come to pass: {what}"
        time.sleep(0.02)


def read_lines(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    *whole, _ = path.read_text(encoding="utf-8").split("\n")
    return [json.loads(line) for line in whole]


def read_video(path: Path) -> Iterator[BgrImage]:
    capture = cv2.VideoCapture(str(path))
    while capture.grab():
        yield np.asarray(capture.retrieve()[1], dtype=np.uint8)
    capture.release()


def colourfulness(picture: BgrImage) -> float:
    return float(np.ptp(picture[: len(picture) // 3].astype(int), axis=2).mean())


def labels(lines: list[dict[str, Any]]) -> int:
    return sum("label" in line for line in lines)


def test_lines_of_json_and_the_terminal_say_once_that_there_is_no_picture_and_once_that_there_is(
    start: Start, server: FaultyCamera, model: Path, tmp_path: Path
) -> None:
    place, video = tmp_path / "labels.jsonl", tmp_path / "annotated.avi"
    live = start(
        *("live", model, "--source", server.url, "--no-window"),
        *("--json-lines", place, "--save", video),
    )
    wait_until(lambda: labels(read_lines(place)) > 20, "labels")
    server.begin("silent")
    wait_until(lambda: "state" in read_lines(place)[-1], "the stall is written")
    before = read_lines(place)
    time.sleep(1.5)
    assert read_lines(place) == before
    assert before[-1]["state"] == "stalled"
    assert before[-1]["reason"]
    assert "label" not in before[-1]
    server.end()
    wait_until(lambda: labels(read_lines(place)) > labels(before) + 3, "labels again")
    assert live.stop(signal.SIGINT)[1] == 130
    lines = read_lines(place)
    assert [line["state"] for line in lines if "state" in line] == ["stalled", "live"]
    kinds = ["state" if "state" in line else "label" for line in lines]
    assert kinds[len(before) : len(before) + 2] == ["state", "label"]
    assert live.out.count("no picture") == 1
    assert live.out.count("the camera is back") == 1
    # The label is said again: nothing is known from before the gap.
    assert len(live.out.splitlines()) >= 4
    # The video shows the gap, and in colours what was there before and after it.
    is_grey = [colourfulness(frame) < 12 for frame in read_video(video)]
    assert (is_grey[0], is_grey[-1]) == (False, False)
    assert sum(is_grey) > 3


def test_a_server_that_goes_away_and_comes_back_does_not_end_it(
    start: Start, server: FaultyCamera, model: Path, tmp_path: Path
) -> None:
    place = tmp_path / "labels.jsonl"
    live = start("live", model, "--source", server.url, "--no-window", "--json-lines", place)
    wait_until(lambda: labels(read_lines(place)) > 5, "labels")
    before = len(read_lines(place))
    server.begin("close")  # a moment, of which nothing needs to be told
    server.end()
    wait_until(lambda: labels(read_lines(place)[before:]) > 5, "labels after it was closed")
    server.begin("down")
    wait_until(lambda: read_lines(place)[-1].get("state") == "reopening", "it is written")
    before = len(read_lines(place))
    server.end()
    wait_until(lambda: labels(read_lines(place)[before:]) > 5, "labels after it was down")
    assert live.process.poll() is None
    indices = [line["index"] for line in read_lines(place) if "label" in line]
    assert indices == sorted(set(indices))


def test_give_up_ends_with_an_error_and_code_1(
    start: Start, server: FaultyCamera, model: Path, tmp_path: Path
) -> None:
    place = tmp_path / "labels.jsonl"
    live = start(
        *("live", model, "--source", server.url, "--no-window"),
        *("--json-lines", place, "--give-up", "1"),
    )
    collect = start(
        *("collect", "cup", "--source", server.url, "--no-window"),
        *("--dataset", tmp_path / "dataset", "--give-up", "1"),
    )
    wait_until(lambda: labels(read_lines(place)) > 5, "labels")
    wait_until(lambda: len(list(tmp_path.glob("dataset/cup/*.jpg"))) > 2, "snapshots")
    server.begin("down")
    for one in (live, collect):
        assert one.process.wait(_PATIENCE) == 1
        assert one.err.splitlines()[-1].startswith("error: ")
        assert "has given no picture for" in one.err
        assert "Traceback" not in one.err


def test_collect_waits_and_records_nothing_stale(
    start: Start, server: FaultyCamera, tmp_path: Path
) -> None:
    folder = tmp_path / "dataset"
    collect = start(
        *("collect", "cup", "--source", server.url, "--no-window", "--dataset", folder),
        *("--keep-all", "--count", "40"),
    )

    def count() -> int:
        return len(list(folder.glob("cup/*.jpg")))

    wait_until(lambda: count() > 2, "snapshots")
    server.begin("silent")
    wait_until(lambda: "no picture (stalled)" in collect.err, "the stall is said")
    before = count()
    time.sleep(1.0)
    assert count() == before
    server.end()
    assert collect.process.wait(_PATIENCE) == 0
    assert count() == 40
    assert collect.err.count("no picture (stalled)") == 1
    assert collect.err.count("the camera is back") == 1


@pytest.mark.parametrize(
    ("script", "when"),
    [
        ("live", "connecting"),
        ("live", "stalled"),
        ("collect", "connecting"),
        ("collect", "reopening"),
    ],
)
def test_ctrl_c_and_sigterm_end_at_once(
    start: Start, server: FaultyCamera, model: Path, tmp_path: Path, script: str, when: str
) -> None:
    place, folder = tmp_path / "labels.jsonl", tmp_path / "dataset"
    arguments = {
        "live": (model, "--source", server.url, "--no-window", "--json-lines", place),
        "collect": ("cup", "--source", server.url, "--no-window", "--dataset", folder),
    }
    if when == "connecting":
        server.begin("silent connect")
    running = start(script, *arguments[script])
    if when == "connecting":
        wait_until(lambda: server.connections > 0, "it connects")
        time.sleep(0.3)
    else:
        wait_until(
            lambda: labels(read_lines(place)) > 3 or len(list(folder.glob("cup/*.jpg"))) > 1,
            "pictures",
        )
        server.begin("silent connect")
        if when == "reopening":
            server.drop()
        wait_until(lambda: "no picture" in running.out + running.err, "it is said")
    sent, code = (signal.SIGINT, 130) if script == "live" else (signal.SIGTERM, 143)
    seconds, ended_with = running.stop(sent)
    assert ended_with == code
    assert seconds < _AT_ONCE
    assert "Traceback" not in running.err
