"""Teaching in the live loop at the pace of a simulated camera, measured from within its process."""

from __future__ import annotations

import json
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.latency_child import JpegGrabber
from webcam_classifier.backbone.load import default_backbone
from webcam_classifier.camera.supervisor import LiveCamera
from webcam_classifier.cli.console import run_script
from webcam_classifier.cli.live_process import teaching_process
from webcam_classifier.live.loop import LabelledFrame, LiveLoop
from webcam_classifier.teaching.session import TeachingSession

NEW_LABEL = "new"

_LEARNT_WITHIN = 600.0  # seconds
_PATIENCE = 10.0  # seconds
_SWITCH_EVERY = 2.0  # seconds; a new burst, while teaching goes on


@dataclass(frozen=True)
class Job:
    """What to measure.

    Attributes:
        dataset: The snapshots.
        frames: A folder of JPEGs, sent again and again.
        rate: Frames a second.
        presses: How often a key is pressed.
        seconds: Of each stretch of watching and of teaching.
        stretches: How many of each, in turn.
        started_at: When the process was created, in seconds as `time.time()` gives them.
    """

    dataset: str
    frames: str
    rate: float
    presses: int
    seconds: float
    stretches: int
    started_at: float


class Watcher:
    """Takes the labelled frames over, as a window does."""

    def __init__(self, loop: LiveLoop) -> None:
        self.frames: queue.SimpleQueue[LabelledFrame] = queue.SimpleQueue()
        self._loop = loop
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        for labelled in self._loop.results(wait=0.5):
            if labelled is not None:
                self.frames.put(labelled)

    def clear(self) -> list[LabelledFrame]:
        """Return the frames that came since the last time."""
        found = []
        while not self.frames.empty():
            found.append(self.frames.get())
        return found


def main() -> None:
    """Measure one job, and print what was found as JSON."""
    job = Job(**json.loads(sys.stdin.readline()))
    with running(job) as (session, loop, watcher):
        first = watcher.frames.get(timeout=_LEARNT_WITHIN)
        found: dict[str, object] = {
            "start_seconds": time.time() - job.started_at,
            "labels_at_start": len(first.prediction.labels),
        }
        if job.presses:
            session.wait_until_learnt(_LEARNT_WITHIN)
            session.add_label(NEW_LABEL)
            found["presses_ms"] = [press(session, watcher, turn) for turn in range(job.presses)]
            session.wait_until_learnt(_LEARNT_WITHIN)
            for turn in range(2 * job.stretches):
                name = "teaching" if turn % 2 else "watching"
                stretch = teach if turn % 2 else watch
                found[f"{name} {turn // 2}"] = stretch(session, loop, watcher, job.seconds)
        print(json.dumps(found), flush=True)


@contextmanager
def running(job: Job) -> Iterator[tuple[TeachingSession, LiveLoop, Watcher]]:
    """Teach with the simulated camera as long as the context lasts."""
    paths = sorted(Path(job.frames).glob("*.jpg"))
    jpegs = [np.frombuffer(path.read_bytes(), np.uint8) for path in paths]
    with (
        teaching_process() as on_loaded,
        TeachingSession(Path(job.dataset), default_backbone(), on_loaded=on_loaded) as session,
        LiveCamera(JpegGrabber(jpegs, job.rate)) as camera,
    ):
        session.classifier.warm_up()
        loop = LiveLoop(camera, session.classifier, record=session.observe)
        with loop:
            yield session, loop, Watcher(loop)


def press(session: TeachingSession, watcher: Watcher, turn: int) -> float:
    """Press the key of a label that nobody has seen, and give when its name is answered, in ms.

    Then all is as it was. The pauses differ, so that whatever goes on in the background is met.
    """
    time.sleep(0.4 + 0.37 * (turn % 5))
    watcher.clear()
    pressed = time.monotonic()
    session.start_recording(NEW_LABEL)
    while True:
        labelled = watcher.frames.get(timeout=_PATIENCE)
        prediction = labelled.prediction
        if prediction.labels and prediction.label == NEW_LABEL:
            break
    session.stop_recording()
    session.undo()
    while NEW_LABEL in session.learning_state().learnt_labels:
        time.sleep(0.01)
    return 1000.0 * (labelled.labelled_at - pressed)


def watch(
    session: TeachingSession, loop: LiveLoop, watcher: Watcher, seconds: float
) -> dict[str, float]:
    """Only watch, when all is learnt."""
    session.wait_until_learnt(_LEARNT_WITHIN)
    return measured(loop, watcher, lambda: time.sleep(seconds))


def teach(
    session: TeachingSession, loop: LiveLoop, watcher: Watcher, seconds: float
) -> dict[str, float]:
    """Record all the while, burst after burst, and take them all back afterwards."""
    bursts = 0

    def record() -> None:
        nonlocal bursts
        until = time.monotonic() + seconds
        labels = [label.name for label in session.state().labels]
        while (left := until - time.monotonic()) > 0:
            session.start_recording(labels[bursts % len(labels)])
            bursts += 1
            time.sleep(min(_SWITCH_EVERY, left))
        session.stop_recording()

    found = measured(loop, watcher, record)
    undone = [session.undo() for _ in range(bursts)]
    return found | {"snapshots": sum(burst.count for burst in undone if burst is not None)}


def measured(loop: LiveLoop, watcher: Watcher, work: Callable[[], None]) -> dict[str, float]:
    """Count and time the frames that come while something is done."""
    watcher.clear()
    dropped = loop.counter.dropped
    began = time.monotonic()
    work()
    elapsed = time.monotonic() - began
    frames = watcher.clear()
    ages = [1000.0 * labelled.age for labelled in frames]
    inferences = [1000.0 * labelled.inference_seconds for labelled in frames]
    return {
        "rate": len(frames) / elapsed,
        "dropped": loop.counter.dropped - dropped,
        "age_median": float(np.median(ages)),
        "age_late": float(np.percentile(ages, 95)),
        "inference_median": float(np.median(inferences)),
        "inference_late": float(np.percentile(inferences, 95)),
    }


if __name__ == "__main__":
    run_script(main)
