"""How soon live teaching answers, and what it costs the live picture.

    $ python -m benchmarks.teach
    $ python -m benchmarks.teach --counts 1000 --keep /tmp/snapshots

Everything runs as in live.py --teach: the simulated camera sends JPEGs of 640 x 480 at the beat of
a clock, `LiveLoop` labels them, and snapshots go to the disk. Measured are, for each number of
snapshots that are there before:

- from the press of a new label's key to the first frame that is given this label;
- frames labelled and dropped, ages and inference, while a label is recorded all the time and all
  that is new is learnt, in turn with stretches in which the same program only watches;
- from the creation of the process to its first label, when all snapshots are remembered.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.latency import write_jpegs
from benchmarks.teach_child import Job
from webcam_classifier.camera.scene import LABELS, draw_scene
from webcam_classifier.cli.console import run_script
from webcam_classifier.dataset.picture_files import encode_snapshot
from webcam_classifier.dataset.snapshot_name import SnapshotName
from webcam_classifier.errors import UserError
from webcam_classifier.progress import Stage, track

COUNTS = (10, 100, 1000, 5000)

_PROJECT = Path(__file__).resolve().parents[1]
_BURST = 10  # snapshots
_STEP = 4  # frames between two snapshots of a burst: eight a second
_FIRST_SEED = 100

Found = Mapping[str, Any]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure each number of snapshots, and print a paragraph for each."""
    options = parse(arguments)
    with tempfile.TemporaryDirectory() as folder:
        frames = Path(folder) / "frames"
        frames.mkdir()
        write_jpegs(frames)
        for count in options.counts:
            dataset = (options.keep or Path(folder)) / f"snapshots-{count}"
            write_snapshots(dataset, count)
            job = Job(
                str(dataset), str(frames), options.rate, options.presses, options.seconds,
                options.stretches, 0.0,
            )  # fmt: skip
            found = run(job)
            starts = [run(Job(**{**vars(job), "presses": 0})) for _ in range(options.starts)]
            print(describe(count, found, [start["start_seconds"] for start in starts]), flush=True)
            if options.json:
                with options.json.open("a", encoding="utf-8") as file:
                    file.write(json.dumps({"count": count, **found, "starts": starts}) + "\n")


def write_snapshots(dataset: Path, count: int) -> None:
    """Record so many snapshots of the simulated camera, in bursts, each in another room."""
    missing = count - len(list(dataset.glob("*/*.jpg")))
    if missing <= 0:
        return
    for number in track(Stage.RECORD, range(count), subject="drawn snapshots"):
        burst, index = divmod(number, _BURST)
        label = LABELS[burst % len(LABELS)]
        name = SnapshotName("20260101T000000x000000", burst + 1, index + 1).format()
        path = dataset / label / f"{name}.jpg"
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            image = draw_scene(label, _FIRST_SEED + burst, _STEP * index)
            path.write_bytes(encode_snapshot(image))


def run(job: Job) -> Found:
    """Measure in a process of its own.

    Raises:
        UserError: It ended before its time.
    """
    line = json.dumps({**vars(job), "started_at": time.time()}) + "\n"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.teach_child"],
        input=line, stdout=subprocess.PIPE, text=True, cwd=_PROJECT, check=False,
    )  # fmt: skip
    if done.returncode:
        raise UserError(
            f"The measurement ended with status {done.returncode}. What it said stands above; "
            "mend that, and start again."
        )
    found: Found = json.loads(done.stdout.splitlines()[-1])
    return found


def describe(count: int, found: Found, starts: Sequence[float]) -> str:
    """Lay out what was found for one number of snapshots."""
    lines = [f"{count} snapshots"]
    presses = found.get("presses_ms", [])
    if presses:
        lines.append(
            f"  key press to changed answer: median {np.median(presses):.0f} ms, longest "
            f"{max(presses):.0f} ms of {len(presses)}"
        )
    for name, figures in found.items():
        if isinstance(figures, dict):
            taken = f", {figures['snapshots']} recorded" if "snapshots" in figures else ""
            lines.append(
                f"  {name}: {figures['rate']:.1f} frames/s, {figures['dropped']} dropped, "
                f"inference {figures['inference_median']:.1f} ms (95 %: "
                f"{figures['inference_late']:.1f}), age {figures['age_median']:.1f} ms (95 %: "
                f"{figures['age_late']:.1f}){taken}"
            )
    if starts:
        lines.append(
            f"  start to first label, all remembered: quickest {min(starts):.2f} s, median "
            f"{np.median(starts):.2f} s of {len(starts)}"
        )
    return "\n".join(lines)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.teach",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--counts", type=int, nargs="+", default=list(COUNTS), help="snapshots (default: all)")
    add("--rate", type=float, default=30.0, help="frames a second (default: %(default)g)")
    add("--presses", type=int, default=15, help="for each number (default: %(default)s)")
    add("--seconds", type=float, default=10.0, help="of a stretch (default: %(default)g)")
    add("--stretches", type=int, default=2, help="of watching and of teaching each")
    add("--starts", type=int, default=5, help="how often it is started (default: %(default)s)")
    add("--keep", type=Path, metavar="FOLDER", help="keep the snapshots, and use them again")
    add("--json", type=Path, metavar="FILE", help="add a line of figures for each number")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    run_script(main)
