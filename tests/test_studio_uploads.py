"""What is sent to the studio: how much is taken, and what is refused by name."""

from __future__ import annotations

import io
import json
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from tests.studio_files import files_below, picture, zipped
from tests.studio_server import StudioServer, run_small_studio
from webcam_classifier.dataset.picture_files import decode_picture, encode_snapshot, read_picture
from webcam_classifier.web.limits import (
    ARCHIVE_BYTES,
    FRAME_BYTES,
    JSON_BYTES,
    PICTURE_BYTES,
    body_limit,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("studio")


@pytest.fixture(scope="module")
def studio(folder: Path) -> Iterator[StudioServer]:
    with run_small_studio(folder, "cup", "hat") as server:
        yield server


def test_a_picture_becomes_a_snapshot_and_can_be_looked_at(
    studio: StudioServer, folder: Path
) -> None:
    before = files_below(folder / "dataset")
    answer = studio.change("PUT", "/api/labels/cup/uploads/my%20cup.jpg", picture(1))
    assert (answer.status, answer.json["added"], answer.json["refused"]) == (200, 1, [])
    (added,) = files_below(folder / "dataset") - before
    name = Path(added).name
    assert studio.ask("GET", "/api/labels/cup/pictures").json["pictures"][0] == name
    whole = studio.ask("GET", f"/api/pictures/cup/{name}")
    assert whole.body == (folder / "dataset" / added).read_bytes()
    small = studio.ask("GET", f"/api/pictures/cup/{name}?side=32")
    assert (small.status, small.headers["content-type"]) == (200, "image/jpeg")
    assert decode_picture(small.body).shape == (32, 32, 3)
    known = {"If-None-Match": small.headers["etag"]}
    assert studio.ask("GET", f"/api/pictures/cup/{name}?side=32", headers=known).status == 304
    assert studio.change("DELETE", f"/api/pictures/cup/{name}").status == 200
    assert files_below(folder / "dataset") == before


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.jpg", b"", "empty"),
        ("a.jpg", b"GIF89a and no more", "not a JPEG"),
        ("a.png", picture()[:300], "damaged or cut off"),
        ("a.svg", b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>", "not a JPEG"),
    ],
)
def test_what_is_no_whole_picture_is_refused_by_name(
    studio: StudioServer, folder: Path, name: str, content: bytes, reason: str
) -> None:
    before = files_below(folder)
    answer = studio.change("PUT", f"/api/labels/cup/uploads/{name}", content)
    assert answer.status == 200
    assert answer.json["added"] == 0
    (refused,) = answer.json["refused"]
    assert refused["name"] == name
    assert reason in refused["reason"]
    assert files_below(folder) == before


def test_a_picture_of_too_many_pixels_is_refused_before_it_is_unpacked(
    studio: StudioServer,
) -> None:
    content = io.BytesIO()
    Image.new("1", (12_500, 10_000)).save(content, "PNG")  # 20 kB, and 125 million pixels
    for path, sent in (
        ("/api/labels/cup/uploads/huge.png", content.getvalue()),
        ("/api/labels/cup/uploads/huge.zip", zipped(("huge.png", content.getvalue()))),
    ):
        answer = studio.change("PUT", path, sent)
        assert answer.json["added"] == 0
        assert "12500 x 10000 pixels" in answer.json["refused"][0]["reason"]


def test_a_body_that_is_declared_too_large_is_not_even_read(studio: StudioServer) -> None:
    for path, limit in (
        ("/api/labels/cup/uploads/a.jpg", PICTURE_BYTES),
        ("/api/labels/cup/uploads/a.zip", ARCHIVE_BYTES),
        ("/api/labels", JSON_BYTES),
    ):
        headers = {"Origin": studio.origin, "Content-Length": str(limit + 1)}
        method = "POST" if limit == JSON_BYTES else "PUT"
        answer = studio.ask(method, path, b"x", headers)
        assert answer.status == 413
        assert "Send less" in answer.json["error"]


