"""From a camera's frame to a label: ours against what a user would pick instead, in one run.

    $ python -m benchmarks.inference
    $ python -m benchmarks.inference models/thumbs
    $ python -m benchmarks.inference --without ncnn litert --plot inference.png
    $ python -m benchmarks.inference --grow

Every way gets the same 640 x 480 frames in memory. Each runs in a process of its own, and the
rounds alternate: one runtime's spinning threads slow down the next one's runs two- and threefold,
so only one process computes at a time, after a pause. The table gives medians of the rounds'
medians, their range, and how far the answers are from ours in fp32; below it stand the ratios that
matter. Without a model, ours is the default network with a plain head. Runtimes that are no part of
the project's requirements are installed into the user's cache folder at the first use. A way that
can't run here, as one whose package is missing, is left out, and said below with the reason. Where
ours can't run, it ends with status 1.

--grow tells how ours grows with the picture's size, the number of labels and the threads.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.baselines.environments import (
    Environment,
    EnvironmentFailedError,
    environment_python,
)
from benchmarks.inference_models import (
    take_model,
    write_foreign_models,
    write_frames,
    write_integer_model,
    write_models,
)
from benchmarks.inference_summary import Times, ratios, table
from benchmarks.inference_ways import WAYS
from webcam_classifier.cache_folder import cache_folder
from webcam_classifier.cli.console import run_script
from webcam_classifier.errors import UserError
from webcam_classifier.model.classifier import find_model
from webcam_classifier.runtime.device_name import physical_cores

RUNTIMES = Environment(
    "runtimes",
    (
        "openvino==2026.4.1",
        "ncnn==1.0.20261020",
        "pnnx==20261020",
        "ai-edge-litert==2.3.0",
        "numpy==2.4.6",
        "opencv-python==5.0.0.93",
        "safetensors==0.8.0",
        "matplotlib>=3.9",
    ),
    gigabytes=6.0,  # pnnx asks for torch
)

_PROJECT = Path(__file__).resolve().parents[1]
_PAUSE = 0.3  # seconds between two processes' rounds: OpenMP spins for up to 0.2 seconds
_SIZES = (96, 128, 160, 224, 320)  # pixels
_LABELS = (2, 10, 100, 1000)


class WayProcess:
    """One way in its own process.

    Args:
        name: A key of `inference_ways.WAYS`.
        folder: With models and frames.
        python: The interpreter of the environment that it needs.
        threads: 0 is the runtime's own choice.

    Raises:
        UserError: It can't run; the error holds the last line it said.
    """

    def __init__(self, name: str, folder: Path, python: Path, threads: int = 0) -> None:
        self._name = name
        self._errors = (folder / f"{name}.log").open("w+", encoding="utf-8")
        self._process = subprocess.Popen(
            [str(python), "-m", "benchmarks.inference_child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            cwd=_PROJECT,
            text=True,
            env={**os.environ, "XDG_CACHE_HOME": str(folder / "cache")},  # leaves no traces
        )
        request = {"way": name, "folder": str(folder), "variant": "", "threads": threads}
        self.answers = np.array(self._ask(json.dumps(request))["answers"])

    def time_round(self) -> float:
        """Time some runs; their median in milliseconds."""
        return float(self._ask("again")["milliseconds"])

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()
        self._errors.close()

    def _ask(self, line: str) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer.startswith("{"):
            self._errors.seek(0)
            said = self._errors.read().strip().splitlines() or ["it said nothing"]
            self.close()
            raise UserError(
                f"{WAYS[self._name].title} can't run: {said[-1]}. Mend that, or leave it out "
                f"with --without {self._name}."
            )
        found: dict[str, Any] = json.loads(answer)
        return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Run all ways in turn, and print the table."""
    options = parse(arguments)
    with tempfile.TemporaryDirectory() as folder:
        if options.grow:
            found = grow(Path(folder), options.rounds)
        else:
            names = [name for name in WAYS if name not in options.without]
            found = compare(Path(folder), names, options)
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n")


def compare(folder: Path, names: Sequence[str], options: argparse.Namespace) -> Times:
    """Time ways against each other, and print the table and what was left out.

    Raises:
        UserError: Ours can't run.
    """
    left_out: dict[str, str] = {}
    pythons = pythons_for(names, options.environments, left_out)
    write_frames(folder)
    write_models(folder)
    if options.model is not None:
        take_model(folder, find_model(options.model))
    if any("int8" in name for name in pythons):
        write_integer_model(folder)
    foreign = [name for name in ("ncnn", "litert") if name in pythons]
    if foreign:
        try:
            write_foreign_models(folder, pythons[foreign[0]])
        except RuntimeError as error:
            left_out |= {name: str(error) for name in foreign}
            pythons = {name: python for name, python in pythons.items() if name not in foreign}
    with ExitStack() as stack:
        running = {}
        for name, python in pythons.items():
            try:
                running[name] = WayProcess(name, folder, python, options.threads)
            except UserError as error:
                if name == "ours":
                    raise
                left_out[name] = str(error)
                continue
            stack.callback(running[name].close)
        times = alternate(running, options.rounds)
        answers = {name: way.answers for name, way in running.items()}
    print(table(times, answers))
    print("\n".join(ratios(times)))
    print("\n".join(describe_validation(left_out)))
    if options.plot:
        draw_plot(times, options.plot, environment(options.environments))
    return times


