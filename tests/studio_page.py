"""The studio's page in a real browser, used as a person does, before a clip of real pictures."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from playwright.sync_api import ConsoleMessage, Locator, Page, expect, sync_playwright

from tests.studio_server import StudioServer
from webcam_classifier.dataset.picture_files import decode_picture
from webcam_classifier.frame import BgrImage

LABELS = ("none", "thumbs_down", "thumbs_up")
RATE = 15  # frames a second
SHOWN_FOR = 2.0  # seconds that a label is shown without a break
HELD_FOR = 1.4  # seconds
SNAPSHOTS = 6  # of a label, at the least, before it is said to be recorded
WIDTH, HEIGHT = 320, 240
SETTLES_IN = 0.6  # seconds after which the steadied verdict follows a change of the label
PATIENCE = 180  # seconds
PLAIN_WITHIN = 6.0  # of 255, between a frame of the clip and what the page shows of it


@dataclass(frozen=True, eq=False)
class Clip:
    """A clip of real pictures, one label after another, again and again."""

    frames: Sequence[tuple[str, BgrImage]]

    @cached_property
    def _smalls(self) -> NDArray[np.float32]:
        return np.stack([_small(frame) for _, frame in self.frames])

    def label_of(self, picture: BgrImage) -> str:
        """Say which label a picture shows that came out of the page: that of its nearest frame."""
        distances = np.abs(self._smalls - _small(picture)).mean(axis=(1, 2, 3))
        return self.frames[int(np.argmin(distances))][0]

    def distance_of(self, picture: BgrImage) -> float:
        """Give how far a picture is from its nearest frame: the mean over pixels, 0 to 255."""
        return float(np.abs(self._smalls - _small(picture)).mean(axis=(1, 2, 3)).min())

    def write_for_chromium(self, path: Path) -> None:
        """Write it as the uncompressed video that Chromium's test camera takes."""
        with path.open("wb") as file:
            file.write(f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F{RATE}:1 Ip A1:1 C420jpeg\n".encode())
            for _, frame in self.frames:
                file.write(b"FRAME\n" + cv2.cvtColor(frame, cv2.COLOR_BGR2YUV_I420).tobytes())

    def write_for_a_device(self, path: Path) -> None:
        """Write it as a video file."""
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), RATE, (WIDTH, HEIGHT))
        for _, frame in self.frames:
            writer.write(frame)
        writer.release()


def _small(picture: BgrImage) -> NDArray[np.float32]:
    return cv2.resize(picture, (32, 24), interpolation=cv2.INTER_AREA).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Look:
    """What the page showed at one moment."""

    picture: BgrImage
    shown: str  # the label whose pictures these are
    verdict: str  # what the page says


