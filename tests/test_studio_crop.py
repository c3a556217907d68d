"""A part of the picture on the page: chosen with mouse, finger and keyboard, shown, learnt from."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.studio_server import StudioServer, run_small_studio
from webcam_classifier.crop import Crop
from webcam_classifier.dataset.crop_file import CROP_FILE, find_crop
from webcam_classifier.dataset.picture_files import decode_picture
from webcam_classifier.frame import BgrImage

PART = {"left": 0.25, "top": 0.0, "width": 0.5, "height": 1.0}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("part")


@pytest.fixture(scope="module")
def studio(folder: Path) -> Iterator[StudioServer]:
    with run_small_studio(folder) as server:
        yield server


@contextmanager
def opened(chromium: str, studio: StudioServer) -> Iterator[Page]:
    """The page in a browser that has a mouse and a touch screen, with a picture."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium)
        context = browser.new_context(viewport={"width": 1280, "height": 900}, has_touch=True)
        page = context.new_page()
        complaints: list[str] = []
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(studio.link)
        page.locator('[data-testid="connection"][data-state="connected"]').wait_for()
        page.locator("#stage:not(.empty)").wait_for()
        yield page
        browser.close()
        assert not complaints


def canvas(page: Page) -> BgrImage:
    address = page.evaluate("document.getElementById('picture').toDataURL('image/png')")
    return decode_picture(base64.b64decode(address.partition(",")[2]))


def drag(page: Page, by: str, began: tuple[float, float], ended: tuple[float, float]) -> None:
    """Drag over the picture, between two places that are fractions of it as it is shown."""
    page.get_by_test_id("picture").scroll_into_view_if_needed()
    box = page.evaluate(
        """() => {
            const canvas = document.getElementById("picture");
            const box = canvas.getBoundingClientRect();
            const scale = Math.min(box.width / canvas.width, box.height / canvas.height);
            const [width, height] = [canvas.width * scale, canvas.height * scale];
            return [box.x + (box.width - width) / 2, box.y + (box.height - height) / 2, width, height];
        }"""  # noqa: E501
    )
    places = [
        (box[0] + box[2] * x, box[1] + box[3] * y)
        for x, y in (began, ((began[0] + ended[0]) / 2, (began[1] + ended[1]) / 2), ended)
    ]
    if by == "mouse":
        page.mouse.move(*places[0])
        page.mouse.down()
        for place in places[1:]:
            page.mouse.move(*place)
        page.mouse.up()
        return
    touch = page.context.new_cdp_session(page)
    for kind, place in zip(("touchStart", "touchMove", "touchMove"), places, strict=True):
        points = [{"x": place[0], "y": place[1]}]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def is_mirrored(page: Page) -> bool:
    return bool(page.evaluate("document.querySelector('.stage.mirrored') !== null"))


def values(page: Page) -> list[str]:
    sides = ("left", "top", "width", "height")
    return [page.get_by_test_id(f"part-{side}").input_value() for side in sides]


@pytest.mark.parametrize("by", ["mouse", "finger"])
@pytest.mark.parametrize("mirror", [False, True])
def test_a_part_is_dragged_and_shown_and_taken_back(
    chromium: str, studio: StudioServer, folder: Path, by: str, mirror: bool
) -> None:
    with opened(chromium, studio) as page:
        if is_mirrored(page) != mirror:
            page.get_by_test_id("mirror").click()
        page.get_by_test_id("choose-part").click()
        drag(page, by, (0.6, 0.75), (0.1, 0.25))
        expect(page.get_by_test_id("part-width")).to_have_value("50")
        assert values(page) == ["10", "25", "50", "50"]
        page.get_by_test_id("part-use").click()
        page.get_by_test_id("whole-picture").wait_for()
        crop = find_crop(folder / "dataset")
        assert crop is not None
        expected = (0.4 if mirror else 0.1, 0.25, 0.5, 0.5)
        assert (crop.left, crop.top, crop.width, crop.height) == pytest.approx(expected, abs=0.02)
        outside_is_dim(page, crop)
        page.get_by_test_id("whole-picture").click()
        page.get_by_test_id("whole-picture").wait_for(state="hidden")
        assert not (folder / "dataset" / CROP_FILE).exists()


def outside_is_dim(page: Page, crop: Crop) -> None:
    """Wait until the page shows nothing bright outside of a part, and the part as it is."""
    for _ in range(200):
        picture = canvas(page)
        left, top, right, bottom = crop.box(picture.shape[1], picture.shape[0])
        inside = picture[top + 3 : bottom - 3, left + 3 : right - 3].copy()
        picture[top:bottom, left:right] = 0
        if picture.max() <= 255 * 0.4 + 1 < inside.max():
            return
        page.wait_for_timeout(50)
    raise AssertionError("what is not looked at is not dimmed")


def test_a_part_is_chosen_with_the_keyboard_alone(
    chromium: str, studio: StudioServer, folder: Path
) -> None:
    with opened(chromium, studio) as page:
        if is_mirrored(page):
            page.get_by_test_id("mirror").click()
        page.get_by_test_id("choose-part").focus()
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")  # past the button for heat maps
        page.keyboard.press("Tab")  # and the mirror's
        for text in ("20", "10", "70", "900"):
            page.keyboard.press("Tab")
            page.keyboard.type(text)
        page.keyboard.press("Enter")
        page.get_by_test_id("whole-picture").wait_for()
        assert find_crop(folder / "dataset") == Crop(0.2, 0.1, 0.7, 0.9)
        page.get_by_test_id("choose-part").focus()
        page.keyboard.press("Enter")
        expect(page.get_by_test_id("part-form")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.get_by_test_id("part-form")).to_be_hidden()
        page.get_by_test_id("whole-picture").focus()
        page.keyboard.press("Enter")
        page.get_by_test_id("whole-picture").wait_for(state="hidden")


def test_every_page_is_told_the_part(studio: StudioServer, folder: Path) -> None:
    with studio.page() as page:
        assert studio.change("POST", "/api/crop", PART).status == 200
        page.until(lambda page: page.state["crop"] == PART)
        assert page.state["watched_crop"] == PART
        assert find_crop(folder / "dataset") == Crop(**PART)
        whole = {"left": 0, "top": 0, "width": 1, "height": 1}
        assert studio.change("POST", "/api/crop", whole).json == {"analysed_again": 0}
        page.until(lambda page: page.state["crop"] is None)


@pytest.mark.parametrize(
    "change",
    [
        {"left": 0.6}, {"width": 0}, {"top": -0.1}, {"height": True}, {"left": "0"}, {"left": None},
        {"width": math.nan}, {"left": 10**400}, {"more": 1}, {"top": []},
    ],
)  # fmt: skip
def test_what_is_no_part_of_a_picture_is_refused(
    studio: StudioServer, folder: Path, change: dict[str, object]
) -> None:
    answer = studio.change("POST", "/api/crop", PART | change)
    assert answer.status == 400
    assert "not a part of the picture" in answer.json["error"]
    assert not (folder / "dataset" / CROP_FILE).exists()
