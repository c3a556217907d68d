"""Events: what is told while work goes on, to whom, and how it is written for other programs."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from webcam_classifier.cli.console import ProgressLine
from webcam_classifier.cli.events import progress_in_file
from webcam_classifier.progress import (
    Counter,
    Epoch,
    Event,
    Failed,
    Note,
    Progress,
    Result,
    Stage,
    from_json,
    listening,
    tell,
    to_json,
    track,
)
from webcam_classifier.stage_captions import caption, describe_epoch, describe_progress

ROOT = Path(__file__).resolve().parents[1]

EVENTS: tuple[Event, ...] = (
    Progress(Stage.READ, 3, 10),
    Progress(Stage.RECORD, 3, None, "größe"),
    Epoch(0, 12, None, None, 0.5, 1.25),
    Epoch(3, 12, 0.7, 0.4, 0.95, 30.5, 91.5),
    Note("going on with 8"),
    Result("accuracy 90.0 %", "models/cups", 0.9, (0.8, 0.96), 27, 30),
    Result("done"),
    Failed("There is no folder. Make one."),
)


@pytest.mark.parametrize("event", EVENTS, ids=repr)
def test_an_event_is_read_back_from_one_line_of_ascii(event: Event) -> None:
    line = to_json(event)
    assert line.isascii()
    assert "\n" not in line
    assert json.loads(line)["version"] == 1
    assert from_json(line) == event


def test_what_is_not_known_is_passed_over() -> None:
    known = json.loads(to_json(Progress(Stage.EMBED, 1, 2)))
    assert from_json(json.dumps({**known, "colour": "red"})) == Progress(Stage.EMBED, 1, 2)
    assert from_json(json.dumps({**known, "event": "applause"})) is None
    assert from_json(json.dumps({**known, "stage": "dream"})) is None
    assert from_json(json.dumps({**known, "version": 2})) is None


@pytest.mark.parametrize(
    "line",
    [
        "", "reading: 3 of 5", "[]", '{"stage": "read"}', '{"event": "failed", "version": 1}',
        '{"event": "progress", "version": 1, "stage": "read", "done": "many", "total": 1}',
        '{"event": "epoch", "version": 1, "epoch": 3}',
    ],
)  # fmt: skip
def test_what_is_no_event_is_an_error(line: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 the message is not ours for broken JSON
        from_json(line)


def test_nobody_listens_and_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    tell(Note("nobody hears this"))
    assert list(track(Stage.READ, slowly(2))) == [0, 1]
    assert capfd.readouterr() == ("", "")


def slowly(count: int) -> Iterator[int]:
    for number in range(count):
        time.sleep(0.11)
        yield number


def test_a_stage_is_told_from_its_beginning_to_its_end() -> None:
    heard: list[Event] = []
    with listening(heard.append):
        assert list(track(Stage.READ, slowly(4), 4, "cups")) == [0, 1, 2, 3]
    assert heard == [Progress(Stage.READ, done, 4, "cups") for done in (0, 1, 2, 3, 4)]
    assert [event.is_over for event in heard if isinstance(event, Progress)] == [False] * 4 + [True]


def test_quick_work_is_told_seldom_and_none_not_at_all() -> None:
    heard: list[Event] = []
    with listening(heard.append):
        assert len(list(track(Stage.EMBED, range(10_000)))) == 10_000
        assert list(track(Stage.EMBED, [])) == []
    assert len(heard) < 100
    assert (heard[0], heard[-1]) == (
        Progress(Stage.EMBED, 0, 10_000), Progress(Stage.EMBED, 10_000, 10_000),
    )  # fmt: skip


def test_a_stage_that_ends_early_is_over_with_what_there_was() -> None:
    heard: list[Event] = []
    with listening(heard.append):
        list(track(Stage.RECORD, iter(range(7)), 30))
        resumed = Counter(Stage.TRAIN, 10, done=6)
        resumed.advance()
        resumed.finish()
    assert heard[1] == Progress(Stage.RECORD, 7, 7)
    assert heard[2:] == [Progress(Stage.TRAIN, 6, 10), Progress(Stage.TRAIN, 7, 7)]


def test_listeners_add_up_and_other_threads_have_their_own() -> None:
    outer: list[Event] = []
    inner: list[Event] = []
    with listening(outer.append):
        with listening(inner.append):
            tell(Note("both"))
            other = threading.Thread(target=tell, args=[Note("another thread")])
            other.start()
            other.join()
        tell(Note("outer"))
    tell(Note("nobody"))
    assert outer == [Note("both"), Note("outer")]
    assert inner == [Note("both")]


def test_every_stage_has_a_caption() -> None:
    captions = {caption(Progress(stage, 0, None)) for stage in Stage}
    assert len(captions) == len(Stage)
    assert describe_progress(Progress(Stage.RECORD, 3, 9, "cup")) == "recording cup: 3 of 9"
    assert describe_progress(Progress(Stage.READ, 3, None)) == "reading: 3"


def test_an_epoch_says_what_can_be_said() -> None:
    assert describe_epoch(Epoch(3, 12, 0.7, 0.4, 0.95, 30.5, 91.5)) == (
        "epoch 3 of 12: loss 0.700, validation accuracy 95.0 %, 92 s left"
    )
    assert describe_epoch(Epoch(3, 12, 0.7, None, None, 30.5)) == "epoch 3 of 12: loss 0.700"


def test_the_terminal_shows_notes_and_epochs_at_once_and_long_work_at_its_end(
    capsys: pytest.CaptureFixture[str],
) -> None:
    line = ProgressLine()
    line(Epoch(0, 12, None, None, 0.5, 1.25))
    line(Epoch(1, 12, 0.7, 0.4, 0.95, 2.5, 14.0))
    line(Note("going on with 8"))
    line(Progress(Stage.READ, 0, 5))
    line(Progress(Stage.READ, 5, 5))  # too quick for a line
    line(Progress(Stage.EMBED, 0, 5))
    time.sleep(1.1)
    line(Progress(Stage.EMBED, 5, 5))
    out, told = capsys.readouterr()
    assert out == ""
    assert told.splitlines()[:2] == [
        "epoch 1 of 12: loss 0.700, validation accuracy 95.0 %, 14 s left", "going on with 8",
    ]  # fmt: skip
    assert told.splitlines()[2].startswith("analysing pictures: 5 in 1.")
    assert len(told.splitlines()) == 3


def test_the_file_has_the_lines_that_it_always_had(tmp_path: Path) -> None:
    path = tmp_path / "progress.jsonl"
    with progress_in_file(path):
        for event in EVENTS:
            tell(event)
        tell(Progress(Stage.EMBED, 5, 9))
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    steps = [line for line in lines if "epoch" not in line]
    assert [(step["stage"], step["done"], step["total"]) for step in steps] == [
        ("reading", 3, 10), ("record", 3, None), ("analysing pictures", 5, 9),
    ]  # fmt: skip
    assert [step["stage_id"] for step in steps] == ["read", "record", "embed"]
    first, second = (line["epoch"] for line in lines if "epoch" in line)
    assert (first["number"], first["validation_accuracy"], first["seconds"]) == (0, 0.5, 1.25)
    assert math.isnan(first["training_loss"])
    assert second["training_loss"] == 0.7
    with progress_in_file(None):
        tell(Note("nowhere"))


@pytest.mark.slow
def test_the_commands_are_one_command_too(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "webcam_classifier.cli"]
    helped = subprocess.run(
        [*command, "train", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "--mode" in helped.stdout
    failed = subprocess.run(
        [*command, "--events", "train", str(tmp_path / "none"), "--mode", "head",
         "--output", str(tmp_path / "model")],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert failed.returncode == 1
    event = from_json(failed.stdout.splitlines()[-1])
    assert isinstance(event, Failed)
    assert f"error: {event.message}" in failed.stderr
