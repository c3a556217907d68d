from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest

from webcam_classifier.dataset.bursts import Burst, UndoneBurst
from webcam_classifier.dataset.index import Dataset
from webcam_classifier.dataset.label_names import check_labels
from webcam_classifier.dataset.picture_files import read_picture
from webcam_classifier.dataset.recorder import Recorder
from webcam_classifier.dataset.snapshot_name import (
    SnapshotName,
    is_correction,
    new_session,
    parse_snapshot_name,
)
from webcam_classifier.errors import UserError
from webcam_classifier.frame import BgrImage
from webcam_classifier.teaching.recording import Recording

ROOT = Path(__file__).resolve().parents[1]
RECORD_FOR_EVER = """
import sys
from pathlib import Path
import numpy as np
from webcam_classifier.dataset.recorder import Recorder
count = int(sys.argv[2])
image = np.random.default_rng(0).integers(0, 255, (240, 320, 3), np.uint8)
with Recorder(Path(sys.argv[1])) as recorder:
    recorder.start_burst("cup")
    print("ready", flush=True)
    while count != 0:
        recorder.wait_for_room()
        recorder.save(image)
        count -= 1
"""


def picture(seed: int = 0) -> BgrImage:
    return np.random.default_rng(seed).integers(0, 255, (48, 64, 3), dtype=np.uint8)


