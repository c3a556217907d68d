"""The live loop at the pace of a simulated camera, measured from within its own process."""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from webcam_classifier.camera.supervisor import LiveCamera
from webcam_classifier.cli.console import run_script
from webcam_classifier.frame import BgrImage
from webcam_classifier.live.loop import LabelledFrame, LiveLoop
from webcam_classifier.model.classifier import Classifier
from webcam_classifier.runtime.choice import choose_runtime

Save = Callable[[LabelledFrame], None]


@dataclass(frozen=True)
class Job:
    """What to measure.

    Attributes:
        model: The file.
        frames: A folder of JPEGs, sent again and again.
        rate: Frames a second.
        provider: As live.py takes it.
        seconds: Of one stretch of time.
        windows: How many stretches.
        saves: Whether every labelled frame is drawn and saved to a video, as live.py --save does.
        started_at: When the process was created, in seconds as `time.time()` gives them.
    """

    model: str
    frames: str
    rate: float
    provider: str
    seconds: float
    windows: int
    saves: bool
    started_at: float


class JpegGrabber:
    """Sends JPEGs at the beat of a clock; see `camera_live.FrameGrabber`.

    Args:
        jpegs: Each a whole file.
        rate: Frames a second.
    """

    def __init__(self, jpegs: list[NDArray[np.uint8]], rate: float) -> None:
        self._jpegs = jpegs
        self._period = 1.0 / rate
        self._index = -1
        self._due = time.monotonic()

    def grab(self) -> bool:
        """Wait for the next beat; beats that were missed are gone, as with a camera."""
        now = time.monotonic()
        missed = max(0, int((now - self._due) / self._period))
        self._due += (missed + 1) * self._period
        time.sleep(max(0.0, self._due - now))
        self._index += 1
        return True

    def retrieve(self) -> BgrImage:
        """Decode it, as OpenCV does in its own `retrieve`."""
        jpeg = self._jpegs[self._index % len(self._jpegs)]
        return np.asarray(cv2.imdecode(jpeg, cv2.IMREAD_COLOR), dtype=np.uint8)

    def describe(self, first: BgrImage) -> str:
        """Say what it is."""
        height, width = first.shape[:2]
        return f"JPEGs of {width} x {height}, {1 / self._period:g} a second"

    def release(self) -> None:
        """Nothing is held."""


def main() -> None:
    """Run the loop as live.py does without a window, and print a line for each stretch of time."""
    job = Job(**json.loads(sys.stdin.readline()))
    cv2.setNumThreads(1)
    paths = sorted(Path(job.frames).glob("*.jpg"))
    jpegs = [np.frombuffer(path.read_bytes(), np.uint8) for path in paths]
    model = Path(job.model)
    choice = choose_runtime(model, job.provider, 0, lambda line: print(line, file=sys.stderr))
    classifier = Classifier(model, choice.runtime)
    classifier.warm_up()
    with ExitStack() as stack:
        camera = stack.enter_context(LiveCamera(JpegGrabber(jpegs, job.rate)))
        save = saver(Path(job.frames) / "saved.mp4", stack) if job.saves else None
        loop = stack.enter_context(LiveLoop(camera, classifier))
        watch(loop, job, save)


def saver(path: Path, stack: ExitStack) -> Save:
    """Return the function that draws a labelled frame and saves it to a video."""
    # Loaded only here, as live.py does: what draws takes memory.
    from webcam_classifier.camera.video_file import VideoFile
    from webcam_classifier.ui.overlay import draw_prediction

    video = stack.enter_context(VideoFile(path, None))

    def save(labelled: LabelledFrame) -> None:
        drawn = draw_prediction(labelled.frame.image, labelled.steady, status="drawn and saved")
        video.write(drawn, labelled.frame)

    return save


def watch(loop: LiveLoop, job: Job, save: Save | None) -> None:
    """Gather ages, and print them window by window."""
    ages: list[float] = []
    inferences: list[float] = []
    dropped_before, windows, start = 0, 0, None
    began, spent = time.monotonic(), time.process_time()
    for labelled in loop.results(wait=0.5):
        if labelled is None:
            continue
        if windows == 0 and start is None:
            start = time.time() - job.started_at
        if save is not None:
            save(labelled)
        ages.append(1000.0 * labelled.age)
        inferences.append(1000.0 * labelled.inference_seconds)
        elapsed = time.monotonic() - began
        if elapsed < job.seconds:
            continue
        window = {
            "frames": len(ages),
            "dropped": loop.counter.dropped - dropped_before,
            "age_median": float(np.median(ages)),
            "age_late": float(np.percentile(ages, 95)),
            "inference_median": float(np.median(inferences)),
            "cores": (time.process_time() - spent) / elapsed,
            "megabytes": resident_megabytes(),
            "start_seconds": start if windows == 0 else None,
        }
        print(json.dumps(window), flush=True)
        windows += 1
        if windows == job.windows:
            return
        dropped_before = loop.counter.dropped
        ages.clear()
        inferences.clear()
        began, spent = time.monotonic(), time.process_time()


def resident_megabytes() -> float:
    """Memory that this process holds now; where only the peak is known, the peak."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * resource.getpagesize() / 1e6
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6  # bytes on macOS


if __name__ == "__main__":
    run_script(main)
