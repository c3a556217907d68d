"""Print labels to the terminal."""

from __future__ import annotations

from typing import TextIO

from webcam_classifier.camera.protocol import CameraStatus
from webcam_classifier.live.loop import LabelledFrame
from webcam_classifier.live.status_words import status_sentence
from webcam_classifier.model_card import UNKNOWN_NAME
from webcam_classifier.percentage import rounded_percentage
from webcam_classifier.prediction import Prediction


class TerminalLines:
    """Prints a line for every picture, and for a stream whenever the smoothed label changes.

    Args:
        stream: Where to write.
        top: How many labels to name for a picture.
        file_rate: Frames a second of a video file, whose lines have the time of the video; None for
            other sources, whose lines have the time since the first one.
    """

    def __init__(self, stream: TextIO, top: int, file_rate: float | None = None) -> None:
        self._stream = stream
        self._top = top
        self._file_rate = file_rate
        self._labels: dict[str, str] = {}  # by region
        self._started_at: float | None = None

    def show(self, labelled: LabelledFrame) -> None:
        """Write a line for each region of a frame whose label is new."""
        for region in labelled.regions:
            self._show(region)

    def _show(self, labelled: LabelledFrame) -> None:
        place = f"{labelled.region}: " if labelled.region else ""
        if labelled.frame.name:
            said = top_labels(labelled.prediction, self._top)
            self._write(f"{labelled.frame.name}: {place}{said}")
            return
        steady = labelled.steady
        label = UNKNOWN_NAME if steady.is_unknown else steady.shown_label
        if label != self._labels.get(labelled.region):
            self._labels[labelled.region] = label
            guess = f", perhaps {steady.shown_label}"
            sure = guess if steady.is_unknown else f" {rounded_percentage(steady.confidence)}"
            frame, line = labelled.frame, f"{place}{label}{sure}"
            if self._file_rate is not None:
                self._write_seconds(frame.index / self._file_rate, line)
            else:
                self._write_at(frame.captured_at, line)

    def show_status(self, status: CameraStatus) -> None:
        """Write a line when pictures stop coming, and when they come again."""
        self._labels.clear()  # the label after a gap is printed again
        self._write_at(status.since, status_sentence(status))

    def _write_at(self, at: float, words: str) -> None:
        if self._started_at is None:
            self._started_at = at
        self._write_seconds(at - self._started_at, words)

    def _write_seconds(self, seconds: float, words: str) -> None:
        self._write(f"{seconds:8.1f} s  {words}")

    def _write(self, line: str) -> None:
        self._stream.write(line + "\n")
        self._stream.flush()


def top_labels(prediction: Prediction, count: int) -> str:
    """List the likeliest labels: `thumbs_up 97.3 %, thumbs_down 2.7 %`.

    If the picture is unknown, they are only a guess: `unknown (thumbs_up 97.3 %)`.

    Args:
        prediction: For the picture.
        count: How many labels to list.
    """
    top = prediction.top_shown(count)
    named = ", ".join(f"{label} {rounded_percentage(probability)}" for label, probability in top)
    return f"{UNKNOWN_NAME} ({named})" if prediction.is_unknown else named
