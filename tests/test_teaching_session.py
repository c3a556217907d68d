"""Teaching while it watches: what is recorded, what is answered, and what is on the disk."""

from __future__ import annotations

import dataclasses
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from tests.kept_embeddings import kept_embeddings
from tests.stage import lesson, open_session, scene
from tests.tiny_features import tiny_backbone
from webcam_classifier.backbone.embedder import Embedder
from webcam_classifier.dataset.bursts import UndoneBurst
from webcam_classifier.dataset.embedding_cache import FILE_NAME
from webcam_classifier.dataset.index import Dataset
from webcam_classifier.dataset.labelled_pictures import load_labelled_pictures
from webcam_classifier.dataset.picture_files import encode_snapshot
from webcam_classifier.dataset.snapshot_name import SnapshotName, is_correction
from webcam_classifier.errors import UserError
from webcam_classifier.head.learner import Learner
from webcam_classifier.model.classifier import Classifier
from webcam_classifier.teaching.background_learner import BackgroundLearner
from webcam_classifier.teaching.session import TeachingSession, feature_card, feature_file

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def cache_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    return tmp_path / "dataset"


def files(dataset: Path, label: str) -> list[str]:
    return sorted(path.name for path in (dataset / label).glob("*.jpg"))


def write_scenes(dataset: Path, counts: dict[str, int]) -> None:
    for name, count in counts.items():
        (dataset / name).mkdir(parents=True)
        for number in range(count):
            content = encode_snapshot(scene(name, 1000 + number))
            (dataset / name / f"{number:03}.jpg").write_bytes(content)


def test_from_an_empty_folder_to_the_right_label(dataset: Path) -> None:
    with lesson(dataset) as taught:
        assert taught.answer("cup") == ""
        taught.record("cup", 3)
        assert taught.answer("cup") == "", "one label is no choice"
        assert taught.session.learning_state().accuracy_advice.startswith("Record pen")
        taught.record("pen", 3)
        assert taught.answer("cup") == "cup"
        assert taught.answer("pen") == "pen"
        assert taught.session.wait_until_learnt(10.0)
        state, learning = taught.session.state(), taught.session.learning_state()
    assert learning.learnt_labels == ("cup", "pen")
    assert (learning.learnt, learning.pending, state.recording) == (6, 0, None)
    assert [(one.name, one.count) for one in state.labels] == [("cup", 3), ("pen", 3)]
    assert len(files(dataset, "cup")) == len(files(dataset, "pen")) == 3
    assert load_labelled_pictures(dataset, 64).skipped == ()


def test_a_snapshot_changes_the_answer_within_a_few_frames(dataset: Path) -> None:
    write_scenes(dataset, {"cup": 150, "pen": 150})
    with lesson(dataset) as taught:
        assert taught.session.wait_until_learnt(20.0)
        taught.session.add_label("none")
        taught.stage.scene = "none"
        time.sleep(0.1)
        pressed = time.monotonic()
        taught.session.start_recording("none", at_most=1)
        taught.until(lambda: taught.frames[-1].prediction.label == "none")
        answered = taught.frames[-1].labelled_at
    assert answered - pressed < 1.0  # a busy machine; benchmarks/teach.py measures it


def test_undo_takes_a_burst_from_the_disk_the_cache_and_the_head(dataset: Path) -> None:
    with lesson(dataset, ["cup", "pen", "none"]) as taught:
        for name in ("cup", "pen", "none"):
            taught.record(name, 3)
        assert taught.session.wait_until_learnt(10.0)
        assert taught.answer("none") == "none"
        assert len(kept_embeddings(dataset)) == 18  # each mirrored as well
        undoable = taught.session.state().undoable
        undone = taught.session.undo()
        assert undone == undoable
        assert undone == UndoneBurst("none", 3)
        assert taught.session.wait_until_learnt(10.0)
        assert taught.answer("none") in ("cup", "pen")
        state, learning = taught.session.state(), taught.session.learning_state()
        assert len(kept_embeddings(dataset)) == 12
    assert learning.learnt_labels == ("cup", "pen")
    assert [one.count for one in state.labels] == [3, 3, 0]
    assert not (dataset / "none").exists()


