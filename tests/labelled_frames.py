"""Labelled frames made by hand, for what comes after the loop."""

from __future__ import annotations

import time

import numpy as np

from webcam_classifier.events.event import Event
from webcam_classifier.frame import Frame
from webcam_classifier.live.loop import LabelledFrame
from webcam_classifier.prediction import Prediction

LABELS = ("cup", "hand", "none")


def labelled_frame(
    index: int,
    label: str = "cup",
    *,
    captured_at: float | None = None,
    confidence: float = 0.9,
    size: tuple[int, int] = (48, 64),
) -> LabelledFrame:
    """A frame that was captured just now; `unknown` is a label too."""
    values = np.full(len(LABELS), (1 - confidence) / (len(LABELS) - 1), np.float32)
    values[LABELS.index(label) if label in LABELS else 0] = confidence
    prediction = Prediction(LABELS, values, 5.0 if label == "unknown" else 0.1, 1.0)
    at = time.monotonic() if captured_at is None else captured_at
    image = np.full((*size, 3), 40 + index % 200, np.uint8)
    return LabelledFrame(Frame(image, index, at), prediction, prediction, at + 0.004, 0.002, 30.0)


def an_event(number: int = 0, label: str = "cup", *, with_image: bool = False) -> Event:
    """An event of a run that is called `run`."""
    return Event(
        id=f"run-{number:06d}", number=number, wall_time=1.8e9 + number, monotonic=10.0 + number,
        label=label, confidence=0.9, previous_label="none", previous_seconds=1.5, age=0.004,
        source="demo", model="model.onnx",
        image=np.full((48, 64, 3), 90, np.uint8) if with_image else None,
    )  # fmt: skip
