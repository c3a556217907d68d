"""GStreamer pipelines that end or fall silent, run with Debian's own OpenCV: pip's has none.

The test needs the packages python3-opencv, gstreamer1.0-plugins-base and -good. Pillow is lent to
the system's Python where both are of one version.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import PIL
import pytest

from benchmarks.faulty_camera import FaultyCamera

_PROJECT = Path(__file__).resolve().parents[2]
_PYTHON = "/usr/bin/python3"
_APPSINK = "videoconvert ! video/x-raw,format=BGR ! appsink drop=true max-buffers=1 sync=false"

_HAS_GSTREAMER = f"""
import sys
assert sys.version_info[:2] == {sys.version_info[:2]}, "it is of another version than this one"
import cv2
assert "GStreamer:                   YES" in cv2.getBuildInformation(), "its OpenCV has none"
capture = cv2.VideoCapture("videotestsrc ! {_APPSINK}", cv2.CAP_GSTREAMER)
assert capture.isOpened(), "the elements videotestsrc and videoconvert are not installed"
"""

_CHILD = """
import json, sys, threading, time
from webcam_classifier.camera.open_camera import open_camera
camera = open_camera(sys.argv[1])
wanted, states, indices = sys.argv[2], [], []
def read():
    while (frame := camera.read()) is not None:
        indices.append(frame.index)
threading.Thread(target=read, daemon=True).start()
print("open", flush=True)
until = time.monotonic() + 60
frames_at = None
while time.monotonic() < until:
    state = camera.status.state
    if not states or states[-1] != state:
        states.append(state)
        print(state, flush=True)
    if wanted in states:
        frames_at = frames_at or len(indices)
        if state == "live" and len(indices) > frames_at + 10:
            break
    time.sleep(0.005)
started = time.monotonic()
camera.close()
print(json.dumps([states, indices, time.monotonic() - started]))
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """How the system's Python is run; the test is skipped where it has no GStreamer."""
    if not Path(_PYTHON).exists():
        pytest.skip(f"there is no {_PYTHON}")
    trial = subprocess.run(
        [_PYTHON, "-c", _HAS_GSTREAMER], capture_output=True, text=True, timeout=60, check=False
    )
    if trial.returncode:
        reason = (trial.stderr.strip().splitlines() or ["it ended"])[-1]
        pytest.skip(f"{_PYTHON} has no OpenCV with GStreamer ({reason})")
    lent = tmp_path_factory.mktemp("lent")
    for name in ("PIL", "pillow.libs"):
        place = Path(PIL.__file__).parents[1] / name
        if place.exists():
            (lent / name).symlink_to(place)
    paths = [os.environ.get("PYTHONPATH", ""), str(_PROJECT), str(lent)]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in paths if path)}


def start(environment: dict[str, str], pipeline: str, wanted: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [_PYTHON, "-c", _CHILD, pipeline, wanted],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> tuple[list[str], list[int], float]:
    out, err = process.communicate(timeout=90)
    assert process.returncode == 0, err
    states, indices, seconds = json.loads(out.splitlines()[-1])
    return states, indices, seconds


def next_line(process: subprocess.Popen[str], expected: str) -> None:
    stream: Any = process.stdout
    for line in stream:
        if line.strip() == expected:
            return
    raise AssertionError(f"{expected} was not told: {process.communicate()}")


def test_a_pipeline_that_ends_is_run_again(environment: dict[str, str]) -> None:
    size = "video/x-raw,width=160,height=120,framerate=20/1"
    source = "videotestsrc num-buffers=30 is-live=true pattern=snow"
    states, indices, seconds = finish(
        start(environment, f"{source} ! {size} ! {_APPSINK}", "reopening")
    )
    assert states[:3] == ["live", "reopening", "live"]
    assert len(indices) > 30
    assert indices == sorted(set(indices))
    assert seconds < 2


def test_a_pipeline_that_falls_silent_is_told_and_goes_on(environment: dict[str, str]) -> None:
    with FaultyCamera(20.0) as server:
        source = f"souphttpsrc location={server.url} is-live=true ! multipartdemux ! jpegdec"
        process = start(environment, f"{source} ! {_APPSINK}", "stalled")
        next_line(process, "open")
        server.begin("silent")
        next_line(process, "stalled")
        server.end()
        states, indices, seconds = finish(process)
    assert states[:2] == ["live", "stalled"]
    assert states[-1] == "live"
    assert indices == sorted(set(indices))
    assert seconds < 2
