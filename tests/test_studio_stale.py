"""What the camera no longer sees is not shown as if it did: told at once, and back by itself."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page as BrowserPage
from playwright.sync_api import expect, sync_playwright
from websockets.exceptions import ConnectionClosed

from tests.studio_server import SMALL_CAMERA, Page, StudioServer, need_weights, run_studio
from webcam_classifier.dataset.picture_files import encode_snapshot
from webcam_classifier.frame import BgrImage
from webcam_classifier.web.browser_clock import BrowserClock
from webcam_classifier.web.message_rate import MessageRate

COLOURS = {"blue": (220, 40, 40), "green": (40, 200, 40)}
AHEAD = 12345.6  # seconds that the clock of a browser is ahead of ours
OLD = 0.8  # seconds
PATIENCE = 30_000  # milliseconds
NOTHING = "\u2013"  # what stands in place of a figure


@pytest.fixture(autouse=True)
def _weights() -> None:
    need_weights()


def coloured(name: str, seed: int) -> BgrImage:
    generator = np.random.default_rng(seed)
    noise = generator.normal(0, 25, (60, 80, 3)).repeat(2, axis=0).repeat(2, axis=1)
    return np.clip(noise + COLOURS[name], 0, 255).astype(np.uint8)


class Sender:
    """A browser's camera that can be held up: it shows green, another picture each time."""

    def __init__(self, studio: StudioServer, client: str, captured_before: float) -> None:
        self.goes_on = threading.Event()
        self.goes_on.set()
        self._is_over = False
        self._captured_before = captured_before
        self._studio = studio
        self._path = f"/ws/camera?client={client}"
        self._thread = threading.Thread(target=self._send_all)

    def __enter__(self) -> Sender:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over = True
        self.goes_on.set()
        self._thread.join()

    def _send_all(self) -> None:
        with suppress(ConnectionClosed), self._studio.socket(self._path) as opened:
            for number in range(1_000_000):
                asked = json.loads(opened.recv(60))
                now = time.monotonic() + AHEAD
                answer = {"type": "clock", "clock": asked["clock"], "browser": now}
                opened.send(json.dumps(answer))
                content = encode_snapshot(coloured("green", number))
                self.goes_on.wait()
                if self._is_over:
                    return
                taken_at = time.monotonic() + AHEAD - self._captured_before
                opened.send(json.dumps({"type": "frame", "captured": taken_at}))
                opened.send(content)
                time.sleep(0.03)


@contextmanager
def taught_studio(folder: Path, *arguments: str) -> Iterator[StudioServer]:
    """A studio that tells two colours apart."""
    for name in COLOURS:
        (folder / "dataset" / name).mkdir(parents=True)
        for number in range(8):
            path = folder / "dataset" / name / f"{number}.jpg"
            path.write_bytes(encode_snapshot(coloured(name, 1000 + number)))
    with run_studio(folder, *SMALL_CAMERA, *arguments) as studio:
        yield studio


def test_the_age_of_a_browsers_frame_counts_from_its_capture(tmp_path: Path) -> None:
    with (
        run_studio(tmp_path, *SMALL_CAMERA) as studio,
        studio.page() as page,
        Sender(studio, page.client, captured_before=OLD),
    ):
        page.until(lambda page: page.prediction.get("width") == 160 and is_live(page))
        page.until(lambda page: page.prediction["age_ms"] >= 0.9 * 1000 * OLD)


def is_live(page: Page) -> bool:
    camera = page.state["camera"]
    return bool(camera["kind"] == "browser" and camera["live"])


def is_without_picture(page: Page) -> bool:
    camera = page.state["camera"]
    return bool(camera["problem"] and not camera["live"] and camera["no_picture_for"] is not None)


def test_a_browser_that_stalls_or_closes_is_told_of_and_nothing_is_labelled(tmp_path: Path) -> None:
    with run_studio(tmp_path, *SMALL_CAMERA) as studio, studio.page() as page:
        with Sender(studio, page.client, captured_before=0.0) as sender:
            page.until(is_live)
            sender.goes_on.clear()
            page.until(is_without_picture)
            assert page.state["camera"]["no_picture_for"] >= 1.0
            shown = page.prediction["frame"]
            assert [page.next() for _ in range(3)].count("prediction") == 0
            sender.goes_on.set()
            page.until(is_live)
            page.until(lambda page: page.prediction["frame"] > shown)
        began = time.monotonic()
        page.until(is_without_picture)
        assert "browser" in page.state["camera"]["problem"]
        assert page.state["camera"]["no_picture_for"] < 1.0 + time.monotonic() - began


