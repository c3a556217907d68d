from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest

from tests.colour_video import COLOURS, write_colour_video
from tests.display_server import Display, display_server
from tests.tiny_model import write_tiny_model
from webcam_classifier.cli import live
from webcam_classifier.errors import UserError
from webcam_classifier.frame import BgrImage
from webcam_classifier.model_card import CARD_KEY
from webcam_classifier.ui.live_window import TITLE

PROJECT = Path(__file__).resolve().parents[1]
EXPECTED = ["blue"] * 10 + ["green"] * 10 + ["red"] * 10


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "models" / "colours" / "model.onnx"
    write_tiny_model(path)
    return path


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Thirty frames at ten frames a second: blue, then green, then red, a second each."""
    return write_colour_video(tmp_path / "clip.avi")


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name, colour in COLOURS.items():
        cv2.imwrite(str(folder / f"{name}.png"), plain(40, 30, colour))
    return folder


def plain(width: int, height: int, colour: tuple[int, int, int]) -> BgrImage:
    return np.full((height, width, 3), colour, np.uint8)


def read_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def read_video(path: Path) -> tuple[list[BgrImage], float]:
    capture = cv2.VideoCapture(str(path))
    rate = float(capture.get(cv2.CAP_PROP_FPS))
    frames = []
    while True:
        done, image = capture.read()
        if not done:
            break
        frames.append(np.asarray(image, dtype=np.uint8))
    capture.release()
    return frames, rate


class Launcher:
    """Starts live.py as a user does, and leaves no process behind."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._processes: list[subprocess.Popen[str]] = []

    def start(
        self, *arguments: object, environment: dict[str, str] | None = None
    ) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, str(PROJECT / "live.py"), *map(str, arguments)],
            cwd=self._folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._processes.append(process)
        return process

    def close(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait()
            for stream in (process.stdout, process.stderr):
                if stream is not None:
                    stream.close()


@pytest.fixture
def launcher(tmp_path: Path) -> Iterator[Launcher]:
    launcher = Launcher(tmp_path)
    yield launcher
    launcher.close()


def wait_for_lines(path: Path, count: int) -> None:
    for _ in range(2400):  # longer than one runtime that hangs is tried for
        if path.exists() and path.read_bytes().count(b"\n") >= count:
            return
        time.sleep(0.05)
    raise AssertionError(f"{path} got no {count} lines within two minutes")


# Labels in words


def test_one_picture_is_named_with_its_top_labels(
    model: Path, pictures: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    live.main([str(model), "--source", str(pictures / "red.png"), "--top", "2"])
    line = capfd.readouterr().out.strip()
    assert line.startswith(f"{pictures / 'red.png'}: red 100.0 %, ") or line.startswith(
        "red.png: red 100.0 %, "
    )
    assert line.count("%") == 2


def test_a_folder_is_named_picture_by_picture_and_what_was_skipped_is_listed(
    model: Path, pictures: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (pictures / "broken.jpg").write_bytes(b"no picture")
    live.main([str(model), "--source", str(pictures)])
    out, err = capfd.readouterr()
    found = [line.split(": ")[1].split(" ")[0] for line in out.splitlines()]
    assert found == ["blue", "green", "red"]
    assert "3 pictures, 1 skipped" in err
    assert "broken.jpg: " in err


def test_without_a_window_a_changed_label_is_said_once(
    model: Path, clip: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    live.main([str(model), "--source", str(clip), "--no-window"])
    said = [line.split()[:3] for line in capfd.readouterr().out.splitlines()]
    times = [["0.0", "s"], ["1.0", "s"], ["2.0", "s"]]  # of the video, however fast it is read
    assert said == [[*at, label] for at, label in zip(times, ("blue", "green", "red"), strict=True)]


def test_a_changed_label_is_said_as_sure_as_the_frames_are_however_long_the_smoothing(
    model: Path, clip: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    lines = tmp_path / "labels.jsonl"
    live.main(
        [str(model), "--source", str(clip), "--no-window", "--smoothing", "0.6",
         "--json-lines", str(lines)]
    )  # fmt: skip
    said = [line.split()[2:] for line in capfd.readouterr().out.splitlines()]
    assert [label for label, *_ in said] == ["blue", "green", "red"]
    frames = [json.loads(line) for line in lines.read_text().splitlines()]
    surest = {frame["label"]: 100 * frame["confidence"] for frame in frames}
    for label, percent, _ in said:
        assert float(percent) == pytest.approx(surest[label], abs=0.5)


def test_the_start_tells_model_labels_accuracy_source_and_provider(
    model: Path, clip: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    live.main([str(model), "--source", str(clip), "--no-window", "--frames", "1"])
    err = capfd.readouterr().err
    for part in ("colours/model.onnx", "blue, green, red", "97.0 % on 48", "64 x 48"):
        assert part in err
    assert any(runtime in err for runtime in ("onnxruntime", "OpenVINO", "LiteRT"))  # the fastest


def test_the_summary_has_every_stage(
    model: Path, clip: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    live.main([str(model), "--source", str(clip), "--no-window", "--frames", "12"])
    err = capfd.readouterr().err
    assert "12 frames, 0 dropped" in err
    for part in ("capture", "preprocessing", "inference", "age of the label", "95th percentile"):
        assert part in err


def test_the_newest_model_is_taken_where_none_is_named(
    model: Path, clip: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    older = model.parents[1] / "older" / "model.onnx"
    write_tiny_model(older, labels=("a", "b"))
    os.utime(older, (1, 1))
    monkeypatch.chdir(model.parents[2])
    live.main(["--source", str(clip), "--no-window", "--frames", "1"])
    assert "models/colours/model.onnx" in capfd.readouterr().err


def test_a_model_folder_stands_for_the_model_in_it(
    model: Path, pictures: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    live.main([str(model.parent), "--source", str(pictures / "green.png")])
    assert "green 100.0 %" in capfd.readouterr().out


# JSON lines


def test_a_json_line_for_every_frame(model: Path, clip: Path, tmp_path: Path) -> None:
    place = tmp_path / "made" / "labels.jsonl"
    live.main([str(model), "--source", str(clip), "--no-window", "--json-lines", str(place)])
    lines = read_lines(place)
    assert [line["label"] for line in lines] == EXPECTED
    assert [line["index"] for line in lines] == list(range(30))
    first = lines[0]
    assert list(first["probabilities"]) == ["blue", "green", "red"]
    assert sum(first["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    assert first["confidence"] == first["probabilities"]["blue"] > 0.99
    assert 0 < first["age_ms"] < 5000
    assert abs(time.monotonic() - first["captured_at"]) < 60
    assert "name" not in first


def test_smoothing_never_reaches_the_json_lines(model: Path, clip: Path, tmp_path: Path) -> None:
    place = tmp_path / "labels.jsonl"
    arguments = [str(model), "--source", str(clip), "--no-window", "--json-lines", str(place)]
    live.main([*arguments, "--smoothing", "30"])
    assert [line["label"] for line in read_lines(place)] == EXPECTED


def test_json_lines_of_pictures_carry_their_names(
    model: Path, pictures: Path, tmp_path: Path
) -> None:
    place = tmp_path / "labels.jsonl"
    live.main([str(model), "--source", str(pictures), "--json-lines", str(place)])
    assert [Path(line["name"]).stem for line in read_lines(place)] == ["blue", "green", "red"]


def test_unknown_is_said_and_written_unless_switched_off(
    pictures: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write_tiny_model(tmp_path / "unknown.onnx", unknown_threshold=2.0)
    white, place = pictures / "white.png", tmp_path / "labels.jsonl"
    cv2.imwrite(str(white), plain(64, 48, (255, 255, 255)))
    arguments = [str(tmp_path / "unknown.onnx"), "--source", str(pictures)]

    live.main([*arguments, "--json-lines", str(place)])

    said = [line.split(": ")[1] for line in capfd.readouterr().out.splitlines()]
    assert [words.startswith("unknown (") for words in said] == [False, False, False, True]
    lines = read_lines(place)
    assert [line["unknown"] for line in lines] == [False, False, False, True]
    assert lines[3]["unknown_score"] == pytest.approx(3, abs=1e-3)
    assert lines[3]["label"] in ("blue", "green", "red")

    for never in (["--no-unknown"], ["--unknown", "off"]):
        live.main([*arguments, *never])
        assert "unknown" not in capfd.readouterr().out.replace(str(tmp_path), "")
    for ever in (["--unknown"], ["--unknown", "strict"]):
        live.main([*ever, *arguments])
        assert "unknown (" in capfd.readouterr().out.replace(str(tmp_path), "")


def test_with_a_dash_nothing_but_json_reaches_the_standard_output(
    model: Path, pictures: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    live.main([str(model), "--source", str(pictures), "--json-lines", "-"])
    out, err = capfd.readouterr()
    assert [json.loads(line)["label"] for line in out.splitlines()] == ["blue", "green", "red"]
    assert "red 100.0 %" in err


def test_an_older_file_of_json_lines_is_replaced(
    model: Path, pictures: Path, tmp_path: Path
) -> None:
    place = tmp_path / "labels.jsonl"
    for _ in range(2):
        live.main([str(model), "--source", str(pictures), "--json-lines", str(place)])
    assert len(read_lines(place)) == 3


def test_after_a_kill_every_line_of_json_is_whole(
    model: Path, tmp_path: Path, launcher: Launcher
) -> None:
    place = tmp_path / "labels.jsonl"
    process = launcher.start(model, "--source", "demo", "--no-window", "--json-lines", place)
    wait_for_lines(place, 5)
    process.kill()
    process.communicate()
    assert len(read_lines(place)) >= 5


def test_a_reader_that_goes_away_ends_the_program_quietly(model: Path, launcher: Launcher) -> None:
    process = launcher.start(model, "--source", "demo", "--no-window", "--json-lines", "-")
    assert process.stdout is not None
    assert process.stderr is not None
    json.loads(process.stdout.readline())
    process.stdout.close()
    assert "Traceback" not in process.stderr.read()
    process.stderr.close()
    assert process.wait(20) == 0


# Ends


@pytest.mark.parametrize(
    ("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_ends_with_the_summary_and_a_whole_video(
    model: Path, tmp_path: Path, sent: signal.Signals, code: int, launcher: Launcher
) -> None:
    place, video = tmp_path / "labels.jsonl", tmp_path / "annotated.mp4"
    process = launcher.start(
        model, "--source", "demo", "--no-window", "--json-lines", place, "--save", video
    )  # fmt: skip
    wait_for_lines(place, 30)
    assert not video.exists()
    for _ in range(2):  # `timeout` sends it twice, and people press Ctrl-C twice
        process.send_signal(sent)
        time.sleep(0.05)
    _, err = process.communicate(timeout=20)
    assert process.returncode == code
    assert "frames a second" in err
    assert "Traceback" not in err
    frames, _ = read_video(video)
    assert len(frames) >= 25
    assert not list(tmp_path.glob(".annotated*"))


def test_a_closed_terminal_ends_it_with_a_whole_video_and_nohup_lets_it_go_on(
    model: Path, tmp_path: Path
) -> None:
    place, video = tmp_path / "labels.jsonl", tmp_path / "annotated.mp4"
    near, far = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "live.py", model, "--source", "demo", "--no-window", "--json-lines", place,
         "--save", video],
        cwd=PROJECT, stdin=far, stdout=far, stderr=far, start_new_session=True,
    )  # fmt: skip
    os.close(far)
    wait_for_lines(place, 30)
    os.close(near)  # the terminal is gone: what is printed from now on is an error
    for _ in range(2):  # the shell says it as well as the system
        process.send_signal(signal.SIGHUP)
        time.sleep(0.05)
    assert process.wait(20) == 129
    assert len(read_video(video)[0]) >= 25
    assert not list(tmp_path.glob(".annotated*"))

    others = tmp_path / "others.jsonl"
    process = subprocess.Popen(
        ["nohup", sys.executable, "live.py", model, "--source", "demo", "--no-window",
         "--json-lines", others],
        cwd=PROJECT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        wait_for_lines(others, 5)
        process.send_signal(signal.SIGHUP)
        wait_for_lines(others, len(read_lines(others)) + 30)
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()


def test_no_torch_onnx_or_sklearn_is_loaded_by_the_scripts_that_stay_small() -> None:
    names = [name for name in ("live", "collect", "evaluate") if (PROJECT / f"{name}.py").exists()]
    forbidden = ("torch", "torchvision", "onnx", "sklearn", "scipy")
    check = f"import sys, {', '.join(names)}; print([n for n in {forbidden} if n in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", check], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


# Videos


def test_a_video_is_not_saved_over_itself(model: Path, clip: Path) -> None:
    before = clip.read_bytes()
    with pytest.raises(UserError, match="would overwrite the video that is read"):
        live.main([str(model), "--source", str(clip), "--no-window", "--save", str(clip)])
    assert clip.read_bytes() == before


@pytest.mark.parametrize("name", ["annotated.mp4", "annotated.avi"])
def test_every_frame_of_a_file_is_in_the_saved_video_at_its_own_rate(
    model: Path, clip: Path, tmp_path: Path, name: str
) -> None:
    video = tmp_path / "made" / name
    live.main([str(model), "--source", str(clip), "--no-window", "--save", str(video)])
    frames, rate = read_video(video)
    assert len(frames) == 30
    assert rate == pytest.approx(10, abs=0.01)
    assert frames[0].shape == (48, 64, 3)
    # Above the label's band the picture is as it was, in order.
    upper = [tuple(COLOURS)[int(np.argmax(frame[22:26].mean(axis=(0, 1))))] for frame in frames]
    assert upper == EXPECTED


def test_an_odd_size_loses_a_row_and_a_column_only(model: Path, tmp_path: Path) -> None:
    clip = write_colour_video(tmp_path / "odd.avi", (101, 75))
    capture = cv2.VideoCapture(str(clip))
    width, height = (int(capture.get(key)) for key in (3, 4))
    capture.release()
    video = tmp_path / "annotated.mp4"
    live.main([str(model), "--source", str(clip), "--no-window", "--save", str(video)])
    frames, _ = read_video(video)
    assert len(frames) == 30
    assert frames[0].shape == (height // 2 * 2, width // 2 * 2, 3)


def test_a_saved_live_video_plays_at_natural_speed(model: Path, tmp_path: Path) -> None:
    video, place = tmp_path / "annotated.mp4", tmp_path / "labels.jsonl"
    live.main(
        [
            *(str(model), "--source", "demo", "--no-window", "--frames", "60"),
            *("--save", str(video), "--json-lines", str(place)),
        ]
    )
    captured = [line["captured_at"] for line in read_lines(place)]
    frames, rate = read_video(video)
    assert len(frames) / rate == pytest.approx(captured[-1] - captured[0], rel=0.1)


# What people get wrong


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "no model file"),
        (b"", "empty"),
        (b"junk", "not a whole ONNX"),
        ("cut", "not a whole"),
    ],
)
def test_a_bad_model_file_is_one_sentence(
    model: Path, clip: Path, tmp_path: Path, content: bytes | str | None, reason: str
) -> None:
    path = tmp_path / "bad.onnx"
    if content == "cut":
        content = model.read_bytes()[: model.stat().st_size // 2]
    if isinstance(content, bytes):
        path.write_bytes(content)
    with pytest.raises(UserError, match=reason):
        live.main([str(path), "--source", str(clip), "--no-window"])


@pytest.mark.parametrize(
    ("card", "reason"),
    [(None, "without a model card"), ('{"format_version": 99}', "format 99"), ("{", "damaged")],
)
def test_a_model_with_a_bad_card_is_one_sentence(
    model: Path, clip: Path, card: str | None, reason: str
) -> None:
    graph = onnx.load(str(model))
    del graph.metadata_props[:]
    if card is not None:
        graph.metadata_props.add(key=CARD_KEY, value=card)
    model.write_bytes(graph.SerializeToString())
    with pytest.raises(UserError, match=reason):
        live.main([str(model), "--source", str(clip), "--no-window"])


def test_no_model_yet_says_how_to_teach_one(
    tmp_path: Path, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"train\.py"):
        live.main(["--source", str(clip), "--no-window"])


def test_places_that_cannot_be_written_are_found_before_the_first_frame(
    model: Path, clip: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("a file where a folder is needed")
    before = sorted(tmp_path.rglob("*"))
    base = [str(model), "--source", str(clip), "--no-window"]
    for arguments, reason in [
        (["--save", str(tmp_path / "file" / "a.mp4")], "a file is where"),
        (["--save", str(tmp_path / "a.txt")], "ending"),
        (["--save", str(tmp_path / "models")], "ending"),
        (["--json-lines", str(tmp_path / "file" / "a.jsonl")], "a file is where"),
        (["--json-lines", str(tmp_path)], "is a folder"),
    ]:
        with pytest.raises(UserError, match=reason):
            live.main([*base, *arguments])
    assert sorted(tmp_path.rglob("*")) == before


def test_pictures_are_not_saved_as_a_video(model: Path, pictures: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--save"):
        live.main([str(model), "--source", str(pictures), "--save", str(tmp_path / "a.mp4")])


def test_a_source_without_frames_is_one_sentence_and_exit_code_1(
    model: Path, tmp_path: Path, launcher: Launcher
) -> None:
    empty = tmp_path / "empty.mp4"
    empty.write_bytes(b"")
    process = launcher.start(model, "--source", empty, "--no-window", "--save", tmp_path / "a.mp4")
    _, err = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "Traceback" not in err
    assert err.splitlines()[-1].startswith("error: ")
    assert not list(tmp_path.glob("*a.mp4"))


@pytest.mark.parametrize(
    "arguments",
    [["--frames", "0"], ["--top", "-1"], ["--smoothing", "nan"], ["--threads", "many"]],
)
def test_an_impossible_number_is_refused(
    arguments: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        live.main(arguments)
    assert arguments[1] in capfd.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["models/thumbs", "--teach"], "it does not use models/thumbs"),
        (["--teach", "cup", "--no-window"], "`python studio.py`"),
        (["--teach", "--top", "2"], "shows every label"),
        (["--teach", "--no-unknown"], "leave --unknown out"),
        (["--teach", "--rate", "nan"], "'nan' is not a rate"),
        (["--dataset", "d"], "--dataset is for teaching: add --teach"),
        (["--output", "m"], "--output is for teaching"),
        (["--rate", "4"], "--rate is for teaching"),
    ],
)
def test_options_that_do_not_go_with_teaching_are_refused(
    arguments: list[str], sentence: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        live.main(arguments)
    assert sentence in capfd.readouterr().err.replace("\n", " ")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--events-only"], "--events-only is for --json-lines: add that"),
        (["--json-lines-limit", "2"], "--json-lines-limit is for --json-lines"),
        (["--json-lines", "-", "--json-lines-limit", "2"], "- is the standard output"),
        (["--shell"], "--shell is for --on-change or --when"),
        (["--commands-at-once", "2"], "--commands-at-once is for --on-change"),
        (["--command-limit", "2"], "--command-limit is for --on-change"),
        (["--clip-seconds", "2"], "--clip-seconds is for --clips"),
        (["--clips-limit", "2"], "--clips-limit is for --clips"),
        (["--uncertain-rate", "2"], "--uncertain-rate is for --keep-uncertain"),
        (["--uncertain-limit", "2"], "--uncertain-limit is for --keep-uncertain"),
        (["--event-pictures", "--serial", "p"], "--event-pictures is for --json-lines or"),
    ],
)
def test_an_option_without_the_one_that_it_changes_is_refused(
    arguments: list[str], sentence: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        live.main(arguments)
    assert sentence in " ".join(capfd.readouterr().err.split())


def test_drawing_options_say_so_where_nothing_is_drawn(
    model: Path, clip: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    live.main([str(model), "--source", str(clip), "--no-window", "--explain", "--mirror"])
    err = capfd.readouterr().err
    assert "--explain has no effect" in err
    assert "--mirror has no effect" in err


def test_the_help_teaches_by_examples(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        live.main(["--help"])
    out = capfd.readouterr().out
    assert out.count("$ python live.py") >= 5
    assert "demo" in out
    assert "$ python live.py --teach cup" in out
    assert "hold 1 to 9 to record" in out


# The window


@pytest.fixture(scope="module")
def display() -> Iterator[Display]:
    with display_server() as display:
        yield display


def press_until(display: Display, key: str, is_reached: Callable[[], bool]) -> None:
    """Press again where a busy machine lost the key, up to 15 seconds."""
    until = time.monotonic() + 15
    display.focus(TITLE)
    while not is_reached():
        assert time.monotonic() < until, f"{key} changed nothing"
        with contextlib.suppress(subprocess.CalledProcessError):  # the window has just gone
            display.key("key", key)
        time.sleep(0.4)


_CLOSE_WINDOW = """
import ctypes, sys
x11 = ctypes.CDLL("libX11.so.6")
class Message(ctypes.Structure):
    _fields_ = [("type", ctypes.c_int), ("serial", ctypes.c_ulong), ("sent", ctypes.c_int),
                ("display", ctypes.c_void_p), ("window", ctypes.c_ulong),
                ("message_type", ctypes.c_ulong), ("format", ctypes.c_int),
                ("data", ctypes.c_long * 5), ("rest_of_the_union", ctypes.c_long * 24)]
x11.XOpenDisplay.restype, x11.XOpenDisplay.argtypes = ctypes.c_void_p, [ctypes.c_char_p]
x11.XInternAtom.restype = ctypes.c_ulong
x11.XInternAtom.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int]
x11.XSendEvent.argtypes = [
    ctypes.c_void_p, ctypes.c_ulong, ctypes.c_int, ctypes.c_long, ctypes.c_void_p]
x11.XCloseDisplay.argtypes = [ctypes.c_void_p]
display, window, client_message = x11.XOpenDisplay(None), int(sys.argv[1]), 33
protocols = x11.XInternAtom(display, b"WM_PROTOCOLS", 0)
event = Message(client_message, 0, 0, display, window, protocols, 32)
event.data[0] = x11.XInternAtom(display, b"WM_DELETE_WINDOW", 0)
x11.XSendEvent(display, window, 0, 0, ctypes.byref(event))
x11.XCloseDisplay(display)
"""
"""What a window manager does when the cross in the corner is clicked; xdotool has no such thing."""


@pytest.mark.parametrize("key", ["q", "Escape"])
def test_a_key_ends_the_window(
    display: Display, model: Path, tmp_path: Path, key: str, launcher: Launcher
) -> None:
    place = tmp_path / "labels.jsonl"
    process = launcher.start(
        model, "--source", "demo", "--json-lines", place, environment=display.environment
    )
    wait_for_lines(place, 5)
    press_until(display, key, lambda: process.poll() is not None)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 0, err
    assert "age on the screen" in err


def test_s_saves_the_raw_and_the_annotated_picture(
    display: Display, model: Path, tmp_path: Path, launcher: Launcher
) -> None:
    place = tmp_path / "labels.jsonl"
    process = launcher.start(
        model, "--source", "demo", "--json-lines", place, environment=display.environment
    )
    wait_for_lines(place, 5)
    snapshots = tmp_path / "snapshots"
    press_until(display, "s", lambda: len(list(snapshots.glob("*_annotated.jpg"))) > 0)
    press_until(display, "q", lambda: process.poll() is not None)
    raw, annotated = sorted(snapshots.glob("[!.]*.jpg"))[:2]
    assert annotated.name == f"{raw.stem}_annotated.jpg"
    one, other = cv2.imread(str(raw)), cv2.imread(str(annotated))
    assert one is not None
    assert other is not None
    assert one.shape == other.shape == (480, 640, 3)
    assert np.abs(one[:300].astype(int) - other[:300]).mean() < 2
    assert np.abs(one[400:].astype(int) - other[400:]).mean() > 10


def stands_still(path: Path) -> bool:
    before = path.read_bytes()
    time.sleep(0.6)
    return path.read_bytes() == before


def test_pause_stops_a_file_and_goes_on(
    display: Display, model: Path, tmp_path: Path, launcher: Launcher
) -> None:
    clip, place = write_colour_video(tmp_path / "clip.avi"), tmp_path / "labels.jsonl"
    process = launcher.start(
        model, "--source", clip, "--json-lines", place, environment=display.environment
    )
    wait_for_lines(place, 3)
    press_until(display, "space", lambda: stands_still(place))
    paused_at = len(read_lines(place))
    assert paused_at < 30
    press_until(display, "space", lambda: len(read_lines(place)) > paused_at)
    process.communicate(timeout=20)
    assert process.returncode == 0
    assert [line["label"] for line in read_lines(place)] == EXPECTED


def test_closing_the_window_ends_the_program(
    display: Display, model: Path, tmp_path: Path, launcher: Launcher
) -> None:
    place = tmp_path / "labels.jsonl"
    process = launcher.start(
        model, "--source", "demo", "--json-lines", place, environment=display.environment
    )
    wait_for_lines(place, 5)
    window = display.key("search", "--sync", "--onlyvisible", "--name", TITLE).split()[0]
    subprocess.run(
        [sys.executable, "-c", _CLOSE_WINDOW, window], env=display.environment, check=True
    )
    process.communicate(timeout=20)
    assert process.returncode == 0


def test_a_picture_in_a_window_waits_for_a_key(
    display: Display, model: Path, pictures: Path, launcher: Launcher
) -> None:
    process = launcher.start(
        model, "--source", pictures, "--window", environment=display.environment
    )
    display.focus(TITLE)
    time.sleep(1)
    assert process.poll() is None
    press_until(display, "space", lambda: process.poll() is not None)
    out, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    assert len(out.splitlines()) == 3


@pytest.mark.skipif(sys.platform != "linux", reason="other systems always have a display")
def test_without_a_display_it_says_so_once_and_goes_on(
    model: Path, clip: Path, launcher: Launcher
) -> None:
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    }
    process = launcher.start(model, "--source", clip, environment=environment)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 0
    assert err.count("going on without a window") == 1
    assert len(out.splitlines()) == 3