def describe_validation(left_out: Mapping[str, str]) -> list[str]:
    """Say which ways were not measured, and why; a ratio may hide that its best way is missing."""
    return [f"left out: {WAYS[name].title}: {reason}" for name, reason in left_out.items()]


def alternate(running: Mapping[str, WayProcess], rounds: int) -> Times:
    """Let each way compute in turn, alone."""
    times: Times = {name: [] for name in running}
    for _ in range(rounds):
        for name, way in running.items():
            time.sleep(_PAUSE)
            times[name].append(way.time_round())
    return times


def grow(folder: Path, rounds: int) -> Times:
    """Time ours with other sizes, numbers of labels and threads, and print how it grows."""
    here = Path(sys.executable)
    times: Times = {}
    with ExitStack() as stack:
        running = {}
        kinds = [("pixels", size, {"size": size}) for size in _SIZES]
        kinds += [("labels", count, {"labels": count}) for count in _LABELS]
        for unit, value, changed in kinds:
            place = folder / f"{value}-{unit}"
            place.mkdir()
            write_frames(place)
            write_models(place, **changed)
            running[f"{value} {unit}"] = WayProcess("ours", place, here)
        for count in sorted({1, physical_cores()}):
            running[f"{count} threads"] = WayProcess("ours", folder / "224-pixels", here, count)
        for way in running.values():
            stack.callback(way.close)
        times = alternate(running, rounds)
    print(f"{'ours, fp32':<14}{'ms':>7}  {'range':>13}")
    for name, found in times.items():
        span = f"{min(found):.2f}-{max(found):.2f}"
        print(f"{name:<14}{statistics.median(found):>7.2f}  {span:>13}")
    return times


def pythons_for(
    names: Sequence[str], environments: Path, left_out: dict[str, str]
) -> dict[str, Path]:
    """Return the interpreter for each way, and install what is missing.

    Args:
        names: Keys of `WAYS`.
        environments: Where other runtimes are installed.
        left_out: Gets the ways without one, with the reason.
    """
    here = Path(sys.executable)
    elsewhere = [name for name in names if WAYS[name].needs_environment]
    if not elsewhere:
        return dict.fromkeys(names, here)
    try:
        python = environment(environments)
    except UserError as error:
        left_out |= dict.fromkeys(elsewhere, str(error))
        return {name: here for name in names if name not in elsewhere}
    return {name: python if name in elsewhere else here for name in names}


def environment(environments: Path) -> Path:
    """Return the interpreter that has the other runtimes.

    Raises:
        UserError: It can't be made.
    """
    try:
        return environment_python(RUNTIMES, environments)
    except EnvironmentFailedError as error:
        raise UserError(
            f"The other runtimes can't be installed ({error}). Connect this machine to its package "
            "index, or leave them out with --without."
        ) from error


def draw_plot(times: Times, path: Path, python: Path) -> None:
    """Draw the times as bars, with the interpreter that has matplotlib."""
    shown = {WAYS[name].title: found for name, found in times.items()}
    command = [str(python), "-m", "benchmarks.inference_plot", str(path.absolute())]
    subprocess.run(command, input=json.dumps(shown), text=True, cwd=_PROJECT, check=True)
    print(f"plot: {path}")


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.inference",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "model",
        nargs="?",
        type=Path,
        help="of the default network (default: one with a plain head)",
    )
    add("--rounds", type=int, default=7, help="of all ways in turn (default: %(default)s)")
    add("--threads", type=int, default=0, help="default: each runtime's own choice")
    add("--without", nargs="+", choices=WAYS, default=(), metavar="WAY", help=", ".join(WAYS))
    add("--grow", action="store_true", help="ours alone, with other sizes, labels and threads")
    add("--plot", type=Path, metavar="PNG", help="draw the table as bars")
    add("--json", type=Path, metavar="FILE", help="write every round's time")
    add(
        "--environments",
        type=Path,
        default=cache_folder() / "benchmarks",
        metavar="FOLDER",
        help="where other runtimes are installed (default: %(default)s)",
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    run_script(main)