def save_many(recorder: Recorder, image: BgrImage, count: int) -> None:
    for _ in range(count):
        recorder.wait_for_room()
        recorder.save(image)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def start(dataset: Path, count: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", RECORD_FOR_EVER, str(dataset), str(count)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_bursts_are_files_in_the_folder_of_their_label(tmp_path: Path) -> None:
    with Recorder(tmp_path) as recorder:
        for label, count in (("cup", 3), ("none", 1), ("cup", 2)):
            recorder.start_burst(label)
            for seed in range(count):
                assert recorder.save(picture(seed))
    parsed = [parse_snapshot_name(path.stem) for path in sorted((tmp_path / "cup").iterdir())]
    assert [name[1:] for name in parsed if name] == [(1, 1), (1, 2), (1, 3), (3, 1), (3, 2)]
    assert len(names(tmp_path / "none")) == 1
    assert recorder.written == {"cup": 5, "none": 1}


def test_a_snapshot_is_the_picture_that_was_saved(tmp_path: Path) -> None:
    image = np.full((48, 64, 3), (200, 100, 50), np.uint8)
    image[:, 32:] = (20, 180, 90)
    with Recorder(tmp_path) as recorder:
        recorder.start_burst("cup")
        recorder.save(image)
    saved = read_picture(next(tmp_path.rglob("*.jpg"))).astype(int)
    assert np.abs(saved[:, 2:30] - image[:, 2:30]).max() <= 3
    assert np.abs(saved[:, 34:] - image[:, 34:]).max() <= 3


def test_existing_pictures_stay(tmp_path: Path) -> None:
    (tmp_path / "cup" / "more").mkdir(parents=True)
    for name in ("a.jpg", "more/b.PNG", "notes.txt", ".hidden.jpg"):
        (tmp_path / "cup" / name).write_bytes(b"x")
    with Recorder(tmp_path) as recorder:
        recorder.start_burst("cup")
        recorder.save(picture())
        assert recorder.undo() == UndoneBurst("cup", 1)
        assert recorder.undo() is None
    assert names(tmp_path) == [".hidden.jpg", "a.jpg", "b.PNG", "notes.txt"]


def test_undo_goes_back_burst_by_burst(tmp_path: Path) -> None:
    with Recorder(tmp_path) as recorder:
        for label, count in (("cup", 2), ("none", 3), ("cup", 4)):
            recorder.start_burst(label)
            for seed in range(count):
                recorder.save(picture(seed))
        assert recorder.undo() == UndoneBurst("cup", 4)
        assert recorder.undo() == UndoneBurst("none", 3)
        assert recorder.undoable == UndoneBurst("cup", 2)
    assert recorder.written == {"cup": 2}
    assert len(names(tmp_path)) == 2


@pytest.mark.parametrize("pause", [0.0, 0.002, 0.005, 0.01, 0.02])
def test_undo_reaches_pictures_that_are_still_to_be_written(tmp_path: Path, pause: float) -> None:
    with Recorder(tmp_path) as recorder:
        recorder.start_burst("cup")
        for seed in range(8):
            recorder.save(picture(seed))
        time.sleep(pause)
        recorder.undo()
    assert names(tmp_path) == []
    assert recorder.written == {}


def test_undo_takes_no_folder_away_that_a_picture_is_on_its_way_into(tmp_path: Path) -> None:
    with Recorder(tmp_path) as recorder:
        for seed in range(60):
            recorder.start_burst("cup")
            save_many(recorder, picture(seed), 1)
            time.sleep(0.0001 * (seed % 10))
            assert recorder.undo() == UndoneBurst("cup", 1)
        recorder.flush()
        assert not (tmp_path / "cup").exists()


def test_recording_goes_on_after_undo_under_new_names(tmp_path: Path) -> None:
    with Recorder(tmp_path) as recorder:
        recorder.start_burst("cup")
        recorder.save(picture())
        recorder.undo()
        recorder.save(picture())
    (name,) = names(tmp_path)
    assert re.fullmatch(r".*-002-0001\.jpg", name)


def test_a_burst_without_a_picture_is_nothing_to_undo(tmp_path: Path) -> None:
    with Recorder(tmp_path) as recorder:
        recorder.start_burst("cup")
        recorder.save(picture())
        recorder.start_burst("none")
        assert recorder.undo() == UndoneBurst("cup", 1)


def test_a_full_queue_refuses_instead_of_waiting(tmp_path: Path) -> None:
    large = np.random.default_rng(0).integers(0, 255, (1080, 1920, 3), dtype=np.uint8)
    with Recorder(tmp_path) as recorder:
        recorder.start_burst("cup")
        taken = sum(recorder.save(large) is not None for _ in range(40))
        assert taken < 40
        assert recorder.undoable == UndoneBurst("cup", taken)
    assert recorder.written == {"cup": taken}
    assert len(names(tmp_path)) == taken


def test_a_file_in_place_of_the_dataset_is_a_sentence(tmp_path: Path) -> None:
    dataset = tmp_path / "dataset"
    dataset.write_text("mine")
    recorder = Recorder(dataset)
    recorder.start_burst("cup")
    recorder.save(picture())
    with pytest.raises(UserError, match="a file is where a folder is needed"):
        recorder.close()
    assert recorder.written == {}
    with pytest.raises(UserError):
        recorder.save(picture())
    assert dataset.read_text() == "mine"


def test_a_file_in_place_of_a_label_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "cup").write_text("mine")
    with pytest.raises(UserError, match="is a file"):
        check_labels(["cup"], tmp_path)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte, where the system lets us mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        pytest.skip("this user can't mount a small disk")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_a_sentence_and_what_was_saved_stays(small_disk: Path) -> None:
    image = np.random.default_rng(0).integers(0, 255, (480, 640, 3), dtype=np.uint8)
    recorder = Recorder(small_disk)
    recorder.start_burst("cup")
    with pytest.raises(UserError, match="disk is full"):
        save_many(recorder, image, 30)
    with pytest.raises(UserError, match="disk is full"):
        recorder.close()
    files = [path for path in small_disk.rglob("*") if path.is_file()]
    assert recorder.written == {"cup": len(files)}
    assert files
    assert {read_picture(path).shape for path in files} == {(480, 640, 3)}


