"""The process of a job: a low-priority command that ends when this process does."""

from __future__ import annotations

import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

import webcam_classifier
from webcam_classifier.errors import UserError
from webcam_classifier.priority import NICENESS
from webcam_classifier.progress import Event, from_json
from webcam_classifier.temporary_files import temporary_folder_path

_LOG_LINES = 200  # kept, from the end of its output
_LOG_WAIT = 1.0  # seconds to wait for the last lines, once the process has ended
_INSTALLED_IN = frozenset({"site-packages", "dist-packages"})


class JobProcess:
    """A command of this package as a child process, whose events are read while it runs.

    The child ends with this process, however this one ends: see `ending_with_parent`.

    Args:
        command: A command of `webcam_classifier.cli`, with its arguments.

    Raises:
        UserError: The process can't be started.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self._log: deque[str] = deque(maxlen=_LOG_LINES)
        self._log_lock = threading.Lock()
        self._started: queue.SimpleQueue[subprocess.Popen[bytes] | OSError] = queue.SimpleQueue()
        # To Linux, the parent is the thread that starts the process: it must live as long as this.
        self._log_reader = threading.Thread(
            target=self._run, args=[command], name="job-log", daemon=True
        )
        self._log_reader.start()
        started = self._started.get()
        if isinstance(started, OSError):
            reason = started.strerror or started
            raise UserError(
                f"Another process could not be started ({reason}). Close other programs, and "
                "try it again."
            ) from started
        self._process = started
        if hasattr(os, "setpriority"):  # not on Windows
            with suppress(ProcessLookupError):  # it has ended already
                os.setpriority(os.PRIO_PROCESS, self._process.pid, NICENESS)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def events(self) -> Iterator[Event]:
        """Yield its events as they come, until it ends; unknown kinds of event are skipped."""
        for line in _lines(self._process.stdout):
            try:
                event = from_json(line)
            except ValueError:
                self._add_to_log(line)  # not an event, but it may say why the process ends
                continue
            if event is not None:
                yield event

    def kill(self) -> None:
        """Kill it and everything it started; no half-written file is left in place."""
        if sys.platform == "win32":
            self._process.kill()
        elif self._process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def finish(self) -> int:
        """Wait until it has ended, remove its temporary files, and return its exit code.

        To be called once, after its last event.
        """
        code = self._process.wait()
        self._log_reader.join(_LOG_WAIT)
        if self._process.stdin is not None:
            self._process.stdin.close()
        shutil.rmtree(
            self._folder, ignore_errors=True
        )  # the process does so itself unless it was killed
        return code

    @property
    def log(self) -> list[str]:
        """The last lines that it printed."""
        with self._log_lock:
            return list(self._log)

    def _run(self, command: Sequence[str]) -> None:
        """Start the process, and read what it prints to its end."""
        try:
            # Named here but created by the child, so that a kill in between leaves nothing behind.
            self._folder = temporary_folder_path()
            ours = ["-m", "webcam_classifier.cli", "--events"]
            ours += ["--ends-with-parent", str(self._folder)]
            process = subprocess.Popen(
                [sys.executable, *ours, *command],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                env=_environment(),
                start_new_session=True,  # so that `kill` reaches its own children too
            )  # fmt: skip
        except OSError as error:
            self._started.put(error)
            return
        self._started.put(process)
        for line in _lines(process.stderr):
            self._add_to_log(line)
        process.wait()

    def _add_to_log(self, line: str) -> None:
        with self._log_lock:
            self._log.append(line)


def _lines(stream: IO[bytes] | None) -> Iterator[str]:
    if stream is None:
        raise RuntimeError("the process has no such pipe")
    with stream:
        for line in stream:
            yield line.decode("utf-8", "replace").rstrip()


def _environment() -> dict[str, str]:
    """Have the child find this package, print UTF-8, and import nothing from its working folder."""
    environment = os.environ | {"PYTHONIOENCODING": "utf-8", "PYTHONSAFEPATH": "1"}
    root = Path(webcam_classifier.__file__).resolve().parents[1]
    if root.name not in _INSTALLED_IN:
        paths = [str(root), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment["PYTHONPATH"] = os.pathsep.join(paths)
    return environment
