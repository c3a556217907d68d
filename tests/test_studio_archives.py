"""Zip files that are sent to the studio: pictures out of them, and nothing else."""

from __future__ import annotations

import io
import stat
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.studio_files import files_below, picture, zipped
from tests.studio_server import StudioServer, run_small_studio
from webcam_classifier.dataset.picture_archive import ArchiveError, EntryError, PictureArchive
from webcam_classifier.web.limits import ARCHIVE_ENTRIES, ARCHIVE_LIMITS


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("studio")


@pytest.fixture(scope="module")
def studio(folder: Path) -> Iterator[StudioServer]:
    with run_small_studio(folder, "cup", "hat") as server:
        yield server


def link_to(target: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(f"{target}.jpg")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


def test_an_archive_gives_its_pictures_and_says_what_it_refuses(
    studio: StudioServer, folder: Path
) -> None:
    strange = {
        "../../out.jpg": "leads out",
        "a/../../out.jpg": "leads out",
        "/etc/out.jpg": "leads out",
        "C:/out.jpg": "Windows",
        "a\\..\\out.jpg": "Windows",
        "more.zip": "archive inside",
        "notes.txt": "not the name of a picture",
        "broken.jpg": "not a JPEG",
    }
    content = zipped(
        ("good.jpg", picture(2)),
        ("deep/in/folders/too.jpg", picture(3)),
        ("__MACOSX/._good.jpg", b"passed over in silence"),
        (".hidden/x.jpg", picture(4)),
        (link_to("secret"), b"/etc/passwd"),
        *((name, b"no picture") for name in strange),
    )
    before = files_below(folder)
    answer = studio.change("PUT", "/api/labels/hat/uploads/all.ZIP", content)
    assert answer.status == 200
    assert answer.json["added"] == 2
    reasons = {refusal["name"]: refusal["reason"] for refusal in answer.json["refused"]}
    assert answer.json["refused_count"] == len(reasons) == len(strange) + 1
    assert "link" in reasons.pop("secret.jpg")
    assert all(strange[name] in reason for name, reason in reasons.items())
    added = files_below(folder) - before
    assert len(added) == 2
    assert all(path.startswith("dataset/hat/2") for path in added)
    assert not list(folder.parent.glob("**/out.jpg"))


def test_an_archive_of_labels_makes_them_but_none_that_leaves_the_data_set(
    studio: StudioServer, folder: Path
) -> None:
    content = zipped(
        ("data/spoon/1.jpg", picture(5)),
        ("data/hat/1.jpg", picture(6)),
        ("data/con/1.jpg", picture(7)),
        ("data/a:b/1.jpg", picture(8)),
        ("data/../../x/1.jpg", picture(9)),
    )
    answer = studio.change("PUT", "/api/uploads/data.zip", content)
    assert answer.json["added"] == 2
    assert sorted(refusal["name"] for refusal in answer.json["refused"]) == [
        "data/../../x/1.jpg", "data/a:b/1.jpg", "data/con/1.jpg",
    ]  # fmt: skip
    assert len(files_below(folder / "dataset" / "spoon")) == 1
    assert not (folder / "dataset" / "con").exists()


def test_an_archive_with_a_password_is_refused_by_entry(studio: StudioServer) -> None:
    content = bytearray(zipped(("a.jpg", picture())))
    content[content.rindex(b"PK\x01\x02") + 8] |= 1  # the flag in the directory
    answer = studio.change("PUT", "/api/labels/cup/uploads/a.zip", bytes(content))
    assert "without a password" in answer.json["refused"][0]["reason"]


def test_a_bomb_is_given_up_when_it_grows_too_large(studio: StudioServer) -> None:
    content = zipped(("flat.bmp", bytes(40_000_000)), ("good.jpg", picture(10)))
    assert len(content) < 60_000
    answer = studio.change("PUT", "/api/labels/cup/uploads/bomb.zip", content)
    assert answer.json["added"] == 1
    assert "far more" in answer.json["refused"][0]["reason"]


def test_a_size_that_an_archive_states_is_not_believed() -> None:
    content = bytearray(zipped(("flat.bmp", bytes(5_000_000))))
    for mark, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        place = content.index(mark) + offset
        content[place : place + 4] = (1000).to_bytes(4, "little")
    with PictureArchive(io.BytesIO(content), ARCHIVE_LIMITS) as archive, pytest.raises(EntryError):
        archive.read(archive.entries[0])


def test_many_files_that_unpack_to_too_much_together_are_given_up() -> None:
    noise = np.random.default_rng(0).integers(0, 255, 30_000, dtype=np.uint8).tobytes()
    content = zipped(*((f"{number}.jpg", noise) for number in range(10)))
    with PictureArchive(
        io.BytesIO(content), replace(ARCHIVE_LIMITS, unpacked_bytes=100_000)
    ) as archive:
        for entry in archive.entries[:3]:
            assert archive.read(entry) == noise
        with pytest.raises(ArchiveError, match="unpacks to more"):
            archive.read(archive.entries[3])


def with_long_names() -> bytes:
    return zipped(*((f"{number}{'x' * 60_000}.jpg", b"") for number in range(60)))


def of_the_large_kind() -> bytes:
    content = zipped(("a.jpg", b""))
    end = content.rindex(b"PK\x05\x06")
    return content[:end] + b"PK\x06\x07" + bytes(16) + content[end:]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (zipped(*((f"{number}.jpg", b"") for number in range(ARCHIVE_ENTRIES + 1))), "5001 files"),
        (with_long_names(), "very large archives"),
        (of_the_large_kind(), "very large archives"),
        (zipped(("a.jpg", picture()))[:-30], "not a whole zip"),
        (b"no zip at all", "not a whole zip"),
        (b"", "not a whole zip"),
    ],
    ids=["many", "long directory", "zip64", "cut off", "other", "empty"],
)
def test_an_archive_that_can_t_be_trusted_is_refused_as_a_whole(
    studio: StudioServer, folder: Path, content: bytes, reason: str
) -> None:
    before = files_below(folder)
    answer = studio.change("PUT", "/api/labels/cup/uploads/a.zip", content)
    assert answer.status == 400
    assert reason in answer.json["error"]
    assert files_below(folder) == before
