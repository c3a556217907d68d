"""Pictures are dropped, chosen and pasted onto the page and answered, in a real browser."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import FilePayload, Locator, expect

from tests.coloured_pictures import write_coloured_pictures
from tests.drawn_pictures import draw
from tests.simulated_poses import SMALL, pose_of
from tests.studio_files import files_below, zipped
from tests.studio_page import Clip, TeachingPage, open_page
from tests.studio_server import SMALL_CAMERA, StudioServer, need_weights, run_studio
from webcam_classifier.dataset.picture_files import encode_snapshot

COUNT = 4  # snapshots of a label
PATIENCE = 20_000  # milliseconds

DROP = """([selector, kind, files]) => {
    const data = new DataTransfer();
    for (const [name, type, encoded] of files) {
        const bytes = Uint8Array.from(atob(encoded), (letter) => letter.charCodeAt(0));
        const rest = new Uint8Array(name.startsWith("big") ? 33_000_000 : 0);
        data.items.add(new File([bytes, rest], name, { type }));
    }
    const target = document.querySelector(selector);
    const drags = ["dragenter", "dragover", "drop"];
    for (const type of kind === "paste" ? ["paste"] : kind === "drag" ? drags.slice(0, 2) : drags) {
        const make = type === "paste" ? ClipboardEvent : DragEvent;
        const carries = type === "paste" ? "clipboardData" : "dataTransfer";
        target.dispatchEvent(new make(type, { bubbles: true, cancelable: true, [carries]: data }));
    }
}"""

File = tuple[str, str, bytes]  # name, media type, content


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of two colours."""
    need_weights()
    folder = tmp_path_factory.mktemp("studio")
    write_coloured_pictures(folder / "dataset", COUNT)
    return folder


@pytest.fixture(scope="module")
def studio(folder: Path) -> Iterator[StudioServer]:
    with run_studio(folder, *SMALL_CAMERA) as studio:
        yield studio


@pytest.fixture
def page(studio: StudioServer, chromium: str) -> Iterator[TeachingPage]:
    expect.set_options(timeout=PATIENCE)
    with open_page(chromium, studio, Clip([])) as opened:
        expect(opened.by_id("learning")).to_contain_text("snapshots learnt")
        yield opened
        # The browser notes answers that are meant to refuse.
        opened.complaints = [said for said in opened.complaints if "/api/classify" not in said]
    expect.set_options(timeout=5000)