def test_a_burst_of_before_this_run_is_not_undone(dataset: Path) -> None:
    write_scenes(dataset, {"cup": 2, "pen": 2})
    with open_session(dataset) as session:
        assert session.undo() is None
    assert len(files(dataset, "cup")) == 2


def test_a_wrong_answer_that_is_put_right_says_so_in_its_name(dataset: Path) -> None:
    with lesson(dataset) as taught:
        taught.record("cup", 3)
        taught.record("pen", 3)
        assert taught.session.wait_until_learnt(10.0)
        assert taught.answer("pen") == "pen"
        taught.record("pen", 1, label="cup")
        taught.record("cup", 1)
    marked = [name for name in files(dataset, "cup") if is_correction(Path(name).stem)]
    assert len(marked) == 1
    assert re.fullmatch(r".*-003-0001-corrected\.jpg", marked[0])
    assert not any(is_correction(Path(name).stem) for name in files(dataset, "pen"))


def test_labels_come_and_go_while_it_runs(dataset: Path) -> None:
    with lesson(dataset) as taught:
        session = taught.session
        for name in ("cup", "pen"):
            taught.record(name, 3)
        session.add_label("none")
        taught.record("none", 3)
        assert taught.answer("none") == "none"
        session.rename_label("none", "nobody")
        taught.until(lambda: session.learning_state().learnt_labels == ("cup", "nobody", "pen"))
        assert taught.answer("none") == "nobody"
        assert len(files(dataset, "nobody")) == 3
        assert not (dataset / "none").exists()
        assert session.remove_label("nobody") == 3
        taught.until(lambda: session.learning_state().learnt_labels == ("cup", "pen"))
        assert taught.answer("none") in ("cup", "pen")
        assert [one.name for one in session.state().labels] == ["cup", "pen"]
    assert len(list((dataset / ".removed").glob("*/nobody/*.jpg"))) == 3
    assert load_labelled_pictures(dataset, 64).labels == ("cup", "pen")


def test_a_renamed_burst_can_be_undone(dataset: Path) -> None:
    with lesson(dataset) as taught:
        taught.record("cup", 2)
        taught.session.rename_label("cup", "mug")
        undone = taught.session.undo()
    assert undone == UndoneBurst("mug", 2)
    assert not (dataset / "mug").exists()


def test_a_removed_picture_is_moved_and_no_longer_learnt_from(dataset: Path) -> None:
    with lesson(dataset) as taught:
        taught.record("cup", 3)
        taught.record("pen", 3)
        newest = taught.session.state().labels[0].newest
        assert list(newest) == sorted(files(dataset, "cup"), reverse=True)
        taught.session.remove_picture("cup", newest[0])
        taught.until(lambda: taught.session.learning_state().learnt == 5)
        with pytest.raises(UserError, match="There is no picture"):
            taught.session.remove_picture("cup", newest[0])
        for name in newest[1:]:
            taught.session.remove_picture("cup", name)
        taught.until(lambda: taught.session.learning_state().learnt_labels == ())
        assert taught.session.undo() is not None  # of the pen: nothing of the cup is left
    assert len(list((dataset / ".removed").glob("*/cup/*.jpg"))) == 3
    assert not (dataset / "cup").exists()
    assert not (dataset / "pen").exists()


@pytest.mark.parametrize("name", ["../pen/000.jpg", "/etc/passwd", "", ".", "000.png"])
def test_only_known_pictures_have_a_path(dataset: Path, name: str) -> None:
    write_scenes(dataset, {"cup": 1, "pen": 1})
    with open_session(dataset) as session:
        assert session.picture_path("cup", "000.jpg").is_file()
        with pytest.raises(UserError, match="There is no picture"):
            session.picture_path("cup", name)
        with pytest.raises(UserError, match="There is no picture"):
            session.remove_picture("cup", name)


