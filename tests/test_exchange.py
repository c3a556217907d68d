"""Pictures of other tools come in, and a data set goes out and comes in again the same."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import signal
import stat
import subprocess
import sys
import time
import zipfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.coloured_pictures import write_coloured_pictures
from webcam_classifier.cli.collect import main
from webcam_classifier.crop import Crop
from webcam_classifier.dataset.burst_numbers import are_bursts_named
from webcam_classifier.dataset.crop_file import find_crop, write_crop
from webcam_classifier.dataset.labelled_pictures import load_labelled_pictures
from webcam_classifier.dataset.listing import list_dataset
from webcam_classifier.errors import UserError
from webcam_classifier.exchange.export_dataset import export_dataset
from webcam_classifier.exchange.import_dataset import import_dataset

COLOURS = {"cup": (220, 40, 40), "pen": (40, 40, 220)}


def jpeg(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, (24, 32, 3), dtype=np.uint8)
    return cv2.imencode(".jpg", pixels)[1].tobytes()


def write_zip(path: Path, files: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def write_folder(path: Path, files: Mapping[str, bytes]) -> Path:
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


def found_in(dataset: Path) -> Counter[tuple[int, str]]:
    listing = list_dataset(dataset)
    return Counter((one.part, one.label) for one in listing.pictures)


def everything(folder: Path) -> dict[str, bytes]:
    """All files below a folder, hidden ones too."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def roboflow_list(rows: list[list[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows([["filename", " cup", " pen"], *rows])
    return text.getvalue().encode()


