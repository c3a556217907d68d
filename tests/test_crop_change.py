"""Another part of the picture is chosen while a model learns: nothing of the former one is left."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.stage import Lesson, lesson, open_session, scene
from tests.tiny_features import WIDTH, tiny_backbone
from webcam_classifier.backbone.embedder import Embedder
from webcam_classifier.crop import WHOLE_PICTURE, Crop
from webcam_classifier.dataset.crop_file import find_crop, write_crop
from webcam_classifier.dataset.embedding_cache import FILE_NAME
from webcam_classifier.dataset.index import Dataset
from webcam_classifier.dataset.picture_files import encode_snapshot
from webcam_classifier.errors import UserError
from webcam_classifier.evaluation.metrics import Evaluation
from webcam_classifier.frame import BgrImage, Frame
from webcam_classifier.head.fitted_head import FittedHead
from webcam_classifier.head.learner import Calibration, Learner
from webcam_classifier.prediction import Prediction
from webcam_classifier.teaching.recording import Recording
from webcam_classifier.teaching.session import TeachingSession

LEFT, RIGHT = Crop(0.0, 0.0, 0.5, 1.0), Crop(0.5, 0.0, 0.5, 1.0)
LEARNT_WITHIN = 60.0  # seconds


@pytest.fixture(autouse=True)
def cache_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def halves(left: str, right: str, number: int) -> BgrImage:
    """One scene beside another."""
    both = np.hstack([scene(left, number), scene(right, 5000 + number)])
    return np.asarray(cv2.resize(both, (160, 120), interpolation=cv2.INTER_AREA), np.uint8)


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Labels that are told by the left half; in the right half each sees all there is."""
    folder = tmp_path / "dataset"
    for label in ("cup", "pen"):
        for burst in range(3):
            for number in range(4):
                other = ("cup", "pen", "none")[(burst + number) % 3]
                path = folder / label / f"20260101T00000{burst}000-{label}-{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                picture = halves(label, other, 100 * burst + number + len(label))
                path.write_bytes(encode_snapshot(picture))
    return folder


def learnt(session: TeachingSession) -> tuple[FittedHead, Evaluation]:
    assert session.wait_until_learnt(LEARNT_WITHIN)
    head, accuracy = session.classifier.head, session.learning_state().accuracy
    assert isinstance(head, FittedHead)
    assert accuracy is not None
    return head, accuracy.evaluation


def learnt_afresh(dataset: Path, crop: Crop, place: Path) -> tuple[FittedHead, Evaluation]:
    """What a session comes to that never knew another part, and remembers nothing."""
    shutil.copytree(dataset, place, ignore=shutil.ignore_patterns(f"{FILE_NAME}*"))
    write_crop(place, crop)
    with open_session(place) as session:
        return learnt(session)


def assert_same(found: tuple[FittedHead, Evaluation], other: tuple[FittedHead, Evaluation]) -> None:
    (head, evaluation), (expected, expected_evaluation) = found, other
    assert head.labels == expected.labels
    np.testing.assert_array_equal(head.linear.weights, expected.linear.weights)
    np.testing.assert_array_equal(head.linear.bias, expected.linear.bias)
    assert (head.novelty is None) == (expected.novelty is None)
    if head.novelty is not None and expected.novelty is not None:
        np.testing.assert_array_equal(head.novelty.snapshots, expected.novelty.snapshots)
        np.testing.assert_array_equal(head.novelty.scales, expected.novelty.scales)
    assert evaluation.to_dict() == expected_evaluation.to_dict()


@pytest.mark.parametrize(
    "chosen", [[LEFT], [RIGHT, LEFT], [LEFT, WHOLE_PICTURE], [LEFT, RIGHT, LEFT, RIGHT]]
)
@pytest.mark.parametrize("waits", [True, False])
def test_what_is_learnt_is_what_is_learnt_of_the_last_part_alone(
    chosen: Sequence[Crop], waits: bool, dataset: Path, tmp_path: Path
) -> None:
    with open_session(dataset) as session:
        for crop in chosen:
            if waits:
                learnt(session)
            session.set_crop(crop)
            expected = None if crop.is_whole else crop
            assert session.state().crop == session.classifier.crop == expected
            assert find_crop(dataset) == expected
        found = learnt(session)
    assert_same(found, learnt_afresh(dataset, chosen[-1], tmp_path / "afresh"))


def test_until_snapshots_are_analysed_again_nothing_is_said_of_the_former_part(
    dataset: Path,
) -> None:
    write_crop(dataset, RIGHT)
    with open_session(dataset) as session:
        former, former_evaluation = learnt(session)
        assert former_evaluation.accuracy < 0.9, "the right half tells nothing"
        session.set_crop(LEFT)
        # Whatever was done by now in the background, it was done with the new part.
        state = session.learning_state()
        assert session.classifier.head is not former
        assert state.accuracy is None or state.accuracy.evaluation is not former_evaluation
        assert state.pending <= len(session)
        _, evaluation = learnt(session)
        assert session.learning_state().pending == 0
    assert evaluation.accuracy > former_evaluation.accuracy