def test_a_disk_that_may_not_be_written_is_a_sentence(small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    recorder = Recorder(small_disk / "dataset")
    recorder.start_burst("cup")
    recorder.save(picture())
    with pytest.raises(UserError, match="its disk is read-only"):
        recorder.close()


def test_two_programs_in_the_same_second_do_not_collide(tmp_path: Path) -> None:
    programs = [start(tmp_path, 25) for _ in range(2)]
    for program in programs:
        program.communicate(timeout=30)
        assert program.returncode == 0
    sessions = {path.name.split("-")[0] for path in tmp_path.rglob("*.jpg")}
    assert len(sessions) == 2
    assert len(names(tmp_path)) == 50


@pytest.mark.parametrize("seconds", [0.01, 0.05, 0.12])
def test_a_killed_program_leaves_only_whole_pictures(tmp_path: Path, seconds: float) -> None:
    program = start(tmp_path, -1)
    assert program.stdout is not None
    program.stdout.readline()
    time.sleep(seconds)
    os.kill(program.pid, signal.SIGKILL)
    program.communicate(timeout=30)
    for path in tmp_path.rglob("*.jpg"):
        if not path.name.startswith("."):
            assert read_picture(path).shape == (240, 320, 3)


def test_a_session_is_named_after_its_beginning_in_universal_time() -> None:
    east = timezone(timedelta(hours=9))
    session = new_session(datetime(2026, 11, 22, 23, 30, 15, tzinfo=east))
    assert re.fullmatch(r"20261122T143015x[0-9a-f]{6}", session)
    assert new_session() != new_session()


def test_names_sort_as_they_were_recorded_and_read_back() -> None:
    session = new_session()
    ordered = [
        SnapshotName(session, burst, index) for burst in (1, 2, 10) for index in (1, 9, 10, 100)
    ]
    stems = [name.format() for name in ordered]
    assert stems == sorted(stems)
    assert [parse_snapshot_name(stem) for stem in stems] == [
        (name.session, name.burst, name.index) for name in ordered
    ]
    assert parse_snapshot_name(SnapshotName(session, 1234, 56789).format()) == (
        session,
        1234,
        56789,
    )


@pytest.mark.parametrize(
    "stem", ["", "IMG_0001", "20261122T143015x7f3a9c-002", "x20261122T143015x7f3a9c-002-0001"]
)
def test_other_names_are_nobodys_burst(stem: str) -> None:
    assert parse_snapshot_name(stem) is None


def test_a_corrected_snapshot_says_so_and_is_read_like_any_other(tmp_path: Path) -> None:
    with Recorder(tmp_path) as recorder:
        recorder.start_burst("cup")
        path = recorder.save(picture(), is_corrected=True)
        recorder.save(picture())
    assert path is not None
    assert path.is_file()
    found = [Path(name).stem for name in names(tmp_path)]
    assert [is_correction(stem) for stem in found] == [True, False]
    parsed = [parse_snapshot_name(stem) for stem in found]
    assert [one and one[1:] for one in parsed] == [(1, 1), (1, 2)]
    assert not is_correction("holiday-corrected")


def test_a_file_from_elsewhere_is_a_burst_beside_the_one_that_is_recorded(tmp_path: Path) -> None:
    with Recorder(tmp_path) as recorder:
        recorder.start_burst("cup")
        recorder.save(picture(1))
        burst = Burst("none")
        paths = [recorder.add_file(burst, ending, b"x") for ending in (".png", ".jpg")]
        recorder.save(picture(2))
        assert [path.read_bytes() for path in paths] == [b"x", b"x"]
        recorder.flush()
        assert recorder.written == {"cup": 2, "none": 2}
        assert recorder.undo() == UndoneBurst("none", 2)
        assert recorder.undo() == UndoneBurst("cup", 2)
    assert names(tmp_path) == []


def test_bursts_follow_a_label_to_its_new_name(tmp_path: Path) -> None:
    with Recorder(tmp_path) as recorder:
        for label in ("cup", "none"):
            recorder.start_burst(label)
            recorder.save(picture())
        recorder.flush()
        (tmp_path / "cup").rename(tmp_path / "mug")
        recorder.rename_label("cup", "mug")
        recorder.rename_label("none", None)
        assert recorder.written == {"mug": 1}
        assert recorder.undo() == UndoneBurst("mug", 1)
        assert recorder.undo() is None
    assert not (tmp_path / "mug").exists()


def test_a_picture_that_was_removed_is_not_undone(tmp_path: Path) -> None:
    with Recorder(tmp_path) as recorder:
        recorder.start_burst("cup")
        first = recorder.save(picture(1))
        recorder.save(picture(2))
        recorder.flush()
        assert first is not None
        recorder.forget_picture("cup", first.name)
        assert recorder.undoable == UndoneBurst("cup", 1)
        recorder.undo()
    assert names(tmp_path) == [first.name]


def test_it_tells_what_became_of_each_snapshot(tmp_path: Path) -> None:
    done: list[tuple[str, bool]] = []
    with Recorder(
        tmp_path, lambda path, content: done.append((path.name, content is not None))
    ) as recorder:
        recorder.start_burst("cup")
        recorder.save(picture(1))
        recorder.flush()
        (tmp_path / "pen").write_text("in the way")
        recorder.start_burst("pen")
        recorder.save(picture(2))
        for call in (recorder.flush, recorder.check):
            with pytest.raises(UserError, match="a file is where a folder is needed"):
                call()
        with pytest.raises(UserError, match="a file is where a folder is needed"):
            recorder.save(picture(3))
        assert recorder.written == {"cup": 1}
        assert recorder.undoable == UndoneBurst("cup", 1)
        recorder.try_again()
        recorder.start_burst("cup")
        recorder.save(picture(4))
    assert [was_written for _, was_written in done] == [True, False, True]


def within(seconds: float, call: Callable[[], object]) -> str:
    """Call in a thread, fail where it hangs, and give what it raised for the user, if anything."""
    said: list[str] = []

    def run() -> None:
        try:
            call()
            said.append("")
        except UserError as error:
            said.append(str(error))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    assert not thread.is_alive(), "it hangs"
    return said[0]


class Refusal(BaseException):
    """What no `except Exception` catches, as a program that is being ended raises."""


@pytest.mark.parametrize("kind", [ZeroDivisionError, UserError, SystemExit, Refusal])
def test_what_on_done_raises_is_told_and_ends_nothing(
    tmp_path: Path, kind: type[BaseException]
) -> None:
    problems = [kind("no room for the cup"), kind("nor for this one")]

    def on_done(_path: Path, _content: bytes | None) -> None:
        if problems:
            raise problems.pop(0)

    recorder = Recorder(tmp_path, on_done)
    recorder.start_burst("cup")
    for seed in range(2):
        recorder.save(picture(seed))
    for call in (recorder.flush, recorder.check, lambda: recorder.save(picture(2))):
        said = within(5, call)
        assert "no room for the cup" in said
        assert "One more thing went wrong" in said
    assert len(names(tmp_path)) == 2  # what was taken is written all the same
    recorder.try_again()
    assert recorder.save(picture(3))
    assert within(5, recorder.flush) == ""
    assert within(5, recorder.close) == ""
    assert recorder.written == {"cup": 3}
    assert len(names(tmp_path)) == 3


def test_a_failure_that_nobody_asked_about_is_told_at_the_end(tmp_path: Path) -> None:
    def on_done(_path: Path, _content: bytes | None) -> None:
        raise ValueError("not understood")

    recorder = Recorder(tmp_path, on_done)
    recorder.start_burst("cup")
    recorder.save(picture())
    with pytest.raises(UserError, match="ValueError: not understood") as caught:
        recorder.__exit__(None, None, None)
    assert isinstance(caught.value.__cause__, ValueError)
    assert len(names(tmp_path)) == 1


def test_a_picture_that_cannot_be_encoded_is_told_and_ends_nothing(tmp_path: Path) -> None:
    with Recorder(tmp_path) as recorder:
        recorder.start_burst("cup")
        recorder.save(np.zeros((0, 0, 3), np.uint8))
        assert "could not be written" in within(5, recorder.flush)
        assert recorder.undoable is None
        recorder.try_again()
        recorder.save(picture())
        assert within(5, recorder.flush) == ""
    assert len(names(tmp_path)) == 1


def test_an_undone_snapshot_that_cannot_be_removed_is_told_and_ends_nothing(
    tmp_path: Path,
) -> None:
    with Recorder(tmp_path) as recorder:
        recorder.start_burst("cup")
        with recorder._bursts.lock:  # the writer comes as far as the file, and no further
            path = recorder.save(picture(0))
            assert path is not None
            while not path.exists():
                time.sleep(0.001)
            recorder.undo()
            path.unlink()
            path.mkdir()  # no file that can be removed, not even by root
        for call in (recorder.flush, recorder.check, lambda: recorder.save(picture(1))):
            assert f"{path} can't be removed" in within(5, call)
        recorder.try_again()
        recorder.save(picture(2))
        assert within(5, recorder.flush) == ""
    assert recorder.written == {"cup": 1}


def test_undo_removes_all_files_but_the_one_that_it_cannot(tmp_path: Path) -> None:
    with Recorder(tmp_path) as recorder:
        recorder.start_burst("cup")
        paths = [recorder.save(picture(seed)) for seed in range(4)]
        recorder.flush()
        barred = paths[1]
        assert barred is not None
        barred.unlink()
        (barred / "inside").mkdir(parents=True)
        assert str(barred) in within(5, recorder.undo)
        assert list((tmp_path / "cup").iterdir()) == [barred]
        assert recorder.undoable is None


def test_nothing_is_taken_after_the_end_and_nobody_waits_for_it(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    recorder.start_burst("cup")
    recorder.save(picture())
    for _ in range(2):
        assert within(5, recorder.close) == ""
    assert within(5, recorder.wait_for_room) == ""
    assert "Recording has ended" in within(5, lambda: recorder.save(picture()))
    assert within(5, recorder.flush) == ""
    assert recorder.written == {"cup": 1}


def test_a_picture_left_out_before_it_is_written_stays_away(tmp_path: Path) -> None:
    goes_on = threading.Event()

    def on_done(_path: Path, _content: bytes | None) -> None:
        goes_on.wait(5)

    with Recorder(tmp_path, on_done) as recorder:
        recorder.start_burst("cup")
        recorder.save(picture(0))
        second = recorder.save(picture(1))
        assert second is not None
        recorder.forget_picture("cup", second.name)
        goes_on.set()
        assert within(5, recorder.flush) == ""
        assert not second.exists()
        assert recorder.written == {"cup": 1}


def test_a_snapshot_of_a_removed_label_that_fails_is_told_and_ends_nothing(tmp_path: Path) -> None:
    goes_on = threading.Event()

    def on_done(_path: Path, _content: bytes | None) -> None:
        goes_on.wait(5)

    with Recorder(tmp_path, on_done) as recorder:
        recorder.start_burst("cup")
        recorder.save(picture(0))
        recorder.start_burst("pen")
        recorder.save(picture(1))
        (tmp_path / "pen").write_text("in the way")
        recorder.rename_label("pen", None)
        goes_on.set()
        assert "a file is where a folder is needed" in within(5, recorder.flush)
        assert recorder.written == {"cup": 1}
        recorder.try_again()


def test_while_teaching_a_failure_is_shown_and_stands_in_no_way_of_an_edit(tmp_path: Path) -> None:
    (tmp_path / "pen").write_text("in the way")
    recording = Recording(Dataset(tmp_path, ["cup"]), rate=8.0, keep_all=True)
    recording.recorder.start_burst("pen")
    recording.recorder.save(picture())
    with recording.held_up():
        assert "a file is where a folder is needed" in recording.problem
    recording.problem = ""
    recording.start("cup", None)  # which tries again
    assert "a file is where a folder is needed" in recording.problem
    recording.recorder.save(picture())
    recording.recorder.close()
    assert recording.problem == ""


def test_waiting_for_the_writer_in_the_writer_is_an_error_and_no_standstill(
    tmp_path: Path,
) -> None:
    recorder = Recorder(tmp_path, lambda _path, _content: recorder.flush())
    recorder.start_burst("cup")
    recorder.save(picture())
    assert "can't wait for the thread" in within(5, recorder.close)
