"""Recording without a model: what becomes a snapshot, and what is told of it."""

from __future__ import annotations

import math
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import pytest

from webcam_classifier.dataset.bursts import UndoneBurst
from webcam_classifier.dataset.index import Dataset
from webcam_classifier.dataset.picture_files import encode_snapshot
from webcam_classifier.errors import UserError
from webcam_classifier.frame import BgrImage, Frame
from webcam_classifier.teaching.picture_moves import UndoableMoves
from webcam_classifier.teaching.recording import DISK_TOO_SLOW, LATE_RELEASE, Recording
from webcam_classifier.teaching.recording_session import RecordingSession

ROOT = Path(__file__).resolve().parents[1]


def sharp(seed: int, width: int = 160, height: int = 120) -> BgrImage:
    small = np.random.default_rng(seed).integers(60, 200, (6, 8, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(small, (width, height), interpolation=0), dtype=np.uint8)


def frame(index: int, image: BgrImage | None = None, at: float | None = None) -> Frame:
    captured_at = time.monotonic() if at is None else at
    return Frame(sharp(index) if image is None else image, index, captured_at)


def counts(session: RecordingSession) -> dict[str, int]:
    return {label.name: label.count for label in session.state().labels}


def files(dataset: Path, label: str) -> int:
    return len(list((dataset / label).glob("*.jpg")))


def test_what_was_there_before_is_counted_and_stays(tmp_path: Path) -> None:
    (tmp_path / "cup" / "more").mkdir(parents=True)
    for name in ("a.jpg", "more/b.PNG", "notes.txt", ".hidden.jpg"):
        (tmp_path / "cup" / name).write_bytes(b"x")
    with RecordingSession(tmp_path, ["pen"]) as session:
        assert counts(session) == {"pen": 0, "cup": 2}
        session.start_recording("cup")
        assert session.take(frame(0))
        assert counts(session) == {"pen": 0, "cup": 3}
        assert session.undo() == UndoneBurst("cup", 1)
        assert session.undo() is None
        assert counts(session) == {"pen": 0, "cup": 2}
    assert session.saved == {}


def test_nothing_is_recorded_before_the_start_and_after_the_end(tmp_path: Path) -> None:
    with RecordingSession(tmp_path, ["cup"], rate=math.inf) as session:
        assert not session.take(frame(0))
        session.start_recording("cup", at_most=2)
        assert [session.take(frame(index)) for index in (1, 1, 2, 3)] == [True, False, True, False]
        session.start_recording("cup")
        assert session.take(frame(4, at=time.monotonic() - LATE_RELEASE))
        session.stop_recording()
        assert not session.take(frame(5))
    assert session.saved == {"cup": 3}
    assert files(tmp_path, "cup") == 3


def test_the_last_moment_of_a_hold_is_dropped(tmp_path: Path) -> None:
    with RecordingSession(tmp_path, ["cup", "pen"], rate=math.inf) as session:
        session.start_recording("cup")
        shown = [frame(index, at=100 + index / 10) for index in range(11)]  # 100.0 to 101.0 s
        assert all(session.take(one) for one in shown)
        counted = counts(session)["cup"]
        session.stop_recording(released_at=101.05)
        assert counts(session) == {"cup": 9, "pen": 0}  # up to 100.8 s
        assert counted <= 9  # a counter that went back would have been wrong
        undoable = session.state().undoable
        assert undoable is not None
        assert undoable.count == 9
        # What was dropped is not what the next picture is compared with.
        session.start_recording("cup")
        assert session.take(frame(20, sharp(10), at=102))
        session.start_recording("pen")  # another label ends it like a key that is let go
        session.stop_recording()
    assert session.saved == {"cup": 10}
    assert files(tmp_path, "cup") == 10


@pytest.mark.parametrize("at_most", [1, None])
def test_a_tap_gives_its_one_picture(tmp_path: Path, at_most: int | None) -> None:
    with RecordingSession(tmp_path, ["cup"], rate=math.inf) as session:
        session.start_recording("cup", at_most)
        taken = [session.take(frame(index, at=100 + index / 20)) for index in range(3)]
        assert taken == ([True, False, False] if at_most else [True, True, True])
        session.stop_recording(released_at=100.1)
        assert counts(session) == {"cup": 1}
    assert files(tmp_path, "cup") == 1


def test_what_nobody_lets_go_is_kept_to_its_end(tmp_path: Path) -> None:
    for at_most in (5, None):
        with RecordingSession(tmp_path / str(at_most), ["cup"], rate=math.inf) as session:
            session.start_recording("cup", at_most)
            assert all(session.take(frame(index)) for index in range(5))
        assert session.saved == {"cup": 5}


def test_a_pause_holds_back_what_may_still_be_dropped(tmp_path: Path) -> None:
    """A window pauses while it can't tell whether a key is still down."""
    with RecordingSession(tmp_path, ["cup"], rate=math.inf) as session:
        session.start_recording("cup")
        assert all(session.take(frame(index, at=100 + index / 10)) for index in range(6))
        session.start_recording("cup", at_most=1)
        assert not session.take(frame(6, at=101))
        session.stop_recording(released_at=100.45)
        assert counts(session) == {"cup": 3}


def test_the_rate_holds_and_infinity_takes_every_frame(tmp_path: Path) -> None:
    for rate, expected in ((1.0, 1), (math.inf, 12)):
        with RecordingSession(tmp_path / str(rate), ["cup"], rate=rate) as session:
            session.start_recording("cup")
            assert sum(session.take(frame(index)) for index in range(12)) == expected


def test_what_teaches_nothing_is_counted_by_reason(tmp_path: Path) -> None:
    dark = np.zeros((120, 160, 3), np.uint8)
    shown = [frame(0), frame(1, sharp(0)), frame(2, dark), frame(3, dark), frame(4)]
    with RecordingSession(tmp_path / "some", ["cup"], rate=math.inf) as session:
        session.start_recording("cup")
        taken = [session.take(one) for one in shown[:-1]]
        assert taken == [True, False, False, False]
        skip = session.state().last_skip
        assert skip is not None
        assert skip.reason == "too dark"
        assert dict(session.state().skipped) == {"too dark": 2, "nearly the same as the last": 1}
        assert session.take(shown[-1])
        assert session.state().last_skip is None
    with RecordingSession(tmp_path / "all", ["cup"], rate=math.inf, keep_all=True) as session:
        session.start_recording("cup")
        assert all(session.take(one) for one in shown)


def test_a_slow_disk_skips_frames_unless_it_is_waited_for(tmp_path: Path) -> None:
    large = sharp(0, 1920, 1080)
    for wait, name in ((False, "skipping"), (True, "waiting")):
        folder = tmp_path / name
        with RecordingSession(folder, ["cup"], rate=math.inf, keep_all=True) as session:
            session.start_recording("cup", at_most=40)
            taken = sum(session.take(frame(index, large), wait=wait) for index in range(40))
            assert counts(session) == {"cup": taken}
            assert session.state().skipped.get(DISK_TOO_SLOW, 0) == 40 - taken
        assert files(folder, "cup") == session.saved["cup"] == taken
        assert (taken == 40) is wait


def test_a_label_far_behind_is_marked_and_told(tmp_path: Path) -> None:
    for label, count in (("cup", 30), ("pen", 9), ("none", 10)):
        (tmp_path / label).mkdir()
        for index in range(count):
            (tmp_path / label / f"{index}.jpg").write_bytes(b"x")
    with RecordingSession(tmp_path) as session:
        state = session.state()
    assert [label.name for label in state.labels if label.is_behind] == ["pen"]
    assert state.warnings == ("Record more of pen: it has 9, and cup has 30.",)


def test_labels_and_pictures_change_without_a_model_too(tmp_path: Path) -> None:
    with RecordingSession(tmp_path, ["cup"]) as session:
        assert session.add_label("pen") == "pen"
        content = encode_snapshot(sharp(1))
        assert (
            session.add_pictures("pen", [("a.jpg", content), ("b.jpg", content)])[0].name == "b.jpg"
        )
        session.rename_label("pen", "pencil")
        (name,) = session.picture_names("pencil")
        session.remove_picture("pencil", name)
        assert session.remove_label("cup") == 0
        assert counts(session) == {"pencil": 0}
    assert len(list((tmp_path / ".removed").glob("*/pencil/*.jpg"))) == 1


def test_pictures_are_moved_back_to_a_label_that_was_renamed_since(tmp_path: Path) -> None:
    with RecordingSession(tmp_path, ["cup", "pen"]) as session:
        session.add_pictures("cup", [(f"{n}.png", encode_snapshot(sharp(n))) for n in range(4)])
        first, second, *_ = session.picture_names("cup")
        session.remove_pictures([("cup", first)])
        session.move_pictures([("cup", second)], "pen")
        session.rename_label("cup", "mug")
        session.rename_label("pen", "pencil")
        assert session.undo_moves() == UndoableMoves(1, "pencil")
        assert counts(session) == {"mug": 3, "pencil": 0}
        assert session.undo_moves() == UndoableMoves(1, None)
        assert counts(session) == {"mug": 4, "pencil": 0}
        assert first in session.picture_names("mug")
    assert files(tmp_path, "mug") == 4
    assert not (tmp_path / "cup").exists()


def test_nothing_is_recorded_for_a_label_that_is_being_renamed(tmp_path: Path) -> None:
    ended = threading.Event()
    raised: list[BaseException] = []

    def record(session: RecordingSession) -> None:
        index = 0
        try:
            while not ended.is_set():
                for label in ("cup", "mug"):
                    with suppress(UserError):
                        session.start_recording(label, at_most=10_000)
                    for _ in range(4):
                        index += 1
                        session.take(frame(index))
        except BaseException as error:
            raised.append(error)

    with RecordingSession(tmp_path, ["cup"], rate=math.inf, keep_all=True) as session:
        recording = threading.Thread(target=record, args=[session])
        recording.start()
        for turn in range(20):
            session.rename_label(*(("mug", "cup") if turn % 2 else ("cup", "mug")))
            time.sleep(0.02)
        ended.set()
        recording.join()
        assert raised == []
        assert list(counts(session)) == ["cup"]
    assert not (tmp_path / "mug").exists()


def test_nothing_is_recorded_while_pictures_are_being_changed(tmp_path: Path) -> None:
    recording = Recording(Dataset(tmp_path, ["cup"]), rate=math.inf, keep_all=True)
    with recording.held_up(), pytest.raises(UserError, match="at the moment"):
        recording.start("cup", None)
    with pytest.raises(UserError, match="no label 'mug'"):
        recording.start("mug", None)
    assert recording.label is None
    recording.start("cup", None)
    assert recording.take(frame(0))
    recording.recorder.close()


def test_a_change_that_fails_is_told_as_far_as_it_went(tmp_path: Path) -> None:
    with RecordingSession(tmp_path, ["cup", "pen"], rate=math.inf) as session:
        session.start_recording("cup")
        assert session.state().recording == "cup"
        with pytest.raises(UserError):
            session.rename_label("cup", "pen")
        assert session.state().recording is None  # it ended first

        def files_of_which_one_fails() -> Iterator[tuple[str, bytes]]:
            yield "first.jpg", encode_snapshot(sharp(1))
            raise UserError("The archive is damaged. Send another one.")

        assert counts(session) == {"cup": 0, "pen": 0}
        with pytest.raises(UserError, match="damaged"):
            session.add_pictures("pen", files_of_which_one_fails())
        assert counts(session) == {"cup": 0, "pen": 1}


def test_a_disk_that_fails_is_told_until_it_is_mended(tmp_path: Path) -> None:
    dataset = tmp_path / "dataset"
    told = threading.Event()
    session = RecordingSession(dataset, ["cup"], rate=math.inf)
    session.on_change(told.set)
    session.check()
    dataset.write_text("in the way")
    session.start_recording("cup")
    assert session.take(frame(0))
    until = time.monotonic() + 10
    while not session.state().problem:
        assert told.wait(10)
        assert time.monotonic() < until
        told.clear()
    assert counts(session) == {"cup": 0}
    with pytest.raises(UserError, match="a file is where a folder is needed"):
        session.check()
    assert not session.take(frame(1))
    assert session.state().recording is None
    dataset.unlink()
    session.start_recording("cup")
    assert session.take(frame(2))
    session.close()
    session.check()
    assert session.saved == counts(session) == {"cup": 1}


def test_a_file_in_place_of_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cup").write_text("mine")
    with pytest.raises(UserError, match="cup is a file, and the label needs a folder there"):
        RecordingSession(tmp_path, ["cup"])
    with pytest.raises(UserError, match="cup is a file, and pictures need a folder"):
        RecordingSession(tmp_path / "cup", ["cup"])
    with RecordingSession(tmp_path, ["pen"]) as session, pytest.raises(UserError, match="a file"):
        session.add_label("cup")


def test_recording_loads_nothing_that_learns() -> None:
    code = (
        "import sys\nfrom webcam_classifier.cli import collect\n"
        "print([name for name in ('onnx', 'onnxruntime', 'scipy', 'torch') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