def test_a_calibration_that_began_with_the_former_part_is_not_taken_over(
    dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_made, may_return = threading.Event(), threading.Event()
    made: list[Calibration | None] = []
    adopted: list[Calibration | None] = []
    cross_validate, adopt = Learner.cross_validate, Learner.adopt

    def first_waits(learner: Learner) -> Calibration | None:
        made.append(cross_validate(learner))
        is_made.set()
        assert may_return.wait(LEARNT_WITHIN)
        return made[-1]

    def noted(learner: Learner, calibration: Calibration | None) -> None:
        adopted.append(calibration)
        adopt(learner, calibration)

    monkeypatch.setattr(Learner, "cross_validate", first_waits)
    monkeypatch.setattr(Learner, "adopt", noted)
    with open_session(dataset) as session:
        assert is_made.wait(LEARNT_WITHIN)
        session.set_crop(LEFT)
        may_return.set()
        learnt(session)
    of_former_part = made[0]
    assert of_former_part is not None
    assert len(made) >= 2
    assert all(one is not of_former_part for one in adopted)


def test_the_same_part_again_changes_nothing(dataset: Path) -> None:
    with open_session(dataset) as session:
        session.set_crop(LEFT)
        head, _ = learnt(session)
        session.set_crop(LEFT)
        assert session.learning_state().pending == 0
        assert session.classifier.head is head


def test_a_part_that_can_not_be_written_down_is_not_looked_at(dataset: Path) -> None:
    with open_session(dataset) as session:
        head, _ = learnt(session)
        (dataset / "crop.json").mkdir()
        with pytest.raises(UserError):
            session.set_crop(LEFT)
        assert session.state().crop is session.classifier.crop is None
        assert session.classifier.head is head
        (dataset / "crop.json").rmdir()


def test_a_frame_of_the_former_part_is_saved_and_not_learnt_from(tmp_path: Path) -> None:
    dataset = Dataset(tmp_path, ["cup"])
    recording = Recording(dataset, rate=float("inf"), keep_all=True)
    embedding = np.ones(WIDTH, np.float32)
    recording.start("cup", 4)  # a counted snapshot is saved at once

    def taken_with(index: int, crop: Crop | None) -> bool:
        answer = Prediction((), np.zeros(0, np.float32), embedding=embedding, crop=crop)
        assert recording.take(Frame(scene("cup", index), index, time.monotonic()), answer)
        newest = dataset.get("cup", dataset.names("cup")[0])
        assert newest is not None
        return newest.embeddings is not None

    assert taken_with(0, None)
    dataset.look_at(LEFT)
    assert not taken_with(1, None)
    assert taken_with(2, LEFT)
    assert not taken_with(3, RIGHT)
    recording.recorder.close()
    assert len(dataset) == 4


def test_a_frame_tells_which_part_it_was_prepared_from(dataset: Path) -> None:
    with open_session(dataset) as session:
        learnt(session)
        picture = halves("cup", "pen", 1)
        prepared = session.classifier.prepare(picture).copy()
        session.set_crop(RIGHT)
        assert session.classifier.classify_prepared(prepared).crop is None
        assert session.classifier.classify(picture).crop == RIGHT


def embeddings(dataset: Dataset) -> dict[str, NDArray[np.float32]]:
    return {one.path: one.embeddings for one in dataset.every() if one.embeddings is not None}


def test_what_was_being_embedded_is_neither_used_nor_remembered(
    dataset: Path, tmp_path: Path
) -> None:
    shutil.copytree(dataset, tmp_path / "afresh")
    index = Dataset(dataset)
    index.refresh()
    embedder = Embedder(tiny_backbone(), index, threads=1)
    under_way = embedder.embed(index.every(), 3)
    next(under_way)
    assert len(embeddings(index)) == 1
    index.look_at(LEFT)
    for _ in under_way:
        pass
    for _ in embedder.embed(index.every(), 3):  # before it has followed
        pass
    assert embeddings(index) == {}
    embedder.follow_crop()
    for _ in embedder.embed(index.every(), 3):
        pass
    afresh = Dataset(tmp_path / "afresh", crop=LEFT)
    afresh.refresh()
    for _ in Embedder(tiny_backbone(), afresh, threads=1).embed(afresh.every(), 3):
        pass
    found, expected = embeddings(index), embeddings(afresh)
    assert found.keys() == expected.keys()
    for path, values in expected.items():
        np.testing.assert_array_equal(found[path], values)


def test_the_part_changes_again_and_again_while_a_camera_teaches(tmp_path: Path) -> None:
    dataset = tmp_path / "dataset"
    with lesson(dataset) as taught:
        is_over = threading.Event()

        def change() -> None:
            for number in range(10_000):
                if is_over.wait(0.01):
                    return
                taught.session.set_crop((LEFT, WHOLE_PICTURE, RIGHT)[number % 3])

        changing = threading.Thread(target=change, daemon=True)
        changing.start()
        record_both(taught)
        is_over.set()
        changing.join()
        taught.session.set_crop(RIGHT)
        record_both(taught)
        found = learnt(taught.session)
        assert taught.answer("cup") == "cup"
        assert taught.answer("pen") == "pen"
        assert taught.frames[-1].prediction.crop == RIGHT
    assert_same(found, learnt_afresh(dataset, RIGHT, tmp_path / "afresh"))


def record_both(taught: Lesson) -> None:
    for label in ("cup", "pen", "cup", "pen"):
        taught.record(label, 5)
