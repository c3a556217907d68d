"""What is kept of what a model was not sure of."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.labelled_frames import an_event, labelled_frame
from webcam_classifier.dataset.snapshot_name import parse_snapshot_name
from webcam_classifier.dataset.unlabelled_pictures import NOTES_NAME, read_notes, unlabelled_names
from webcam_classifier.errors import UserError
from webcam_classifier.events.uncertain_pictures import UncertainPictures
from webcam_classifier.frame import Frame
from webcam_classifier.live.loop import LabelledFrame
from webcam_classifier.model_card import NO_PICTURE

OFTEN = 3600.0  # pictures an hour


def wait_until(is_so: Callable[[], object]) -> None:
    end = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.01)


def seen(number: int, at: float, label: str = "cup", confidence: float = 0.95) -> LabelledFrame:
    """A frame whose picture is like no other one's."""
    small = np.random.default_rng(number).integers(0, 255, (9, 12, 3), dtype=np.uint8)
    image = np.asarray(cv2.resize(small, (160, 120)), dtype=np.uint8)
    labelled = labelled_frame(number, label, captured_at=at, confidence=confidence)
    return replace(labelled, frame=Frame(image, number, at))


def kept(folder: Path, frames: list[LabelledFrame], **settings: float) -> tuple[list[str], int]:
    """Show frames, and tell what was said and how many pictures there are."""
    said: list[str] = []
    with UncertainPictures(folder, said.append, **settings) as sink:  # type: ignore[arg-type]
        for one in frames:
            sink.take_frame(one)
            wait_until(lambda: not sink.counts.pending)
    return said, len(unlabelled_names(folder))


def test_what_is_unknown_or_unsure_is_kept_with_a_note_and_what_is_sure_is_not(
    tmp_path: Path,
) -> None:
    frames = [
        seen(0, 100.0),
        seen(1, 110.0, "unknown"),
        seen(2, 120.0, "hand", 0.5),
        seen(3, 130.0, "hand", 0.9),
    ]
    assert kept(tmp_path, frames, rate=OFTEN) == ([], 2)
    names = unlabelled_names(tmp_path)
    found = [parse_snapshot_name(Path(name).stem) for name in names]
    assert [one[1:] for one in found if one is not None] == [(2, 1), (1, 1)]  # a burst each
    notes = read_notes(tmp_path)
    assert [notes[name].reason for name in names] == ["unsure", "unknown"]
    assert (notes[names[0]].guess, notes[names[0]].confidence) == ("hand", 0.5)
    saved = cv2.imread(str(tmp_path / names[0]))
    assert saved is not None
    assert saved.shape == (120, 160, 3)


def test_near_copies_are_left_out_also_of_what_was_kept_before(tmp_path: Path) -> None:
    same = [replace(seen(1, at, "unknown")) for at in (100.0, 200.0)]
    assert kept(tmp_path, same, rate=OFTEN) == ([], 1)
    assert kept(tmp_path, same, rate=OFTEN) == ([], 1)


def test_no_more_are_kept_than_were_asked_for(tmp_path: Path) -> None:
    frames = [seen(number, 60.0 * number, "unknown") for number in range(61)]  # an hour
    _, count = kept(tmp_path, frames, rate=6.0)
    assert 6 <= count <= 8


def test_the_least_sure_frame_before_a_change_is_kept(tmp_path: Path) -> None:
    said: list[str] = []
    with UncertainPictures(tmp_path, said.append, rate=OFTEN) as sink:
        for number, sure in enumerate((0.95, 0.75, 0.9)):
            sink.take_frame(seen(number, 10 + number * 0.2, "cup", sure))
        sink.take_frame(seen(3, 10.6, "hand"))
        event = replace(an_event(label="hand"), monotonic=10.6, previous_label="cup")
        sink.take_event(replace(event, previous_label=None))  # the first label is no change
        sink.take_event(replace(event, label=NO_PICTURE))
        wait_until(lambda: not sink.counts.pending)
        assert unlabelled_names(tmp_path) == ()
        for number, sure in enumerate((0.95, 0.75, 0.9)):
            sink.take_frame(seen(number, 20 + number * 0.2, "cup", sure))
        sink.take_event(replace(event, monotonic=20.6))
    (note,) = read_notes(tmp_path).values()
    assert (note.reason, note.guess, note.confidence) == ("change", "cup", 0.75)


def test_a_full_folder_is_one_sentence_and_nothing_is_removed(tmp_path: Path) -> None:
    frames = [seen(number, 100.0 * number, "unknown") for number in range(5)]
    said, count = kept(tmp_path, frames, rate=OFTEN, limit=2)
    assert count == 2
    assert len(said) == 1
    assert "holds 2 pictures, and no more are kept" in said[0]


def test_a_disk_that_fails_is_one_sentence_and_the_loop_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    said: list[str] = []
    with UncertainPictures(folder, said.append, rate=OFTEN) as sink:
        folder.write_text("in the way")
        for number in range(3):
            sink.take_frame(seen(number, 100.0 * number, "unknown"))
            wait_until(lambda: not sink.counts.pending)
        assert len(said) == 1
        folder.unlink()
        sink.take_frame(seen(9, 900.0, "unknown"))
        wait_until(lambda: not sink.counts.pending)
    assert len(unlabelled_names(folder)) == 1


def test_frames_never_wait_for_the_disk(tmp_path: Path) -> None:
    class Hanging(UncertainPictures):
        def deliver(self, item: object) -> None:
            assert item
            time.sleep(0.3)

    sink = Hanging(tmp_path, print)
    started = time.monotonic()
    for number in range(200):
        sink.take_frame(labelled_frame(number, "unknown", captured_at=10.0 * number))
    assert time.monotonic() - started < 0.25
    assert sink.counts.pending <= 5
    assert sink.counts.dropped >= 194


def test_notes_that_are_none_are_passed_over_and_a_place_that_cant_be_written_is_refused(
    tmp_path: Path,
) -> None:
    (tmp_path / NOTES_NAME).write_text("no json\n[1]\n" + json.dumps({"name": "a.jpg"}) + "\n")
    assert read_notes(tmp_path) == {}
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError):
        UncertainPictures(tmp_path / "file", print)