EDGE_IMPULSE = {
    "info.labels": json.dumps(
        {
            "version": 1,
            "files": [
                {
                    "path": f"{category}/{label}.{number}.jpg",
                    "name": f"{label}.{number}",
                    "category": category,
                    "label": {"type": "label", "label": label},
                }
                for category, count in (("training", 3), ("testing", 2))
                for label in ("cup", "pen")
                for number in range(count)
            ]
            + [
                {
                    "path": "training/odd.jpg",
                    "category": "training",
                    "label": {"type": "unlabeled"},
                }
            ],
        }
    ).encode(),
    **{
        f"{category}/{label}.{number}.jpg": jpeg(1000 * place + 10 * number + len(category))
        for place, label in enumerate(("cup", "pen"))
        for category, count in (("training", 3), ("testing", 2))
        for number in range(count)
    },
    "training/odd.jpg": jpeg(77),
}
ROBOFLOW_LISTS = {
    "train/_classes.csv": roboflow_list([["a.jpg", "1", "0"], ["b.jpg", "0", "1"]]),
    "train/a.jpg": jpeg(1),
    "train/b.jpg": jpeg(2),
    "valid/_classes.csv": roboflow_list([["c.jpg", "1", "0"], ["d.jpg", "1", "1"]]),
    "valid/c.jpg": jpeg(3),
    "valid/d.jpg": jpeg(4),
    "test/_classes.csv": roboflow_list([["e.jpg", "0", "1"]]),
    "test/e.jpg": jpeg(5),
}
LAYOUTS: Mapping[str, tuple[Mapping[str, bytes], dict[tuple[int, str], int]]] = {
    "Edge Impulse": (
        EDGE_IMPULSE, {(0, "cup"): 3, (0, "pen"): 3, (2, "cup"): 2, (2, "pen"): 2},
    ),
    "Edge Impulse without its list": (
        {name: content for name, content in EDGE_IMPULSE.items() if name.count(".") == 2},
        {(0, "cup"): 3, (0, "pen"): 3, (2, "cup"): 2, (2, "pen"): 2},
    ),
    "Roboflow lists": (
        ROBOFLOW_LISTS, {(0, "cup"): 1, (0, "pen"): 1, (1, "cup"): 1, (2, "pen"): 1},
    ),
    "Roboflow folders": (
        {
            "README.roboflow.txt": b"hello",
            "train/cup/1_jpg.rf.aa.jpg": jpeg(1),
            "train/pen/2_jpg.rf.ab.jpg": jpeg(2),
            "valid/cup/3_jpg.rf.ac.jpg": jpeg(3),
            "test/pen/4_jpg.rf.ad.jpg": jpeg(4),
        },
        {(0, "cup"): 1, (0, "pen"): 1, (1, "cup"): 1, (2, "pen"): 1},
    ),
    "Teachable Machine": (
        {
            "manifest.json": b'{"type": "image", "version": "2.4.5"}',
            "cup-!-0.jpg": jpeg(1), "cup-!-1.jpg": jpeg(2), "pen-!-0.jpg": jpeg(3),
        },
        {(0, "cup"): 2, (0, "pen"): 1},
    ),
    "Teachable Machine with folders": (
        {
            "manifest.json": b"{}",
            "cup-samples/0.jpg": jpeg(1), "cup-samples/1.jpg": jpeg(2), "pen/0.jpg": jpeg(3),
        },
        {(0, "cup"): 2, (0, "pen"): 1},
    ),
    "jetson-inference": (
        {
            "data/labels.txt": b"cup\npen\n",
            "data/train/cup/20201101-101010.jpg": jpeg(1),
            "data/train/pen/20201101-101011.jpg": jpeg(2),
            "data/val/cup/20201101-101012.jpg": jpeg(3),
            "data/test/pen/20201101-101013.jpg": jpeg(4),
        },
        {(0, "cup"): 1, (0, "pen"): 1, (1, "cup"): 1, (2, "pen"): 1},
    ),
    "Lobe": (
        {"Hands/cup/a.jpg": jpeg(1), "Hands/pen/b.jpg": jpeg(2)}, {(0, "cup"): 1, (0, "pen"): 1},
    ),
    "nested sets": (
        {
            "training_set/training_set/cup/1.jpg": jpeg(1),
            "training_set/training_set/pen/2.jpg": jpeg(2),
            "test_set/test_set/cup/3.jpg": jpeg(3),
        },
        {(0, "cup"): 1, (0, "pen"): 1, (2, "cup"): 1},
    ),
    "one part alone": (
        {"Training/cup/1.jpg": jpeg(1), "Training/pen/2.jpg": jpeg(2)},
        {(0, "cup"): 1, (0, "pen"): 1},
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", ["zip", "folder"])
@pytest.mark.parametrize("name", LAYOUTS)
def test_each_tools_layout_is_told_apart(tmp_path: Path, name: str, kind: str) -> None:
    files, wanted = LAYOUTS[name]
    write = write_zip if kind == "zip" else write_folder
    source = write(tmp_path / "project.tm", files)
    dataset = tmp_path / "dataset"
    import_dataset(source, dataset)
    assert found_in(dataset) == wanted
    contents = {hashlib.sha256(content).digest() for content in files.values()}
    copied = [one.path.read_bytes() for one in list_dataset(dataset).pictures]
    assert {hashlib.sha256(content).digest() for content in copied} <= contents

    before = everything(dataset)
    again = import_dataset(source, dataset)
    assert (sum(again.added.values()), again.known) == (0, sum(wanted.values()))
    assert everything(dataset) == before


def test_what_is_not_labelled_is_named(tmp_path: Path) -> None:
    found = import_dataset(write_zip(tmp_path / "ei.zip", EDGE_IMPULSE), tmp_path / "a")
    assert found.tool == "Edge Impulse"
    assert ("training/odd.jpg", "not labelled") in found.refused
    found = import_dataset(write_zip(tmp_path / "rf.zip", ROBOFLOW_LISTS), tmp_path / "b")
    assert ("valid/d.jpg", "has 2 labels: cup, pen") in found.refused


def test_single_photographs_are_no_recordings(tmp_path: Path) -> None:
    files = {f"{label}/IMG_{number}.jpg": jpeg(number + len(label) * 50)
             for label in ("cup", "scissors") for number in range(4)}  # fmt: skip
    import_dataset(write_zip(tmp_path / "own.zip", files), tmp_path / "dataset")
    names = [one.full_name for one in list_dataset(tmp_path / "dataset").pictures]
    assert len(names) == 8
    assert not are_bursts_named(names)


@pytest.mark.parametrize("parts", [False, True])
def test_a_data_set_goes_out_and_comes_in_the_same(
    tmp_path: Path, parts: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset = tmp_path / "dataset"
    if parts:
        write_coloured_pictures(dataset / "training_set", 6, COLOURS, 1)
        write_coloured_pictures(dataset / "test_set", 3, COLOURS, 2)
    else:
        write_coloured_pictures(dataset, 6, COLOURS, 1)
        for number in range(1, 4):  # a burst, and a copy of one picture
            copy = (dataset / "cup/000.jpg").read_bytes()
            (dataset / f"cup/20261122T143015x7f3a9c-002-{number:04}.jpg").write_bytes(copy)
    write_crop(dataset, Crop(0.1, 0.1, 0.5, 0.5))
    (dataset / "category_names.json").write_text('{"cup": "tea cup"}')

    main(["--dataset", str(dataset), "--export", str(tmp_path / "out.zip")])
    main(["--import", str(tmp_path / "out.zip"), "--dataset", str(tmp_path / "there")])

    assert everything(tmp_path / "there") == everything(dataset)
    before, after = (load_labelled_pictures(tmp_path / name, 32) for name in ("dataset", "there"))
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        manifest = json.loads(archive.read("teach-camera.json"))
        archive.extractall(tmp_path / "unpacked")
    assert before.data_hash == after.data_hash == manifest["data_hash"]
    assert manifest["labels"] == ["cup", "pen"]
    assert manifest["parts"] == ({"training": "training_set", "test": "test_set"} if parts else {})
    bursts = {one["burst"] for one in manifest["pictures"]}
    assert bursts == ({None} if parts else {None, "20261122T143015x7f3a9c-002"})
    assert find_crop(tmp_path / "there") == Crop(0.1, 0.1, 0.5, 0.5)
    checked = subprocess.run(
        ["sha256sum", "--check", "--strict", "SHA256SUMS"],
        cwd=tmp_path / "unpacked", capture_output=True, check=False,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stderr
    export_dataset(tmp_path / "there", tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == (tmp_path / "out.zip").read_bytes()
    assert "next: " in capsys.readouterr().out


def test_what_was_changed_on_its_way_is_refused_whole(tmp_path: Path) -> None:
    write_coloured_pictures(tmp_path / "dataset", 5, COLOURS, 1)
    export_dataset(tmp_path / "dataset", tmp_path / "out.zip")
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    changed = next(name for name in files if name.startswith("pen/"))
    write_zip(tmp_path / "bad.zip", {**files, changed: jpeg(9)})
    with pytest.raises(UserError, match="checksum"):
        import_dataset(tmp_path / "bad.zip", tmp_path / "there")
    assert not (tmp_path / "there").exists()
    lacking = {name: content for name, content in files.items() if name != changed}
    write_zip(tmp_path / "lacking.zip", lacking)
    with pytest.raises(UserError, match=r"1 of 10 pictures .* missing"):
        import_dataset(tmp_path / "lacking.zip", tmp_path / "there")


def test_nothing_of_a_hostile_archive_leaves_the_data_set(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("cup/link.jpg")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    path = tmp_path / "hostile.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../../out.jpg", jpeg(1))
        archive.writestr("/etc/out.jpg", jpeg(2))
        archive.writestr("C:/out.jpg", jpeg(3))
        archive.writestr(link, b"/etc/passwd")
        archive.writestr("cup/bomb.jpg", b"\xff\xd8\xff" + bytes(90_000_000))
        archive.writestr("cup/more.zip", b"PK")
        archive.writestr("cup/text.jpg", b"no picture")
        archive.writestr("cup/good.jpg", jpeg(4))
        archive.writestr("pen/good.jpg", jpeg(5))
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("pen/good.jpg", jpeg(6))
        archive.writestr("pen/GOOD.jpg", jpeg(7))
    found = import_dataset(path, tmp_path / "in" / "dataset")
    reasons = dict(found.refused)
    assert "leads out" in reasons["../../out.jpg"]
    assert "leads out" in reasons["/etc/out.jpg"]
    assert "Windows" in reasons["C:/out.jpg"]
    assert "a link" in reasons["cup/link.jpg"]
    assert "unpacks to far more" in reasons["cup/bomb.jpg"]
    assert "archive inside" in reasons["cup/more.zip"]
    assert "not a JPEG" in reasons["cup/text.jpg"]
    assert "stands twice" in reasons["pen/good.jpg"]
    assert found.added == {"cup": 1, "pen": 2}
    names = {name.casefold() for name in everything(tmp_path / "in")}
    assert len(names) == 3
    assert all(name.startswith("dataset/") for name in names)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["hostile.zip", "in"]


def unsaid(path: Path, encoding: str) -> Path:
    """Write names in an encoding of which the zip file says nothing."""
    placeholder, name = b"LABEL" + bytes(b"_" * 9), "Tür ü".encode(encoding)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{placeholder.decode()}/1.jpg", jpeg(1))
        archive.writestr("./pen//2.jpg", jpeg(2))
    path.write_bytes(path.read_bytes().replace(placeholder, name.ljust(len(placeholder), b"_")))
    return path


def test_labels_are_right_where_a_zip_file_says_nothing_of_their_letters(tmp_path: Path) -> None:
    found = import_dataset(unsaid(tmp_path / "mac.zip", "utf-8"), tmp_path / "mac")
    assert [label.strip("_") for label in found.added] == ["Tür ü", "pen"]
    assert not found.notes
    found = import_dataset(unsaid(tmp_path / "windows.zip", "cp1252"), tmp_path / "windows")
    assert "pen" in found.added
    assert any("Look whether the labels are right" in note for note in found.notes)


def test_folders_within_folders_that_say_nothing_take_no_time(tmp_path: Path) -> None:
    around = "d/" * 20_000
    path = write_zip(
        tmp_path / "deep.zip", {f"{around}{label}/1.jpg": jpeg(n) for n, label in enumerate("ab")}
    )
    began = time.process_time()
    found = import_dataset(path, tmp_path / "dataset")
    assert found.added == {"a": 1, "b": 1}
    assert time.process_time() - began < 5  # seconds of the processor; it took 30


def test_an_encrypted_or_damaged_archive_is_refused_in_a_sentence(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"cup/1.jpg": jpeg(1)})
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1  # the flag of a password
    (tmp_path / "locked.zip").write_bytes(content)
    with pytest.raises(UserError, match=r"None of its pictures .*cup/1.jpg: encrypted"):
        import_dataset(tmp_path / "locked.zip", tmp_path / "dataset")
    (tmp_path / "cut.zip").write_bytes(path.read_bytes()[:-30])
    with pytest.raises(UserError, match="not a whole zip"):
        import_dataset(tmp_path / "cut.zip", tmp_path / "dataset")
    (tmp_path / "movie.mp4").write_bytes(b"\0" * 100)
    with pytest.raises(UserError, match="neither a folder nor a zip"):
        import_dataset(tmp_path / "movie.mp4", tmp_path / "dataset")
    with pytest.raises(UserError, match=r"There is no .*nowhere\.zip"):
        import_dataset(tmp_path / "nowhere.zip", tmp_path / "dataset")
    assert not (tmp_path / "dataset").exists()


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("info.labels", b"[" * 100_000, "not JSON"),
        ("info.labels", b"[]", "no list of Edge Impulse"),
        ("info.labels", b'{"files": [3]}', "without a path"),
        ("_classes.csv", b"a\n", "no list of Roboflow"),
        ("_classes.csv", b'filename,"' + b"x" * 200_000, "damaged"),
        ("teach-camera.json", b"{}", "damaged"),
        ("teach-camera.json", b'{"format_version": 99}', "Install a newer one"),
        ("labels.txt", bytes(33_000_000), "far more than its size|more than 32 MB"),
    ],
)
def test_a_damaged_list_is_refused_in_a_sentence(
    tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("cup/1.jpg", jpeg(1))
        archive.writestr(name, content)
    with pytest.raises(UserError, match=said):
        import_dataset(path, tmp_path / "dataset")
    assert not (tmp_path / "dataset").exists()


def test_labels_become_folders_or_are_refused(tmp_path: Path) -> None:
    files = {"yes?/1.jpg": jpeg(1), "aux/2.jpg": jpeg(2), "ca\u0301fe/3.jpg": jpeg(3)}
    found = import_dataset(write_zip(tmp_path / "a.zip", files), tmp_path / "a")
    assert set(found.added) == {"yes_", "aux_", "c\u00e1fe"}
    assert found.renamed == {"yes?": "yes_", "aux": "aux_", "ca\u0301fe": "c\u00e1fe"}
    clash = write_zip(tmp_path / "b.zip", {"a?/1.jpg": jpeg(1), "a_/2.jpg": jpeg(2)})
    with pytest.raises(UserError, match="would both have the folder 'a_'"):
        import_dataset(clash, tmp_path / "b")
    cases = write_zip(tmp_path / "c.zip", {"Cup/1.jpg": jpeg(1), "cup/2.jpg": jpeg(2)})
    with pytest.raises(UserError, match="upper and lower case"):
        import_dataset(cases, tmp_path / "c")


def test_pictures_of_a_second_source_stay_beside_each_other(tmp_path: Path) -> None:
    people = [("anna", 0), ("ben?", 3), ("cleo", 6), ("cleo", 9)]  # cleo comes twice
    for person, first in people:
        files = {f"cup/{n}.jpg": jpeg(first + n) for n in range(3)}
        import_dataset(write_zip(tmp_path / f"{person}.zip", files), tmp_path / "dataset")
    names = [one.name for one in list_dataset(tmp_path / "dataset").pictures]
    assert names == [
        f"{origin}{n}.jpg" for origin in ("", "ben_-", "cleo-", "cleo_2-") for n in range(3)
    ]


def test_a_picture_is_not_taught_under_two_labels(tmp_path: Path) -> None:
    import_dataset(write_zip(tmp_path / "a.zip", {"cup/1.jpg": jpeg(1)}), tmp_path / "dataset")
    other = write_zip(tmp_path / "b.zip", {"pen/x.jpg": jpeg(1), "pen/y.jpg": jpeg(2)})
    found = import_dataset(other, tmp_path / "dataset")
    assert (dict(found.added), found.elsewhere) == ({"pen": 1}, [("pen/x.jpg", "cup")])


def test_parts_are_not_mixed_with_a_whole(tmp_path: Path) -> None:
    write_coloured_pictures(tmp_path / "dataset", 3, COLOURS, 1)
    source = write_zip(tmp_path / "ei.zip", EDGE_IMPULSE)
    before = everything(tmp_path / "dataset")
    with pytest.raises(UserError, match=r"has a predefined split, and .* has none"):
        import_dataset(source, tmp_path / "dataset")
    assert everything(tmp_path / "dataset") == before


def test_one_label_takes_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = write_zip(tmp_path / "Class 1-samples.zip", {"0.jpg": jpeg(1), "1.jpg": jpeg(2)})
    with pytest.raises(UserError, match="could be read in"):
        main(["--import", str(source), "--dataset", str(tmp_path / "dataset")])
    main(["cup", "--import", str(source), "--dataset", str(tmp_path / "dataset")])
    assert found_in(tmp_path / "dataset") == {(0, "cup"): 2}
    assert "cup: 2" in capsys.readouterr().out


def test_a_model_without_pictures_says_its_labels(tmp_path: Path) -> None:
    files = {"labels.txt": b"0 Class 1\n1 cup\n", "model.tflite": b"TFL3"}
    with pytest.raises(UserError, match=r'labels Class 1, cup, .*collect\.py "Class 1" cup'):
        import_dataset(write_zip(tmp_path / "converted.zip", files), tmp_path / "dataset")
    web = {"metadata.json": b'{"labels": ["a", "b"]}', "model.json": b"{}"}
    with pytest.raises(UserError, match="labels a, b"):
        import_dataset(write_zip(tmp_path / "web.zip", web), tmp_path / "dataset")


def test_an_export_given_to_train_directly_is_not_taught_by_its_parts(tmp_path: Path) -> None:
    write_folder(tmp_path / "ei", EDGE_IMPULSE)
    with pytest.raises(UserError, match=r"export of Edge Impulse.*--import"):
        list_dataset(tmp_path / "ei")
    write_folder(tmp_path / "rf", ROBOFLOW_LISTS)
    with pytest.raises(UserError, match="export of Roboflow"):
        list_dataset(tmp_path / "rf")
    write_folder(tmp_path / "sets", dict(LAYOUTS["nested sets"][0]))
    with pytest.raises(UserError, match="holds another"):
        list_dataset(tmp_path / "sets")
    write_folder(tmp_path / "alone", dict(LAYOUTS["one part alone"][0]))
    with pytest.raises(UserError, match=r"Name .*alone/Training"):
        list_dataset(tmp_path / "alone")


_KILLED = """
import os, signal, sys
from pathlib import Path
from webcam_classifier.dataset import file_transaction
from webcam_classifier.exchange.import_dataset import import_dataset
left = int(sys.argv[4])
kind = getattr(signal, sys.argv[5])
if sys.argv[3] == "add":
    holder, name = file_transaction.FileTransaction, "add"
else:
    holder, name = file_transaction.Path, "rename"
original = getattr(holder, name)
def counted(*arguments):
    global left
    if left == 0:
        os.kill(os.getpid(), kind)
    left -= 1
    return original(*arguments)
setattr(holder, name, counted)
import_dataset(Path(sys.argv[1]), Path(sys.argv[2]))
"""


@pytest.mark.parametrize(
    ("moment", "after", "arrives"), [("add", 7, False), ("rename", 0, False), ("rename", 4, True)]
)
@pytest.mark.parametrize("kind", ["SIGKILL", "SIGINT"])
def test_an_import_that_was_ended_leaves_all_or_nothing(
    tmp_path: Path, moment: str, after: int, arrives: bool, kind: str
) -> None:
    write_coloured_pictures(tmp_path / "dataset", 3, COLOURS, 1)
    before = everything(tmp_path / "dataset")
    files = {f"{label}/{number}.jpg": jpeg(number + 100 * place)
             for place, label in enumerate(("cup", "hat")) for number in range(6)}  # fmt: skip
    source = write_zip(tmp_path / "more.zip", files)
    ended = subprocess.run(
        [sys.executable, "-c", _KILLED, str(source), str(tmp_path / "dataset"), moment, str(after),
         kind],
        cwd=Path(__file__).resolve().parents[1], capture_output=True, check=False,
    )  # fmt: skip
    assert ended.returncode == -getattr(signal, kind), ended.stderr
    listing = list_dataset(tmp_path / "dataset")
    assert len(listing.pictures) == len(before) + (12 if arrives else 0)
    found = import_dataset(source, tmp_path / "dataset")
    assert sum(found.added.values()) == (0 if arrives else 12)
    assert not [name for name in everything(tmp_path / "dataset") if name.startswith(".")]


def test_a_data_set_that_cannot_be_written_stays_as_it_is(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("the superuser may write everywhere")
    write_coloured_pictures(tmp_path / "dataset", 3, COLOURS, 1)
    (tmp_path / "dataset").chmod(0o555)
    source = write_zip(tmp_path / "a.zip", {"cup/1.jpg": jpeg(1)})
    try:
        with pytest.raises(UserError, match="No permission"):
            import_dataset(source, tmp_path / "dataset")
    finally:
        (tmp_path / "dataset").chmod(0o755)


@pytest.mark.parametrize(
    ("first", "second", "why"),
    [
        ("c:cup", "pen", "c:cup/.* a drive.* Rename it"),
        ("a\\cup", "pen", "a backslash.* Rename it"),
        ("Cup", "cup", "differ only in upper and lower case.* Rename one"),
        ("caf\u00e9", "cafe\u0301", "would both have the folder.* Rename one"),
        (" cup", "cup ", "would both have the folder 'cup'.* Rename one"),
    ],
)
def test_what_could_not_be_read_in_again_is_not_exported(
    tmp_path: Path, first: str, second: str, why: str
) -> None:
    dataset = tmp_path / "dataset"
    write_folder(dataset, {f"{first}/1.jpg": jpeg(1), f"{second}/1.jpg": jpeg(2)})
    if len(list_dataset(dataset).labels) < 2:
        pytest.skip("this file system takes the two names for one")
    before = everything(tmp_path)
    with pytest.raises(UserError, match=why):
        export_dataset(dataset, tmp_path / "out.zip")
    assert everything(tmp_path) == before


@pytest.mark.parametrize("name", ["notes.txt", "cup.jpg", "other.zip", "link.zip", "dataset/a.zip"])
def test_an_export_replaces_nothing_but_an_export(tmp_path: Path, name: str) -> None:
    dataset, file = tmp_path / "dataset", tmp_path / name
    write_coloured_pictures(dataset, count=2, colours=COLOURS)
    if name == "other.zip":
        write_zip(file, {"letter.txt": b"dear"})
    elif name == "link.zip":
        file.symlink_to(tmp_path / "elsewhere.zip")
    elif "dataset" not in name:
        file.write_bytes(b"precious")
    before = everything(tmp_path)
    with pytest.raises(UserError):
        export_dataset(dataset, file)
    assert everything(tmp_path) == before
    written = tmp_path / "mine.zip"
    export_dataset(dataset, written)
    first = written.read_bytes()
    export_dataset(dataset, written)
    assert written.read_bytes() == first


@pytest.mark.parametrize("kind", ["export", "folder", "plain_zip"])
@pytest.mark.parametrize("has_pictures", [False, True])
def test_a_part_of_the_picture_comes_along_but_never_to_whole_pictures_that_are_here(
    tmp_path: Path, kind: str, has_pictures: bool
) -> None:
    source, dataset = tmp_path / "source", tmp_path / "dataset"
    write_coloured_pictures(source, count=2, colours=COLOURS)
    part = Crop(0.25, 0.0, 0.5, 1.0)
    write_crop(source, part)
    given = source
    if kind == "export":
        given = tmp_path / "source.zip"
        export_dataset(source, given)
    elif kind == "plain_zip":
        given = write_zip(tmp_path / "plain.zip", everything(source))
    if has_pictures:
        write_folder(dataset, {"mug/1.jpg": jpeg(1)})
    found = import_dataset(given, dataset)
    assert sum(found.added.values()) == 4
    assert find_crop(dataset) == (None if has_pictures else part)
    assert any("crop.json was not taken" in note for note in found.notes) == has_pictures
