"""The page takes in what other tools wrote, and labels a video, in a real browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from playwright.sync_api import APIResponse, FilePayload, Route, expect

from tests.studio_files import files_below, picture, zipped
from tests.studio_page import Clip, TeachingPage, open_page
from tests.studio_server import SMALL_CAMERA, need_weights, run_studio
from tests.video_clips import RATE, number_of, write_numbered_video
from webcam_classifier.dataset.picture_files import read_picture

FRAMES = 450  # of the video: 30 seconds
LENGTH = FRAMES / RATE  # seconds
USUAL = 8  # snapshots a second
PATIENCE = 60_000  # milliseconds

PROJECT = zipped(
    ("manifest.json", b"{}"),
    *((f"cup-!-{number}.jpg", picture(number)) for number in range(5)),
    *((f"pen-!-{number}.jpg", picture(50 + number)) for number in range(4)),
    ("pen-!-9.jpg", b"no picture"),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the studio of all tests here keeps its data set; each test has labels of its own."""
    need_weights()
    return tmp_path_factory.mktemp("studio")


@pytest.fixture(scope="module")
def page(chromium: str, folder: Path) -> Iterator[TeachingPage]:
    expect.set_options(timeout=PATIENCE)
    with (
        run_studio(folder, *SMALL_CAMERA) as studio,
        open_page(chromium, studio, Clip([])) as opened,
    ):
        yield opened
        # The browser notes answers that are meant to refuse: a broken zip file, and a small copy
        # that is asked for in the moment in which its picture is taken back.
        meant = (("400", "/look"), ("404", "/api/pictures/"))
        opened.complaints = [
            said
            for said in opened.complaints
            if not any(status in said and path in said for status, path in meant)
        ]
    expect.set_options(timeout=5000)


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("video") / "kitchen.webm"
    write_numbered_video(path, FRAMES)
    return path


def choose(page: TeachingPage, where: str, *files: tuple[str, bytes]) -> None:
    page.by_id(where).set_input_files(
        [FilePayload(name=name, mimeType="", buffer=content) for name, content in files]
    )


def test_a_project_is_shown_and_added_once_somebody_says_yes(
    page: TeachingPage, folder: Path
) -> None:
    dialog, lead = page.by_id("import-dialog"), page.by_id("import-lead")
    for answer in ("import-cancel", "Escape"):
        choose(page, "import-zip", ("project.tm", PROJECT))
        expect(lead).to_contain_text("Teachable Machine project. 9 pictures of 2 labels")
        expect(page.of_label("import-label", "cup")).to_contain_text("5")
        expect(page.of_label("import-label", "pen")).to_contain_text("new label")
        expect(page.by_id("import-left-out")).to_contain_text("pen-!-9.jpg")
        assert files_below(folder / "dataset") == set()
        if answer == "Escape":
            page.page.keyboard.press(answer)
        else:
            page.by_id(answer).click()
        expect(dialog).to_be_hidden()
    assert files_below(folder / "dataset") == set()

    choose(page, "import-zip", ("project.tm", PROJECT))
    expect(page.by_id("import-add")).to_be_focused()
    page.page.keyboard.press("Enter")
    expect(dialog).to_be_hidden()
    count = page.of_label("label-card", "cup").get_by_test_id("label-count")
    expect(count).to_have_text("5")
    assert len(files_below(folder / "dataset")) == 9
    expect(page.by_id("notice")).to_contain_text("Added 9 pictures of 2 labels.")

    choose(page, "import-zip", ("cut.zip", PROJECT[:-30]))
    expect(page.by_id("import-problem")).to_contain_text("not a whole zip file")
    page.by_id("import-cancel").click()
    expect(dialog).to_be_hidden()

    # Cancelled in the moment in which the studio answers: it is over, and nothing waits for a yes.
    answered: list[APIResponse] = []

    def cancel_first(route: Route) -> None:
        answered.append(route.fetch())
        page.by_id("import-cancel").click()
        route.fulfill(response=answered[-1])

    for path in ("**/api/imports", "**/look"):
        page.page.route(path, cancel_first)
        choose(page, "import-zip", ("again.tm", PROJECT))
        expect(dialog).to_be_visible()
        expect(dialog).to_be_hidden()
        page.page.unroute(path)
    assert [one.status for one in answered] == [200, 200]

    # Pictures of a label are shown first, too.
    page.of_label("label-card", "pen").get_by_test_id("edit-label").click()
    choose(page, "add-pictures", ("a.jpg", picture(90)), ("b.png", picture(91)), ("c.jpg", b"no"))
    expect(lead).to_contain_text("2 pictures of 1 label")
    assert len(files_below(folder / "dataset")) == 9
    page.by_id("import-add").click()
    expect(dialog).to_be_hidden()
    names = {path for path in files_below(folder / "dataset") if path.startswith("pen/")}
    assert {"pen/a.jpg", "pen/b.png"} < names
    assert len(names) == 6
    page.by_id("label-dialog-close").click()


def seconds(page: TeachingPage) -> float:
    """Where the video stands."""
    return float(page.by_id("video").evaluate("video => video.currentTime"))


def wait_until_at(page: TeachingPage, time: float) -> None:
    page.page.wait_for_function(
        "time => document.querySelector('[data-testid=video]').currentTime >= time",
        arg=time,
        timeout=PATIENCE,
    )


