from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.display_server import Display, display_server, wait_for
from webcam_classifier.dataset.crop_file import CROP_FILE, find_crop
from webcam_classifier.dataset.snapshot_name import parse_snapshot_name
from webcam_classifier.model.classifier import Classifier
from webcam_classifier.ui.record_window import TEACH_TITLE

ROOT = Path(__file__).resolve().parents[1]

_BETWEEN_KEYS = 0.3  # seconds; a busy machine may lose one of two keys that come together
_PATIENCE = 40.0  # seconds; likewise for what is learnt

pytestmark = pytest.mark.usefixtures("squeezenet_weights")


@pytest.fixture(scope="module")
def display() -> Iterator[Display]:
    with display_server() as server:
        yield server


class Run:
    """live.py --teach with a window that has the focus, in a folder of its own."""

    def __init__(self, display: Display, folder: Path, *options: str) -> None:
        self.dataset = folder / "d"
        self.json_lines = folder / "labels.jsonl"
        self._key = display.key
        self._told = folder / "told.txt"
        arguments = ("--teach", *options, "--dataset", "d", "--json-lines", str(self.json_lines))
        with self._told.open("wb") as told:
            self.program = subprocess.Popen(
                [sys.executable, str(ROOT / "live.py"), *arguments],
                cwd=folder,
                env=display.environment,
                stderr=told,
            )

    def told(self) -> str:
        """What it said on the terminal so far."""
        return self._told.read_text(encoding="utf-8")

    def key(self, *arguments: str) -> None:
        self._key(*arguments)

    def type(self, name: str) -> None:
        """Type slowly: of two keys that come together OpenCV gives the second."""
        self.key("type", "--delay", "250", name)
        time.sleep(_BETWEEN_KEYS)

    def hold(self, key: str, seconds: float) -> None:
        self.key("keydown", key)
        time.sleep(seconds)
        self.key("keyup", key)

    def pictures(self, label: str) -> list[Path]:
        return sorted((self.dataset / label).glob("*.jpg"))

    def count(self, label: str) -> int:
        return len(self.pictures(label))

    def has_settled(self, label: str) -> bool:
        """Whether no snapshot is added while a second's frames are labelled."""
        before, frame = self.count(label), len(self.lines())
        wait_for(lambda: len(self.lines()) >= frame + 30)
        return self.count(label) == before

    def bursts(self, label: str) -> set[int]:
        names = [parse_snapshot_name(path.stem) for path in self.pictures(label)]
        return {name[1] for name in names if name is not None}

    def lines(self) -> list[dict[str, Any]]:
        """What was predicted so far; the last line may be under way."""
        whole = self.json_lines.read_bytes().rpartition(b"\n")[0]
        return [json.loads(line) for line in whole.splitlines()]

    def known_labels(self) -> set[str]:
        lines = self.lines()
        return set(lines[-1]["probabilities"]) if lines else set()

    def quit(self, key: str = "q") -> str:
        """End it as a user does, and give what it said on the terminal."""
        self.key("key", key)
        return self.wait()

    def wait(self) -> str:
        assert self.program.wait(timeout=20) == 0, self.told()
        return self.told()


@contextmanager
def teaching(display: Display, folder: Path, *options: str) -> Iterator[Run]:
    run = Run(display, folder, *options)
    try:
        display.focus(TEACH_TITLE)
        wait_for(lambda: run.json_lines.exists() and bool(run.lines()))
        yield run
    finally:
        run.program.kill()
        run.program.wait()


