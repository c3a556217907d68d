"""Processes that tests have started and left running: found by a mark in their environment.

A child of a child that was killed has another parent then, so the mark is what tells it. Linux
alone shows it; elsewhere none is found.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

MARK = "TEACH_CAMERA_TEST_RUN"
_PROCESSES = Path("/proc")
_OF_PYTHON_ITSELF = ("multiprocessing.resource_tracker", "multiprocessing.forkserver")


def left_processes() -> dict[int, str]:
    """Find what still runs with this run's mark, besides this process: command lines by id."""
    wanted = f"{MARK}={os.environ[MARK]}".encode()
    found = {}
    for folder in _PROCESSES.glob("[0-9]*"):
        number = int(folder.name)
        if number == os.getpid():
            continue
        try:
            environment = (folder / "environ").read_bytes().split(b"\0")
            command = (
                (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            )
        except OSError:
            continue  # it has ended, or is another user's
        # A process that has ended and waits to be asked for its exit code has no command line.
        if wanted in environment and command and not _is_of_python(command):
            found[number] = command.strip()
    return found


def end_processes(numbers: list[int]) -> None:
    """Kill processes; those that have ended by then are no matter."""
    for number in numbers:
        try:
            os.kill(number, signal.SIGKILL)
        except ProcessLookupError:
            continue


def _is_of_python(command: str) -> bool:
    return any(module in command for module in _OF_PYTHON_ITSELF)
