"""Frames of a video that the page sends: one burst, near duplicates left out, taken back as one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.studio_files import files_below, picture
from tests.studio_server import Answer, StudioServer, run_small_studio
from webcam_classifier.dataset.picture_files import encode_snapshot
from webcam_classifier.dataset.snapshot_name import parse_snapshot_name
from webcam_classifier.web.limits import FRAME_BYTES, body_limit


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("studio")


@pytest.fixture(scope="module")
def studio(folder: Path) -> Iterator[StudioServer]:
    with run_small_studio(folder, "cup", "hat") as server:
        yield server


def begin(studio: StudioServer, label: str) -> str:
    answer = studio.change("POST", "/api/bursts", {"label": label})
    assert answer.status == 200, answer.body
    assert answer.json["rate"] == 8.0
    return f"/api/bursts/{answer.json['burst']}/frames"


def send(studio: StudioServer, place: str, content: bytes) -> Answer:
    return studio.change("POST", place, content)


def test_frames_become_one_burst_without_near_copies(studio: StudioServer, folder: Path) -> None:
    place = begin(studio, "cup")
    names = [send(studio, place, picture(seed)).json["name"] for seed in (1, 2, 3)]
    parsed = [parse_snapshot_name(Path(name).stem) for name in names]
    assert all(parsed)
    assert len({one[:2] for one in parsed if one}) == 1
    assert [one[2] for one in parsed if one] == [1, 2, 3]
    for content, reason in (
        (picture(3), "there already, as a picture of cup"),
        (encode_snapshot(np.zeros((48, 64, 3), np.uint8)), "too dark"),
    ):
        answer = send(studio, place, content)
        assert (answer.json["name"], answer.json["reason"]) == ("", reason)
    nearly = np.full((48, 64, 3), 90, np.uint8)
    assert send(studio, place, encode_snapshot(nearly)).json["name"]
    nearly[20:24, 20:24] = 96
    assert "nearly the same" in send(studio, place, encode_snapshot(nearly)).json["reason"]
    assert (folder / "dataset" / "cup" / names[0]).read_bytes() == picture(1)
    assert len(files_below(folder / "dataset" / "cup")) == 4
    undone = studio.change("POST", "/api/undo").json["undone"]
    assert undone == {"label": "cup", "count": 4}
    assert files_below(folder / "dataset") == set()
    answer = send(studio, place, picture(5))
    assert answer.status == 400
    assert "was undone" in answer.json["error"]


def test_each_stretch_is_a_burst_of_its_own_and_can_be_removed(
    studio: StudioServer, folder: Path
) -> None:
    first, second = begin(studio, "cup"), begin(studio, "hat")
    one = send(studio, first, picture(11)).json["name"]
    other = send(studio, second, picture(12)).json["name"]
    third = send(studio, first, picture(13)).json["name"]
    assert one.rpartition("-")[0] == third.rpartition("-")[0] != other.rpartition("-")[0]
    removed = {"pictures": [["cup", one], ["cup", third]]}
    assert studio.change("POST", "/api/review/remove", removed).json["count"] == 2
    assert files_below(folder / "dataset") == {f"hat/{other}"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"no picture", "not a JPEG"),
        (picture()[:300], "damaged or cut off"),
        (encode_snapshot(np.zeros((4000, 4000, 3), np.uint8)), "4000 x 4000 pixels"),
    ],
    ids=["empty", "words", "cut off", "many pixels"],
)
def test_a_frame_that_is_no_picture_is_refused(
    studio: StudioServer, folder: Path, content: bytes, said: str
) -> None:
    before = files_below(folder)
    answer = send(studio, begin(studio, "cup"), content)
    assert answer.status == 400
    assert said in answer.json["error"]
    assert files_below(folder) == before


def test_only_who_may_change_things_sends_frames(studio: StudioServer, folder: Path) -> None:
    before = files_below(folder)
    place = begin(studio, "cup")
    origin = {"Origin": studio.origin}
    assert studio.ask_without_cookie("POST", place, picture(21), origin).status == 401
    assert studio.ask("POST", place, picture(21), {"Origin": "http://a.example"}).status == 403
    assert send(studio, "/api/bursts/unknown/frames", picture(21)).status == 404
    assert studio.change("POST", "/api/bursts", {"label": "spoon"}).status == 400
    assert body_limit(place) == FRAME_BYTES
    assert body_limit("/api/bursts") < FRAME_BYTES
    headers = {"Origin": studio.origin, "Content-Length": str(FRAME_BYTES + 1)}
    assert studio.ask("POST", place, b"x", headers).status == 413
    with studio.page() as page:
        page.say(type="claim")
        page.until(lambda now: now.state["teacher"] == "you")
        assert send(studio, place, picture(21)).status == 409
        assert studio.change("POST", "/api/bursts", {"label": "cup"}).status == 409
    assert files_below(folder) == before
