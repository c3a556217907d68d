"""What goes wrong around the page ends with a sentence, and the page goes on."""

from __future__ import annotations

import json
import os
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.studio_files import files_below, picture, zipped
from tests.studio_server import (
    ROOT,
    SMALL_CAMERA,
    Answer,
    StudioServer,
    limited,
    need_weights,
    run_studio,
)
from webcam_classifier.web.json_text import json_text

ROOM = 12_000_000  # bytes that a file of the studio may have: the features' graph has 5


@pytest.fixture(autouse=True)
def _weights() -> None:
    need_weights()


def add_label(studio: StudioServer, name: str) -> Answer:
    return studio.change("POST", "/api/labels", {"name": name})


def test_a_folder_that_no_label_would_have_blocks_no_other_label(tmp_path: Path) -> None:
    for name in ("what?", "con", "Cup", "cup", "ends."):
        (tmp_path / "dataset" / name).mkdir(parents=True)
    (tmp_path / "dataset" / "what?" / "1.jpg").write_bytes(picture(1))
    with run_studio(tmp_path, *SMALL_CAMERA) as studio:
        assert add_label(studio, "pen").status == 200
        refused = add_label(studio, "PEN")
        assert refused.status == 400
        assert "'pen' and 'PEN' differ only in upper and lower case" in refused.json["error"]
        assert "given twice" in add_label(studio, "pen").json["error"]
        assert "keeps for a device" in add_label(studio, "nul").json["error"]
        answer = studio.change("PATCH", "/api/labels/what%3F", {"name": "what"})
        assert answer.json == {"name": "what"}
        labels = [label["name"] for label in studio.ask("GET", "/api/state").json["labels"]]
    assert sorted(labels) == sorted(["Cup", "con", "cup", "ends.", "pen", "what"])
    assert files_below(tmp_path / "dataset") == {"what/1.jpg"}


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere names are UTF-8")
def test_names_that_are_not_utf_8_are_told_and_the_page_opens(tmp_path: Path) -> None:
    project = os.fsencode(tmp_path) + b"/proj\xe9t"
    cup = project + b"/dataset/cup"
    for folder in (cup, project + b"/dataset/caf\xe9"):
        os.makedirs(folder)  # noqa: PTH103 paths of bytes
    for path in (cup + b"/na\xefve.jpg", cup + b"/good.jpg", project + b"/dataset/caf\xe9/1.jpg"):
        with open(path, "wb") as file:  # noqa: PTH123 likewise
            file.write(picture(len(path)))
    with run_studio(Path(os.fsdecode(project)), *SMALL_CAMERA) as studio, studio.page() as page:
        page.until(lambda page: bool(page.prediction))
        page.until(lambda page: bool(page.state["warnings"]))
        assert page.state["dataset_folder"].endswith("/proj\\xe9t/dataset")
        assert page.count("cup") == 1
        assert any("\\x" in one and "not UTF-8" in one for one in page.state["warnings"])
        assert studio.ask("GET", "/api/state").json["warnings"] == page.state["warnings"]
        for place in ("/nothing/%ff", "/api/pictures/cup/na%efve.jpg", "/api/labels/%ff/pictures"):
            assert studio.ask("GET", place).status == 404
        errors = Path(os.fsdecode(project)) / "stderr.txt"
        assert errors.read_text() == ""


def test_json_is_written_that_every_browser_reads() -> None:
    value = {"a": [1.5, None, True, "é"]}
    assert json_text(value) == '{"a":[1.5,null,true,"é"]}'
    odd = {"a\udcff": (float("nan"), {"b": float("inf")}), "c": ["\ud800", "\udc80"]}
    assert json.loads(json_text(odd)) == {"a\\xff": [None, {"b": None}], "c": ["\\ud800", "\\x80"]}


def test_an_upload_that_is_cut_off_leaves_nothing_and_no_traceback(tmp_path: Path) -> None:
    with run_studio(tmp_path, *SMALL_CAMERA) as studio:
        assert add_label(studio, "cup").status == 200
        for path in ("/api/labels/cup/uploads/a.jpg", "/api/uploads/a.zip", "/api/labels"):
            method = "POST" if path == "/api/labels" else "PUT"
            head = (
                f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{studio.port}\r\n"
                f"Origin: {studio.origin}\r\nCookie: {studio.cookie['Cookie']}\r\n"
                "Content-Length: 50000\r\n\r\n"
            )
            with socket.create_connection(("127.0.0.1", studio.port), timeout=20) as raw:
                raw.sendall(head.encode() + picture(1)[:1000])
        answer = studio.change("PUT", "/api/labels/cup/uploads/whole.jpg", picture(2))
        assert answer.json["added"] == 1
    assert len(files_below(tmp_path / "dataset")) == 1
    assert (tmp_path / "stderr.txt").read_text() == ""


def slowly(content: bytes) -> Iterator[bytes]:
    """Send more than there is room for, and the rest once a server has had the time to answer."""
    yield content[: ROOM + 100_000]
    time.sleep(1.0)
    for start in range(ROOM + 100_000, len(content), 100_000):
        yield content[start : start + 100_000]
        time.sleep(0.01)


def test_an_upload_for_which_there_is_no_room_says_so_and_the_next_one_is_taken(
    tmp_path: Path,
) -> None:
    large = zipped(*((f"{number}.bmp", os.urandom(1_000_000)) for number in range(15)))
    assert len(large) > ROOM
    with ExitStack() as stack:
        with limited(resource.RLIMIT_FSIZE, ROOM):
            studio = stack.enter_context(run_studio(tmp_path, *SMALL_CAMERA))
        assert add_label(studio, "cup").status == 200
        for body in (large, slowly(large)):
            answer = studio.change("PUT", "/api/labels/cup/uploads/many.zip", body)
            assert answer.status == 507
            assert "TMPDIR" in answer.json["error"]
        answer = studio.change("PUT", "/api/labels/cup/uploads/whole.jpg", picture(2))
        assert answer.json["added"] == 1
    assert (tmp_path / "stderr.txt").read_text() == ""


_OWNED_NAME = (
    "from webcam_classifier.temporary_files import new_owned_name; print(new_owned_name())"
)


def test_what_killed_programs_left_is_swept_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = [sys.executable, "-c", _OWNED_NAME]
    ended = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    name = ended.stdout.strip()  # of a process that is no more
    scratch, models = tmp_path / "scratch", tmp_path / "models"
    left = scratch / f"webcam-classifier.{name}"
    left.mkdir(parents=True)
    (left / "half.bin").write_bytes(b"x")
    (scratch / "of somebody else").mkdir()
    models.mkdir()
    partial = models / f".model.onnx.{name}.partial"
    partial.write_bytes(b"half a model")
    monkeypatch.setenv("TMPDIR", str(scratch))
    with run_studio(tmp_path, *SMALL_CAMERA):
        assert [path.name for path in scratch.iterdir()] == ["of somebody else"]
        assert list(models.iterdir()) == []
