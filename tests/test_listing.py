"""One list of files, whoever reads the folder."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest

from tests.colour_model import colour_card, write_colour_model
from webcam_classifier.camera.files import open_folder
from webcam_classifier.camera.protocol import Camera
from webcam_classifier.cli.evaluate import main as evaluate
from webcam_classifier.dataset.labelled_pictures import describe_skipped, load_labelled_pictures
from webcam_classifier.dataset.listing import list_dataset, list_pictures, printable
from webcam_classifier.dataset.picture_files import encode_snapshot
from webcam_classifier.dataset.predefined_split import TEST_PART, TRAINING_PART
from webcam_classifier.errors import UserError
from webcam_classifier.export.check_pictures import find_pictures
from webcam_classifier.teaching.recording_session import RecordingSession

USABLE = [
    "cup/0.jpg",
    "cup/a/1.JPG",
    "cup/a/deep/2.jpg",
    "cup/a!/3.jpg",
    "cup/link.jpg",
    "cup/shelf/6.jpg",
    "pen/4.jpg",
    "pen/new\nline.jpg",
    "pen/stift \N{LATIN SMALL LETTER U WITH DIAERESIS}.jpg",
]
LEFT_ASIDE = {
    "cup/broken.jpg": "a link that leads to no file",
    "cup/in_a_circle": "a link to a folder that it is in itself",
    "cup/notes.txt": ".txt: not JPEG, PNG, BMP or WebP",
    "cup/round": "can't be opened: Too many levels of symbolic links",
    "cup/socket.jpg": "neither a file nor a folder",
    "cup/twice": "a link to a folder that another link led to already",
    "pen/\udcff.jpg": "its name is not UTF-8; rename it",
}
PASSED_OVER = [
    ".hidden.jpg", "@eaDir", "__MACOSX", ".cache", "lost+found", "#recycle", "$RECYCLE.BIN",
    "System Volume Information",
]  # fmt: skip


def write(path: Path, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.random.default_rng(seed).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    path.write_bytes(encode_snapshot(image))


@pytest.fixture
def awkward(tmp_path: Path) -> Path:
    """A data set with all that a disk may hold; the links lead to a folder beside it."""
    folder, elsewhere = tmp_path / "dataset", tmp_path / "elsewhere"
    for seed, name in enumerate(USABLE):
        if "link" not in name and "shelf" not in name:
            write(folder / name, seed)
    write(elsewhere / "5.jpg", 50)
    write(elsewhere / "shelf" / "6.jpg", 60)
    cup = folder / "cup"
    (cup / "link.jpg").symlink_to(elsewhere / "5.jpg")
    (cup / "shelf").symlink_to(elsewhere / "shelf", target_is_directory=True)
    (cup / "twice").symlink_to(elsewhere / "shelf", target_is_directory=True)
    (elsewhere / "shelf" / ".back").symlink_to(cup, target_is_directory=True)
    (cup / "in_a_circle").symlink_to(folder, target_is_directory=True)
    (cup / "round").symlink_to(cup / "round")
    (cup / "broken.jpg").symlink_to(elsewhere / "gone.jpg")
    (cup / "notes.txt").write_text("not a picture")
    (cup / "Thumbs.db").touch()
    with socket.socket(socket.AF_UNIX) as listener:
        here = Path.cwd()
        os.chdir(cup)  # a socket's path is short
        listener.bind("socket.jpg")
        os.chdir(here)
    write(folder / "pen" / "\udcff.jpg")
    for name in PASSED_OVER:
        for place in (folder, cup, cup / "a" / "deep"):
            write(place / name if name.endswith(".jpg") else place / name / "cup" / "0.jpg")
    return folder


def live_names(folder: Path) -> list[str]:
    camera: Camera
    with open_folder(folder) as camera:
        return [Path(frame.name).name for frame in iter(camera.read, None)]


def test_an_awkward_folder_is_the_same_to_all_that_read_it(
    awkward: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    listing = list_dataset(awkward)
    assert [picture.full_name for picture in listing.pictures] == USABLE
    assert [f"{picture.label}/{picture.name}" for picture in listing.pictures] == USABLE
    assert {picture.part for picture in listing.pictures} == {TRAINING_PART}
    assert (listing.labels, listing.is_split) == (("cup", "pen"), False)
    aside = {file.path.relative_to(awkward).as_posix(): file.reason for file in listing.skipped}
    assert aside == LEFT_ASIDE

    trained = load_labelled_pictures(awkward, 32)
    assert list(trained.names) == USABLE
    assert trained.skipped == listing.skipped

    paths, skipped = list_pictures(awkward)
    assert paths == [picture.path for picture in listing.pictures]
    assert set(skipped) == set(listing.skipped)
    assert live_names(awkward) == [printable(path).rpartition("/")[2] for path in paths]

    with RecordingSession(awkward, ["cup", "pen"]) as session:
        counts = {label.name: label.count for label in session.state().labels}
        assert counts == trained.counts() == {"cup": 6, "pen": 3}

    card = colour_card(awkward)
    checked = find_pictures(tmp_path / "model.onnx", card, None, awkward)
    assert len(checked.calibration) + len(checked.compared) == len(USABLE)
    assert f"{len(LEFT_ASIDE)} files and folders are not used" in checked.notes[0]

    model = write_colour_model(tmp_path / "colours")
    shutil.move(awkward / "cup", awkward / "red")
    shutil.move(awkward / "pen", awkward / "blue")
    evaluate([str(model / "model"), str(awkward), "--json", str(tmp_path / "figures.json")])
    figures = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))
    assert figures["count"] == len(USABLE)
    assert len(figures["skipped"]) == len(LEFT_ASIDE)
    assert "\\xff.jpg: its name is not UTF-8" in capsys.readouterr().out


def test_a_name_that_is_not_utf_8_can_be_shown(awkward: Path) -> None:
    said = describe_skipped(list_dataset(awkward).skipped)
    assert "\\xff.jpg: its name is not UTF-8" in said
    assert said.encode().decode() == said
    assert printable(Path("a/\x1b[31m\n\udcfe b \N{SNOWMAN}")) == "a/\\x1b[31m\\n\\xfe b ☃"


def test_links_between_two_folders_end(tmp_path: Path) -> None:
    data, other = tmp_path / "data", tmp_path / "other"
    write(data / "cup" / "0.jpg")
    write(other / "1.jpg")
    (data / "cup" / "other").symlink_to(other, target_is_directory=True)
    (other / "back").symlink_to(data / "cup", target_is_directory=True)
    (data / "all").symlink_to(data, target_is_directory=True)
    (data / "mug").symlink_to(other, target_is_directory=True)
    listing = list_dataset(data)
    assert [picture.full_name for picture in listing.pictures] == [
        "cup/0.jpg", "cup/other/1.jpg", "mug/1.jpg", "mug/back/0.jpg",
    ]  # fmt: skip
    assert listing.labels == ("cup", "mug")
    assert [file.path.relative_to(data).as_posix() for file in listing.skipped] == [
        "all", "cup/other/back", "mug/back/other",
    ]  # fmt: skip


def test_parts_are_listed_with_their_pictures(tmp_path: Path) -> None:
    for name in ("train/a/0.jpg", "train/b/0.jpg", "test/a/sub/0.jpg", "test/.x/0.jpg"):
        write(tmp_path / name)
    write(tmp_path / "models" / "0.jpg")
    write(tmp_path / "train" / "@eaDir" / "0.jpg")
    listing = list_dataset(tmp_path)
    assert listing.is_split
    assert [(one.part, one.label, one.name, one.full_name) for one in listing.pictures] == [
        (TEST_PART, "a", "sub/0.jpg", "test/a/sub/0.jpg"),
        (TRAINING_PART, "a", "0.jpg", "train/a/0.jpg"),
        (TRAINING_PART, "b", "0.jpg", "train/b/0.jpg"),
    ]
    assert [file.path.name for file in listing.skipped] == ["models"]


def test_a_folder_nested_beyond_what_python_may_call_is_listed(tmp_path: Path) -> None:
    write(tmp_path / "cup" / "e.jpg")
    here = Path.cwd()
    os.chdir(tmp_path / "cup")
    for _ in range(1200):  # a path of that length can't be made at once
        Path("d").mkdir()
        os.chdir("d")
    try:
        assert [picture.name for picture in list_dataset(tmp_path).pictures] == ["e.jpg"]
    finally:
        for _ in range(1200):  # nor removed by recursion
            os.chdir("..")
            Path("d").rmdir()
        os.chdir(here)


@pytest.mark.skipif(not hasattr(os, "setuid"), reason="permissions are those of POSIX")
def test_a_folder_that_may_not_be_opened_is_named_and_the_rest_is_used() -> None:
    with tempfile.TemporaryDirectory() as place:  # another user has no way to `tmp_path`
        Path(place).chmod(0o755)
        check_locked_folders(Path(place))


def check_locked_folders(tmp_path: Path) -> None:
    data = tmp_path / "data"
    write(data / "cup" / "0.jpg")
    write(data / "cup" / "locked" / "1.jpg")
    write(data / "pen" / "2.jpg")
    write(tmp_path / "split" / "train" / "cup" / "0.jpg")
    write(tmp_path / "split" / "test" / "cup" / "0.jpg")
    for folder in (data / "cup" / "locked", data / "pen", tmp_path / "split" / "test"):
        folder.chmod(0)
    program = """
