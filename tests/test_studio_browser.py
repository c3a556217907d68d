"""The whole way in a real browser: record with held buttons, see, teach, export, download.

Chromium's own test camera plays a clip of real pictures, so that what the page does with a camera
is what it does for a user; and once more the clip is the device's camera.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from playwright.sync_api import expect, sync_playwright

from tests.studio_page import (
    HEIGHT,
    LABELS,
    RATE,
    SHOWN_FOR,
    WIDTH,
    Clip,
    TeachingPage,
    open_page,
)
from tests.studio_server import ROOT, SMALL_CAMERA, free_port, need_weights, run_studio
from webcam_classifier.dataset.picture_files import encode_snapshot, read_picture
from webcam_classifier.model.classifier import Classifier

SEEN_WITHIN = 5.0  # seconds from the last button let go to the right label for all


@pytest.fixture(scope="module")
def clip(shared_data: Path) -> Clip:
    """Pictures of one person's thumbs, as they were taken one after another."""
    frames = []
    for label in LABELS:
        files = sorted((shared_data / "thumbs" / "person_1" / label).iterdir())
        for file in files[: int(RATE * SHOWN_FOR)]:
            frame = cv2.resize(read_picture(file), (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
            frames.append((label, np.asarray(frame, np.uint8)))
    return Clip(frames)


@pytest.fixture(scope="module", autouse=True)
def weights() -> None:
    """All tests here need the pretrained weights."""
    need_weights()


def teach_and_take_away(page: TeachingPage, camera: str, folder: Path) -> None:
    """Go the whole way, from no label to a downloaded model that answers as the page does.

    Args:
        page: With no label.
        camera: The test id of the camera that is in use.
        folder: For the downloads.
    """
    page.wait_until(lambda look: look.shown != "", "there is no picture")
    page.add_labels()
    for label in LABELS:
        page.record(label)
    assert page.seconds_until_all_are_right() < SEEN_WITHIN
    page.see_heat_maps()
    with page.resting(camera):
        page.choose("teach-head")
        page.by_id("teach").click()
        page.wait_for_job("head")
        page.by_id("export-precision").select_option("fp16")
        page.by_id("export").click()
        page.wait_for_job("export")
        page.download("model.onnx", folder / "model.onnx")
        page.download("model.fp16.onnx", folder / "model.fp16.onnx")
    page.choose("watch-model")
    looks = page.settled_looks(8)
    assert {look.verdict for look in looks} == set(LABELS)
    assert np.mean([look.shown == look.verdict for look in looks]) > 0.9
    # What the page says is taken for the truth: the file that came down has to say the same.
    for number, look in enumerate(looks):
        path = folder / "said" / look.verdict / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode_snapshot(look.picture))
    assert evaluated(folder / "model.onnx", folder / "said") > 0.9
    assert Classifier(folder / "model.fp16.onnx").card.precision == "fp16"


def evaluated(model: Path, pictures: Path) -> float:
    """Give the accuracy that evaluate.py finds."""
    figures = model.with_suffix(".json")
    command = [sys.executable, str(ROOT / "evaluate.py"), str(model), str(pictures)]
    subprocess.run([*command, "--json", str(figures)], capture_output=True, check=True)
    return float(json.loads(figures.read_text())["accuracy"])


@pytest.mark.timeout(300)
def test_the_browsers_camera_teaches_a_model_that_is_taken_away(
    chromium: str, clip: Clip, tmp_path: Path
) -> None:
    video = tmp_path / "clip.y4m"
    clip.write_for_chromium(video)
    arguments = (
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-video-capture={video}",
    )
    missing = str(tmp_path / "no_camera.mp4")
    with (
        run_studio(tmp_path, "--source", missing) as studio,
        open_page(chromium, studio, clip, *arguments) as page,
    ):
        page.by_id("start-camera").wait_for()
        expect(page.by_id("guide")).to_contain_text("No picture yet")
        expect(page.by_id("camera-problem")).to_be_hidden()
        page.choose("camera-browser")
        teach_and_take_away(page, "camera-browser", tmp_path)


@pytest.mark.timeout(300)
def test_the_devices_camera_teaches_a_model_that_is_taken_away(
    chromium: str, clip: Clip, tmp_path: Path
) -> None:
    video = tmp_path / "clip.avi"
    clip.write_for_a_device(video)
    with (
        run_studio(tmp_path, "--source", str(video)) as studio,
        open_page(chromium, studio, clip) as page,
    ):
        teach_and_take_away(page, "camera-device", tmp_path)


@pytest.mark.parametrize("where", [(), ("--host", "0.0.0.0")], ids=["here", "from elsewhere"])
def test_the_printed_link_opens_the_page_even_when_it_stands_in_another_page(
    chromium: str, where: Sequence[str], tmp_path: Path
) -> None:
    with (
        run_studio(tmp_path, *SMALL_CAMERA, *where) as studio,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=chromium)
        page = browser.new_page()
        page.goto(studio.link.partition("?")[0])
        assert "needs the token" in page.inner_text("body")
        page.goto("about:blank")
        page.set_content(f'<a href="{studio.link}">the studio, sent by a friend</a>')
        page.click("a")
        page.locator('[data-testid="connection"][data-state="connected"]').wait_for()
        assert studio.token not in page.url
        page.reload()
        page.locator('[data-testid="connection"][data-state="connected"]').wait_for()
        browser.close()


def test_after_a_restart_of_the_server_the_page_goes_on_by_itself(
    chromium: str, clip: Clip, tmp_path: Path
) -> None:
    video = tmp_path / "clip.avi"
    clip.write_for_a_device(video)
    with (
        run_studio(tmp_path, "--source", str(video), port=free_port()) as studio,
        open_page(chromium, studio, clip) as page,
    ):
        page.add_labels()
        page.record(LABELS[0])
        recorded = page.of_label("label-card", LABELS[0]).get_by_test_id("label-count")
        expect(recorded).not_to_have_text("0")
        studio.end(signal.SIGKILL)
        saved = len(list((tmp_path / "dataset" / LABELS[0]).glob("*.jpg")))
        page.page.locator('[data-testid="connection"]:not([data-state="connected"])').wait_for()
        with run_studio(tmp_path, "--source", str(video), port=studio.port):
            page.page.locator('[data-testid="connection"][data-state="connected"]').wait_for()
            expect(recorded).to_have_text(str(saved))
            shown = page.look().picture
            page.wait_until(lambda look: not np.array_equal(look.picture, shown), "it stands still")
        page.complaints.clear()  # that it could not connect, which is so