def test_pictures_from_elsewhere_are_one_burst(dataset: Path) -> None:
    content = encode_snapshot(scene("cup", 1))
    files_given = [
        ("a.jpg", content),
        ("notes.txt", b"no picture"),
        ("b.jpg", encode_snapshot(scene("cup", 2))),
        ("again.jpg", content),
    ]
    with open_session(dataset, ["cup", "pen"]) as session:
        refused = session.add_pictures("cup", files_given)
        assert [one.name for one in refused] == ["notes.txt", "again.jpg"]
        assert "not a JPEG" in refused[0].reason
        assert refused[1].reason == "there already, as a picture of cup"
        assert session.add_pictures("pen", files_given[:1])[0].name == "a.jpg"
        assert session.wait_until_learnt(10.0)
        assert session.state().labels[0].count == 2
        assert (dataset / "cup" / session.picture_names("cup")[1]).read_bytes() == content
        undone = session.undo()
    assert undone == UndoneBurst("cup", 2)
    assert not (dataset / "cup").exists()


def test_what_other_hands_do_in_the_folder_is_noticed(dataset: Path) -> None:
    write_scenes(dataset, {"cup": 4, "pen": 4})
    with lesson(dataset) as taught:
        assert taught.session.wait_until_learnt(10.0)
        (dataset / "cup" / "000.jpg").unlink()
        (dataset / "none").mkdir()
        (dataset / "none" / "new.jpg").write_bytes(encode_snapshot(scene("none", 5)))
        (dataset / "none" / "bad.jpg").write_bytes(b"hello")
        taught.until(
            lambda: taught.session.learning_state().learnt_labels == ("cup", "none", "pen")
        )
        taught.until(lambda: bool(taught.session.state().warnings))
        state = taught.session.state()
    assert [(one.name, one.count) for one in state.labels] == [("cup", 3), ("pen", 4), ("none", 1)]
    (warning,) = state.warnings
    assert "none/bad.jpg, not a JPEG, PNG, BMP or WebP picture" in warning


def test_pictures_deleted_while_they_are_looked_at_are_let_go(dataset: Path) -> None:
    write_scenes(dataset, {"cup": 40, "pen": 40})
    with lesson(dataset) as taught:
        for path in sorted((dataset / "cup").glob("*.jpg"))[10:]:
            path.unlink()
        taught.until(lambda: taught.session.state().labels[0].count == 10)
        assert taught.session.wait_until_learnt(10.0)
        assert taught.session.learning_state().learnt == 50


def test_a_new_start_looks_at_nothing_again(dataset: Path) -> None:
    with lesson(dataset) as taught:
        taught.record("cup", 4)
        taught.record("pen", 4)
        assert taught.session.wait_until_learnt(10.0)
        labels_before = taught.session.state().labels
        before = taught.session.learning_state()
    kept = kept_embeddings(dataset)
    with lesson(dataset) as taught:
        assert taught.session.learning_state().learnt == 8, "the head is there from the first frame"
        assert taught.session.learning_state().pending == 0
        assert taught.answer("pen") == "pen"
        assert taught.session.wait_until_learnt(10.0)
        labels_after = taught.session.state().labels
        after = taught.session.learning_state()
    assert kept_embeddings(dataset) == kept
    assert labels_after == labels_before
    assert after.accuracy is not None
    assert before.accuracy is not None
    np.testing.assert_array_equal(
        after.accuracy.evaluation.confusion, before.accuracy.evaluation.confusion
    )