class TeachingPage:
    """The page in a browser, used as a person uses it."""

    def __init__(self, page: Page, clip: Clip) -> None:
        self.page = page
        self._clip = clip
        self.complaints: list[str] = []
        self.addresses: set[str] = set()
        page.set_default_timeout(1000 * PATIENCE)
        page.on("console", self._note)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.addresses.add(request.url))

    def _note(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.text} {message.location}")

    def by_id(self, name: str) -> Locator:
        return self.page.get_by_test_id(name)

    def of_label(self, name: str, label: str) -> Locator:
        return self.page.locator(f'[data-testid="{name}"][data-label="{label}"]')

    def add_labels(self) -> None:
        for label in LABELS:
            self.by_id("new-label-name").fill(label)
            self.by_id("new-label-add").click()
            self.of_label("label-card", label).wait_for()

    def look(self) -> Look:
        """Take what is on the canvas, and what stands over it."""
        address, verdict = self.page.evaluate(
            """() => {
                const find = (name) => document.querySelector(`[data-testid="${name}"]`);
                return [find("picture").toDataURL("image/jpeg", 0.95), find("verdict").textContent];
            }"""
        )
        picture = decode_picture(base64.b64decode(address.partition(",")[2]))
        return Look(picture, self._clip.label_of(picture) if picture.max() else "", verdict)

    def wait_until(self, holds: Callable[[Look], bool], what: str) -> None:
        ends = time.monotonic() + PATIENCE
        while not holds(self.look()):
            assert time.monotonic() < ends, what

    def record(self, label: str, count: int = SNAPSHOTS) -> None:
        """Hold a label's button while the clip shows it, again where few snapshots came of it.

        Args:
            label: Of the clip.
            count: Snapshots that it has at the end, at the least; a slow machine needs several
                holds for them.
        """
        button = self.of_label("record", label)
        recorded = self.of_label("label-card", label).get_by_test_id("label-count")
        ends = time.monotonic() + PATIENCE
        while int((recorded.text_content() or "0").replace(",", "")) < count:
            assert time.monotonic() < ends, f"too few snapshots of {label} were recorded"
            button.scroll_into_view_if_needed()
            box = button.bounding_box()
            assert box is not None
            self.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
            self.wait_until(lambda look: look.shown not in ("", label), "the clip does not go on")
            self.wait_until(lambda look: look.shown == label, f"{label} is not shown")
            self.page.mouse.down()
            time.sleep(HELD_FOR)
            self.page.mouse.up()
            expect(button).to_have_attribute("aria-pressed", "false")

    def seconds_until_all_are_right(self) -> float:
        """Look on until each label was named while it was shown, and give how long it took."""
        began = time.monotonic()
        missing = set(LABELS)

        def sees(look: Look) -> bool:
            if look.shown == look.verdict:
                missing.discard(look.shown)
            return not missing

        self.wait_until(sees, "a label is never named")
        return time.monotonic() - began

    def see_heat_maps(self) -> None:
        """Have heat drawn over the picture, and taken off again."""

        def is_plain(look: Look) -> bool:
            return self._clip.distance_of(look.picture) < PLAIN_WITHIN

        button = self.by_id("heat-map")
        self.wait_until(is_plain, "the picture is not as the camera gives it")
        button.click()
        expect(button).to_have_attribute("aria-pressed", "true")
        self.wait_until(lambda look: not is_plain(look), "no heat is drawn")
        button.click()
        expect(button).to_have_attribute("aria-pressed", "false")
        self.wait_until(is_plain, "the heat is not taken off")

    def settled_looks(self, count: int) -> list[Look]:
        """Collect what the page says, away from the changes between labels.

        Args:
            count: Of each label, at the least.
        """
        found: list[Look] = []
        shown, since = "", 0.0
        ends = time.monotonic() + PATIENCE
        while min(sum(look.shown == label for look in found) for label in LABELS) < count:
            assert time.monotonic() < ends
            look = self.look()
            if look.shown != shown:
                shown, since = look.shown, time.monotonic()
            if time.monotonic() - since > SETTLES_IN and look.verdict in LABELS:
                found.append(look)
        return found

    def choose(self, name: str) -> None:
        """Click a choice, and wait until the server has agreed to it."""
        self.by_id(name).click(force=True)  # what is seen of it is its label
        expect(self.by_id(name)).to_be_checked(timeout=1000 * PATIENCE)

    @contextmanager
    def resting(self, camera: str) -> Iterator[None]:
        """Turn the camera off for a while: a browser that draws leaves little to other work."""
        self.choose("camera-none")
        yield
        self.choose(camera)

    def wait_for_job(self, kind: str) -> None:
        done = f'[data-testid="job"][data-kind="{kind}"][data-status="done"]'
        failed = f'[data-testid="job"][data-kind="{kind}"][data-status="failed"]'
        self.page.locator(f"{done}, {failed}").wait_for()
        assert not self.page.locator(failed).count(), self.by_id("job").text_content()

    def download(self, name: str, path: Path) -> None:
        with self.page.expect_download() as download:
            self.page.locator(f'[data-testid="model-download"][data-file="{name}"]').click()
        download.value.save_as(path)


@contextmanager
def open_page(
    chromium: str, studio: StudioServer, clip: Clip, *arguments: str
) -> Iterator[TeachingPage]:
    """Open the page, and hold it to asking nobody but its server and complaining of nothing."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(arguments))
        try:
            page = TeachingPage(browser.new_page(viewport={"width": 1280, "height": 900}), clip)
            page.page.goto(studio.link)
            page.page.locator('[data-testid="connection"][data-state="connected"]').wait_for()
            yield page
            own = (f"{studio.origin}/", "blob:")
            others = [url for url in page.addresses if not url.startswith(own)]
            assert not others
            assert not page.complaints, page.complaints
        finally:
            browser.close()
