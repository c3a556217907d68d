"""How old a frame is when its label is known, and what the live loop costs, at a camera's pace.

    $ python -m benchmarks.latency models/thumbs
    $ python -m benchmarks.latency models/thumbs --provider openvino --rates 30
    $ python -m benchmarks.latency models/thumbs --rates 30 --save
    $ python -m benchmarks.latency models/thumbs --rates 30 --minutes 60

The camera is simulated: frames of 640 x 480 come as JPEGs at the beat of a clock, as a USB camera
sends them, and are decoded in the capture thread, as OpenCV does. Each rate has a process of its
own. The age counts from the arrival of the frame to its label. Processor time is that of the whole
process, decoding included; the start is measured from the creation of the process to the first
label. With --save every frame is drawn and saved too. With --minutes, a line a minute, and the last
one says what has grown.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2

from benchmarks.latency_child import Job
from webcam_classifier.camera.scene import draw_scene
from webcam_classifier.cli.console import run_script
from webcam_classifier.errors import UserError
from webcam_classifier.model.classifier import find_model
from webcam_classifier.runtime.choice import AUTO
from webcam_classifier.runtime.providers import PROVIDERS

_PROJECT = Path(__file__).resolve().parents[1]
_FRAMES = 60
_QUALITY = 80  # about what a USB camera sends
_HEADER = (
    f"{'rate':>5}{'frames':>8}{'dropped':>9}{'age ms':>8}{'95 %':>7}{'inference':>11}"
    f"{'cores':>7}{'MB':>6}{'start s':>9}"
)

Window = dict[str, Any]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run each rate, and print a line for each."""
    options = parse(arguments)
    model = find_model(options.model).resolve()
    length = 60.0 if options.minutes else options.seconds
    windows = max(1, options.minutes)
    with tempfile.TemporaryDirectory() as folder:
        write_jpegs(Path(folder))
        print(_HEADER)
        everything: dict[str, list[Window]] = {}
        for rate in options.rates:
            job = Job(
                model=str(model),
                frames=folder,
                rate=rate,
                provider=options.provider,
                seconds=length,
                windows=windows,
                saves=options.save,
                started_at=0.0,
            )
            found = everything[f"{rate:g} a second"] = []
            for window in run(job):
                found.append(window)
                print(describe(rate, window), flush=True)
            if len(found) > 1:
                print(describe_growth(found))
        if options.json:
            options.json.write_text(json.dumps(everything, indent=2) + "\n")


def run(job: Job) -> Iterator[Window]:
    """Run one process, and yield what it measured in each stretch of time.

    Raises:
        UserError: It ended before its time.
    """
    command = [sys.executable, "-m", "benchmarks.latency_child"]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=_PROJECT, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process:
        process.stdin.write(json.dumps({**vars(job), "started_at": time.time()}) + "\n")
        process.stdin.flush()
        for line in process.stdout:
            yield json.loads(line)
    if process.returncode:
        raise UserError(
            f"The measurement ended with status {process.returncode}. What it said stands above; "
            "mend that, and start again."
        )


def describe(rate: float, window: Window) -> str:
    """Lay out one line."""
    start = window["start_seconds"]
    return (
        f"{rate:>5g}{window['frames']:>8}{window['dropped']:>9}{window['age_median']:>8.1f}"
        f"{window['age_late']:>7.1f}{window['inference_median']:>11.1f}{window['cores']:>7.2f}"
        f"{window['megabytes']:>6.0f}" + (f"{start:>9.2f}" if start is not None else "")
    )


def describe_growth(windows: Sequence[Window]) -> str:
    """Say how much memory and age have grown from the second stretch of time to the last."""
    first, last = windows[min(1, len(windows) - 1)], windows[-1]
    return (
        f"growth: {last['megabytes'] - first['megabytes']:+.1f} MB, "
        f"age {last['age_median'] - first['age_median']:+.1f} ms, "
        f"95 % {last['age_late'] - first['age_late']:+.1f} ms"
    )


def write_jpegs(folder: Path) -> None:
    """Write what the simulated camera sends."""
    for index in range(_FRAMES):
        image = draw_scene("all", 1, index)
        path = str(folder / f"{index:03d}.jpg")
        cv2.imwrite(path, image, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.latency",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("model", type=Path, help="a model file, or the folder train.py wrote")
    add("--rates", type=float, nargs="+", default=[30.0, 60.0], help="frames a second")
    add("--seconds", type=float, default=10.0, help="for each rate (default: %(default)g)")
    add("--minutes", type=int, default=0, help="instead: watch for growth")
    add("--save", action="store_true", help="draw and save every frame as well")
    add("--json", type=Path, metavar="FILE", help="write what each stretch of time measured")
    add("--provider", choices=(AUTO, *PROVIDERS), default=AUTO)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    run_script(main)
