"""Snapshots that somebody should look at, and what is done with them."""

from __future__ import annotations

import json
import shutil
import time
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
import pytest
from playwright.sync_api import sync_playwright

from tests.studio_server import SMALL_CAMERA, need_weights, run_studio
from webcam_classifier.backbone.load import default_backbone
from webcam_classifier.cli import collect
from webcam_classifier.cli.list_suspects import describe_suspects
from webcam_classifier.dataset.picture_files import decode_picture, encode_snapshot
from webcam_classifier.dataset.unlabelled_pictures import (
    UnlabelledNote,
    append_note,
    unlabelled_names,
)
from webcam_classifier.errors import UserError
from webcam_classifier.frame import BgrImage, Frame
from webcam_classifier.teaching.picture_moves import UndoableMoves
from webcam_classifier.teaching.recording_session import RecordingSession
from webcam_classifier.teaching.review import Suspect
from webcam_classifier.teaching.session import TeachingSession

SESSION = "20261128T120000x7f3a9c"
COLOURS = {"blue": (220, 60, 40), "red": (40, 60, 220)}


def picture(colour: tuple[int, int, int], seed: int) -> BgrImage:
    """Sharp, of a colour, and unlike all others of it."""
    generator = np.random.default_rng(seed)
    cells = generator.integers(-40, 40, (9, 12, 1)) + np.array(colour)
    large = cv2.resize(np.clip(cells, 0, 255).astype(np.uint8), (160, 120), interpolation=0)
    return np.asarray(large, dtype=np.uint8)


def blurred(image: BgrImage) -> BgrImage:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), 6), dtype=np.uint8)


def name_of(burst: int, index: int) -> str:
    return f"{SESSION}-{burst:03d}-{index:04d}.jpg"


def save(path: Path, image: BgrImage) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_snapshot(image))


def fill(folder: Path) -> None:
    """Four bursts of five pictures a label; of three of red's, the last one is blue."""
    seed = burst = 0
    for label, colour in COLOURS.items():
        for number in range(4):
            burst += 1
            for index in range(1, 6):
                seed += 1
                is_late = label == "red" and number < 3 and index == 5
                shown = COLOURS["blue"] if is_late else colour
                save(folder / label / name_of(burst, index), picture(shown, seed))


LATE = tuple(("red", name_of(burst, 5)) for burst in (5, 6, 7))


def files(folder: Path) -> set[str]:
    """Of the labels, without what was removed."""
    return {
        path.relative_to(folder).as_posix()
        for path in folder.glob("*/*.*")
        if not path.relative_to(folder).as_posix().startswith(".")
    }


def counts(session: RecordingSession) -> dict[str, int]:
    return {label.name: label.count for label in session.state().labels}


def test_pictures_move_several_at_once_keep_their_names_and_come_back(tmp_path: Path) -> None:
    fill(tmp_path)
    before = files(tmp_path)
    with RecordingSession(tmp_path) as session:
        assert session.undo_moves() is None
        assert session.move_pictures([*LATE, ("blue", name_of(1, 1))], "blue") == 3
        assert counts(session) == {"blue": 23, "red": 17}
        assert {f"blue/{name}" for _, name in LATE} <= files(tmp_path)
        assert session.remove_pictures([("red", name_of(8, 1)), ("blue", name_of(1, 1))]) == 2
        assert session.undoable_moves == UndoableMoves(2, None)
        undone = [session.undo_moves() for _ in range(3)]
        assert undone == [UndoableMoves(2, None), UndoableMoves(3, "blue"), None]
        assert counts(session) == {"blue": 20, "red": 20}
    assert files(tmp_path) == before


def test_a_name_that_is_taken_and_a_label_that_empties_lose_nothing(tmp_path: Path) -> None:
    for label, colour in COLOURS.items():
        save(tmp_path / label / "1.jpg", picture(colour, 1))
    before = {path: path.read_bytes() for path in tmp_path.glob("*/*.jpg")}
    with RecordingSession(tmp_path) as session:
        assert session.move_pictures([("red", "1.jpg")], "blue") == 1
        assert files(tmp_path) == {"blue/1.jpg", "blue/1-2.jpg"}
        assert counts(session) == {"blue": 2, "red": 0}
        assert not (tmp_path / "red").exists()  # to train.py it would be a label
        session.undo_moves()
    assert {path: path.read_bytes() for path in tmp_path.glob("*/*.jpg")} == before


