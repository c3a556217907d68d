from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.display_server import display_server
from webcam_classifier.display.window import fit_view

ROOT = Path(__file__).resolve().parents[1]
ASK = "from webcam_classifier.display.window import display_problem; print(display_problem())"
OPEN_AND_CLOSE = """
import numpy as np
from webcam_classifier.display.window import NO_KEY, Window
with Window("a window") as window:
    window.show(np.zeros((48, 64, 3), np.uint8))
    assert window.read_key(1) == NO_KEY
    assert window.is_open
assert not window.is_open
window.close()
window.show(np.zeros((48, 64, 3), np.uint8))
assert not window.is_open
print("closed")
"""


def run(code: str, environment: dict[str, str]) -> str:
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True, timeout=30
    )
    return done.stdout.strip()


def without_display() -> dict[str, str]:
    names = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    return {name: value for name, value in os.environ.items() if name not in names}


linux_only = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="X11 is for Linux")


@linux_only
def test_no_display_is_a_sentence() -> None:
    assert "no display" in run(ASK, without_display())


@linux_only
def test_a_display_that_nobody_serves_is_a_sentence() -> None:
    assert "':4999' can't be reached" in run(ASK, {**without_display(), "DISPLAY": ":4999"})


def test_a_window_opens_and_closes_and_stays_closed() -> None:
    with display_server() as display:
        assert run(ASK, display.environment) == "None"
        assert run(OPEN_AND_CLOSE, display.environment) == "closed"


@pytest.mark.parametrize(
    ("size", "view"),
    [
        ((320, 240), (640, 480)),
        ((640, 480), (640, 480)),
        ((1280, 720), (1280, 720)),
        ((2560, 1440), (1280, 720)),
        ((16, 16), (640, 640)),
    ],
)
def test_a_view_is_neither_tiny_nor_huge(size: tuple[int, int], view: tuple[int, int]) -> None:
    width, height = size
    picture = np.zeros((height, width, 3), np.uint8)
    assert fit_view(picture, mirrored=False).shape == (view[1], view[0], 3)


def test_a_mirrored_view_leaves_the_picture_alone() -> None:
    picture = np.zeros((480, 640, 3), np.uint8)
    picture[:, :320] = 255
    before = picture.copy()
    view = fit_view(picture, mirrored=True)
    assert view[:, 320:].min() == 255
    view[:] = 7
    np.testing.assert_array_equal(picture, before)