def two_sides(path: Path) -> Path:
    """Six seconds in which bright squares move about: first at the left, then at the right."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 30, (160, 120))
    generator = np.random.default_rng(0)
    for index in range(180):
        image = np.full((120, 160, 3), 60, np.uint8)
        left = 10 if index < 90 else 90
        x, y = generator.integers(0, 20, 2)
        image[20 + y : 80 + y, left + x : left + 40 + x] = (40, 220, 90) if index < 90 else 210
        writer.write(image)
    writer.release()
    return path


# From nothing to a model


def test_labels_that_are_typed_and_shown_are_told_apart_from_an_empty_folder(
    display: Display, tmp_path: Path
) -> None:
    options = ("--source", "demo", "--rate", "20")
    with teaching(display, tmp_path, *options) as run:
        assert run.lines()[-1]["label"] is None
        assert run.lines()[-1]["confidence"] is None
        for label in ("cup", "no cup"):
            run.key("key", "n")
            time.sleep(_BETWEEN_KEYS)
            run.type(label)
            run.key("key", "Return")
            time.sleep(_BETWEEN_KEYS)
        run.hold("1", 1.6)
        wait_for(lambda: run.count("cup") > 2)
        assert run.known_labels() == set()
        run.hold("2", 1.6)
        wait_for(lambda: run.known_labels() == {"cup", "no cup"}, _PATIENCE)
        told = run.quit()
    assert "python train.py d --mode head --output models/d" in told
    assert f"{run.count('cup')} of cup, {run.count('no cup')} of no cup" in told


def test_w_writes_the_model_while_the_picture_goes_on(display: Display, tmp_path: Path) -> None:
    with teaching(display, tmp_path, "up", "down", "--source", "demo", "--rate", "20") as run:
        for key in ("1", "2", "1", "2"):
            run.hold(key, 1.2)
            time.sleep(0.5)
        wait_for(lambda: run.known_labels() == {"up", "down"}, _PATIENCE)
        run.key("key", "w")
        before = len(run.lines())
        time.sleep(_BETWEEN_KEYS)
        wait_for(lambda: len(run.lines()) > before + 5)
        told = run.quit()  # it ends when the model is written
        assert "models/d/model.onnx: accuracy " in told
    card = Classifier(tmp_path / "models" / "d" / "model.onnx").card
    assert card.labels == ("down", "up")
    assert card.mode == "head"
    assert "train.py" not in told


# Recording


def test_a_tap_gives_one_snapshot_and_a_held_key_one_burst_that_ends_with_it(
    display: Display, tmp_path: Path
) -> None:
    with teaching(display, tmp_path, "up", "down", "--source", "demo", "--rate", "10") as run:
        run.key("key", "2")
        wait_for(lambda: run.count("down") == 1)
        run.key("keydown", "1")
        wait_for(lambda: run.count("up") >= 8)
        run.key("keyup", "1")
        wait_for(lambda: run.has_settled("up"))  # it ends with the key
        assert run.count("down") == 1
        assert len(run.bursts("up")) == 1
        run.quit()


def test_undo_takes_burst_after_burst_back_and_leaves_what_was_there_before(
    display: Display, tmp_path: Path
) -> None:
    old = tmp_path / "d" / "down" / "old.jpg"
    old.parent.mkdir(parents=True)
    cv2.imwrite(str(old), np.random.default_rng(0).integers(0, 255, (90, 120, 3), np.uint8))
    with teaching(display, tmp_path, "up", "--source", "demo", "--rate", "20") as run:
        run.hold("1", 1.5)
        time.sleep(0.4)
        wait_for(lambda: run.known_labels() == {"up", "down"}, _PATIENCE)
        run.key("key", "2")
        wait_for(lambda: run.count("down") == 2)
        time.sleep(0.9)
        run.key("key", "u")
        wait_for(lambda: run.count("down") == 1)
        run.key("key", "BackSpace")
        wait_for(lambda: run.count("up") == 0)
        wait_for(lambda: run.known_labels() == set())
        run.key("key", "z")
        time.sleep(0.3)
        run.quit("Escape")
    assert old.exists()


def test_a_part_that_is_dragged_is_looked_at_and_what_was_learnt_is_learnt_again(
    display: Display, tmp_path: Path
) -> None:
    with teaching(display, tmp_path, "cup", "pen", "--source", "demo") as run:
        crop_file = run.dataset / CROP_FILE
        run.key("key", "1")
        wait_for(lambda: run.count("cup") == 1)
        run.key("key", "2")
        wait_for(lambda: run.count("pen") == 1)
        wait_for(lambda: run.known_labels() == {"cup", "pen"})
        run.key("mousemove", "60", "60", "mousedown", "1")
        run.key("mousemove", "100", "100", "mousemove", "200", "160", "mouseup", "1")
        wait_for(crop_file.is_file)
        assert find_crop(run.dataset) is not None
        seen = len(run.lines())
        wait_for(lambda: len(run.lines()) > seen + 5 and run.known_labels() == {"cup", "pen"})
        run.key("key", "a")
        wait_for(lambda: not crop_file.exists())
        seen = len(run.lines())
        wait_for(lambda: len(run.lines()) > seen + 5 and run.known_labels() == {"cup", "pen"})
        run.quit()


def test_space_records_the_chosen_one_of_many_labels(display: Display, tmp_path: Path) -> None:
    labels = [f"label {number}" for number in range(1, 12)]
    with teaching(display, tmp_path, *labels, "--source", "demo") as run:
        for key in ("Up", "Up", "Tab"):  # from the first to the tenth, and on to the last
            run.key("key", key)
            time.sleep(_BETWEEN_KEYS)
        run.key("key", "space")
        wait_for(lambda: run.count("label 11") == 1)
        run.quit()


def test_a_name_that_can_be_no_folder_is_typed_anew(display: Display, tmp_path: Path) -> None:
    with teaching(display, tmp_path, "--source", "demo") as run:
        run.key("key", "n")
        time.sleep(_BETWEEN_KEYS)
        run.type("cup/")
        for key in ("Return", "BackSpace", "Return", "1"):
            run.key("key", key)
            time.sleep(_BETWEEN_KEYS)
        wait_for(lambda: run.count("cup") == 1)
        run.key("key", "n")
        time.sleep(_BETWEEN_KEYS)
        run.type("quit")  # its letters are no commands here
        run.key("key", "Escape")
        time.sleep(0.2)
        assert run.program.poll() is None
        run.quit()
    assert [path.name for path in run.dataset.iterdir() if path.name[0] != "."] == ["cup"]


def test_the_mirror_is_never_recorded(display: Display, tmp_path: Path) -> None:
    source = str(two_sides(tmp_path / "sides.avi"))
    with teaching(display, tmp_path, "side", "--source", source, "--mirror") as run:
        run.key("key", "1")
        wait_for(lambda: run.count("side") == 1)
        run.quit()
    picture = cv2.imread(str(run.pictures("side")[0]))
    assert picture is not None
    assert picture[:, :80].mean() > picture[:, 80:].mean() + 10


# What goes along


def test_the_session_is_saved_as_a_video_at_the_size_of_its_window(
    display: Display, tmp_path: Path
) -> None:
    options = ("up", "down", "--source", "demo", "--save", "session.mp4", "--frames", "60")
    with teaching(display, tmp_path, *options) as run:
        run.hold("1", 1.0)
        run.wait()
    video = cv2.VideoCapture(str(tmp_path / "session.mp4"))
    done, picture = video.read()
    video.release()
    assert done
    assert picture.shape[1] == 640
    assert 520 < picture.shape[0] < 560  # the picture with the lines below it
    assert len(run.lines()) == 60