@pytest.fixture(scope="module")
def coloured(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A picture of each colour that is not in the data set."""
    folder = tmp_path_factory.mktemp("new")
    write_coloured_pictures(folder, 1, seed=7)
    return {label.name: (label / "000.jpg").read_bytes() for label in folder.iterdir()}


def give(page: TeachingPage, where: str, *files: File, kind: str = "drop") -> None:
    encoded = [[name, kind, base64.b64encode(content).decode()] for name, kind, content in files]
    page.page.evaluate(DROP, [where, kind, encoded])


def jpeg(name: str, content: bytes) -> File:
    return name, "image/jpeg", content


def tried(page: TeachingPage, file: str) -> Locator:
    return page.page.locator(f'[data-testid="tried"][data-file="{file}"]')


def shares(answered: Locator) -> dict[str, int]:
    bars = answered.get_by_test_id("tried-bar")
    names = [bar.get_attribute("data-label") or "" for bar in bars.all()]
    return {
        name: int(text.replace("%", ""))
        for name, text in zip(
            names, answered.locator(".bar-percent").all_inner_texts(), strict=True
        )
    }


def names_of(page: TeachingPage) -> Sequence[str | None]:
    return [one.get_attribute("data-file") for one in page.by_id("tried").all()]


def test_dropped_pictures_are_answered_and_nothing_is_recorded(
    page: TeachingPage, folder: Path, coloured: dict[str, bytes]
) -> None:
    before = files_below(folder / "dataset")
    circle = encode_snapshot(draw("circle", np.random.default_rng(1)))
    give(
        page, "#stage", jpeg("a.jpg", coloured["blue"]), jpeg("b.jpg", coloured["red"]), kind="drag"
    )
    expect(page.page.get_by_text("Drop a picture to see its answer")).to_be_visible()
    give(page, "#stage", jpeg("a.jpg", coloured["blue"]), jpeg("b.jpg", coloured["red"]))
    for file, label in (("a.jpg", "blue"), ("b.jpg", "red")):
        answered = tried(page, file)
        expect(answered.get_by_test_id("tried-verdict")).to_have_text(label)
        found = shares(answered)
        assert set(found) == {"blue", "red"}
        assert 99 <= sum(found.values()) <= 101
        assert found[label] > 70
        assert next(iter(found)) == label, "the likeliest is not the first"
        picture = answered.locator("img")
        assert picture.evaluate("image => image.complete && image.naturalWidth") == 96

    # More of them come on top, one after another.
    give(page, ".try-dialog", jpeg("c.jpg", circle))
    answered = tried(page, "c.jpg")
    expect(answered.get_by_test_id("tried-verdict")).to_have_text("unknown")
    expect(answered.get_by_test_id("tried-guess")).to_have_text(re.compile("^Perhaps (blue|red): "))
    told = re.compile("^c.jpg: unknown, perhaps (blue|red)$")
    expect(page.by_id("tried-said")).to_have_text(told)
    assert names_of(page) == ["c.jpg", "a.jpg", "b.jpg"]

    page.by_id("try-back").click()
    expect(page.by_id("try-dialog")).to_be_hidden()
    assert page.page.evaluate("document.activeElement.id") == "stage"
    assert names_of(page) == []
    assert files_below(folder / "dataset") == before


def test_the_keyboard_alone_tries_a_picture_says_what_it_is_and_undo_takes_it_back(
    page: TeachingPage, folder: Path, coloured: dict[str, bytes], tmp_path: Path
) -> None:
    before = files_below(folder / "dataset")
    picture = tmp_path / "mine.jpg"
    picture.write_bytes(coloured["red"])
    with page.page.expect_file_chooser() as chooser:
        page.by_id("try-pictures").focus()
        expect(page.by_id("try-pictures")).to_be_focused()  # by now the browser tells of choosers
        page.page.keyboard.press("Enter")
    chooser.value.set_files(picture)
    answered = tried(page, "mine.jpg")
    expect(answered.get_by_test_id("tried-verdict")).to_have_text("red")
    expect(page.by_id("try-back")).to_be_focused()
    assert files_below(folder / "dataset") == before

    label = answered.get_by_test_id("tried-label")
    expect(label).to_be_visible()
    while not label.evaluate("one => one === document.activeElement"):
        page.page.keyboard.press("Tab")
    page.page.keyboard.press("b")
    expect(label).to_have_value("blue")
    page.page.keyboard.press("Tab")
    page.page.keyboard.press("Enter")
    expect(answered.get_by_test_id("tried-added")).to_contain_text("Added to blue.")
    added = files_below(folder / "dataset") - before
    assert [Path(file).parent.name for file in added] == ["blue"]
    page.page.keyboard.press("Escape")
    expect(page.by_id("try-dialog")).to_be_hidden()
    expect(page.by_id("try-pictures")).to_be_focused()
    expect(page.by_id("undo")).to_be_enabled()  # the page has heard of the new snapshot
    page.page.keyboard.press("Control+z")
    expect(page.by_id("notice")).to_contain_text("Removed the last 1 snapshot of blue.")
    assert files_below(folder / "dataset") == before


def test_a_pasted_picture_is_answered_and_what_is_none_is_told(
    page: TeachingPage, coloured: dict[str, bytes]
) -> None:
    give(page, "body", jpeg("image.png", coloured["blue"]), kind="paste")
    expect(tried(page, "image.png").get_by_test_id("tried-verdict")).to_have_text("blue")
    give(
        page,
        ".try-dialog",
        ("notes.txt", "text/plain", b"no picture"),
        jpeg("cut.jpg", coloured["blue"][:300]),
        ("empty.jpg", "image/jpeg", b""),
        ("big.bmp", "image/bmp", b"BM"),
    )
    for file, words in (
        ("notes.txt", "notes.txt is not a picture. Choose a JPEG"),
        ("cut.jpg", "This is no picture that can be used"),
        ("empty.jpg", "empty.jpg is not a picture."),
        ("big.bmp", "big.bmp has 33 MB, and at most 32 MB are taken."),
    ):
        expect(tried(page, file).get_by_test_id("tried-problem")).to_contain_text(words)
    assert not tried(page, "notes.txt").get_by_test_id("tried-label").is_visible()


def test_pictures_for_a_label_and_zip_files_go_their_own_way(
    page: TeachingPage, folder: Path, coloured: dict[str, bytes]
) -> None:
    before = files_below(folder / "dataset")
    picture = jpeg("new.jpg", coloured["red"])
    give(page, '.card[data-label="red"]', picture)
    expect(page.by_id("import-lead")).to_contain_text("1 picture of 1 label")
    expect(page.by_id("try-dialog")).to_be_hidden()
    give(page, ".import-dialog", picture)  # one thing at a time
    expect(page.page.get_by_text("Close what is open, then try the picture again.")).to_be_visible()
    page.by_id("import-cancel").click()

    archive = ("set.zip", "application/zip", zipped(("cup/1.jpg", coloured["blue"])))
    give(page, "#stage", archive, picture)
    expect(page.by_id("import-lead")).to_contain_text("1 picture of 1 label")
    page.by_id("import-cancel").click()
    expect(tried(page, "new.jpg").get_by_test_id("tried-verdict")).to_have_text("red")
    assert files_below(folder / "dataset") == before


def test_who_only_watches_sees_answers_and_can_t_add(
    page: TeachingPage, studio: StudioServer, coloured: dict[str, bytes]
) -> None:
    with studio.page() as teacher:
        teacher.say(type="claim")
        expect(page.by_id("teacher")).to_have_text("Someone else is teaching")
        page.by_id("try-pictures").set_input_files(
            FilePayload(name="mine.jpg", mimeType="image/jpeg", buffer=coloured["blue"])
        )
        answered = tried(page, "mine.jpg")
        expect(answered.get_by_test_id("tried-verdict")).to_have_text("blue")
        expect(answered.get_by_test_id("tried-add")).to_be_hidden()


def test_the_simulated_hand_keeps_its_pose_while_a_button_is_held(
    chromium: str, tmp_path: Path
) -> None:
    need_weights()
    with (
        run_studio(tmp_path, "--source", "demo", *SMALL) as studio,
        open_page(chromium, studio, Clip([])) as page,
    ):
        page.by_id("new-label-name").fill("up")
        page.by_id("new-label-add").click()
        page.of_label("record", "up").hover()
        page.page.mouse.down()
        count = page.of_label("label-card", "up").get_by_test_id("label-count")
        page.page.wait_for_function(
            "count => Number(count.textContent) >= 14", arg=count.element_handle()
        )
        page.page.mouse.up()
        expect(page.by_id("recording-chip")).to_be_hidden()
    snapshots = sorted((tmp_path / "dataset" / "up").glob("*.jpg"))
    assert len(snapshots) > 9
    assert len({pose_of(path) for path in snapshots}) == 1
