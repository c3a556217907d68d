from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.labelled_frames import LABELS, an_event, labelled_frame
from webcam_classifier.camera.protocol import CameraState, CameraStatus
from webcam_classifier.errors import UserError
from webcam_classifier.events.event import Event
from webcam_classifier.events.event_stream import EventStream
from webcam_classifier.events.shown_address import without_user_info
from webcam_classifier.events.sink import Sink, SinkCounts
from webcam_classifier.live.loop import LabelledFrame
from webcam_classifier.model_card import NO_PICTURE


class Kept(Sink):
    def __init__(self) -> None:
        self.name = "kept"
        self.events: list[Event] = []
        self.frames = 0
        self.labels: list[Sequence[str]] = []

    @property
    def counts(self) -> SinkCounts:
        return SinkCounts(delivered=len(self.events))

    def take_frame(self, labelled: LabelledFrame) -> None:  # noqa: ARG002  counting is enough
        self.frames += 1

    def take_event(self, event: Event) -> None:
        self.events.append(event)

    def take_labels(self, labels: Sequence[str]) -> None:
        self.labels.append(labels)

    def close(self) -> None:
        pass


def stream_to(kept: Kept, *, file_rate: float | None = None, pictures: bool = False) -> EventStream:
    return EventStream(
        [kept], source="demo", model="m.onnx", file_rate=file_rate, with_pictures=pictures
    )


def test_a_change_of_the_label_is_an_event_and_a_frame_that_says_the_same_is_none() -> None:
    kept = Kept()
    stream = stream_to(kept)
    start = time.monotonic() - 2
    for index, label in enumerate(["cup", "cup", "hand", "hand", "unknown", "cup"]):
        stream.take(labelled_frame(index, label, captured_at=start + index / 4))
    assert [event.label for event in kept.events] == ["cup", "hand", "unknown", "cup"]
    assert [event.previous_label for event in kept.events] == [None, "cup", "hand", "unknown"]
    assert [event.previous_seconds for event in kept.events][1:] == pytest.approx([0.5, 0.5, 0.25])
    assert [event.number for event in kept.events] == [0, 1, 2, 3]
    assert len({event.id for event in kept.events}) == 4
    assert kept.events[2].confidence is None
    assert kept.events[3].confidence == pytest.approx(0.9)
    assert kept.events[0].age == pytest.approx(0.004)
    assert kept.frames == 6


def test_the_wall_time_is_that_of_the_capture() -> None:
    kept = Kept()
    stream_to(kept).take(labelled_frame(0, captured_at=time.monotonic() - 5))
    assert kept.events[0].wall_time == pytest.approx(time.time() - 5, abs=1)
    assert kept.events[0].fields()["time"] == kept.events[0].time


def test_two_runs_have_no_id_in_common() -> None:
    kept = Kept()
    for _ in range(2):
        stream_to(kept).take(labelled_frame(0))
    assert kept.events[0].id != kept.events[1].id


def test_the_labels_of_a_file_last_in_its_own_time() -> None:
    kept = Kept()
    stream = stream_to(kept, file_rate=10)
    for index in range(60):
        stream.take(labelled_frame(index, "cup" if index < 30 else "hand"))
    assert kept.events[1].previous_seconds == pytest.approx(3.0)


def test_a_source_without_pictures_is_an_event_once_and_the_next_frame_another() -> None:
    kept = Kept()
    stream = stream_to(kept)
    stream.take(labelled_frame(0))
    states: tuple[CameraState, ...] = ("live", "stalled", "reopening")
    for state in states:
        stream.take_status(CameraStatus(state, time.monotonic()))
    stream.take(labelled_frame(1))
    assert [event.label for event in kept.events] == ["cup", NO_PICTURE, "cup"]


def test_the_first_frame_of_another_model_is_an_event_whatever_its_label() -> None:
    kept = Kept()
    stream = stream_to(kept)
    for index, model in enumerate(["", "", "other.onnx", "other.onnx"]):
        stream.take(replace(labelled_frame(index), model=model))
    assert [(event.label, event.model) for event in kept.events] == [
        ("cup", "m.onnx"), ("cup", "other.onnx"),
    ]  # fmt: skip
    assert kept.events[1].previous_label == "cup"
    assert kept.labels == [LABELS]
    asked: list[str] = []
    with pytest.raises(UserError, match="no other models"):
        stream.change_model("weather")
    stream.change_model_with(asked.append)
    stream.change_model("weather")
    assert asked == ["weather"]


def test_while_it_is_paused_there_are_no_events_and_after_it_the_label_of_then() -> None:
    kept = Kept()
    stream = stream_to(kept)
    stream.take(labelled_frame(0, "cup"))
    stream.pause()
    stream.take(labelled_frame(1, "hand"))
    stream.resume()
    stream.take(labelled_frame(2, "none"))
    assert [event.label for event in kept.events] == ["cup", "none"]
    assert kept.events[1].previous_label == "cup"


def test_a_source_that_was_lost_while_it_was_paused_is_told_of_after_it() -> None:
    kept = Kept()
    stream = stream_to(kept)
    stream.take(labelled_frame(0, "cup"))
    stream.pause()
    stream.take_status(CameraStatus("stalled", time.monotonic()))
    assert [event.label for event in kept.events] == ["cup"]
    stream.resume()
    assert [event.label for event in kept.events] == ["cup", NO_PICTURE]
    stream.resume()
    stream.pause()
    stream.take_status(CameraStatus("live", time.monotonic()))
    stream.resume()
    stream.take(labelled_frame(1, "cup"))
    assert [event.label for event in kept.events] == ["cup", NO_PICTURE, "cup"]


def test_the_picture_travels_where_it_is_wanted() -> None:
    kept = Kept()
    stream_to(kept).take(labelled_frame(0))
    stream_to(kept, pictures=True).take(labelled_frame(0))
    assert "jpeg" not in kept.events[0].fields_with_picture()
    assert "jpeg" in json.loads(json.dumps(kept.events[1].fields_with_picture()))
    assert "jpeg" not in an_event(with_image=True).fields()


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("rtsp://me:secret@camera/stream", "rtsp://camera/stream"),
        ("mqtt://me:se@cret@host:1883/topic", "mqtt://host:1883/topic"),
        ("https://host/a@b?c=d@e", "https://host/a@b?c=d@e"),
        ("clip@home.mp4", "clip@home.mp4"),
    ],
)
def test_no_password_is_shown(address: str, shown: str) -> None:
    assert without_user_info(address) == shown