@pytest.mark.parametrize(
    ("method", "path", "limit"),
    [
        ("POST", "/api/labels", JSON_BYTES),
        ("PUT", "/api/labels/cup/uploads/a.jpg", PICTURE_BYTES),
    ],
)
def test_a_body_of_undeclared_size_is_counted_as_it_arrives(
    studio: StudioServer, method: str, path: str, limit: int
) -> None:
    chunks = [b"x" * 1000 * 1000] * (limit // 1_000_000) + [b"x" * (limit % 1_000_000 + 1)]
    headers = studio.cookie | {"Origin": studio.origin, "Transfer-Encoding": "chunked"}
    with socket.create_connection(("127.0.0.1", studio.port), timeout=20) as raw:
        head = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{studio.port}"]
        head += [f"{name}: {value}" for name, value in headers.items()]
        raw.sendall("\r\n".join([*head, "\r\n"]).encode())
        for chunk in chunks:  # and then no end: the server must not wait for it
            raw.sendall(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")
        answer = raw.recv(4096)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"content-security-policy" in answer


def test_only_uploads_may_be_large() -> None:
    assert body_limit("/api/labels/uploads") == JSON_BYTES
    assert body_limit("/api/uploads/x.zip") == ARCHIVE_BYTES
    assert body_limit("/api/labels/a/uploads/x.ZIP") == ARCHIVE_BYTES
    assert body_limit("/api/labels/a/uploads/x.jpg") == PICTURE_BYTES
    assert body_limit("/x/uploads/x.zip") == JSON_BYTES


@pytest.mark.parametrize(
    "name",
    [
        "..",
        "../out",
        "a/b",
        "/tmp/out",
        "a\\b",
        ".hidden",
        "",
        " a",
        "a\0b",
        "con",
        "x" * 300,
        "a:",
    ],
)
def test_a_label_can_t_leave_the_data_set(studio: StudioServer, folder: Path, name: str) -> None:
    before = {path.name for path in folder.rglob("*") if path.is_dir()}
    for method, path in (("POST", "/api/labels"), ("PATCH", "/api/labels/cup")):
        answer = studio.change(method, path, {"name": name})
        assert answer.status == 400
        assert "label" in answer.json["error"]
    assert {path.name for path in folder.rglob("*") if path.is_dir()} == before
    assert not (folder.parent / "out").exists()


@pytest.mark.parametrize(
    "path",
    [
        "/api/pictures/cup/..%2F..%2Fsecret.jpg",
        "/api/pictures/cup/../../secret.jpg",
        "/api/pictures/..%2F/secret.jpg",
        "/api/pictures/%2E%2E/secret.jpg",
        "/api/pictures/cup/%2Fsecret.jpg",
        "/api/labels/..%2F/pictures",
        "/api/labels/%2E%2E/pictures",
    ],
)
def test_no_path_leads_to_files_outside_the_data_set(
    studio: StudioServer, folder: Path, path: str
) -> None:
    (folder / "secret.jpg").write_bytes(picture())
    assert studio.ask("GET", path).status == 404
    assert studio.change("DELETE", path).status in (404, 405)
    assert (folder / "secret.jpg").is_file()


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"[" * 60_000, b'{"name": 3}', b'{"name": null}']
)
def test_what_is_not_the_json_that_is_expected_is_refused(
    studio: StudioServer, body: bytes
) -> None:
    answer = studio.change("POST", "/api/labels", body)
    assert answer.status == 400
    assert answer.json["error"]


def end_of(opened: ClientConnection) -> tuple[int, str]:
    """Wait until the server ends a WebSocket, and give its code and reason; 1006 is without one."""
    try:
        while True:
            opened.recv(10)
    except ConnectionClosed as closed:
        end = closed.rcvd
    return (1006, "") if end is None else (end.code, end.reason)


def test_a_message_that_is_too_large_ends_its_websocket(studio: StudioServer) -> None:
    for path, message in (
        ("/ws/camera", bytes(FRAME_BYTES + 1)),
        ("/ws/live", json.dumps({"type": "x" * FRAME_BYTES})),
    ):
        with studio.socket(path) as opened:
            with suppress(ConnectionClosed):  # while it is still sent
                opened.send(message)
            code, _ = end_of(opened)
        assert code in (1009, 1006)  # the goodbye may be lost, since not all was read


@pytest.mark.parametrize("message", ["x" * 5000, "{", "[]", '{"no": "type"}', '{"type": 1}'])
def test_what_a_page_can_t_have_said_ends_its_websocket(studio: StudioServer, message: str) -> None:
    with studio.socket("/ws/live") as opened:
        opened.send(message)
        assert end_of(opened)[0] == 4400


def large_jpeg() -> bytes:
    return encode_snapshot(np.zeros((4000, 4000, 3), np.uint8))


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (b"no JPEG", "no JPEG"),
        (cv2.imencode(".png", np.zeros((8, 8, 3), np.uint8))[1].tobytes(), "no JPEG"),
        (picture()[:200], "no JPEG"),
        (large_jpeg(), "4000 x 4000 pixels"),
        ("words", "not understood"),
    ],
    ids=["words", "PNG", "cut off", "many pixels", "text"],
)
def test_a_frame_that_is_no_picture_ends_the_browsers_camera(
    studio: StudioServer, frame: bytes | str, reason: str
) -> None:
    with studio.socket("/ws/camera") as opened:
        assert json.loads(opened.recv(10))["type"] == "next"
        opened.send(frame)
        code, said = end_of(opened)
    assert code == 4400
    assert reason in said


def test_a_picture_sent_from_a_phone_stands_upright(studio: StudioServer, folder: Path) -> None:
    image = Image.new("RGB", (80, 40), "red")
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by a quarter
    content = io.BytesIO()
    image.save(content, "JPEG", exif=exif)
    before = files_below(folder)
    studio.change("PUT", "/api/labels/hat/uploads/phone.jpg", content.getvalue())
    (added,) = files_below(folder) - before
    assert read_picture(folder / added).shape == (80, 40, 3)
