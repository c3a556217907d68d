"""The process of a job: started so that it gives way, and read while it goes on."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[2]
"""The folder that train.py and the package `export` are in."""

_NICENESS = 10
_PROGRESS_NAME, _OUTPUT_NAME, _ERROR_NAME = "progress.jsonl", "said.txt", "complaint.txt"


class JobProcess:
    """A script of ours that runs beside the live picture, with a folder for what it says.

    Args:
        command: What follows the interpreter.
        tells: Whether it takes `--progress`.
    """

    def __init__(self, command: Sequence[str], tells: bool) -> None:
        # A context manager's work, but one thread opens it and another one closes it.
        self._folder = tempfile.TemporaryDirectory(prefix="teaching-")
        self._told = Path(self._folder.name) / _PROGRESS_NAME
        self._read = 0  # bytes
        follow = ["--progress", str(self._told)] if tells else []
        paths = [str(SCRIPTS), *filter(None, [os.environ.get("PYTHONPATH")])]
        surroundings = os.environ | {
            "PYTHONPATH": os.pathsep.join(paths),
            "PYTHONIOENCODING": "utf-8",
            "TMPDIR": self._folder.name,
        }
        with self._file(_OUTPUT_NAME).open("wb") as said, self._file(_ERROR_NAME).open("wb") as bad:
            self._process = subprocess.Popen(
                [sys.executable, *command, *follow],
                stdin=subprocess.DEVNULL, stdout=said, stderr=bad, env=surroundings,
            )  # fmt: skip
        if hasattr(os, "setpriority"):  # not on Windows
            os.setpriority(os.PRIO_PROCESS, self._process.pid, _NICENESS)

    def kill(self) -> None:
        """End it at once; only whole files are left."""
        self._process.kill()

    def wait(self, seconds: float) -> int | None:
        """Wait for its end, so many seconds at the most; give its code, or None while it runs."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def new_lines(self) -> list[str]:
        """Give the lines of JSON that it has told since the last time."""
        if not self._told.is_file():
            return []
        content = self._told.read_bytes()[self._read :]
        whole = content[: content.rfind(b"\n") + 1]
        self._read += len(whole)
        return whole.decode().splitlines()

    @property
    def said(self) -> list[str]:
        """The lines of its standard output."""
        return self._lines(_OUTPUT_NAME)

    @property
    def complaints(self) -> list[str]:
        """The lines of its standard error output."""
        return self._lines(_ERROR_NAME)

    def clean_up(self) -> None:
        """Remove its folder; it must have ended."""
        self._folder.cleanup()

    def _lines(self, name: str) -> list[str]:
        text = self._file(name).read_text(encoding="utf-8", errors="replace")
        return [line for line in text.splitlines() if line.strip()]

    def _file(self, name: str) -> Path:
        return Path(self._folder.name) / name