def test_a_name_that_was_taken_meanwhile_is_known_by_its_new_one(tmp_path: Path) -> None:
    save(tmp_path / "red" / "more" / "1.jpg", picture(COLOURS["red"], 1))
    save(tmp_path / "blue" / "1.jpg", picture(COLOURS["blue"], 2))
    with RecordingSession(tmp_path) as session:
        session.remove_pictures([("red", "more/1.jpg")])
        save(tmp_path / "red" / "more" / "1.jpg", picture(COLOURS["red"], 3))
        session.undo_moves()
        assert session.picture_names("red") == ("more/1-2.jpg",)
        assert session.picture_path("red", "more/1-2.jpg").is_file()


def test_a_file_that_is_gone_does_not_keep_others_from_coming_back(tmp_path: Path) -> None:
    fill(tmp_path)
    before = files(tmp_path)
    with RecordingSession(tmp_path) as session:
        session.move_pictures(LATE, "blue")
        gone = session.picture_path("blue", LATE[1][1])
        gone.unlink()
        with pytest.raises(UserError, match="not there any more"):
            session.undo_moves()
        assert session.undo_moves() == UndoableMoves(1, "blue")
        assert session.undoable_moves is None
    assert files(tmp_path) == before - {f"red/{LATE[1][1]}"}


def test_what_is_not_there_is_refused_and_nothing_else_is_moved(tmp_path: Path) -> None:
    fill(tmp_path)
    before = files(tmp_path)
    with RecordingSession(tmp_path) as session:
        for wrong in (("red", "../blue/x.jpg"), ("red", "x.jpg"), ("green", name_of(1, 1))):
            with pytest.raises(UserError):
                session.move_pictures([LATE[0], wrong], "blue")
        with pytest.raises(UserError, match="There is no label 'green'"):
            session.move_pictures(LATE, "green")
        (tmp_path / "red" / LATE[1][1]).unlink()
        with pytest.raises(UserError, match="not there any more"):
            session.move_pictures(LATE[:2], "blue")
        assert session.undoable_moves == UndoableMoves(1, "blue")  # the one before it was
        session.undo_moves()
    assert files(tmp_path) == before - {f"red/{LATE[1][1]}"}


def test_a_moved_snapshot_is_not_taken_back_with_its_burst(tmp_path: Path) -> None:
    with RecordingSession(tmp_path, ["cup", "pen"], rate=1000) as session:
        session.start_recording("cup", at_most=3)
        for index in range(3):
            at = time.monotonic()
            session.take(Frame(picture((90, 90, 90), index), index, at), wait=True)
            time.sleep(0.002)
        session.stop_recording()
        newest = session.picture_names("cup")
        session.move_pictures([("cup", newest[0])], "pen")
        undone = session.undo()
        assert undone is not None
        assert undone.count == 2
        assert counts(session) == {"cup": 0, "pen": 1}


def test_pictures_without_a_label_are_taken_in_and_come_back(tmp_path: Path) -> None:
    dataset, unlabelled = tmp_path / "dataset", tmp_path / "unlabelled"
    fill(dataset)
    for index in range(3):
        save(unlabelled / name_of(index + 1, 1), picture((90, 200, 90), 100 + index))
    with RecordingSession(dataset) as session:
        assert session.take_in(sorted(unlabelled.glob("*.jpg"))[:2], "red") == 2
        assert counts(session)["red"] == 22
        assert len(list(unlabelled.glob("*.jpg"))) == 1
        session.undo_moves()
        assert counts(session)["red"] == 20
        assert session.remove_files(unlabelled, list(unlabelled.glob("*.jpg"))) == 3
        assert len(list(unlabelled.glob(".removed/*/*.jpg"))) == 3
        session.undo_moves()
    assert len(list(unlabelled.glob("*.jpg"))) == 3


