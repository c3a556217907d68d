"""Labels a second of a network that takes longer than a frame, beside what its inference allows.

    $ python -m benchmarks.slow_model
    $ python -m benchmarks.slow_model --milliseconds 36 100 --rate 30 --seconds 20

The default network gets larger pictures until one inference on one thread takes about so many
milliseconds on this machine, now. Then the live loop labels what a simulated camera sends, as JPEGs
at the beat of a clock. A loop that waits for the frame after each inference labels every second
frame, 15 of 30 a second at 36 ms; one that takes the newest frame at once is as fast as the
inference. `allowed` is that: one over the mean of preprocessing and inference in this very run, or
the camera's rate where that is less; `waited` is what a frame cost besides.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from benchmarks.inference_models import write_models
from benchmarks.inference_request import MODEL
from benchmarks.latency import write_jpegs
from benchmarks.latency_child import JpegGrabber
from webcam_classifier.camera.supervisor import LiveCamera
from webcam_classifier.cli.console import run_script
from webcam_classifier.live.loop import LiveLoop
from webcam_classifier.model.classifier import Classifier
from webcam_classifier.runtime.providers import ExecutionConfig

_SMALLEST, _LARGEST, _STEP = 96, 1024, 32  # pixels
_RUNS = 15
_HEADER = (
    f"{'wanted ms':>10}{'pixels':>8}{'inference ms':>14}{'labels/s':>10}{'allowed':>9}"
    f"{'share':>7}{'waited ms':>11}{'age ms':>8}{'95 %':>7}{'frames passed over':>20}"
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Find a size for each time, run the loop, and print a line."""
    options = parse(arguments)
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_jpegs(folder)
        print(_HEADER)
        everything = {}
        for milliseconds in options.milliseconds:
            size, classifier = slow_classifier(folder, milliseconds)
            found = run(folder, classifier, options.rate, options.seconds)
            everything[f"{milliseconds:g} ms"] = found
            print(f"{milliseconds:>10g}{size:>8}{describe(found)}", flush=True)
        if options.json:
            options.json.write_text(json.dumps(everything, indent=2) + "\n")


def slow_classifier(folder: Path, milliseconds: float) -> tuple[int, Classifier]:
    """Return the size whose inference takes about so long here and now, and a model of it."""
    lower, upper = _SMALLEST, _LARGEST
    while upper - lower > _STEP:
        middle = (lower + upper) // (2 * _STEP) * _STEP
        if inference_milliseconds(classifier_of(folder, middle)) < milliseconds:
            lower = middle
        else:
            upper = middle
    return lower, classifier_of(folder, lower)


def classifier_of(folder: Path, size: int) -> Classifier:
    """Return the default network for pictures of a size, on one thread."""
    place = folder / str(size)
    if not place.is_dir():
        place.mkdir()
        write_models(place, size=size)
    classifier = Classifier(place / MODEL, ExecutionConfig("cpu", 1))
    classifier.warm_up()
    return classifier


def inference_milliseconds(classifier: Classifier) -> float:
    """Return the median of some runs."""
    size = classifier.card.input_size
    grey = np.full((size, size, 3), 127, np.uint8)
    seconds = []
    for _ in range(_RUNS):
        started = time.perf_counter()
        classifier.classify_prepared(grey)
        seconds.append(time.perf_counter() - started)
    return 1000.0 * statistics.median(seconds)


def run(folder: Path, classifier: Classifier, rate: float, seconds: float) -> dict[str, float]:
    """Label at a camera's pace, and return what came of it."""
    jpegs = [np.frombuffer(path.read_bytes(), np.uint8) for path in sorted(folder.glob("*.jpg"))]
    busy: list[float] = []
    ages: list[float] = []
    labelled_at: list[float] = []
    with (
        LiveCamera(JpegGrabber(jpegs, rate)) as camera,
        LiveLoop(camera, classifier, record=lambda one: ages.append(1000.0 * one.age)) as loop,
    ):
        for labelled in loop.results(wait=0.5):
            if labelled is None:
                continue
            busy.append(1000.0 * labelled.inference_seconds)
            labelled_at.append(labelled.labelled_at)
            if labelled_at[-1] - labelled_at[0] > seconds:
                break
        prepared = loop.stages["preprocessing"].percentile(50)
        passed_over = loop.counter.dropped
        labels = loop.counter.rate
    needed = statistics.fmean(busy) + prepared
    allowed = min(rate, 1000.0 / needed)
    waited = 1000.0 / labels - max(needed, 1000.0 / rate)
    return {
        "inference": statistics.median(busy),
        "labels": labels,
        "allowed": allowed,
        "waited": waited,
        "age_median": float(np.median(ages)),
        "age_late": float(np.percentile(ages, 95)),
        "passed_over": passed_over,
    }


def describe(found: Mapping[str, float]) -> str:
    """Lay out a line."""
    return (
        f"{found['inference']:>14.1f}{found['labels']:>10.1f}{found['allowed']:>9.1f}"
        f"{found['labels'] / found['allowed']:>7.2f}{found['waited']:>11.1f}"
        f"{found['age_median']:>8.1f}{found['age_late']:>7.1f}{found['passed_over']:>20}"
    )


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.slow_model",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--milliseconds", type=float, nargs="+", default=[36.0], help="of one inference")
    add("--rate", type=float, default=30.0, help="frames a second (default: %(default)g)")
    add("--seconds", type=float, default=10.0, help="of each run (default: %(default)g)")
    add("--json", type=Path, metavar="FILE", help="write the figures")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    run_script(main)
