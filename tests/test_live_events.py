from __future__ import annotations

import json
import shlex
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.colour_video import COLOURS, write_colour_video
from tests.tiny_model import write_tiny_model
from webcam_classifier.cli import live
from webcam_classifier.errors import UserError


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "models" / "colours" / "model.onnx"
    write_tiny_model(path)
    return path


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """A second of each colour, at ten frames a second."""
    return write_colour_video(tmp_path / "clip.avi")


@pytest.fixture
def posted() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A web server's address, and what was posted to it."""
    got: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}/hook", got
    server.shutdown()
    server.server_close()


def test_every_place_gets_every_change_at_once(
    model: Path,
    clip: Path,
    tmp_path: Path,
    posted: tuple[str, list[dict[str, Any]]],
    capfd: pytest.CaptureFixture[str],
) -> None:
    lines, written = tmp_path / "events.jsonl", tmp_path / "written"
    write = "import os, sys; open(sys.argv[1], 'a').write(os.environ['WEBCAM_CLASSIFIER_LABEL'])"
    command = f"{sys.executable} -c {shlex.quote(write)} {written}"
    address, got = posted
    live.main(
        [str(model), "--source", str(clip), "--no-window", "--json-lines", str(lines),
         "--events-only", "--on-change", command, "--when", f"red={command}",
         "--webhook", f"http://me:pass%20word@{address}", "--clips", str(tmp_path / "clips"),
         "--metrics", "0", "--event-pictures"]
    )  # fmt: skip
    events = [json.loads(line) for line in lines.read_text().splitlines()]
    assert [event["label"] for event in events] == list(COLOURS)
    assert [event["previous_label"] for event in events] == [None, "blue", "green"]
    assert [event["previous_seconds"] for event in events] == [None, 1.0, 1.0]
    assert all(event["model"] == str(model) and event["source"] == str(clip) for event in events)
    assert got == events
    assert sorted(written.read_text()) == sorted("bluegreenredred")
    assert len(list((tmp_path / "clips").glob("*.mp4"))) == 1
    output = capfd.readouterr()
    assert "pass" not in output.err
    assert "word" not in output.err


def test_what_fails_is_a_sentence_each_and_the_loop_goes_on(
    model: Path, clip: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:  # fmt: skip
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    live.main(
        [str(model), "--source", str(clip), "--no-window",
         "--on-change", "no-such-command", "--when", "purple=true",
         "--webhook", "http://127.0.0.1:1/hook", "--serial", str(tmp_path / "ttyUSB0"),
         "--mqtt", "mqtt://me:secret@127.0.0.1:1/home/door"]
    )  # fmt: skip
    output = capfd.readouterr()
    assert [line.split()[2] for line in output.out.splitlines()] == list(COLOURS)
    for part in (
        "no command no-such-command",
        "no such label",
        "--webhook http://127.0.0.1:1/hook can't be reached",
        "ttyUSB0 can't be written",
        "--mqtt mqtt://127.0.0.1:1/home/door can't be reached",
        "3 events wait for the next start",
    ):
        assert output.err.count(part) == 1, part
    assert "secret" not in output.err
    assert "30 frames" in output.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--webhook", "htp://host"], "--webhook"),
        (["--mqtt", "mqtt://host"], "--mqtt"),
        (["--metrics", "here"], "--metrics"),
        (["--serial", "@1"], "--serial"),
        (["--on-change", "say 'hello"], "quotes"),
    ],
)
def test_what_can_not_be_meant_is_refused_at_the_start(
    model: Path, clip: Path, arguments: list[str], says: str
) -> None:
    with pytest.raises(UserError, match=says):
        live.main([str(model), "--source", str(clip), "--no-window", *arguments])


@pytest.mark.parametrize(
    "arguments",
    [["--when", "red"], ["--clips-limit", "none"], ["--command-limit", "0"],
     ["--clip-seconds", "nan"]],
)  # fmt: skip
def test_values_that_make_no_sense_end_with_the_usage(
    arguments: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        live.main(arguments)
    assert arguments[0] in capfd.readouterr().err