import json, os, sys
from pathlib import Path
from webcam_classifier.dataset.listing import list_dataset, list_pictures
from webcam_classifier.errors import UserError
from webcam_classifier.teaching.recording_session import RecordingSession
if os.getuid() == 0:
    os.setuid(65534)
data = Path(sys.argv[1])
listing = list_dataset(data / "data")
problems = []
for look in (lambda: list_dataset(data / "split"), lambda: list_pictures(data / "data" / "pen")):
    try:
        look()
    except UserError as error:
        problems.append(str(error))
print(json.dumps([
    [picture.full_name for picture in listing.pictures],
    {file.path.name: file.reason for file in listing.skipped},
    listing.labels,
    problems,
]))
"""
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path], capture_output=True, text=True, check=False
    )
    for folder in (data / "cup" / "locked", data / "pen", tmp_path / "split" / "test"):
        folder.chmod(0o700)
    assert done.returncode == 0, done.stderr
    names, skipped, labels, problems = json.loads(done.stdout)
    assert names == ["cup/0.jpg"]
    assert skipped == dict.fromkeys(("locked", "pen"), "can't be opened: Permission denied")
    assert labels == ["cup", "pen"]  # so that a label without pictures is complained about
    assert "test can't be opened (Permission denied)" in problems[0]
    assert "pen can't be opened (Permission denied)" in problems[1]


def test_a_missing_folder_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no folder"):
        list_dataset(tmp_path / "dataset")


def test_many_files_are_listed_in_a_moment(tmp_path: Path) -> None:
    for label in ("cup", "pen", "key", "mug", "pad"):
        (tmp_path / label).mkdir()
        for index in range(1000):
            (tmp_path / label / f"{index:05}.jpg").touch()
    started = time.process_time()  # what others do on the machine does not count
    listing = list_dataset(tmp_path)
    seconds = time.process_time() - started
    assert len(listing.pictures) == 5000
    assert seconds < 1.0  # 0.04 s when the machine has nothing else to do
