from __future__ import annotations

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.labelled_frames import labelled_frame
from tests.tiny_model import write_tiny_model
from webcam_classifier.cli import live
from webcam_classifier.cli.unknown_advice import UnknownAdvice, advise_on_unknown
from webcam_classifier.live.loop import LabelledFrame
from webcam_classifier.live.unknown_watch import RECENTLY, UnknownWatch
from webcam_classifier.model_card import ModelCard


def frames(labels: str, start: float = 0.0, rate: float = 10.0) -> list[LabelledFrame]:
    """A frame for each letter, `u` for unknown, from a moment on."""
    return [
        labelled_frame(
            index, "unknown" if letter == "u" else "cup", captured_at=start + index / rate
        )
        for index, letter in enumerate(labels)
    ]


def watched(*runs: list[LabelledFrame]) -> UnknownWatch:
    watch = UnknownWatch()
    for run in runs:
        for labelled in run:
            watch.take(labelled)
    return watch


def test_what_stays_unknown_is_noticed_after_ten_seconds() -> None:
    assert RECENTLY == 10
    assert watched(frames("u" * 100)).regions == ()  # 9.9 seconds
    assert watched(frames("u" * 102)).regions == ("",)
    assert watched(frames("cuuuuuuuuu" * 20)).regions == ("",)  # nine of ten
    assert watched(frames("ccuuuuuuuu" * 20)).regions == ()  # four of five


def test_what_is_known_again_is_noticed_soon() -> None:
    watch = watched(frames("u" * 200))
    for labelled in frames("c" * 12, start=20):
        watch.take(labelled)
    assert watch.regions == ()


def test_a_gap_begins_a_new_wait() -> None:
    watch = watched(frames("u" * 200))
    watch.forget_recent()
    for labelled in frames("u" * 50, start=600):
        watch.take(labelled)
    assert watch.regions == ()
    assert watch.share == 1


def test_another_model_is_counted_anew() -> None:
    others = [dataclasses.replace(labelled, model="b") for labelled in frames("c" * 10, start=20)]
    watch = watched(frames("u" * 200), others)
    assert (watch.share, watch.regions) == (0, ())


def test_regions_are_told_apart() -> None:
    watch = UnknownWatch()
    for gate, lamp in zip(frames("u" * 150), frames("c" * 150), strict=True):
        other = dataclasses.replace(lamp, region="lamp")
        watch.take(dataclasses.replace(gate, region="gate", beside=(other,)))
    assert watch.regions == ("gate",)
    assert watch.share == 0  # of frames that were unknown in all of them


@pytest.fixture
def card(tmp_path: Path) -> ModelCard:
    """Of a model that was trained on a folder which is still there."""
    (tmp_path / "my pictures" / "cup").mkdir(parents=True)
    written = write_tiny_model(tmp_path / "model.onnx", unknown_threshold=2.0)
    return dataclasses.replace(written, dataset=str(tmp_path / "my pictures"))


def test_the_advice_names_the_command_that_records_where_the_model_learnt(card: ModelCard) -> None:
    advice = advise_on_unknown(card, "normal")
    assert f"`python collect.py --dataset '{card.dataset}'`" in advice
    assert "--unknown off" in advice
    assert "--unknown normal" in advise_on_unknown(card, "strict")


def test_the_advice_names_no_data_set_that_is_gone_or_split(card: ModelCard) -> None:
    for part in ("train", "test"):
        (Path(card.dataset) / part / "cup").mkdir(parents=True)
    assert "collect" not in advise_on_unknown(card, "normal")
    assert "collect" not in advise_on_unknown(dataclasses.replace(card, dataset="/gone"), "normal")
    assert "collect" not in advise_on_unknown(None, "normal")


def test_the_advice_is_given_once(card: ModelCard) -> None:
    said: list[str] = []
    advice = UnknownAdvice(said.append, lambda: card, "normal")
    advice.say_recent(())
    assert not said
    advice.say_recent(("gate",))
    advice.say_recent(("",))
    advice.say_share(0.97, "frames")
    assert len(said) == 2
    assert said[0].startswith("note: gate: unknown for 10 s")
    assert said[1] == (
        "note: 97 % of the frames were unknown, unlike all pictures that the model was trained on"
    )


def test_a_run_that_was_mostly_unknown_says_what_to_do(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write_tiny_model(tmp_path / "model.onnx", unknown_threshold=2.0)
    clip = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(clip), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 48))
    for level in [255] * 8 + [0] * 2:  # white is unknown to the model, black is not
        writer.write(np.full((48, 64, 3), level, np.uint8))
    writer.release()
    arguments = [str(tmp_path / "model.onnx"), "--source", str(clip), "--no-window"]

    live.main(arguments)
    last = capfd.readouterr().err.splitlines()[-1]
    assert last.startswith("note: 80 % of the frames were unknown, ")
    assert "record each label there too" in last

    live.main([*arguments, "--unknown", "off"])
    assert "note:" not in capfd.readouterr().err
