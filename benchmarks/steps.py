"""Run measurements one after the other within a time, and keep what each gave or why it did not."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

_PROJECT = Path(__file__).resolve().parents[1]
_LAST_LINES = 60  # of what a step says
_SHORTEST = 5.0  # seconds that are worth beginning a step


@dataclass(frozen=True)
class Step:
    """One measurement: a module of this project that is run as a process of its own.

    Attributes:
        name: For the table.
        arguments: Of `python -m`; `{json}` stands for the file that it writes its figures to.
        limit: Seconds after which it is ended.
        launcher: What starts it: Python with -m, or torchrun.
    """

    name: str
    arguments: tuple[str, ...]
    limit: float = 120.0
    launcher: tuple[str, ...] = (sys.executable, "-m")


@dataclass(frozen=True)
class StepResult:
    """What came of a step.

    Attributes:
        name: Of the step.
        command: What was run; folders of this machine have short names in all texts.
        seconds: How long it took.
        found: The figures that it wrote; None where it wrote none.
        said: The last lines that it said.
        problem: Why it could not run, empty where it could.
    """

    name: str
    command: str
    seconds: float
    found: Any
    said: tuple[str, ...]
    problem: str


def run_steps(
    steps: Sequence[Step], budget: float, on_result: Callable[[StepResult], None]
) -> list[StepResult]:
    """Run steps in order until the time is over; those that are left have that as their problem.

    Args:
        steps: The most telling first.
        budget: Seconds for all together.
        on_result: Called after each step.
    """
    results = []
    began = time.monotonic()
    for step in steps:
        left = budget - (time.monotonic() - began)
        if left < _SHORTEST:
            result = StepResult(step.name, "", 0.0, None, (), f"no time was left of {budget:.0f} s")
        else:
            result = run_step(step, min(left, step.limit))
        results.append(result)
        on_result(result)
    return results


def run_step(step: Step, limit: float) -> StepResult:
    """Run one step, so many seconds at the most."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "found.json"
        arguments = [str(file) if part == "{json}" else part for part in step.arguments]
        command = _without_places(" ".join(step.arguments))
        began = time.monotonic()
        said, problem = _run([*step.launcher, *arguments], limit)
        lines = tuple(_without_places(said).strip().splitlines()[-_LAST_LINES:])
        if problem and lines:
            problem += f": {lines[-1].removeprefix('error: ')}"
        found = json.loads(file.read_text()) if file.is_file() else None
        return StepResult(step.name, command, time.monotonic() - began, found, lines, problem)


def _without_places(text: str) -> str:
    """Shorten the folders of this machine: figures are sent to others, and a path names people."""
    places = ((_PROJECT, "."), (Path(tempfile.gettempdir()), "TEMPORARY"), (Path.home(), "~"))
    for place, name in places:
        if place != Path(place.anchor):
            text = text.replace(str(place), name)
    return text


def _run(command: Sequence[str], limit: float) -> tuple[str, str]:
    """Run a command; returns what it said, and why it failed or an empty text."""
    try:
        process = subprocess.Popen(
            command, cwd=_PROJECT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, errors="replace", start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        return "", f"it could not be started: {error.strerror}"
    with process:
        try:
            said, _ = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            _end(process)
            return process.communicate()[0], f"it took more than {limit:.0f} s"
        except BaseException:
            _end(process)
            raise
    return said, "" if process.returncode == 0 else f"it ended with status {process.returncode}"


def _end(process: subprocess.Popen[str]) -> None:
    """Kill a step with all that it has started, such as torchrun's workers."""
    if sys.platform == "win32":
        process.kill()
    else:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def write_results(path: Path, device: Mapping[str, object], results: Sequence[StepResult]) -> None:
    """Write figures as JSON: "device", and "steps", an object for each result."""
    found = {"device": device, "steps": [asdict(result) for result in results]}
    path.write_text(json.dumps(found, indent=2) + "\n")


def describe_results(results: Sequence[StepResult]) -> str:
    """Lay out what each step said, and last what could not run and why."""
    parts = []
    for result in results:
        if not result.problem:
            said = "\n".join(f"  {line}" for line in result.said)
            parts.append(f"{result.name} ({result.seconds:.0f} s)\n{said}")
    named: dict[str, list[str]] = {}
    for result in results:
        if result.problem:
            named.setdefault(result.problem, []).append(result.name)
    problems = [
        f"  {problem}:\n    {'; '.join(names)}" if len(names) > 1 else f"  {names[0]}: {problem}"
        for problem, names in named.items()
    ]
    parts.append("could not run:\n" + "\n".join(problems) if problems else "all of it ran")
    return "\n\n".join(parts)
