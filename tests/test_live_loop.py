from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.colour_video import COLOURS, write_colour_video
from tests.tiny_model import write_tiny_model
from webcam_classifier.camera.open_camera import open_camera
from webcam_classifier.camera.protocol import CameraStatus
from webcam_classifier.errors import UserError
from webcam_classifier.frame import Frame
from webcam_classifier.live.loop import LabelledFrame, LiveLoop
from webcam_classifier.live.timing import Durations, FrameCounter, describe_run
from webcam_classifier.model.classifier import Classifier
from webcam_classifier.runtime.providers import ExecutionConfig


class PacedCamera:
    """A live source of coloured pictures: it ticks by itself, and the newest frame counts."""

    description = "coloured pictures"
    is_live = True
    is_device = False
    frame_count = None
    skipped: tuple[tuple[Path, str], ...] = ()
    status = CameraStatus("live", 0.0)

    def __init__(
        self,
        frames_per_second: float,
        frames: int | None = None,
        unplugged_after: int | None = None,
    ) -> None:
        self._interval = 1 / frames_per_second
        self._frames = frames
        self._unplugged_after = unplugged_after
        self._started_at = time.monotonic()
        self._last = -1
        self._closed = threading.Event()

    def read(self) -> Frame | None:
        if self._last == self._unplugged_after:
            raise UserError("The camera was unplugged. Plug it in again.")
        index = max(self._last + 1, int((time.monotonic() - self._started_at) / self._interval))
        due = self._started_at + index * self._interval
        if self._closed.wait(max(0.0, due - time.monotonic())):
            return None
        if self._frames is not None and index >= self._frames:
            return None
        self._last = index
        colour = list(COLOURS.values())[index // 10 % 3]
        return Frame(np.full((48, 64, 3), colour, np.uint8), index, max(due, self._started_at))

    def close(self) -> None:
        self._closed.set()

    def __enter__(self) -> PacedCamera:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Classifier:
    path = tmp_path_factory.mktemp("tiny") / "model.onnx"
    write_tiny_model(path)
    return Classifier(path, ExecutionConfig(threads=1))


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_colour_video(tmp_path / "clip.avi", frames_per_second=30)


def collect(loop: LiveLoop, work: Callable[[], None] = lambda: None) -> list[LabelledFrame]:
    taken = []
    with loop:
        for labelled in loop.results(wait=0.02):
            if labelled is not None:
                taken.append(labelled)
                work()
    return taken


def test_the_brightest_channel_wins_on_every_frame_of_a_file(
    classifier: Classifier, clip: Path
) -> None:
    with open_camera(str(clip)) as camera:
        taken = collect(LiveLoop(camera, classifier))
    assert [labelled.prediction.label for labelled in taken] == (
        ["blue"] * 10 + ["green"] * 10 + ["red"] * 10
    )
    assert [labelled.frame.index for labelled in taken] == list(range(30))


def test_slow_drawing_of_a_file_loses_no_frame(classifier: Classifier, clip: Path) -> None:
    with open_camera(str(clip)) as camera:
        loop = LiveLoop(camera, classifier)
        taken = collect(loop, work=lambda: time.sleep(0.01))
    assert len(taken) == 30
    assert loop.dropped_frames == 0


def test_slow_drawing_of_a_live_source_delays_no_inference(classifier: Classifier) -> None:
    recorded: list[LabelledFrame] = []
    loop = LiveLoop(PacedCamera(50, frames=50), classifier, record=recorded.append)
    drawn = collect(loop, work=lambda: time.sleep(0.2))
    assert len(recorded) + loop.counter.dropped >= 49
    assert loop.counter.dropped <= 15  # without the thread it would be about 45
    assert len(drawn) <= 8
    assert len(drawn) + loop.dropped_frames == len(recorded)


def test_the_newest_frame_is_the_one_that_is_drawn(classifier: Classifier) -> None:
    newest = [-1]
    loop = LiveLoop(
        PacedCamera(100, frames=60),
        classifier,
        record=lambda labelled: newest.__setitem__(0, labelled.frame.index),
    )
    with loop:
        for labelled in loop.results(wait=0.02):
            if labelled is not None:
                assert newest[0] - labelled.frame.index <= 2
                time.sleep(0.1)


def test_the_loop_ends_after_its_limit_and_hands_over_the_last_frame(
    classifier: Classifier, clip: Path
) -> None:
    with open_camera(str(clip)) as camera:
        loop = LiveLoop(camera, classifier, frame_limit=7)
        assert [labelled.frame.index for labelled in collect(loop)] == list(range(7))
    assert loop.counter.frames == 7


def test_an_error_of_the_camera_reaches_the_main_thread_after_the_frames_before_it(
    classifier: Classifier,
) -> None:
    loop = LiveLoop(PacedCamera(20, unplugged_after=5), classifier)
    with pytest.raises(UserError, match="unplugged"):
        collect(loop)
    assert loop.counter.frames == 6


def test_an_error_of_the_recorder_reaches_the_main_thread(
    classifier: Classifier, clip: Path
) -> None:
    def fail(labelled: LabelledFrame) -> None:
        raise UserError(f"The disk was full at frame {labelled.frame.index}. Free some space.")

    with open_camera(str(clip)) as camera, pytest.raises(UserError, match="frame 0"):
        collect(LiveLoop(camera, classifier, record=fail))


def test_leaving_early_stops_the_thread(classifier: Classifier) -> None:
    with LiveLoop(PacedCamera(100), classifier) as loop:
        next(loop.results(wait=1))
    assert "inference" not in {thread.name for thread in threading.enumerate()}


def test_leaving_a_file_early_stops_the_thread(classifier: Classifier, clip: Path) -> None:
    with open_camera(str(clip)) as camera:
        with LiveLoop(camera, classifier) as loop:
            next(loop.results(wait=1))
        assert "inference" not in {thread.name for thread in threading.enumerate()}


def test_while_no_frame_comes_the_main_thread_gets_its_turn(classifier: Classifier) -> None:
    with LiveLoop(PacedCamera(1), classifier) as loop:
        results = loop.results(wait=0.01)
        assert any(next(results) is None for _ in range(5))


def test_what_is_recorded_is_raw_and_what_is_drawn_is_steady(classifier: Classifier) -> None:
    taken: list[LabelledFrame] = []
    collect(LiveLoop(PacedCamera(100, 13), classifier, smoothing=1.0, record=taken.append))
    last = taken[-1]
    assert last.prediction.label == "green"
    assert last.steady.label == "blue"


def test_a_file_is_smoothed_in_its_own_time(classifier: Classifier, clip: Path) -> None:
    with open_camera(str(clip)) as camera:
        taken = collect(LiveLoop(camera, classifier, smoothing=0.1, file_rate=30.0))
    assert taken[11].prediction.label == "green"
    assert taken[10].steady.label == "blue"
    assert taken[19].steady.label == "green"


def test_the_age_is_the_time_from_capture_to_label(classifier: Classifier) -> None:
    taken = collect(LiveLoop(PacedCamera(50, frames=10), classifier))
    for labelled in taken:
        assert labelled.age >= labelled.inference_seconds > 0


def test_another_classifier_takes_over_between_two_frames(
    classifier: Classifier, tmp_path: Path
) -> None:
    path = tmp_path / "other" / "model.onnx"
    write_tiny_model(path, ("cold", "mild", "warm"), input_size=48)
    other = Classifier(path, ExecutionConfig(threads=1))
    other.warm_up()
    taken: list[LabelledFrame] = []

    def take(labelled: LabelledFrame) -> None:
        taken.append(labelled)
        if len(taken) == 10:
            loop.change_classifier(other, "other")

    loop = LiveLoop(PacedCamera(50), classifier, frame_limit=30, record=take)
    collect(loop)
    own = [labelled.prediction.label in COLOURS for labelled in taken]
    assert own == [True] * 10 + [False] * 20
    assert [labelled.model for labelled in taken] == [""] * 10 + ["other"] * 20


def test_another_classifier_with_the_same_labels_owes_nothing_to_the_one_before(
    classifier: Classifier, tmp_path: Path
) -> None:
    path = tmp_path / "other" / "model.onnx"
    write_tiny_model(path, list(COLOURS)[::-1])  # it calls blue what is red to the first
    other = Classifier(path, ExecutionConfig(threads=1))
    taken: list[LabelledFrame] = []

    def take(labelled: LabelledFrame) -> None:
        taken.append(labelled)
        if len(taken) == 10:
            loop.change_classifier(other, "other")

    loop = LiveLoop(PacedCamera(50), classifier, smoothing=60, frame_limit=12, record=take)
    collect(loop)
    first_of_other = taken[10]
    assert first_of_other.prediction.label != taken[9].prediction.label
    assert first_of_other.steady.label == first_of_other.prediction.label


def test_the_rate_counts_intervals_and_gaps_count_as_dropped() -> None:
    counter = FrameCounter()
    for index, at in [(4, 10.0), (5, 10.5), (9, 11.0)]:
        counter.count(index, at)
    assert counter.rate == pytest.approx(2.0)  # two intervals in one second
    assert counter.recent_rate == pytest.approx(2.0)
    assert counter.dropped == 3


def test_one_frame_has_no_rate() -> None:
    counter = FrameCounter()
    assert counter.rate == counter.recent_rate == 0.0
    counter.count(0, 1.0)
    assert counter.rate == counter.recent_rate == 0.0


def test_the_summary_names_median_and_95th_percentile() -> None:
    durations = Durations()
    for milliseconds in range(1, 101):
        durations.add(milliseconds / 1000)
    text = describe_run(FrameCounter(), 3, {"inference": durations, "drawing": Durations()})
    assert "50.50" in text
    assert "95.05" in text
    assert "3 labelled but not drawn" in text
    assert "drawing" not in text
