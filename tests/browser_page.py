"""The page that is given away, written and served as a user does, in a real browser."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import pytest
from playwright.sync_api import BrowserContext, ConsoleMessage, Page, sync_playwright

from webcam_classifier.errors import UserError
from webcam_classifier.export.npm_archive import fetch_npm_archive
from webcam_classifier.export.page_server import page_link, page_server
from webcam_classifier.export.web_page import ONNXRUNTIME_WEB

PATIENCE = 60.0  # seconds
CLIP_RATE = 15  # frames a second

_CLASSIFY = """async (encoded) => {
    const bytes = Uint8Array.from(atob(encoded), (character) => character.charCodeAt(0));
    return await webcamClassifier.classify(new Blob([bytes]));
}"""
_OPEN = """async () => {
    const { runtime, apart, notes } = await webcamClassifier.ready;
    return { runtime, apart, notes };
}"""


def need_browser_runtime() -> None:
    """Skip a test where neither the cache nor npm has the browsers' runtime."""
    try:
        fetch_npm_archive(ONNXRUNTIME_WEB)
    except UserError as error:
        pytest.skip(str(error))


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder with a page, and give its address."""
    with page_server(folder, 0) as server:
        thread = threading.Thread(target=server.serve_forever, name="page", daemon=True)
        thread.start()
        try:
            yield page_link(server)
        finally:
            server.shutdown()
            thread.join()


class GivenPage:
    """The page in a browser; what it asks for and complains of is noted."""

    def __init__(self, context: BrowserContext) -> None:
        self.context = context
        self.page: Page = context.new_page()
        self.page.set_default_timeout(1000 * PATIENCE)
        self.complaints: list[str] = []
        self.addresses: set[str] = set()
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        context.on("request", lambda request: self.addresses.add(request.url))

    def _note(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def open(self, link: str) -> dict[str, Any]:
        """Open it, wait until the model answers, and give what it runs on."""
        self.page.goto(link)
        found: dict[str, Any] = self.page.evaluate(_OPEN)
        return found

    def classify(self, picture: Path) -> dict[str, Any]:
        """Ask through the page's API about a picture file."""
        encoded = base64.b64encode(picture.read_bytes()).decode()
        answer: dict[str, Any] = self.page.evaluate(_CLASSIFY, encoded)
        return answer

    def wait_for_state(self, state: str) -> None:
        self.page.locator(f'[data-testid="stage"][data-state="{state}"]').wait_for()

    def wait_until_kept(self) -> None:
        """Wait until it can do without a network."""
        self.page.get_by_test_id("offline").get_by_text("works").wait_for()


@contextmanager
def open_browser(chromium: str, *arguments: str) -> Iterator[GivenPage]:
    """Open a browser with an empty page."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(arguments))
        try:
            yield GivenPage(browser.new_context(viewport={"width": 390, "height": 844}))
        finally:
            browser.close()


def fake_camera(clip: Path) -> tuple[str, ...]:
    """Arguments of a Chromium whose only camera plays a clip, and may be used unasked."""
    return (
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-video-capture={clip}",
    )


def write_clip(pictures: Sequence[Path], each: int, path: Path, size: tuple[int, int]) -> None:
    """Write pictures as the uncompressed video that Chromium's test camera takes.

    Args:
        pictures: One after another.
        each: Frames that each is shown for.
        path: Of the video.
        size: Width and height, in pixels.
    """
    with path.open("wb") as file:
        width, height = size
        file.write(f"YUV4MPEG2 W{width} H{height} F{CLIP_RATE}:1 Ip A1:1 C420jpeg\n".encode())
        for picture in pictures:
            image = cv2.imread(str(picture))
            assert image is not None
            planes = cv2.cvtColor(cv2.resize(image, size), cv2.COLOR_BGR2YUV_I420)
            file.write((b"FRAME\n" + planes.tobytes()) * each)
