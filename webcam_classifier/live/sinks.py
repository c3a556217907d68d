"""Where labels go in words: JSON lines for programs, the terminal for people."""

from __future__ import annotations

import json
import math
import sys
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import TextIO

from webcam_classifier.camera.protocol import CameraStatus
from webcam_classifier.errors import UserError
from webcam_classifier.live.loop import LabelledFrame
from webcam_classifier.live.status_words import status_fields, status_sentence
from webcam_classifier.model_card import UNKNOWN_NAME
from webcam_classifier.prediction import Prediction
from webcam_classifier.storage import explain_os_error


def percent(probability: float) -> str:
    """Write a probability as a person reads it, with one decimal: `97.3 %`."""
    return f"{100 * probability:.1f} %"


class JsonLines:
    """Writes one line of JSON for every labelled frame, each whole and at once.

    A line is one write call, so whoever reads along, or after a kill, finds no half line. An
    older file is replaced: one file is one run.

    Args:
        place: A file, or `-` for the standard output.

    Raises:
        UserError: The file can't be written.
    """

    def __init__(self, place: str) -> None:
        self._path = Path(place)
        try:
            if place == "-":
                self._file = open(sys.stdout.fileno(), "wb", buffering=0, closefd=False)  # noqa: SIM115 closed by __exit__; a descriptor is no path
            elif self._path.is_dir():
                raise UserError(f"{place} is a folder. Name a file in it, or - for the output.")
            else:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._file = self._path.open("wb", buffering=0)
        except OSError as error:
            raise UserError(explain_os_error(error, self._path)) from error
        self._clock_offset = time.time() - time.monotonic()

    def __enter__(self) -> JsonLines:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def record(self, labelled: LabelledFrame) -> None:
        """Write the line of one frame; its label is null where none is known yet.

        Raises:
            UserError: The disk is full.
            BrokenPipeError: Nobody reads the standard output any more.
        """
        frame, prediction = labelled.frame, labelled.prediction
        taken_at = datetime.fromtimestamp(self._clock_offset + frame.captured_at, timezone.utc)
        line: dict[str, object] = {
            "index": frame.index,
            "time": taken_at.isoformat(timespec="milliseconds"),
            "captured_at": round(frame.captured_at, 6),
            "label": prediction.label if prediction.labels else None,
            "confidence": round(prediction.confidence, 6) if prediction.labels else None,
            "probabilities": {
                label: round(probability, 6)
                for label, probability in zip(
                    prediction.labels, prediction.probabilities.tolist(), strict=True
                )
            },
            "age_ms": round(1000 * labelled.age, 3),
        }
        if prediction.unknown_score is not None and math.isfinite(prediction.unknown_score):
            line["unknown"] = prediction.is_unknown
            line["unknown_score"] = round(prediction.unknown_score, 6)
        if frame.name:
            line["name"] = frame.name
        self._write(line)

    def record_status(self, status: CameraStatus) -> None:
        """Write one line where the camera stops giving pictures, and one where it does again.

        Raises:
            UserError: The disk is full.
            BrokenPipeError: Nobody reads the standard output any more.
        """
        self._write(status_fields(status, self._clock_offset))

    def _write(self, line: dict[str, object]) -> None:
        unwritten = memoryview(json.dumps(line, ensure_ascii=False).encode() + b"\n")
        try:
            while unwritten:  # a pipe may take less than a long line
                unwritten = unwritten[self._file.write(unwritten) or 0 :]
        except BrokenPipeError:
            raise
        except OSError as error:
            raise UserError(explain_os_error(error, self._path)) from error


class TerminalLines:
    """Says what is seen in words: every picture, or of a stream whenever the label changes.

    Smoothing says when the label changes; the confidence is that of the frames themselves.

    Args:
        stream: Where to write.
        top: How many labels of a picture are named.
    """

    def __init__(self, stream: TextIO, top: int) -> None:
        self._stream = stream
        self._top = top
        self._label = ""
        self._started_at: float | None = None

    def show(self, labelled: LabelledFrame) -> None:
        """Write a line about a frame, where there is something new to say."""
        if labelled.frame.name:
            self._write(f"{labelled.frame.name}: {top_labels(labelled.prediction, self._top)}")
            return
        steady = labelled.steady
        label = UNKNOWN_NAME if steady.is_unknown else steady.shown_label
        if label != self._label:
            self._label = label
            sure = "" if steady.is_unknown else f" {percent(steady.confidence)}"
            self._write_at(labelled.frame.captured_at, f"{label}{sure}")

    def show_status(self, status: CameraStatus) -> None:
        """Write a line where pictures stop coming, and one where they come again."""
        self._label = ""  # what is seen after a gap is said again
        self._write_at(status.since, status_sentence(status))

    def _write_at(self, at: float, words: str) -> None:
        if self._started_at is None:
            self._started_at = at
        self._write(f"{at - self._started_at:8.1f} s  {words}")

    def _write(self, line: str) -> None:
        self._stream.write(line + "\n")
        self._stream.flush()


def top_labels(prediction: Prediction, count: int) -> str:
    """Name the likeliest labels: `thumbs_up 97.3 %, thumbs_down 2.7 %`.

    Of what is unknown they are only a guess: `unknown (thumbs_up 97.3 %, thumbs_down 2.7 %)`.
    """
    top = prediction.top_shown(count)
    named = ", ".join(f"{label} {percent(probability)}" for label, probability in top)
    return f"{UNKNOWN_NAME} ({named})" if prediction.is_unknown else named
