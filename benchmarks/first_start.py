"""From the start of a process to the first label: a model never run here, and one that was.

    $ python -m benchmarks.first_start
    $ python -m benchmarks.first_start models/thumbs --rounds 5 --json start.json

Each start is a process of its own that does what `live.py` does without a window, at the pace of
a simulated camera of 30 frames a second. The cache folder is an empty one each time, so that a
first start finds nothing; `foreign` is one of a file that was not written on this device, which is
tried in a process of its own before it is opened; the next start finds what the first one left.

Of a first start, other runtimes are tried beside the loop. The table tells how long that took, and
the oldest label and the dropped frames meanwhile, in the second around the change to another
runtime, and in the seconds after it. `before` waits for the trial of all runtimes, as live.py does
where a provider is named. The load of the machine stands below: beside other work ages say little.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import time
from typing import Any

from benchmarks.first_start_child import FirstStart
from benchmarks.inference_models import write_models
from benchmarks.inference_request import MODEL
from benchmarks.latency import write_jpegs
from webcam_classifier.cli.console import run_script
from webcam_classifier.errors import UserError
from webcam_classifier.model.classifier import find_model

_PROJECT = Path(__file__).resolve().parents[1]
_AFTER = 3.0  # seconds that are watched after the change
_HEADER = (
    f"{'start':<26}{'first label s':>14}{'of the camera s':>17}{'search s':>10}"
    f"{'oldest meanwhile':>18}{'at the change':>15}{'after ms':>10}{'dropped':>9}"
)

Found = dict[str, Any]


def main(arguments: Sequence[str] | None = None) -> None:
    """Start again and again, and print a line for each kind of start."""
    options = parse(arguments)
    found: dict[str, list[Found]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_jpegs(folder)
        if options.model is None:
            write_models(folder)
            model = folder / MODEL
        else:
            model = find_model(options.model).resolve()
        print(f"load before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
        for round_number in range(options.rounds):
            for kind, one in start_each(folder, model, round_number):
                found.setdefault(kind, []).append(one)
    print(_HEADER)
    for kind, ones in found.items():
        print(describe(kind, ones))
    print(f"load after: {os.getloadavg()[0]:.1f}")
    for one in found["first, others beside"]:
        print(f"  {one['runs_on']}")
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n")


def start_each(folder: Path, model: Path, number: int) -> list[tuple[str, Found]]:
    """Make each kind of start once, and return what was measured."""
    beside, whole = folder / f"beside-{number}", folder / f"whole-{number}"
    run = [
        ("first, others before", start(folder, model, whole, waits=True, is_ours=True)),
        ("first, others beside", start(folder, model, beside, waits=False, is_ours=True)),
        ("next", start(folder, model, beside, waits=False, is_ours=True)),
    ]
    shutil.rmtree(beside)
    run.append(("first, a foreign file", start(folder, model, beside, waits=False, is_ours=False)))
    return run


def start(folder: Path, model: Path, cache: Path, *, waits: bool, is_ours: bool) -> Found:
    """Run one process, and return what it measured.

    Args:
        folder: Of JPEGs that the simulated camera sends.
        model: The file.
        cache: Of this start; what is there is found.
        waits: Whether all runtimes are tried before the first label.
        is_ours: Whether the file counts as written on this device.

    Raises:
        UserError: It ended before its time.
    """
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache)}
    if is_ours:
        noted = "import sys, pathlib; from webcam_classifier.runtime.untrusted_model import "
        noted += "note_as_ours; note_as_ours(pathlib.Path(sys.argv[1]).read_bytes())"
        subprocess.run(
            [sys.executable, "-c", noted, str(model)], env=environment, cwd=_PROJECT, check=True
        )
    job = FirstStart(str(model), str(folder), waits, _AFTER, time())
    process = subprocess.run(
        [sys.executable, "-m", "benchmarks.first_start_child"],
        input=json.dumps(vars(job)),
        stdout=subprocess.PIPE,
        env=environment,
        cwd=_PROJECT,
        text=True,
        check=False,
    )
    if process.returncode:
        raise UserError(
            f"A start ended with status {process.returncode}. What it said stands above; mend "
            "that, and measure again."
        )
    found: Found = json.loads(process.stdout)
    return found


def describe(kind: str, ones: Sequence[Found]) -> str:
    """Lay out the medians of one kind of start; of ages the worst."""

    def middle(name: str) -> float:
        return float(statistics.median(one[name] for one in ones))

    line = f"{kind:<26}{middle('first_label'):>14.2f}{middle('of_camera'):>17.2f}"
    if ones[0]["search"] is None:
        return line
    worst = {name: max(one[name] or 0.0 for one in ones) for name in ("meanwhile", "change")}
    after = max(one["after"] for one in ones)
    dropped = sum(one["dropped"] for one in ones)
    line += f"{middle('search'):>10.1f}{worst['meanwhile']:>18.1f}{worst['change']:>15.1f}"
    return f"{line}{after:>10.1f}{dropped:>9}"


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.first_start",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("model", nargs="?", type=Path, help="default: the default network with a plain head")
    add("--rounds", type=int, default=3, help="of all kinds in turn (default: %(default)s)")
    add("--json", type=Path, metavar="FILE", help="write what each start measured")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    run_script(main)