def test_what_is_no_picture_is_neither_listed_nor_taken_in(tmp_path: Path) -> None:
    dataset, unlabelled = tmp_path / "dataset", tmp_path / "unlabelled"
    fill(dataset)
    save(unlabelled / name_of(1, 1), picture((90, 200, 90), 1))
    (unlabelled / "junk.jpg").write_bytes(b"no picture")
    (unlabelled / "link.jpg").symlink_to("/etc/hostname")
    assert "link.jpg" not in unlabelled_names(unlabelled)
    with RecordingSession(dataset) as session:
        with pytest.raises(UserError, match=r"junk\.jpg is no picture"):
            session.take_in([unlabelled / name_of(1, 1), unlabelled / "junk.jpg"], "red")
        assert counts(session)["red"] == 20
    assert len(list(unlabelled.iterdir())) == 3


@pytest.fixture(scope="module")
def looked_at(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tuple[Suspect, ...]]:
    """A folder, with embeddings, and what is suspected in it."""
    need_weights()
    folder = tmp_path_factory.mktemp("review") / "dataset"
    fill(folder)
    first = cv2.imread(str(folder / "blue" / name_of(1, 1)))
    assert first is not None
    save(folder / "blue" / name_of(1, 9), np.clip(first.astype(int) + 2, 0, 255).astype(np.uint8))
    save(folder / "blue" / name_of(2, 9), blurred(picture(COLOURS["blue"], 77)))
    with TeachingSession(folder, default_backbone()) as session:
        assert session.wait_until_learnt(120)
        return folder, session.review()


def test_wrong_labels_copies_and_blurred_ones_are_found(
    looked_at: tuple[Path, tuple[Suspect, ...]],
) -> None:
    folder, suspects = looked_at
    wrong = {(one.label, one.name): one.about for one in suspects if one.reason == "label"}
    assert wrong == dict.fromkeys(LATE, "blue")
    others = {(one.name, one.reason): one.about for one in suspects if one.reason != "label"}
    assert others == {
        (name_of(1, 9), "copy"): name_of(1, 1),
        (name_of(2, 9), "quality"): "blurred",
    }
    told = describe_suspects(folder, suspects)
    assert "3 snapshots look like another label:" in told
    assert all(f"red/{name}  looks like blue" in told for _, name in LATE)
    assert "1 snapshot is too dark, too bright or blurred:" in told
    assert "python studio.py --dataset" in told
    assert (
        describe_suspects(folder, ()) == f"{folder}: nothing to look at; no snapshot looks wrong."
    )


def test_the_command_lists_them_for_a_program(
    looked_at: tuple[Path, tuple[Suspect, ...]], capsys: pytest.CaptureFixture[str]
) -> None:
    folder, suspects = looked_at
    collect.main(["--review", str(folder), "--json"])
    found = json.loads(capsys.readouterr().out)["suspects"]
    assert [(one["label"], one["name"]) for one in found] == [
        (one.label, one.name) for one in suspects
    ]
    assert all(Path(one["file"]).is_file() for one in found)
    with pytest.raises(UserError, match="There is no folder"):
        collect.main(["--review", str(folder / "missing")])
    with pytest.raises(UserError, match="--json is for --review"):
        collect.main(["cup", "--json"])


