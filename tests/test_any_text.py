"""Labels, file names and addresses of every kind: shown on any console, and hiding nothing."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import unicodedata
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tiny_model import write_tiny_model
from webcam_classifier.camera.open_camera import open_camera
from webcam_classifier.camera.protocol import CameraError
from webcam_classifier.camera.source_names import without_password
from webcam_classifier.camera.video_file import file_rate
from webcam_classifier.cli import evaluate
from webcam_classifier.cli.console import SafeStream
from webcam_classifier.cli.live_arguments import parse
from webcam_classifier.dataset.label_names import check_labels, label_problem
from webcam_classifier.dataset.listing import list_dataset
from webcam_classifier.dataset.picture_files import encode_snapshot
from webcam_classifier.dataset.snapshot_name import SnapshotName, is_correction, parse_snapshot_name
from webcam_classifier.model_card import ModelCard, read_card
from webcam_classifier.visible_text import hidden_characters, json_line, visible

_ROOT = Path(__file__).resolve().parents[1]

GOOD = ["café", "می‌خواهم", "क्‍ष", "👩‍🔬", "❤️‍🔥", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "赤 いろ", "שלום", "1️⃣"]
BAD = ["a\u202eb", "a\u200bb", "cup\ufeff", "a\u200db", "\u200d", "é\u200dé", "a\u2066b", "\x9bm"]


@pytest.mark.parametrize("label", GOOD)
def test_the_joiners_of_scripts_and_emoji_are_welcome(label: str) -> None:
    label = unicodedata.normalize("NFC", label)
    assert label_problem(label) is None
    assert visible(label) == label


@pytest.mark.parametrize("label", [*BAD, "a\u3164", "a\x1b[31m", "a\u2028b", "x\U000e0041"])
def test_what_cannot_be_seen_is_no_label_and_is_shown_as_an_escape(label: str) -> None:
    assert "invisible character" in str(label_problem(label))
    assert visible(label).isascii() or "é" in label
    assert visible(label) != label


@given(st.text())
def test_shown_text_hides_nothing_and_keeps_what_is_seen(text: str) -> None:
    shown = visible(text)
    assert hidden_characters(shown) == ()
    assert visible(shown) == shown
    if not hidden_characters(text):
        assert shown == text


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=20))
@settings(deadline=None)
def test_a_label_that_is_accepted_can_be_a_folder_that_is_listed(
    tmp_path_factory: pytest.TempPathFactory, label: str
) -> None:
    label = unicodedata.normalize("NFC", label)
    if label_problem(label) is not None:
        return
    folder = tmp_path_factory.mktemp("data")
    assert check_labels([label], folder) == (label,)
    (folder / label).mkdir()
    (folder / label / "a.jpg").touch()
    listed = list_dataset(folder)
    if not listed.is_split:  # a label may be called as a part of a data set
        assert listed.labels == (label,)
        assert [picture.full_name for picture in listed.pictures] == [f"{label}/a.jpg"]


@given(
    st.lists(st.text(min_size=1), min_size=2, max_size=5, unique=True),
    st.text(),
    st.none() | st.floats(0, 1),
    st.none() | st.floats(0, 1e9),
)
def test_a_card_is_read_as_it_was_written(
    labels: list[str], dataset: str, accuracy: float | None, threshold: float | None
) -> None:
    card = ModelCard(
        labels=tuple(labels), input_size=32, backbone="b", mode="head", weights="w",
        created_at="now", dataset=dataset, data_hash="0", accuracy=accuracy,
        unknown_threshold=threshold,
    )  # fmt: skip
    text = card.to_json()
    assert read_card(text, Path("a.onnx")) == card
    text.encode()


@given(st.integers(1, 10**6), st.integers(1, 10**6), st.booleans())
def test_a_snapshots_name_is_read_as_it_was_written(
    burst: int, index: int, corrected: bool
) -> None:
    session = "20261122T143015x7f3a9c"
    name = SnapshotName(session, burst, index, corrected).format()
    assert parse_snapshot_name(name) == (session, burst, index)
    assert is_correction(name) == corrected


@given(st.text())
def test_a_line_of_json_is_one_line_that_says_the_same(label: str) -> None:
    line = json_line({"label": label})
    assert line.isprintable()
    assert json.loads(line.encode()) == {"label": label}


def test_a_number_that_is_none_never_becomes_json() -> None:
    with pytest.raises(ValueError, match="JSON"):
        json_line({"confidence": float("nan")})


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_a_console_that_cannot_show_a_label_shows_escapes(encoding: str) -> None:
    content = io.BytesIO()
    stream = SafeStream(io.TextIOWrapper(content, encoding=encoding))
    print("赤 \udcff\x1b[2J\n\tgrün", file=stream)
    stream.commands("\r\x1b[K")
    stream.flush()
    said = content.getvalue().decode(encoding)
    assert "\\xff\\x1b[2J\n\tgr" in said
    assert said.endswith("\r\x1b[K")
    assert ("赤" in said) == (encoding == "utf-8")


def test_names_that_are_not_utf8_work_from_pictures_to_json(tmp_path: Path) -> None:
    odd = tmp_path / os.fsdecode(b"d\xffta")
    write_tiny_model(odd / "model.onnx", labels=["blå", "grün", "赤"])
    for number, label in enumerate(["blå", "grün"]):
        colour = [0, 0, 0]
        colour[number] = 255
        picture = np.full((40, 50, 3), colour, np.uint8)
        (odd / "pictures" / label).mkdir(parents=True)
        for name in ("a.jpg", os.fsdecode(b"b\xfe.jpg")):
            (odd / "pictures" / label / name).write_bytes(encode_snapshot(picture))
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    places = odd / "figures.json", odd / "lines.jsonl"
    commands: list[list[Path | str]] = [
        ["evaluate.py", odd, odd / "pictures", "--json", places[0]],
        ["live.py", odd, "--source", odd / "pictures", "--no-window", "--json-lines", places[1]],
    ]
    for command in commands:
        done = subprocess.run(
            [sys.executable, *command], cwd=_ROOT, env=environment, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert b"Traceback" not in done.stderr
        assert done.stdout.isascii()
        assert done.stderr.isascii()
    figures = json.loads(places[0].read_bytes())
    assert figures["accuracy"] == 1.0
    lines = [json.loads(line) for line in places[1].read_bytes().splitlines()]
    assert [line["label"] for line in lines] == ["blå", "grün"]


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("rtsp://me:secret@10.0.0.7:554/video?key=1", "rtsp://10.0.0.7:554/video"),
        ("rtsp://me:[secret@10.0.0.7/video", "rtsp://10.0.0.7/video"),
        ("http://me:se/c?r@et@host/a#b", "http://host/a"),
        ("rtmp://u:p@h/x", "rtmp://h/x"),
        ("http://[::1]:80/v", "http://[::1]:80/v"),
        ("clip.mp4", "clip.mp4"),
        ("demo::7", "demo::7"),
    ],
)
def test_a_password_is_left_out_of_an_address(address: str, shown: str) -> None:
    assert without_password(address) == shown


def test_a_password_is_in_no_message(capsys: pytest.CaptureFixture[str]) -> None:
    for address in ("rtmp://me:secret@h/x", "http://me:[secret@127.0.0.1:9/x"):
        with pytest.raises(CameraError) as raised:
            open_camera(address)
        assert "secret" not in str(raised.value) + "".join(capsys.readouterr())


def test_an_empty_name_of_a_file_is_refused_as_a_command_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        evaluate.parse(["m.onnx", "pictures", "--json", ""])
    for option in ("--json-lines", "--save"):
        with pytest.raises(SystemExit):
            parse("manual", ["m.onnx", option, ""])
    assert capsys.readouterr().err.count("the name is empty") == 3


def test_the_rate_of_a_video_is_read_whatever_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    writer = cv2.VideoWriter("a.avi", cv2.VideoWriter.fourcc(*"MJPG"), 7.0, (64, 48))
    for _ in range(5):
        writer.write(np.zeros((48, 64, 3), np.uint8))
    writer.release()
    (tmp_path / "a.avi").rename(tmp_path / "at 10:30.avi")
    assert file_rate("at 10:30.avi") == 7.0
    assert file_rate("~/at 10:30.avi") == 7.0
