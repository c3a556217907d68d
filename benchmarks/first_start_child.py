"""One start as live.py makes it without a window, measured from within its own process."""

from __future__ import annotations

import json
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from benchmarks.latency_child import JpegGrabber
from webcam_classifier.camera.supervisor import LiveCamera
from webcam_classifier.cli.console import run_script
from webcam_classifier.cli.runtime_search import RuntimeSearch, first_runtime
from webcam_classifier.live.loop import LiveLoop
from webcam_classifier.model.classifier import Classifier
from webcam_classifier.runtime.choice import AUTO, choose_runtime

_RATE = 30.0  # frames a second
_AROUND = 0.5  # seconds to each side of the change
_SEARCHED_WITHIN = 120.0  # seconds


@dataclass(frozen=True)
class FirstStart:
    """What to measure.

    Attributes:
        model: The file.
        frames: A folder of JPEGs, sent again and again.
        waits: Whether all runtimes are tried before the first label.
        after: Seconds that are watched after a change of the runtime.
        started_at: When the process was created, in seconds as `time.time()` gives them.
    """

    model: str
    frames: str
    waits: bool
    after: float
    started_at: float


def main() -> None:
    """Run the loop until some seconds after the search, and print what was measured."""
    job = FirstStart(**json.loads(sys.stdin.readline()))
    cv2.setNumThreads(1)
    jpegs = [
        np.frombuffer(path.read_bytes(), np.uint8)
        for path in sorted(Path(job.frames).glob("*.jpg"))
    ]
    model = Path(job.model)
    changed_at: list[float] = []

    def hear(line: str) -> None:
        if line.startswith("now runs"):
            changed_at.append(time.monotonic())

    if job.waits:
        choice, others_are_left = choose_runtime(model, AUTO, 0, hear), False
    else:
        choice, others_are_left = first_runtime(model, AUTO, 0, hear)
    classifier = Classifier(model, choice.runtime)
    classifier.warm_up()
    labels: list[tuple[float, float]] = []  # when, and how old
    with ExitStack() as stack:
        camera_at = time.time()
        camera = stack.enter_context(LiveCamera(JpegGrabber(jpegs, _RATE)))
        loop = stack.enter_context(LiveLoop(camera, classifier))
        first_at = search = ended_at = None
        began = time.monotonic()
        for labelled in loop.results(wait=0.1):
            now = time.monotonic()
            if labelled is not None:
                first_at = first_at or time.time()
                labels.append((labelled.labelled_at, 1000.0 * labelled.age))
            if not others_are_left or now - began > _SEARCHED_WITHIN:
                break
            if search is None and first_at is not None:
                search = stack.enter_context(RuntimeSearch(classifier, 0, hear))
            if search is not None and ended_at is None and search.wait(0.0):
                ended_at = now
            if ended_at is not None and now - ended_at > job.after:
                break
        dropped = loop.counter.dropped
    assert first_at is not None
    at = changed_at[0] if changed_at else None
    end = at if at is not None else ended_at
    found = {
        "first_label": first_at - job.started_at,
        "of_camera": first_at - camera_at,
        "search": None if ended_at is None else ended_at - began,
        "meanwhile": oldest(labels, 0.0, None if end is None else end - _AROUND),
        "change": None if at is None else oldest(labels, at - _AROUND, at + _AROUND),
        "after": oldest(labels, (end or 0.0) + _AROUND, None),
        "median": float(np.median([age for _, age in labels])),
        "dropped": dropped,
        "runs_on": classifier.runtime,
    }
    print(json.dumps(found))


def oldest(labels: list[tuple[float, float]], since: float, until: float | None) -> float | None:
    """Return the age of the oldest label of a stretch of time in milliseconds, None without any."""
    ages = [age for at, age in labels if since <= at and (until is None or at <= until)]
    return max(ages, default=None)


if __name__ == "__main__":
    run_script(main)