def test_the_accuracy_says_what_it_rests_on(dataset: Path) -> None:
    with lesson(dataset) as taught:
        taught.record("cup", 6)
        taught.record("pen", 6)
        assert taught.session.wait_until_learnt(10.0)
        once = taught.session.learning_state().accuracy
        taught.record("cup", 6)
        assert taught.session.wait_until_learnt(10.0)
        partly = taught.session.learning_state().accuracy
        taught.record("pen", 6)
        assert taught.session.wait_until_learnt(10.0)
        twice = taught.session.learning_state().accuracy
    assert once is not None
    assert partly is not None
    assert twice is not None
    assert once.rests_on.startswith("the bursts that it was trained on")
    assert partly.rests_on.endswith("but for pen: the same burst, cut in time")
    assert twice.rests_on == "bursts that were left out in turn"
    assert twice.evaluation.count == twice.evaluation.confusion.sum() == 24


def test_random_labels_are_not_told_to_be_learnt(dataset: Path) -> None:
    """The training figure of such data is far above chance; what is shown must not be."""
    for burst in range(12):
        folder = dataset / ("cup", "pen")[burst % 2]
        folder.mkdir(parents=True, exist_ok=True)
        for index in range(6):
            name = SnapshotName("20260101T000000x000000", burst + 1, index + 1).format()
            content = encode_snapshot(scene("none", 10 * burst + index))
            (folder / f"{name}.jpg").write_bytes(content)
    with open_session(dataset) as session:
        assert session.wait_until_learnt(20.0)
        accuracy = session.learning_state().accuracy
    assert accuracy is not None
    assert accuracy.evaluation.count == 72
    assert accuracy.evaluation.interval is not None
    assert accuracy.evaluation.interval[0] <= 0.5
    assert accuracy.rests_on == "bursts that were left out in turn"


def test_left_and_right_have_no_mirrored_views(dataset: Path) -> None:
    write_scenes(dataset, {"cup": 3, "pen": 3})
    with open_session(dataset) as session:
        assert session.wait_until_learnt(10.0)
        assert len({kind for kind, _ in kept_embeddings(dataset)}) == 1
        session.rename_label("cup", "left")
        taught_again = time.monotonic() + 10.0
        while len(kept_embeddings(dataset)) < 12:
            assert time.monotonic() < taught_again
            time.sleep(0.01)
        assert session.wait_until_learnt(10.0)
        assert session.learning_state().learnt_labels == ("left", "pen")


@pytest.mark.parametrize("name", ["", "a/b", "..", ".hidden", "con", "CUP", "cup"])
def test_a_name_that_can_be_no_folder_is_refused(dataset: Path, name: str) -> None:
    with open_session(dataset, ["cup", "pen"]) as session:
        with pytest.raises(UserError):
            session.add_label(name)
        with pytest.raises(UserError):
            session.rename_label("pen", name)
        assert [one.name for one in session.state().labels] == ["cup", "pen"]


def test_what_is_not_there_is_said(dataset: Path) -> None:
    with open_session(dataset, ["cup"]) as session:
        for call in (session.start_recording, session.picture_names, session.remove_label):
            with pytest.raises(UserError, match="There is no label 'pen'"):
                call("pen")
        with pytest.raises(UserError, match="There is no label 'pen'"):
            session.add_pictures("pen", [])


def test_a_predefined_split_is_refused(dataset: Path) -> None:
    for part in ("train", "test"):
        write_scenes(dataset / part, {"cup": 1, "pen": 1})
    with pytest.raises(UserError, match="has a predefined split"):
        TeachingSession(dataset, tiny_backbone())


def test_a_disk_that_fails_is_said_and_mended(dataset: Path) -> None:
    with lesson(dataset) as taught:
        taught.record("pen", 2)
        (dataset / "cup").write_text("in the way")
        taught.session.start_recording("cup")
        taught.until(lambda: bool(taught.session.state().problem))
        state = taught.session.state()
        assert "a file is where a folder is needed" in state.problem
        taught.until(lambda: taught.session.state().labels[0].count == 0)
        taught.session.stop_recording()
        (dataset / "cup").unlink()
        taught.record("cup", 2)
        taught.until(lambda: taught.session.state().problem == "")
        assert taught.answer("cup") == "cup"