def is_paused(page: TeachingPage) -> bool:
    return bool(page.by_id("video").evaluate("video => video.paused"))


def recorded(folder: Path, label: str) -> list[list[int]]:
    """The numbers of the frames that a label has, burst by burst."""
    bursts: dict[str, list[int]] = {}
    for path in sorted((folder / "dataset" / label).glob("*.jpg")):
        burst = path.stem.rpartition("-")[0]
        bursts.setdefault(burst, []).append(number_of(read_picture(path)))
    return list(bursts.values())


def test_a_video_is_labelled_with_keys_alone_and_taken_back(
    page: TeachingPage, video: Path, folder: Path
) -> None:
    keyboard = page.page.keyboard
    page.by_id("video-file").set_input_files(str(video))
    expect(page.by_id("video-play")).to_be_focused()
    page.by_id("video-new-label").fill("mug")
    keyboard.press("Enter")
    button = page.of_label("video-record", "mug")
    expect(button).to_be_focused()
    key = (button.locator(".record-key").text_content() or "").removeprefix("or ")

    keyboard.press("Shift+ArrowRight")  # a second on
    expect(page.by_id("video-time")).to_contain_text("0:01.0 of 0:30.0")
    keyboard.press("ArrowRight")
    keyboard.press("ArrowLeft")
    began = seconds(page)
    assert 0.9 < began < 1.1

    keyboard.down(key)
    wait_until_at(page, began + 2.0)
    keyboard.up(key)
    ended = seconds(page)
    assert is_paused(page)
    stretch = page.page.locator('[data-testid="stretch"][data-state="done"]')
    stretch.wait_for()
    (numbers,) = recorded(folder, "mug")
    assert numbers == sorted(set(numbers))
    assert abs(numbers[0] - began * RATE) <= 1.5
    assert numbers[-1] <= ended * RATE + 1
    assert all(later - one >= RATE / USUAL - 1 for one, later in pairwise(numbers))
    assert 2 <= len(numbers) <= (ended - began) * USUAL + 1
    expect(stretch).to_contain_text(f"{len(numbers)} pictures")
    shown = page.by_id("timeline-stretch").evaluate(
        "part => [parseFloat(part.style.left), parseFloat(part.style.width)]"
    )
    assert abs(shown[0] - 100 * began / LENGTH) < 2
    assert 0 < shown[1] <= 100 * (ended - began) / LENGTH + 1

    keyboard.press("Control+z")
    expect(page.by_id("stretch")).to_have_count(0)
    assert not recorded(folder, "mug")
    assert len(list((folder / "dataset" / ".removed").rglob("*.jpg"))) == len(numbers)
    keyboard.press("Escape")
    expect(page.by_id("video-dialog")).to_be_hidden()


def test_a_video_is_labelled_while_it_plays_with_the_pointer_alone(
    page: TeachingPage, video: Path, folder: Path
) -> None:
    for label in ("red", "green"):
        page.by_id("new-label-name").fill(label)
        page.by_id("new-label-add").click()
        page.of_label("label-card", label).wait_for()
    page.by_id("video-file").set_input_files(str(video))
    expect(page.by_id("video-play")).to_be_enabled()
    # So slow that no busy machine gets to its end in between.
    page.by_id("video").evaluate("video => { video.playbackRate = 0.25; }")
    page.by_id("video-play").click()
    for label in ("red", "green"):
        box = page.of_label("video-record", label).bounding_box()
        assert box is not None
        page.page.mouse.move(box["x"] + 20, box["y"] + 20)
        page.page.mouse.down()
        wait_until_at(page, seconds(page) + 0.8)
        page.page.mouse.up()
        assert not is_paused(page)
    page.by_id("video-play").click()
    done = page.page.locator('[data-testid="stretch"][data-state="done"]')
    expect(done).to_have_count(2)
    (reds,), (greens,) = recorded(folder, "red"), recorded(folder, "green")
    assert reds[-1] < greens[0]
    expect(page.by_id("timeline-stretch")).to_have_count(2)

    # The earlier of the two is taken back, and the later one stays.
    page.of_label("stretch", "red").get_by_test_id("take-back").click()
    expect(done).to_have_count(1)
    assert not recorded(folder, "red")
    assert recorded(folder, "green") == [greens]
    page.by_id("video-close").click()
    expect(page.by_id("video-dialog")).to_be_hidden()

    # What is undone elsewhere is not on the timeline any more when it is opened again.
    page.by_id("undo").click()
    left = page.of_label("label-card", "green").get_by_test_id("label-count")
    expect(left).to_have_text("0")
    page.by_id("video-file").set_input_files(str(video))
    expect(page.by_id("stretch")).to_have_count(0)
    page.by_id("video-close").click()


def test_a_video_that_the_browser_can_t_play_is_told_with_what_to_do(page: TeachingPage) -> None:
    choose(page, "video-file", ("old.avi", b"RIFF and no video"))
    problem = page.by_id("video-problem")
    expect(problem).to_contain_text("play old.avi")
    expect(problem).to_contain_text(re.compile("MP4.*collect.py"))
    page.by_id("video-close").click()
    expect(page.by_id("video-dialog")).to_be_hidden()
