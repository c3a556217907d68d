"""The windows while a camera is away: the last picture in grey, and nothing of what was seen."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from webcam_classifier.camera.protocol import CameraStatus
from webcam_classifier.display.window import NO_KEY
from webcam_classifier.frame import BgrImage, Frame
from webcam_classifier.live.loop import LabelledFrame
from webcam_classifier.prediction import Prediction
from webcam_classifier.teaching.recording_session import RecordingSession
from webcam_classifier.ui.live_window import LiveWindow
from webcam_classifier.ui.record_window import RecordWindow
from webcam_classifier.ui.stale_picture import draw_stale_picture, stale_words

SIZES = [(320, 240), (640, 480), (1280, 720)]


class Screen:
    """Takes the place of a window of the screen, and keeps what was shown."""

    is_open = True

    def __init__(self) -> None:
        self.shown: list[BgrImage] = []
        self.keys: list[int] = []

    def show(self, picture: BgrImage) -> None:
        self.shown.append(picture)

    def on_drag(self, dragged: object) -> None:
        """Nobody has a mouse here."""

    def read_key(self, wait_milliseconds: int = 1) -> int:
        del wait_milliseconds
        return self.keys.pop(0) if self.keys else NO_KEY


def scene(width: int = 640, height: int = 480) -> BgrImage:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def labelled(index: int = 0) -> LabelledFrame:
    prediction = Prediction(("cup", "pen"), np.array([0.99, 0.01], np.float32))
    now = time.monotonic()
    return LabelledFrame(Frame(scene(), index, now), prediction, prediction, now, 0.01, 30.0)


def stalled(seconds: float) -> CameraStatus:
    now = time.monotonic()
    return CameraStatus("stalled", now - seconds + 2, "The camera sends nothing.", now - seconds)


def colourfulness(picture: BgrImage) -> float:
    return float(np.ptp(picture.astype(int), axis=2).mean())


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_the_last_picture_is_greyed_and_says_for_how_long(width: int, height: int) -> None:
    image = scene(width, height)
    before = image.copy()
    drawn = draw_stale_picture(image, "no picture for 12 s", "The camera sends nothing.")
    assert drawn.shape == image.shape
    assert np.array_equal(image, before)
    assert colourfulness(drawn) < 0.1 * colourfulness(image)
    other = draw_stale_picture(image, "no picture for 13 s", "The camera sends nothing.")
    assert not np.array_equal(drawn, other)


def test_the_seconds_count_from_the_last_picture() -> None:
    assert stale_words(stalled(12.2), time.monotonic()) == "no picture for 12 s"


def test_the_live_window_greys_and_comes_back(tmp_path: Path) -> None:
    screen = Screen()
    window = LiveWindow(screen, top=2, mirrored=False, snapshots=tmp_path)  # type: ignore[arg-type]
    window.stall(stalled(3))
    assert not screen.shown  # there was none yet
    window.show(labelled(), "30 frames/s")
    colours = colourfulness(screen.shown[-1])
    window.stall(stalled(3.2))
    assert colourfulness(screen.shown[-1]) < 0.1 * colours
    count = len(screen.shown)
    window.stall(stalled(3.2))
    assert len(screen.shown) == count  # it is drawn anew when there is something new to say
    screen.keys = [ord("s")]
    window.serve()
    assert not list(tmp_path.iterdir())  # what is not there any more is not saved
    window.show(labelled(1), "30 frames/s")
    assert colourfulness(screen.shown[-1]) > 0.9 * colours


def test_the_recording_window_greys_and_records_nothing(tmp_path: Path) -> None:
    screen = Screen()
    with RecordingSession(tmp_path / "d", ["cup", "pen"], keep_all=True) as session:
        window = RecordWindow(screen, session, mirrored=False)  # type: ignore[arg-type]
        window.show(labelled(), "")
        colours = colourfulness(screen.shown[-1])
        screen.keys = [ord("1")]
        window.serve()
        window.stall(stalled(3))
        assert colourfulness(screen.shown[-1]) < 0.5 * colours  # the labels keep their colours
        assert session.state().labels[0].count == 0
        window.show(labelled(1), "")
        assert colourfulness(screen.shown[-1]) > 0.9 * colours


def test_a_hint_stays_in_the_live_window_until_it_is_taken_back(tmp_path: Path) -> None:
    screen = Screen()
    window = LiveWindow(screen, top=2, mirrored=False, snapshots=tmp_path)  # type: ignore[arg-type]
    window.show(labelled(), "")
    without = screen.shown[-1]
    window.hint("unlike all training pictures: record each label here too")
    for index in (1, 2):
        window.show(labelled(index), "")
        assert not np.array_equal(screen.shown[-1], without)
    window.hint("")
    window.show(labelled(3), "")
    assert np.array_equal(screen.shown[-1], without)
