"""What other tools wrote is read in on the page: shown first, and added whole or not at all."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.coloured_pictures import write_coloured_pictures
from tests.studio_files import files_below, picture, zipped
from tests.studio_server import Answer, StudioServer, run_small_studio
from webcam_classifier.crop import Crop
from webcam_classifier.dataset.crop_file import write_crop
from webcam_classifier.exchange.export_dataset import export_dataset
from webcam_classifier.web.limits import ARCHIVE_BYTES, PICTURE_BYTES, body_limit


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a studio that refuses all that it is sent."""
    return tmp_path_factory.mktemp("studio")


@pytest.fixture(scope="module")
def refusing(shared: Path) -> Iterator[StudioServer]:
    with run_small_studio(shared, "cup") as server:
        yield server


@pytest.fixture
def studio(folder: Path) -> Iterator[StudioServer]:
    with run_small_studio(folder) as server:
        yield server


def begin(studio: StudioServer, label: str | None = None) -> str:
    answer = studio.change("POST", "/api/imports", {"label": label})
    assert answer.status == 200, answer.body
    return f"/api/imports/{answer.json['import']}"


def send(studio: StudioServer, place: str, name: str, content: bytes) -> Answer:
    return studio.change("PUT", f"{place}/files/{quote(name, safe='')}", content)


def looked_at(studio: StudioServer, name: str, content: bytes) -> tuple[str, Answer]:
    place = begin(studio)
    assert send(studio, place, name, content).status == 200
    return place, studio.change("POST", f"{place}/look")


def labels_of(answer: Answer) -> dict[str, int]:
    return {one["name"]: one["count"] for one in answer.json["labels"]}


TEACHABLE = zipped(
    ("manifest.json", b"{}"),
    ("cup-!-0.jpg", picture(1)),
    ("cup-!-1.jpg", picture(2)),
    ("pen-!-0.jpg", picture(3)),
    ("pen-!-1.jpg", picture(4)[:300]),
    ("notes.pdf", b"no picture"),
)


def test_a_project_is_shown_first_and_then_added(studio: StudioServer, folder: Path) -> None:
    place, shown = looked_at(studio, "project.tm", TEACHABLE)
    assert shown.status == 200, shown.body
    assert shown.json["tool"] == "Teachable Machine"
    assert labels_of(shown) == {"cup": 2, "pen": 1}
    assert all(one["is_new"] for one in shown.json["labels"])
    reasons = {one["name"]: one["reason"] for one in shown.json["left_out"]}
    assert "damaged" in reasons["pen-!-1.jpg"]
    assert "not the name of a picture" in reasons["notes.pdf"]
    assert shown.json["left_out_count"] == 2
    assert files_below(folder / "dataset") == set()

    added = studio.change("POST", f"{place}/add")
    assert labels_of(added) == {"cup": 2, "pen": 1}
    assert files_below(folder / "dataset") == {"cup/0.jpg", "cup/1.jpg", "pen/0.jpg"}
    with studio.page() as page:  # the page knows at once, and not after the next look at the folder
        page.until(lambda now: now.count("cup") == 2 and now.count("pen") == 1)
    assert studio.change("POST", f"{place}/add").status == 404

    _, again = looked_at(studio, "project.tm", TEACHABLE)
    assert (again.json["count"], again.json["known"]) == (0, 3)
    undone = [studio.change("POST", "/api/undo").json["undone"] for _ in range(3)]
    assert undone == [{"label": "pen", "count": 1}, {"label": "cup", "count": 2}, None]
    assert files_below(folder / "dataset") == set()


def test_parts_are_taken_for_one_whole_and_the_data_set_stays_one(
    studio: StudioServer, folder: Path
) -> None:
    content = zipped(
        ("train/cup/1.jpg", picture(1)),
        ("train/pen/2.jpg", picture(2)),
        ("test/cup/1.jpg", picture(3)),
        ("valid/pen/4.jpg", picture(4)),
    )
    place, shown = looked_at(studio, "roboflow.zip", content)
    (note,) = shown.json["notes"]
    assert "2 training, 1 validation, 1 test" in note
    assert studio.change("POST", f"{place}/add").json["count"] == 4
    assert {path.partition("/")[0] for path in files_below(folder / "dataset")} == {"cup", "pen"}
    assert len(files_below(folder / "dataset")) == 4