def test_an_open_page_hears_something_each_second_even_without_a_camera(tmp_path: Path) -> None:
    with run_studio(tmp_path, *SMALL_CAMERA) as studio, studio.page() as page:
        studio.change("POST", "/api/camera", {"kind": "none"}, page.client)
        page.until(lambda page: page.state["camera"]["kind"] == "none")
        heard = [page.next(10.0) for _ in range(3)]
    assert "alive" in heard


def test_the_page_shows_the_last_picture_as_what_it_is(chromium: str, tmp_path: Path) -> None:
    with (
        taught_studio(tmp_path) as studio,
        studio.page() as other,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=chromium)
        page = browser.new_page()
        page.set_default_timeout(PATIENCE)
        page.goto(studio.link)
        with Sender(studio, other.client, captured_before=0.0) as sender:
            expect_fresh(page)
            sender.goes_on.clear()
            expect_stale(page, "sends nothing")
            sender.goes_on.set()
            expect_fresh(page)
        expect_stale(page, "camera is sending pictures")
        studio.change("POST", "/api/camera", {"kind": "device"}, other.client)
        expect_fresh(page, verdict=None)
        studio.process.send_signal(signal.SIGSTOP)  # it keeps its connections, and says nothing
        try:
            expect_stale(page, "be reached")
        finally:
            studio.process.send_signal(signal.SIGCONT)
        expect_fresh(page, verdict=None)
        browser.close()


def expect_fresh(page: BrowserPage, verdict: str | None = "green") -> None:
    by_id = page.get_by_test_id
    expect(by_id("no-picture")).to_be_hidden(timeout=PATIENCE)
    expect(by_id("verdict")).to_be_visible(timeout=PATIENCE)
    if verdict is not None:
        expect(by_id("verdict")).to_have_text(verdict, timeout=PATIENCE)
    expect(by_id("frame-age")).to_contain_text("ms", timeout=PATIENCE)
    assert not has_grey_picture(page)


def expect_stale(page: BrowserPage, reason: str) -> None:
    by_id = page.get_by_test_id
    expect(by_id("no-picture")).to_be_visible(timeout=PATIENCE)
    expect(by_id("no-picture")).to_contain_text(reason, timeout=PATIENCE)
    expect(by_id("verdict")).to_be_hidden()
    expect(by_id("verdict")).to_have_text("")
    expect(by_id("bar-percent")).to_have_text([NOTHING] * len(COLOURS))
    for name in ("frame-age", "frame-rate"):
        expect(by_id(name)).to_have_text(NOTHING)
    assert has_grey_picture(page)
    said = by_id("no-picture").locator("b").text_content() or ""
    assert said.startswith("No picture for ")
    expect(by_id("no-picture").locator("b")).not_to_have_text(said, timeout=PATIENCE)  # it counts


def has_grey_picture(page: BrowserPage) -> bool:
    picture = page.get_by_test_id("picture")
    return "grayscale(1)" in picture.evaluate("canvas => getComputedStyle(canvas).filter")


def test_a_browsers_clock_is_known_by_its_quickest_answer() -> None:
    clock = BrowserClock()
    assert clock.our_time(500.0, now=7.0) == 7.0
    clock.answered(10.0, 110.0 + 0.9, now=11.0)  # it came back slowly
    clock.answered(20.0, 120.01, now=20.02)
    assert clock.our_time(130.0, now=31.0) == pytest.approx(30.0)
    assert clock.our_time(140.0, now=31.0) == 31.0, "nothing was captured after now"
    assert clock.our_time(float("nan"), now=31.0) == 31.0
    clock.answered(40.0, float("inf"), now=40.0)
    clock.answered(50.0, 1.0, now=49.0)
    assert clock.our_time(130.0, now=50.0) == pytest.approx(30.0)
    assert clock.our_time(130.0, now=1000.0) == 1000.0, "what was long ago is forgotten"


def test_so_many_messages_and_no_more() -> None:
    now = 100.0
    rate = MessageRate(8.0, 3.0, clock=lambda: now)
    assert [rate.allows_another() for _ in range(4)] == [True, True, True, False]
    now += 0.125
    assert [rate.allows_another() for _ in range(2)] == [True, False]
    now += 100.0
    assert [rate.allows_another() for _ in range(4)] == [True, True, True, False]