def test_the_command_lists_what_waits_for_a_label(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(tmp_path / name_of(1, 1), picture((9, 200, 9), 1))
    append_note(tmp_path, UnlabelledNote(name_of(1, 1), "change", "cup", 0.4, ""))
    collect.main(["--review", str(tmp_path)])
    told = capsys.readouterr().out
    assert "1 picture waits for a label" in told
    assert "just before a change; perhaps cup, 40 %" in told
    collect.main(["--review", str(tmp_path), "--json"])
    assert json.loads(capsys.readouterr().out)["unlabelled"][0]["guess"] == "cup"


@pytest.mark.slow
def test_the_page_reviews_moves_removes_and_takes_back(
    tmp_path: Path, looked_at: tuple[Path, tuple[Suspect, ...]]
) -> None:
    dataset, unlabelled = tmp_path / "dataset", tmp_path / "unlabelled"
    shutil.copytree(looked_at[0], dataset)
    save(unlabelled / name_of(1, 1), picture((90, 200, 90), 1))
    before = files(dataset)
    with run_studio(tmp_path, *SMALL_CAMERA, "--unlabelled", str(unlabelled)) as studio:
        assert studio.ask("GET", "/api/state").json["unlabelled"] == 1
        until = time.monotonic() + 120
        while True:
            found = studio.ask("GET", "/api/review").json
            wrong = [(one["label"], one["name"]) for one in found["suspects"]]
            if wrong == [(one.label, one.name) for one in looked_at[1]]:
                break
            assert time.monotonic() < until, found
            time.sleep(0.5)
        assert [one["name"] for one in found["unlabelled"]] == [name_of(1, 1)]
        small = studio.ask("GET", f"/api/unlabelled/{name_of(1, 1)}?side=64")
        assert decode_picture(small.body).shape == (64, 64, 3)
        chosen = {"pictures": [list(one) for one in LATE], "unlabelled": [name_of(1, 1)]}
        moved = studio.change("POST", "/api/review/move", {**chosen, "to": "blue"})
        assert moved.json == {"count": 4, "undo": {"count": 1, "to": "blue"}}
        assert not list(unlabelled.glob("*.jpg"))
        for _ in range(2):
            assert studio.change("POST", "/api/review/undo", {}).status == 200
        assert files(dataset) == before
        removed = studio.change("POST", "/api/review/remove", {"pictures": [list(LATE[0])]})
        assert removed.json["count"] == 1
        assert files(dataset) == before - {f"red/{LATE[0][1]}"}
        for wrong_one in (
            {"pictures": "red"},
            {"pictures": [["red"]]},
            {"pictures": [["red", 1]]},
            {"pictures": [["red", "../../x.jpg"]]},
            {"unlabelled": ["../dataset/red/" + LATE[1][1]]},
            {"unlabelled": [["x"]]},
        ):
            answer = studio.change("POST", "/api/review/remove", wrong_one)
            assert answer.status in (400, 404), wrong_one
        assert studio.ask("GET", "/api/unlabelled/..%2Fdataset%2Fred").status == 404
        assert studio.change("POST", "/api/review/undo", {}).json["undone"] == {
            "count": 1,
            "to": None,
        }
        assert files(dataset) == before


@pytest.mark.slow
def test_the_review_needs_no_mouse(
    chromium: str, tmp_path: Path, looked_at: tuple[Path, tuple[Suspect, ...]]
) -> None:
    dataset = tmp_path / "dataset"
    shutil.copytree(looked_at[0], dataset)
    before = files(dataset)
    with (
        run_studio(tmp_path, *SMALL_CAMERA) as studio,
        sync_playwright() as playwright,
        closing(playwright.chromium.launch(executable_path=chromium)) as browser,
    ):
        page = browser.new_page(viewport={"width": 390, "height": 844})
        page.set_default_timeout(120_000)
        complaints: list[str] = []
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(studio.link)
        button = page.get_by_test_id("review")
        page.locator("#review", has_text="3 snapshots look like another label").wait_for()
        button.press("Enter")
        boxes = page.get_by_test_id("review-box")
        boxes.nth(2).wait_for()
        boxes.first.focus()
        page.keyboard.press("Space")
        page.keyboard.press("1")  # of blue
        boxes.nth(2).wait_for(state="detached")
        assert len(files(dataset) - before) == 1
        boxes.first.and_(page.locator(":focus")).wait_for()  # where the keyboard goes on
        page.keyboard.press("Space")
        page.keyboard.press("Delete")
        boxes.nth(1).wait_for(state="detached")
        assert len(files(dataset)) == len(before) - 1
        for label in ("Undo moving 1", "Undo"):
            page.keyboard.press("Control+z")
            page.get_by_test_id("review-undo").get_by_text(label, exact=True).wait_for()
        boxes.nth(2).wait_for()
        assert files(dataset) == before
        page.get_by_test_id("review-all").press("Enter")
        page.get_by_test_id("review-move").press("Enter")  # to what each looks like
        boxes.first.wait_for(state="detached")
        assert files(dataset) - before == {f"blue/{name}" for _, name in LATE}
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.keyboard.press("Escape")
        page.get_by_test_id("review-dialog").wait_for(state="hidden")
        assert not complaints