def test_the_state_changes_only_with_what_it_tells(dataset: Path) -> None:
    told = threading.Event()
    with lesson(dataset) as taught:
        taught.session.on_change(told.set)
        first = taught.session.state()
        assert taught.session.state() is first
        taught.session.add_label("none")
        assert told.wait(1.0)
        assert taught.session.state().version > first.version
        assert dataclasses.is_dataclass(first)


def test_nothing_is_lost_where_everything_happens_at_once(dataset: Path) -> None:
    with lesson(dataset, ["cup", "pen", "none"]) as taught:
        session = taught.session
        names = ["cup", "pen", "none"]
        for turn in range(12):
            label = names[turn % 3]
            taught.stage.scene = ("cup", "pen", "none")[turn % 3]
            session.start_recording(label)
            time.sleep(0.12)
            if turn % 4 == 1:
                session.undo()
            elif turn % 4 == 2:
                names[turn % 3] = f"{label}x"
                session.rename_label(label, names[turn % 3])
            elif turn % 4 == 3 and (known := session.picture_names(label)):
                session.remove_picture(label, known[-1])
            session.state()
        session.stop_recording()
        assert session.wait_until_learnt(20.0)
        state, learning = session.state(), session.learning_state()
    assert state.problem == learning.problem == ""
    on_disk = {label: len(files(dataset, label)) for label in names}
    assert {one.name: one.count for one in state.labels} == on_disk
    assert learning.learnt == sum(on_disk.values())
    (dataset / FILE_NAME).unlink()
    assert load_labelled_pictures(dataset, 64).skipped == ()


@pytest.mark.slow
def test_a_picture_that_is_removed_while_mirroring_is_checked_is_no_failure(
    dataset: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write_scenes(dataset, {"cup": 4, "pen": 4})
    backbone, index = tiny_backbone(), Dataset(dataset)
    index.refresh()
    embedder = Embedder(backbone, index, threads=1)
    for _ in embedder.embed_all():
        pass
    background = BackgroundLearner(
        index,
        Classifier.of_features(feature_file(backbone.features), feature_card(backbone, index)),
        Learner(backbone),
        embedder,
        index.refresh,
        lambda: None,
        lambda: None,
    )
    (dataset / "cup" / "000.jpg").unlink()
    with background:
        ends = time.monotonic() + 10.0
        while len(index) > 7:
            assert time.monotonic() < ends, "the picture is still listed"
            time.sleep(0.02)
        assert background.wait(10.0)
    assert "failed" not in capfd.readouterr().err


KILLED = """
import sys, time
from pathlib import Path
from tests.stage import lesson
with lesson(Path(sys.argv[1])) as taught:
    taught.record("cup", 5)
    taught.record("pen", 5)
    taught.stage.scene = "cup"
    time.sleep(0.2)
    taught.session.start_recording("cup")
    while True:
        time.sleep(0.02)
        folders = [Path(sys.argv[1]) / label for label in ("cup", "pen")]
        print(sum(len(list(folder.glob("*.jpg"))) for folder in folders), flush=True)
"""


def test_a_kill_loses_nothing_that_was_on_the_disk(dataset: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(dataset)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    seen = 0
    while seen < 14:
        seen = int(process.stdout.readline())
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    found = load_labelled_pictures(dataset, 64)
    assert found.skipped == ()
    assert len(found) >= seen
    with lesson(dataset) as taught:
        assert taught.session.wait_until_learnt(10.0)
        assert taught.session.learning_state().learnt == len(found)
        assert taught.answer("pen") == "pen"


def test_it_runs_without_torch() -> None:
    program = (
        "import sys; import webcam_classifier.teaching.session, "
        "webcam_classifier.teaching.training_job; "
        "print(sorted({'torch', 'torchvision', 'matplotlib', 'tqdm'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
