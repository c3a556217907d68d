"""A robot that steers by what its camera sees: the library in ten lines.

    $ python -m examples.robot models/dataset 0

Teach it `forward`, `left`, `right` and `background`. It stops where it sees the background,
where the picture is unknown, and where no picture comes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from webcam_classifier import Classifier, LiveLoop, find_model, open_camera

STOP = (0.0, 0.0)
SPEEDS: Mapping[str, tuple[float, float]] = {
    "forward": (0.5, 0.5), "left": (0.1, 0.5), "right": (0.5, 0.1),
}  # fmt: skip
"""Of the left and the right wheel, -1 to 1."""

Drive = Callable[[float, float], None]
"""Sets the speeds of both wheels, such as `gpiozero.Robot` or your motor driver does."""


def steer(model: str, source: str, drive: Drive) -> None:
    """Drive as the newest picture says, to the end of the source."""
    classifier = Classifier(find_model(Path(model)))
    with open_camera(source) as camera, LiveLoop(camera, classifier, smoothing=0.15) as loop:
        for labelled in loop.results(wait=0.5):
            is_known = labelled is not None and not labelled.steady.is_unknown
            drive(*(SPEEDS.get(labelled.steady.label, STOP) if labelled and is_known else STOP))
    drive(*STOP)


def say(left: float, right: float) -> None:
    """Instead of motors."""
    print(f"left {left:.1f} right {right:.1f}", flush=True)


if __name__ == "__main__":
    steer(sys.argv[1], sys.argv[2], say)
