"""One model on one provider, as the live loop runs it, in a process of its own.

    $ python -m benchmarks.gpu_child MODEL --provider cuda --no-graph --json FILE
    $ python -m benchmarks.gpu_child MODEL --provider tensorrt --compare --json FILE

It opens the model, answers drawn pictures, and times single runs. A second process for the same
model finds what the first one compiled. The answers go to the file, where `benchmarks.gpu` compares
them with the processor's; with --compare that is done here.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.latency_child import resident_megabytes
from webcam_classifier.cli.console import run_script
from webcam_classifier.errors import UserError
from webcam_classifier.model_card import OUTPUT_NAME
from webcam_classifier.runtime.providers import (
    CPU,
    PROVIDERS,
    ExecutionConfig,
    option_attempts,
    provider_options,
)
from webcam_classifier.runtime.runners import PlainRunner, SplitRunner
from webcam_classifier.runtime.runtime_cache import runtime_folder
from webcam_classifier.runtime.session import (
    ModelSession,
    open_model,
    open_on_processor,
    open_on_provider,
    runner_for,
)
from webcam_classifier.runtime.split_graph import split_graph
from webcam_classifier.runtime.trial_pictures import blobs

_WARM_UP, _RUNS = 20, 200


def main(arguments: Sequence[str] | None = None) -> None:
    """Open, answer, time, and write the figures."""
    options = parse(arguments)
    before = device_megabytes()
    began = time.perf_counter()
    session = open_with(options)
    (shape,) = session.inputs.values()
    size = int(shape[1])
    pictures = blobs(size)
    session.run(pictures[:1])
    opened = time.perf_counter() - began
    name = OUTPUT_NAME if OUTPUT_NAME in session.outputs else next(iter(session.outputs))
    answers = answers_of(session, pictures, name)
    found: dict[str, Any] = {
        "runs_on": session.runtime.describe(),
        "first_answer_seconds": opened,
        **timed(session, pictures[:1]),
        "megabytes": resident_megabytes(),
        "device_megabytes": None if before is None else (device_megabytes() or 0.0) - before,
        "answers": answers.tolist(),
    }
    words = f"{found['runs_on']}: {found['median']:.2f} ms, first answer {opened:.1f} s"
    if options.compare:
        expected = answers_of(open_model(options.model, ExecutionConfig()), pictures, name)
        found["equal"] = int((answers.argmax(axis=1) == expected.argmax(axis=1)).sum())
        found["apart"] = float(np.abs(answers - expected).max())
        words += f", {found['equal']} of {len(answers)} answers the processor's, "
        words += f"{found['apart']:.4f} apart"
    options.json.write_text(json.dumps(found))
    print(words)


def answers_of(session: ModelSession, pictures: np.ndarray, name: str) -> np.ndarray:
    """Ask about prepared pictures, one at a time; (pictures, labels)."""
    return np.array([session.run(picture[np.newaxis])[name][0] for picture in pictures])


def open_with(options: argparse.Namespace) -> ModelSession:
    """Open the model as the live loop does, but for a CUDA graph that is not wanted.

    Raises:
        ProviderError: The provider can't be had.
        UserError: Without a CUDA graph: the model is not one of head and features.
    """
    runtime = ExecutionConfig(
        options.provider, 0, options.reduced, options.precision, options.provider == CPU
    )
    if not options.no_graph:
        return open_model(options.model, runtime)
    folder = runtime_folder(options.model)
    plain = option_attempts(provider_options(runtime, folder))[-1]
    split = split_graph(options.model, folder / "parts" / options.model.stem)
    if split is None:
        raise UserError(f"{options.model} has no embedding, so it is not cut in two.")
    body = open_on_provider(split.body, runtime, plain, folder)
    head = open_on_processor(split.head, 1)
    runner = SplitRunner(runner_for(body, runtime), split.seam, PlainRunner(head))
    return ModelSession(body, head, runner, runtime)


def timed(session: ModelSession, pixels: np.ndarray) -> dict[str, float]:
    """Time single runs, in milliseconds."""
    seconds = []
    for _ in range(_WARM_UP + _RUNS):
        started = time.perf_counter()
        session.run(pixels)
        seconds.append(time.perf_counter() - started)
    found = 1000.0 * np.array(seconds[_WARM_UP:])
    return {
        "median": float(np.median(found)),
        "late": float(np.percentile(found, 95)),
        "best": float(found.min()),
    }


def device_megabytes() -> float | None:
    """Memory in use on the first GPU, of all processes; None where nobody says."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    command = [program, "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
    try:
        asked = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
        return float(asked.stdout.split()[0])
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return None


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu_child", description=__doc__)
    add = parser.add_argument
    add("model", type=Path)
    add("--provider", choices=tuple(PROVIDERS), default=CPU)
    add("--reduced", action="store_true", help="features in fp16")
    add("--precision", default="fp32", help="of the file (default: %(default)s)")
    add("--no-graph", action="store_true", help="without a CUDA graph")
    add("--compare", action="store_true", help="say how the answers differ from the processor's")
    add("--json", type=Path, required=True, metavar="FILE")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    run_script(main)