def test_an_export_comes_in_with_its_names_and_its_part_of_the_picture(
    studio: StudioServer, folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    there = tmp_path_factory.mktemp("there")
    write_coloured_pictures(there / "dataset", 4, {"cup": (220, 40, 40), "pen": (40, 40, 220)}, 1)
    write_crop(there / "dataset", Crop(0.1, 0.1, 0.5, 0.5))
    export_dataset(there / "dataset", there / "out.zip")
    place, shown = looked_at(studio, "out.zip", (there / "out.zip").read_bytes())
    assert shown.json["tool"] == "teach-camera"
    assert studio.change("POST", f"{place}/add").json["count"] == 8
    assert files_below(folder / "dataset") == files_below(there / "dataset")
    with studio.page() as page:
        page.until(lambda now: now.state["crop"] is not None)
        assert page.state["crop"]["left"] == 0.1


def test_single_pictures_of_a_label_are_shown_first_too(studio: StudioServer, folder: Path) -> None:
    assert studio.change("POST", "/api/labels", {"name": "cup"}).status == 200
    place = begin(studio, "cup")
    for name, content in (
        ("IMG_1.jpg", picture(1)),
        ("IMG_1.jpg", picture(2)),
        ("no ending", picture(3)),
        ("..\\..\\out.jpg", picture(4)),
        ("cut.jpg", picture(5)[:300]),
        ("letter.txt", b"words"),
    ):
        assert send(studio, place, name, content).status == 200
    shown = studio.change("POST", f"{place}/look")
    assert labels_of(shown) == {"cup": 4}
    assert {one["name"] for one in shown.json["left_out"]} == {"cut.jpg", "letter.txt"}
    assert files_below(folder / "dataset") == set()
    assert studio.change("POST", f"{place}/add").json["count"] == 4
    found = files_below(folder / "dataset")
    assert {"cup/IMG_1.jpg", "cup/IMG_1-2.jpg", "cup/no ending.jpg"} < found
    assert len(found) == 4
    assert not list(folder.rglob("out.jpg"))


def test_what_is_not_agreed_to_is_forgotten(studio: StudioServer, folder: Path) -> None:
    place, _ = looked_at(studio, "project.tm", TEACHABLE)
    assert studio.change("DELETE", place).status == 200
    assert studio.change("POST", f"{place}/add").status == 404
    place, _ = looked_at(studio, "project.tm", TEACHABLE)
    begin(studio)  # takes its place
    assert studio.change("POST", f"{place}/add").status == 404
    assert files_below(folder / "dataset") == set()


def test_a_large_import_that_is_cancelled_adds_nothing(studio: StudioServer, folder: Path) -> None:
    content = zipped(*((f"cup/{number}.jpg", picture(number)) for number in range(3000)))
    place, shown = looked_at(studio, "many.zip", content)
    assert shown.json["count"] == 3000
    answers: list[Answer] = []
    adding = threading.Thread(
        target=lambda: answers.append(studio.change("POST", f"{place}/add")), daemon=True
    )
    adding.start()
    while studio.ask("GET", place).json["done"] == 0:
        assert adding.is_alive(), answers
    studio.change("DELETE", place)
    adding.join(60)
    (answer,) = answers
    assert answer.status == 400
    assert "cancelled" in answer.json["error"]
    assert files_below(folder / "dataset") == set()
    assert not list((folder / "dataset").rglob("*.jpg"))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.zip", b"", "not a whole zip file"),
        ("a.zip", b"no zip at all", "not a whole zip file"),
        ("a.tm", zipped(("cup/1.jpg", picture()))[:-30], "not a whole zip file"),
        ("a.zip", zipped(("notes.txt", b"words")), "holds no picture"),
        ("a.zip", zipped(("labels.txt", b"0 cup\n1 pen\n")), "It is a model with the labels"),
        ("a.zip", zipped(("info.labels", b"[]"), ("a.jpg", picture())), "no list of Edge Impulse"),
        ("a.zip", zipped(*((f"c/{n}.jpg", b"") for n in range(5001))), "collect.py --import"),
        (
            "a.zip",
            zipped(*((f"{part}/cup/1.jpg", picture()) for part in ("test", "valid"))),
            "can't be told what is a part",
        ),
        (
            "a.zip",
            zipped(("CUP/1.jpg", picture(1)), ("pen/1.jpg", picture(2))),
            "differ only in upper and lower case",
        ),
        ("a.zip", zipped(("a?b/1.jpg", picture(1)), ("a_b/1.jpg", picture(2))), "both have"),
        ("a.jpg", picture(), "need a label"),
    ],
)
def test_what_can_t_be_read_in_is_refused_whole_in_a_sentence(
    refusing: StudioServer, shared: Path, name: str, content: bytes, said: str
) -> None:
    before = files_below(shared)
    place, shown = looked_at(refusing, name, content)
    added = refusing.change("POST", f"{place}/add")
    for answer in (shown, added):
        assert answer.status == 400
        assert said in answer.json["error"]
    assert files_below(shared) == before


