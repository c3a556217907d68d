"""Everything in about a minute, without a camera: record, train, export, run live, measure.

A simulated camera draws a hand. The demo shows how the parts work together, and says nothing about
the accuracy on a real hand in a real room. `make demo` runs this.

All files are written to the folder demo_output/. An earlier one is kept until the new one is
complete: when the demo is stopped or fails, it is put back.
"""

from __future__ import annotations

import io
import json
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

from webcam_classifier.camera.scene import LABELS, pose_at
from webcam_classifier.cli import collect, export, live, train
from webcam_classifier.cli.command_parser import CommandParser
from webcam_classifier.command_names import as_installed
from webcam_classifier.errors import UserError
from webcam_classifier.percentage import percentage

FOLDER = Path("demo_output")
EARLIER = Path("demo_output.earlier")
SEEDS = range(1, 13)  # each gives a burst of each label, with another room and another hand
SNAPSHOTS = 4  # in a burst
NEW_SEED = 99
FRAMES = 240

Main = Callable[[Sequence[str]], None]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the whole demo, and print the results."""
    build_parser().parse_args(arguments)
    with replacing_output():
        run_all()


def build_parser() -> CommandParser:
    """Build the parser of the command, which takes nothing but --help."""
    return CommandParser(__doc__ or "")


@contextmanager
def replacing_output() -> Iterator[None]:
    """Move an earlier output out of the way, and put it back if anything fails.

    If an earlier demo was killed, its unfinished output is deleted and the one before it is kept.
    """
    if EARLIER.exists():
        shutil.rmtree(FOLDER, ignore_errors=True)
    elif FOLDER.exists():
        FOLDER.rename(EARLIER)
    try:
        yield
    except BaseException:
        if EARLIER.exists():
            shutil.rmtree(FOLDER, ignore_errors=True)
            EARLIER.rename(FOLDER)
        raise
    shutil.rmtree(EARLIER, ignore_errors=True)


def run_all() -> None:
    """Record, train, export, run live and measure."""
    started = time.monotonic()
    dataset, model = FOLDER / "dataset", FOLDER / "models" / "thumbs"
    for label in LABELS:
        record(label, dataset)
    run("train.py", train.main, [str(dataset), "--output", str(model)])
    try:
        run("-m export", export.main, [str(model / "model.onnx"), "--precision", "int8"])
    except UserError as error:  # drawn hands may fall between two labels; nothing later needs int8
        print(f"refused: {error}")
    video, lines = FOLDER / "annotated.mp4", FOLDER / "live.jsonl"
    command = [str(model / "model.onnx"), "--source", f"demo::{NEW_SEED}", "--no-window"]
    command += ["--frames", str(FRAMES), "--save", str(video), "--json-lines", str(lines)]
    run("live.py", live.main, command)
    print(summary(model, video, lines, time.monotonic() - started))


def record(label: str, dataset: Path) -> None:
    """Record all bursts of a label; only the first command and what the last one says are shown."""
    ending = ["--count", str(SNAPSHOTS), "--no-window", "--dataset", str(dataset)]
    first, *others = [[label, "--source", f"demo:{label}:{seed}", *ending] for seed in SEEDS]
    show_command("collect.py", first)
    print(f"and {len(others)} times more: demo:{label}:{SEEDS[1]} to demo:{label}:{SEEDS[-1]}")
    for command in (first, *others[:-1]):
        with redirect_stdout(io.StringIO()):
            collect.main(command)
    collect.main(others[-1])


def run(script: str, script_main: Main, arguments: Sequence[str]) -> None:
    """Print a command as one would type it, and run it."""
    show_command(script, arguments)
    script_main(arguments)


def show_command(script: str, arguments: Sequence[str]) -> None:
    """Print a command as one would type it."""
    print(as_installed(f"\n$ python {script} {' '.join(arguments)}"), flush=True)


def summary(model: Path, video: Path, lines: Path, seconds: float) -> str:
    """Return lines on the accuracy and speed, and where the files are."""
    metrics = json.loads((model / "metrics.json").read_text(encoding="utf-8"))
    frames = [json.loads(line) for line in lines.read_text(encoding="utf-8").splitlines()]
    right = sum(frame["label"] == pose_at("all", NEW_SEED, frame["index"]) for frame in frames)
    ages = sorted(frame["age_ms"] for frame in frames)
    return "\n".join(
        [
            "",
            "All of this was a simulated camera: a drawn hand, in drawn rooms.",
            f"accuracy on bursts that training never saw   {percentage(metrics['accuracy'])}"
            f"  ({metrics['count']} snapshots)",
            f"correct labels live, in rooms it never saw   {percentage(right / len(frames))}"
            f"  ({len(frames)} frames)",
            f"age of the frame at its label, median        {ages[len(ages) // 2]:.1f} ms",
            f"annotated video                              {video.resolve()}",
            f"model                                        {(model / 'model.onnx').resolve()}",
            f"all of it took                               {seconds:.0f} s",
            "",
            as_installed("With a camera: python collect.py thumbs_up thumbs_down background"),
        ]
    )
