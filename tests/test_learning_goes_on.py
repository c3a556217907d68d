"""Learning in the background goes on after the folder was away: nothing is lost, and it is told."""

from __future__ import annotations

import os
import resource
import sys
import time
from pathlib import Path

import pytest

from tests.stage import Lesson, lesson, open_session, scene
from tests.studio_server import limited
from webcam_classifier.dataset.picture_files import encode_snapshot

COUNTS = {"cup": 6, "pen": 6}


@pytest.fixture(autouse=True)
def cache_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    folder = tmp_path / "dataset"
    for name, count in COUNTS.items():
        write_scenes(folder, name, range(count))
    return folder


def write_scenes(dataset: Path, name: str, numbers: range) -> None:
    (dataset / name).mkdir(parents=True, exist_ok=True)
    for number in numbers:
        content = encode_snapshot(scene(name, 1000 + number))
        (dataset / name / f"{number:03}.jpg").write_bytes(content)


@pytest.mark.parametrize("becomes_a_file", [False, True], ids=["away", "a file"])
def test_a_folder_that_is_away_for_a_moment_is_told_and_forgotten_about(
    dataset: Path, tmp_path: Path, becomes_a_file: bool
) -> None:
    with lesson(dataset, ()) as taught:
        session = taught.session
        assert session.wait_until_learnt(20.0)
        assert taught.answer("pen") == "pen"

        dataset.rename(tmp_path / "elsewhere")
        if becomes_a_file:
            dataset.write_bytes(b"")
        taught.until(lambda: bool(session.learning_state().problem))
        state, learning = session.state(), session.learning_state()
        assert str(dataset) in learning.problem
        assert "12 pictures" in learning.problem
        assert {label.name: label.count for label in state.labels} == COUNTS
        assert taught.answer("cup") == "cup", "what was learnt stays"
        assert not session.wait_until_learnt(0.1)

        if becomes_a_file:
            dataset.unlink()
        (tmp_path / "elsewhere").rename(dataset)
        write_scenes(dataset, "none", range(6))
        taught.until(lambda: session.learning_state().problem == "")
        assert session.wait_until_learnt(20.0)
        assert taught.answer("none") == "none"
        state, learning = session.state(), session.learning_state()
    assert {label.name: label.count for label in state.labels} == {**COUNTS, "none": 6}
    assert (learning.learnt, learning.pending, learning.problem, state.warnings) == (18, 0, "", ())


def test_that_nothing_holds_it_up_any_more_is_noticed_at_once(
    dataset: Path, tmp_path: Path
) -> None:
    with open_session(dataset) as session:
        assert session.wait_until_learnt(20.0)
        dataset.rename(tmp_path / "elsewhere")
        Lesson.until(lambda: bool(session.learning_state().problem))
        (tmp_path / "elsewhere").rename(dataset)
        assert session.wait_until_learnt(20.0)
        assert session.learning_state().problem == ""


@pytest.mark.skipif(sys.platform == "win32", reason="files are not counted there")
def test_too_many_open_files_hold_learning_up_and_no_longer(dataset: Path, tmp_path: Path) -> None:
    write_scenes(tmp_path / "waiting", "none", range(6))
    with lesson(dataset, ()) as taught:
        session = taught.session
        assert session.wait_until_learnt(20.0)
        with limited(resource.RLIMIT_NOFILE, 3):  # whatever is opened now fails
            (tmp_path / "waiting" / "none").rename(dataset / "none")
            taught.until(lambda: bool(session.learning_state().problem))
            problem = session.learning_state().problem
            assert taught.answer("pen") == "pen"
            time.sleep(1.0)
            assert taught.answer("cup") == "cup"
            counts = {label.name: label.count for label in session.state().labels}
        assert "oo many" in problem
        assert counts.items() >= COUNTS.items(), "what can't be looked at is not gone"
        taught.until(lambda: session.learning_state().problem == "")
        taught.until(lambda: session.learning_state().learnt == 18)
        assert session.wait_until_learnt(20.0)
        assert taught.answer("none") == "none"


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may read anything")
def test_a_label_whose_folder_can_t_be_opened_for_a_moment_is_not_forgotten(dataset: Path) -> None:
    with lesson(dataset, ()) as taught:
        session = taught.session
        assert session.wait_until_learnt(20.0)
        (dataset / "cup").chmod(0)
        try:
            taught.until(lambda: any("cup is not used" in one for one in session.state().warnings))
            assert {label.name: label.count for label in session.state().labels} == COUNTS
            assert taught.answer("cup") == "cup"
        finally:
            (dataset / "cup").chmod(0o755)
        write_scenes(dataset, "cup", range(6, 8))
        taught.until(lambda: session.learning_state().learnt == 14)
        taught.until(lambda: session.state().warnings == ())


def test_a_folder_that_goes_while_it_is_embedded_loses_no_picture(
    dataset: Path, tmp_path: Path
) -> None:
    with open_session(dataset) as session:
        for turn in range(12):  # so short that it is not always noticed
            write_scenes(dataset, "none", range(10 * turn, 10 * turn + 10))
            dataset.rename(tmp_path / "elsewhere")
            session.wait_until_learnt(0.02 * (turn % 5))
            (tmp_path / "elsewhere").rename(dataset)
        Lesson.until(lambda: session.learning_state().learnt == 132)
        assert session.wait_until_learnt(20.0)
        state, learning = session.state(), session.learning_state()
    assert {label.name: label.count for label in state.labels} == {**COUNTS, "none": 120}
    assert (learning.learnt, learning.pending, learning.problem) == (132, 0, "")
    assert not any("can't be read" in warning for warning in state.warnings)


def test_a_file_that_is_copied_slowly_is_learnt_from_in_the_end(dataset: Path) -> None:
    content = encode_snapshot(scene("cup", 7))
    path = dataset / "cup" / "slow.jpg"
    path.write_bytes(content[: len(content) // 2])
    with lesson(dataset, ()) as taught:
        session = taught.session
        taught.until(lambda: any("slow.jpg" in one for one in session.state().warnings))
        path.write_bytes(content)
        taught.until(lambda: session.learning_state().learnt == 13)
        taught.until(lambda: session.state().warnings == ())