def test_a_bomb_is_left_out_by_name(refusing: StudioServer, shared: Path) -> None:
    content = zipped(("cup/flat.bmp", bytes(40_000_000)), ("../../pen/1.jpg", picture(10)))
    assert len(content) < 60_000
    before = files_below(shared)
    _, shown = looked_at(refusing, "bomb.zip", content)
    assert shown.json["count"] == 0
    reasons = {one["name"]: one["reason"] for one in shown.json["left_out"]}
    assert "far more" in reasons["cup/flat.bmp"]
    assert "leads out" in reasons["../../pen/1.jpg"]
    assert files_below(shared) == before


def test_a_zip_file_comes_alone(refusing: StudioServer) -> None:
    place = begin(refusing, "cup")
    assert send(refusing, place, "a.jpg", picture()).status == 200
    answer = send(refusing, place, "b.zip", zipped(("c.jpg", picture())))
    assert answer.status == 400
    assert "alone" in answer.json["error"]


def test_a_label_that_is_not_there_takes_no_pictures(refusing: StudioServer) -> None:
    answer = refusing.change("POST", "/api/imports", {"label": "hat"})
    assert answer.status == 400
    assert "no label 'hat'" in answer.json["error"]


def test_how_much_may_be_sent_is_looked_at_before_it_is_read(refusing: StudioServer) -> None:
    place = begin(refusing)
    for name, limit in (
        ("a.zip", ARCHIVE_BYTES),
        ("a.TM", ARCHIVE_BYTES),
        ("a.jpg", PICTURE_BYTES),
    ):
        assert body_limit(f"{place}/files/{name}") == limit
        headers = {"Origin": refusing.origin, "Content-Length": str(limit + 1)}
        assert refusing.ask("PUT", f"{place}/files/{name}", b"x", headers).status == 413
    assert body_limit(f"{place}/files/a/b.zip") < PICTURE_BYTES
    assert body_limit("/api/imports/files/b.zip") < PICTURE_BYTES


def test_nobody_imports_without_the_token_from_elsewhere_or_beside_who_teaches(
    refusing: StudioServer, shared: Path
) -> None:
    before = files_below(shared)
    place = begin(refusing)
    path = f"{place}/files/a.zip"
    origin = {"Origin": refusing.origin}
    assert refusing.ask_without_cookie("PUT", path, TEACHABLE, origin).status == 401
    assert refusing.ask("PUT", path, TEACHABLE, {"Origin": "http://other.example"}).status == 403
    with refusing.page() as page:
        page.say(type="claim")
        page.until(lambda now: now.state["teacher"] == "you")
        for method, path in (
            ("POST", "/api/imports"),
            ("PUT", f"{place}/files/a.zip"),
            ("POST", f"{place}/look"),
            ("POST", f"{place}/add"),
            ("DELETE", place),
        ):
            assert refusing.change(method, path, {}).status == 409
    assert files_below(shared) == before
