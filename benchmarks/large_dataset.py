"""How much memory and time a head takes on many pictures.

    $ python -m benchmarks.large_dataset --pictures 25000 --input-size 64 --folder /tmp/many
    $ python -m benchmarks.large_dataset --pictures 2000 --checkout ../before

The data set is made of the real pictures of the folder named with `--data`: each burst is one of
them, resized, that drifts and gets lighter and darker from one snapshot to the next, with the noise
of a camera. `train.py --mode head` runs on it twice, each time in a process of its own: first with
nothing remembered, and then with all embeddings at hand.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from webcam_classifier.cli.console import run_script
from webcam_classifier.dataset.listing import list_dataset
from webcam_classifier.dataset.picture_files import encode_snapshot, read_picture
from webcam_classifier.dataset.snapshot_name import SnapshotName
from webcam_classifier.errors import UserError
from webcam_classifier.frame import BgrImage
from webcam_classifier.progress import Stage, track

BURST = 25
"""Snapshots: three seconds at eight a second."""

_PROJECT = Path(__file__).resolve().parents[1]
_DATA = _PROJECT.parent / "shared" / "data" / "rock_paper_scissors" / "person_1"
_SESSION = "20260101T000000x000000"
_NOISE = 6.0  # standard deviation of a pixel
_DRIFT = 0.01  # of the width, from one snapshot to the next


@dataclass(frozen=True)
class Run:
    """What one training took.

    Attributes:
        seconds: From the start of its process to the end.
        megabytes: Of memory at the peak, as the system counts resident pages.
        status: How it ended; 0 is well.
        last_lines: The end of what it said.
    """

    seconds: float
    megabytes: float
    status: int
    last_lines: str

    def describe(self) -> str:
        """One line of figures, and what was said where it did not end well."""
        line = f"{self.seconds:8.1f} s{self.megabytes:8.0f} MB at the peak"
        return line if self.status == 0 else f"{line}, status {self.status}:\n{self.last_lines}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the pictures, train twice, and print a line for each."""
    options = parse(arguments)
    with tempfile.TemporaryDirectory() as temporary:
        folder = (options.folder or Path(temporary)) / f"snapshots-{options.pictures}"
        write_snapshots(folder, options.pictures, options.size, options.data)
        forget_embeddings(folder)
        command = [
            *(sys.executable, "train.py", str(folder.resolve()), "--mode", "head"),
            *("--output", str(Path(temporary) / "model"), "--seed", "0"),
            *("--input-size", str(options.input_size), "--weights", str(options.weights)),
        ]
        for name in ("nothing remembered", "all remembered"):
            found = run(command, options.checkout)
            print(f"{options.pictures:>7} pictures, {name:<19}{found.describe()}", flush=True)
            if found.status:
                raise UserError("The training failed; what it said stands above. Mend that first.")


def write_snapshots(folder: Path, count: int, size: tuple[int, int], data: Path) -> None:
    """Make a data set, unless it is there already.

    Args:
        folder: One folder for each label comes below it.
        count: How many pictures.
        size: Their width and height, in pixels.
        data: Where the real pictures are, in one folder for each label.
    """
    if len(list(folder.glob("*/*.jpg"))) == count:
        return
    shutil.rmtree(folder, ignore_errors=True)
    sources = _sources(data)
    labels = list(sources)
    generator = np.random.default_rng(0)
    noise = generator.normal(0.0, _NOISE, (2 * size[1], 2 * size[0], 3)).astype(np.float32)
    for number in track(Stage.RECORD, range(count), subject="snapshots"):
        burst, index = divmod(number, BURST)
        label = labels[burst % len(labels)]
        own = sources[label]
        image = read_picture(own[(burst // len(labels)) % len(own)])
        name = SnapshotName(_SESSION, burst + 1, index + 1).format()
        path = folder / label / f"{name}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode_snapshot(_snapshot(image, index, size, noise, generator)))


def _sources(data: Path) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for picture in list_dataset(data).pictures:
        found.setdefault(picture.label, []).append(picture.path)
    if len(found) < 2:
        raise UserError(f"{data} has fewer than two labels. Name a folder with more of them.")
    return found


def _snapshot(
    image: BgrImage,
    index: int,
    size: tuple[int, int],
    noise: NDArray[np.float32],
    generator: np.random.Generator,
) -> BgrImage:
    """One snapshot of a burst: a bit further aside, a bit lighter or darker, with other noise."""
    width, height = size
    resized = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
    shift = np.array([[1.0, 0.0, _DRIFT * width * index], [0.0, 1.0, 0.0]])
    moved = cv2.warpAffine(resized, shift, size, borderMode=cv2.BORDER_REFLECT)
    left, top = generator.integers(width), generator.integers(height)
    own_noise = noise[top : top + height, left : left + width]
    light = generator.uniform(0.9, 1.1)
    return np.asarray(np.clip(light * moved + own_noise, 0, 255), dtype=np.uint8)


def forget_embeddings(folder: Path) -> None:
    """Remove what former trainings remember beside the pictures; it is all that is hidden there."""
    for path in folder.glob(".*"):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def run(command: Sequence[str], checkout: Path) -> Run:
    """Run a command, and have the system count what it takes.

    Args:
        command: With its arguments.
        checkout: The folder to run it in.
    """
    with tempfile.TemporaryFile() as output:
        started = time.monotonic()
        with subprocess.Popen(
            command, cwd=checkout, stdout=output, stderr=subprocess.STDOUT
        ) as child:
            # Not the usage of all children: its peak is that of the largest of them.
            _, status, usage = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - started
        output.seek(0)
        lines = output.read().decode("utf-8", "replace").splitlines()
    kilobytes = usage.ru_maxrss / (1024 if sys.platform == "darwin" else 1)
    return Run(seconds, kilobytes * 1024 / 1e6, child.returncode, "\n".join(lines[-8:]))


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.large_dataset",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--pictures", type=int, default=2000, help="how many (default: %(default)s)")
    add("--size", type=_size, default=(500, 375), metavar="WxH",
        help="of a picture, in pixels (default: 500x375)")  # fmt: skip
    add("--input-size", type=int, default=64, metavar="PIXELS",
        help="passed to train.py; a small one is quick (default: %(default)s)")  # fmt: skip
    add("--data", type=Path, default=_DATA, help="real pictures, in one folder for each label")
    add("--folder", type=Path, help="keep the pictures there, and use them again")
    add("--weights", default="auto", metavar="FILE", help="passed to train.py (default: auto)")
    add("--checkout", type=Path, default=_PROJECT, metavar="FOLDER",
        help="run the train.py of another version of the project")  # fmt: skip
    return parser.parse_args(arguments)


def _size(text: str) -> tuple[int, int]:
    width, times, height = text.partition("x")
    if not (times and width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise argparse.ArgumentTypeError(f"{text!r} is no size such as 500x375")
    return int(width), int(height)


if __name__ == "__main__":
    run_script(main)
