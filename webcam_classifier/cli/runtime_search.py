"""Find the fastest runtime for a model while the loop is running, and change to it.

Every model can run on the CPU at once, so the first label needs no measurement. Everything else is
tried in a process with the lowest priority that ends when this one does. The result is remembered
for the next start.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from webcam_classifier.cli.child import ending_with_parent
from webcam_classifier.errors import UserError
from webcam_classifier.model.classifier import Classifier
from webcam_classifier.runtime.choice import (
    AUTO,
    Say,
    choose_runtime,
    known_runtime,
    measure_runtime,
)
from webcam_classifier.runtime.device_name import physical_cores
from webcam_classifier.runtime.providers import CPU, ExecutionConfig, RuntimeChoice
from webcam_classifier.temporary_files import temporary_folder_path

_NICENESS = 19
_LOOK_EVERY = 0.1  # seconds
_PATIENCE = 600.0  # seconds for each runtime, which gets little processor time


def first_runtime(model: Path, wanted: str, threads: int, say: Say) -> tuple[RuntimeChoice, bool]:
    """Return the runtime with which a model can start at once.

    Args:
        model: The model file.
        wanted: `auto`, or a provider; a provider is first tried, and compared with the CPU.
        threads: CPU threads; 0 leaves the number to the measurement.
        say: Called with a sentence about what takes time, and about damaged records.

    Returns:
        The runtime, and whether others are still to be tried.

    Raises:
        ModelError: The file can't be used.
        ProviderError: The provider is missing, can't run this model, or gives other answers.
    """
    if wanted != AUTO:
        return choose_runtime(model, wanted, threads, say), False
    choice = known_runtime(model, AUTO, threads, say)
    if choice is not None:
        return choice, False
    begun = ExecutionConfig(CPU, threads or physical_cores())
    return RuntimeChoice(begun, "to begin with"), True


class RuntimeSearch:
    """Tries runtimes while the context is open, and changes a classifier to the fastest.

    Args:
        classifier: Runs on the CPU, and goes on in the meantime.
        threads: CPU threads; 0 leaves the number to the measurement.
        say: Called from a thread with sentences about what is tried and what is used in the end.
    """

    def __init__(self, classifier: Classifier, threads: int, say: Say) -> None:
        self._classifier = classifier
        self._threads = threads
        self._say = say
        self._lock = threading.Lock()  # guards both below
        self._process: subprocess.Popen[str] | None = None
        self._is_over = False
        self._has_ended = threading.Event()
        # To Linux, the parent is the thread that starts the process: it must live as long as this.
        self._thread = threading.Thread(target=self._run, name="runtime-search", daemon=True)

    def __enter__(self) -> RuntimeSearch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._is_over = True
            if self._process is not None:
                _end(self._process)
        self._thread.join()

    def wait(self, timeout: float) -> bool:
        """Wait until the search ends, or for `timeout` seconds; returns whether it has ended."""
        return self._has_ended.wait(timeout)

    def _run(self) -> None:
        try:
            self._search()
        except (UserError, OSError) as error:
            if not self._is_over:
                self._say(f"stays on {self._classifier.runtime}: {error}")
        finally:
            self._has_ended.set()

    def _search(self) -> None:
        # Named here but created by the child, so that a kill in between leaves nothing behind.
        folder = temporary_folder_path()
        command = [sys.executable, "-m", __name__, str(folder)]
        with self._lock:
            if self._is_over:
                return
            process = self._process = subprocess.Popen(
                [*command, str(self._classifier.path.resolve()), str(self._threads)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # libraries are noisy; what is important comes as JSON
                cwd=Path(__file__).parents[2],
                text=True,
                start_new_session=True,  # so that it can be killed with its own children
            )
        try:
            found = self._listen(process)
        finally:
            _end(process)
            process.wait()
            for pipe in (process.stdin, process.stdout):
                assert pipe is not None
                pipe.close()
            shutil.rmtree(
                folder, ignore_errors=True
            )  # the process does so itself unless it was killed
        if not self._is_over:
            self._change(found)

    def _listen(self, process: subprocess.Popen[str]) -> RuntimeChoice | None:
        """Pass on what the process says, and return its choice; None if it makes none."""
        assert process.stdout is not None
        for line in process.stdout:
            said = _message(line)
            if said is None:
                continue
            if "choice" in said:
                fields = said["choice"]
                return RuntimeChoice(ExecutionConfig(**fields["runtime"]), str(fields["reason"]))
            if not self._is_over:
                self._say(str(said["say"]))
        return None

    def _change(self, found: RuntimeChoice | None) -> None:
        before = self._classifier.runtime
        if found is None:
            self._say(f"stays on {before}: the trial of other ways ended before its time")
            return
        self._classifier.change_runtime(found.runtime)
        after = self._classifier.runtime
        self._say(f"{'stays' if after == before else 'now runs'} on {after} ({found.reason})")


class SearchesInTurn:
    """Searches for several classifiers, one after another, while the context is open.

    Searches at the same time would disturb each other's measurements.

    Args:
        classifiers: As for `RuntimeSearch`.
        threads: CPU threads; 0 leaves the number to the measurement.
        say: Called from a thread with sentences that name the model file.
    """

    def __init__(self, classifiers: Sequence[Classifier], threads: int, say: Say) -> None:
        self._classifiers = classifiers
        self._threads = threads
        self._say = say
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="runtime-searches", daemon=True)

    def __enter__(self) -> SearchesInTurn:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _run(self) -> None:
        for classifier in self._classifiers:

            def say_of_model(line: str, path: Path = classifier.path) -> None:
                self._say(f"{line}: {path}")

            with RuntimeSearch(classifier, self._threads, say_of_model) as search:
                while not (self._is_over.is_set() or search.wait(_LOOK_EVERY)):
                    pass
            if self._is_over.is_set():
                return


def _message(line: str) -> dict[str, Any] | None:
    """Parse a line from `_tell`; None for any other output, since libraries may print there."""
    try:
        said = json.loads(line)
    except ValueError:
        return None
    return said if isinstance(said, dict) and ("say" in said or "choice" in said) else None


def _end(process: subprocess.Popen[str]) -> None:
    """Kill the process of a search, and the trials that it has started."""
    if process.poll() is not None:
        return
    if sys.platform == "win32":
        process.kill()
    else:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def main() -> None:
    """Run the search in the child process.

    Its arguments are a folder for temporary files, the model file, and the number of threads.
    """
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C is for the parent, which ends this process
    _give_way()
    folder, model, threads = sys.argv[1:]
    with ending_with_parent(Path(folder)):
        try:
            choice = measure_runtime(
                Path(model), AUTO, int(threads), lambda said: _tell(say=said), _PATIENCE
            )
        except UserError as error:
            _tell(say=str(error))
            return
        _tell(choice=dataclasses.asdict(choice))


def _give_way() -> None:
    """Run this process and its children only when no other process needs the CPU.

    With a niceness of only 10, the loop dropped ten times as many frames, because it had to wait
    for the end of time slices.
    """
    if sys.platform == "linux":
        with suppress(OSError):  # containers may forbid it
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    if hasattr(os, "nice"):  # not on Windows
        os.nice(_NICENESS)


def _tell(**fields: object) -> None:
    with suppress(BrokenPipeError):
        print(json.dumps(fields), flush=True)


if __name__ == "__main__":
    main()
