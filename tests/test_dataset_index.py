"""The index of a folder that changes: whatever comes, goes and is learnt, it is what is there."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from tests.some_pictures import copy_some
from webcam_classifier.dataset.index import Dataset, Picture
from webcam_classifier.dataset.listing import list_dataset
from webcam_classifier.dataset.predefined_split import TEST_PART, TRAINING_PART
from webcam_classifier.dataset.reading import read_pictures
from webcam_classifier.dataset.snapshot_name import SnapshotName
from webcam_classifier.errors import UserError

LABELS = ("cup", "none", "pen", "cup 2")
NAMES = ("a.jpg", "b.PNG", "deeper/a.jpg", "20260101T000000x000000-001-0001.jpg")
SESSION = "20260102T000000xabcdef"
KEPT = "always.jpg"  # in a predefined split, so that it stays one

Place = tuple[str, str, str]
"""Root, label and name of a file."""

labels_of = st.sampled_from(LABELS)
names_of = st.sampled_from(NAMES)


class ChangingFolder(RuleBasedStateMachine):
    """A folder and its index; `files` is what a person would count in it."""

    def __init__(self) -> None:
        super().__init__()
        self.place = Path(tempfile.mkdtemp())
        self.folder = self.place / "dataset"
        self.dataset = Dataset(self.folder)
        self.roots: tuple[str, ...] = ("",)
        self.files: set[Place] = set()
        self.on_their_way: list[Picture] = []
        self.taken: list[Picture] = []  # from the index, and perhaps not there any more
        self.snapshots = 0
        self.ages = 0

    def teardown(self) -> None:
        shutil.rmtree(self.place)

    @initialize(is_split=st.booleans())
    def begin(self, is_split: bool) -> None:
        if is_split:
            self.roots = ("train", "test")
            for root in self.roots:
                self._write((root, "cup", KEPT))

    def _path(self, place: Place) -> Path:
        return self.folder.joinpath(*place)

    def _write(self, place: Place) -> None:
        self._path(place).parent.mkdir(parents=True, exist_ok=True)
        self._path(place).write_bytes(repr(place).encode())
        self.files.add(place)

    def _known(self) -> set[Place]:
        pictures = [one for one in self.dataset.every() if one.is_on_disk]
        found = {(one.root, one.label, one.name) for one in pictures}
        assert len(found) == len(pictures)
        return found

    @rule(data=st.data(), label=labels_of, name=names_of)
    def a_file_comes(self, data: st.DataObject, label: str, name: str) -> None:
        self._write((data.draw(st.sampled_from(self.roots)), label, name))

    @precondition(lambda self: any(place[2] != KEPT for place in self.files))
    @rule(data=st.data())
    def a_file_goes(self, data: st.DataObject) -> None:
        gone = data.draw(st.sampled_from(sorted(one for one in self.files if one[2] != KEPT)))
        self._path(gone).unlink()
        self.files.remove(gone)

    @precondition(lambda self: self.roots == ("",))
    @rule(old=labels_of, new=labels_of)
    def other_hands_rename_a_label(self, old: str, new: str) -> None:
        on_its_way = {picture.label for picture in self.on_their_way}
        is_free = (self.folder / old).exists() and not (self.folder / new).exists()
        if is_free and old not in on_its_way:
            (self.folder / old).rename(self.folder / new)
            self._rename_files(old, new)

    @precondition(lambda self: self.roots == ("",))
    @rule(old=labels_of, new=labels_of)
    def a_label_is_renamed(self, old: str, new: str) -> None:
        if old in self.dataset.labels and new not in self.dataset.labels:
            if (self.folder / new).exists():
                return
            if (self.folder / old).exists():
                (self.folder / old).rename(self.folder / new)
            order = self.dataset.labels
            self.dataset.rename_label(old, new)
            self._rename_files(old, new)
            self.on_their_way = [
                replace(one, label=new) if one.label == old else one for one in self.on_their_way
            ]
            assert self.dataset.labels == tuple(new if one == old else one for one in order)

    def _rename_files(self, old: str, new: str) -> None:
        self.files = {
            (root, new if label == old else label, name) for root, label, name in self.files
        }

    @precondition(lambda self: self.roots == ("",))
    @rule(label=labels_of)
    def a_label_is_removed(self, label: str) -> None:
        shutil.rmtree(self.folder / label, ignore_errors=True)
        count = self.dataset.counts().get(label, 0)
        assert len(self.dataset.remove_label(label)) == count
        assert label not in self.dataset.labels
        self.files = {one for one in self.files if one[1] != label}
        self.on_their_way = [one for one in self.on_their_way if one.label != label]

    @precondition(lambda self: self.roots == ("",))
    @rule(label=labels_of)
    def a_snapshot_is_taken(self, label: str) -> None:
        self.snapshots += 1
        name = SnapshotName(SESSION, 1, self.snapshots).format() + ".jpg"
        picture = Picture(label, name, is_on_disk=False)
        self.dataset.add([picture])
        self.on_their_way.append(picture)

    @precondition(lambda self: self.on_their_way)
    @rule()
    def a_snapshot_is_on_the_disk(self) -> None:
        waiting = self.on_their_way.pop(0)
        self._write(("", waiting.label, waiting.name))
        known = self.dataset.get(waiting.label, waiting.key)
        assert known is not None, "it was on its way and is forgotten"
        self.dataset.replace([(known, replace(known, is_on_disk=True))])

    @precondition(lambda self: len(self.dataset) > 0)
    @rule(data=st.data())
    def a_picture_is_looked_at(self, data: st.DataObject) -> None:
        self.taken.append(data.draw(st.sampled_from(self.dataset.ordered())))

    @precondition(lambda self: self.taken)
    @rule(data=st.data(), is_refused=st.booleans())
    def something_becomes_known_of_it(self, data: st.DataObject, is_refused: bool) -> None:
        old = data.draw(st.sampled_from(self.taken))
        is_there = self.dataset.get(old.label, old.key) is old
        before = self.dataset.every()
        if is_refused and old.is_on_disk:
            self.dataset.refuse(old, "no picture")
            after = self.dataset.every()
            assert after == [one for one in before if one is not old]
            assert ((old.label, old.key) in self.dataset.refused) >= is_there
        else:
            new = replace(old, embeddings=np.zeros((1, 4), dtype=np.float32))
            self.dataset.replace([(old, new)])
            assert self.dataset.every() == [new if one is old else one for one in before]

    @rule()
    def the_folder_is_away_for_a_moment(self) -> None:
        if not self.folder.exists():
            return
        before = self.dataset.every()
        away = self.place / "away"
        self.folder.rename(away)
        for _ in range(2):
            if any(one.is_on_disk for one in before):
                with pytest.raises(UserError, match="is gone"):
                    self.dataset.refresh()
            else:
                self.dataset.refresh()
        assert self.dataset.every() == before
        away.rename(self.folder)

    @rule()
    def time_passes(self) -> None:
        """All changes lie back so far that the next one has another time for sure."""
        for path, *_ in os.walk(self.folder):
            self.ages += 1
            os.utime(path, ns=(self.ages * 10**9, self.ages * 10**9))

    @rule()
    def it_is_refreshed(self) -> None:
        self.dataset.refresh()
        refused = self.dataset.refused
        assert self._known() == self.files, "what was refused is new enough to be tried again"
        assert not refused
        if self.folder.exists():
            listing = list_dataset(self.folder)
            assert self._known() == {
                (one.full_name.partition("/")[0] if listing.is_split else "", one.label, one.name)
                for one in listing.pictures
            }
            for label in listing.labels:
                assert label in self.dataset.labels

    @invariant()
    def what_is_on_its_way_stays(self) -> None:
        for picture in self.on_their_way:
            assert self.dataset.get(picture.label, picture.key) is not None

    @invariant()
    def names_are_unique_and_counts_add_up(self) -> None:
        dataset = self.dataset
        every, counts = dataset.every(), dataset.counts()
        assert len(dataset) == len(every) == sum(counts.values())
        assert len({(one.label, one.key) for one in every}) == len(every)
        assert {one.path for one in every} == {one.path for one in dataset.ordered()}
        assert tuple(counts) == dataset.labels
        for label, count in counts.items():
            assert len(dataset.names(label)) == count
            for key in dataset.names(label):
                picture = dataset.get(label, key)
                assert picture is not None
                assert (picture.label, picture.key) == (label, key)

    @invariant()
    def what_is_refused_is_not_known(self) -> None:
        for label, key in self.dataset.refused:
            assert self.dataset.get(label, key) is None


TestChangingFolder = ChangingFolder.TestCase
TestChangingFolder.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)


def write(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"something")


def test_a_file_that_comes_within_a_step_of_the_clock_is_seen(tmp_path: Path) -> None:
    dataset = Dataset(tmp_path)
    now = time.time_ns()
    for number in range(3):  # of a file system that gives them all one time
        write(tmp_path / "cup" / f"{number}.jpg")
        for folder in (tmp_path / "cup", tmp_path):
            os.utime(folder, ns=(now, now))
        dataset.refresh()
        assert len(dataset) == number + 1


def test_a_folder_without_a_change_is_not_listed_again(tmp_path: Path) -> None:
    write(tmp_path / "cup" / "a.jpg")
    for folder in (tmp_path / "cup", tmp_path):
        os.utime(folder, (10**9, 10**9))
    dataset = Dataset(tmp_path)
    assert dataset.refresh()
    assert not dataset.refresh()
    version = dataset.version
    write(tmp_path / "cup" / "b.jpg")
    assert dataset.refresh()
    assert dataset.version > version
    assert dataset.counts() == {"cup": 2}


def test_two_threads_that_refresh_and_one_that_adds_lose_nothing(tmp_path: Path) -> None:
    dataset = Dataset(tmp_path, ["cup"])
    count = 150
    problems: list[BaseException] = []
    is_over = threading.Event()

    def refresh() -> None:
        try:
            while not is_over.is_set():
                dataset.refresh()
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=refresh) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for number in range(count):
            name = SnapshotName(SESSION, 1, number + 1).format() + ".jpg"
            dataset.add([Picture("cup", name, is_on_disk=False)])
            write(tmp_path / "cup" / name)
            with dataset.changed:
                known = dataset.get("cup", name)
                assert known is not None
                learnt = np.full((1, 2), number, dtype=np.float32)
                dataset.replace([(known, replace(known, is_on_disk=True, embeddings=learnt))])
            write(tmp_path / "pen" / f"{number}.jpg")
    finally:
        is_over.set()
        for thread in threads:
            thread.join()
    assert not problems
    dataset.refresh()
    assert dataset.counts() == {"cup": count, "pen": count}
    found = [one.embeddings for one in dataset.ordered() if one.label == "cup"]
    assert [int(one[0, 0]) for one in found if one is not None] == list(range(count))


def test_one_name_in_two_parts_is_two_pictures(tmp_path: Path) -> None:
    for part in ("train", "test"):
        for label in ("cup", "pen"):
            write(tmp_path / part / label / "a.jpg")
    dataset = Dataset(tmp_path)
    dataset.refresh()
    assert dataset.is_split
    assert dataset.counts() == {"cup": 2, "pen": 2}
    of_cup = {one.root: one for one in dataset.every() if one.label == "cup"}
    assert {root: one.part for root, one in of_cup.items()} == {
        "train": TRAINING_PART,
        "test": TEST_PART,
    }
    assert {dataset.path(one) for one in of_cup.values()} == {
        tmp_path / "train" / "cup" / "a.jpg",
        tmp_path / "test" / "cup" / "a.jpg",
    }
    (tmp_path / "test" / "cup" / "a.jpg").unlink()
    dataset.refresh()
    assert [one.root for one in dataset.every() if one.label == "cup"] == ["train"]


def test_a_folder_that_is_missing_has_no_pictures_and_may_come(tmp_path: Path) -> None:
    dataset = Dataset(tmp_path / "dataset", ["cup"])
    dataset.refresh()
    assert dataset.counts() == {"cup": 0}
    write(tmp_path / "dataset" / "pen" / "a.jpg")
    dataset.refresh()
    assert dataset.counts() == {"cup": 0, "pen": 1}


def test_pictures_of_a_folder_that_is_a_file_for_a_moment_are_not_forgotten(
    tmp_path: Path,
) -> None:
    folder, away = tmp_path / "dataset", tmp_path / "away"
    write(folder / "cup" / "a.jpg")
    os.utime(folder / "cup", (10**9, 10**9))
    os.utime(folder, (10**9, 10**9))
    dataset = Dataset(folder)
    dataset.refresh()
    folder.rename(away)
    folder.write_bytes(b"")
    for _ in range(2):
        with pytest.raises(UserError, match="is a file now, and 1 pictures"):
            dataset.refresh()
    (picture,) = dataset.every()
    dataset.refuse(picture, "can't be opened: Not a directory")
    folder.unlink()
    away.rename(folder)
    dataset.refresh()
    assert dataset.counts() == {"cup": 1}
    assert dataset.skipped == ()


def test_a_file_that_was_on_its_way_is_read_once_it_is_whole(
    shared_data: Path, tmp_path: Path
) -> None:
    source = shared_data / "thumbs" / "person_1" / "thumbs_up" / "000.jpg"
    path = tmp_path / "up" / "000.jpg"
    path.parent.mkdir()
    content = source.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    dataset = Dataset(tmp_path)
    dataset.refresh()
    for _ in read_pictures(dataset, 32):
        pass
    assert dataset.counts() == {"up": 0}
    assert [file.path for file in dataset.skipped] == [path]
    path.write_bytes(content)
    dataset.refresh()
    for _ in read_pictures(dataset, 32):
        pass
    assert dataset.skipped == ()
    assert dataset.counts() == {"up": 1}


def test_a_damaged_file_is_tried_again_only_when_it_changed(tmp_path: Path) -> None:
    path = tmp_path / "cup" / "a.jpg"
    write(path)
    time.sleep(2.2)  # else it may be on its way
    dataset = Dataset(tmp_path)
    dataset.refresh()
    for _ in read_pictures(dataset, 32):
        pass
    dataset.refresh()
    version = dataset.version
    assert not dataset.refresh()
    assert [file.path for file in dataset.skipped] == [path]
    assert dataset.version == version
    path.write_bytes(b"something else")
    assert dataset.refresh()
    assert dataset.counts() == {"cup": 1}


def test_reading_changes_no_order(shared_data: Path, tmp_path: Path) -> None:
    copy_some(shared_data / "thumbs" / "person_1", tmp_path / "data", step=10)
    dataset = Dataset(tmp_path / "data")
    dataset.refresh()
    before = [one.path for one in dataset.every()]
    read = [one.path for one in read_pictures(dataset, 32)]
    assert read == [one.path for one in dataset.ordered()]
    assert [one.path for one in dataset.every()] == before
    assert [f"{one.path}" for one in dataset.ordered()] == [
        one.full_name for one in list_dataset(tmp_path / "data").pictures
    ]
