"""Run train.py and the export beside the live picture: as processes that give way to it.

What they write is what a person would have got from the same command, and where one is killed,
what was there before stays.
"""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from webcam_classifier.errors import UserError
from webcam_classifier.teaching.job_process import SCRIPTS, JobProcess

JobKind = Literal["head", "finetune", "export"]
JobStatus = Literal["running", "done", "failed", "cancelled"]

_LOOK_EVERY = 0.1  # seconds

_SHARES: Mapping[JobKind, Mapping[str, tuple[float, float]]] = {
    "head": {"reading": (0.0, 0.2), "looking at pictures": (0.2, 0.8)},
    "finetune": {
        "reading": (0.0, 0.04), "looking at pictures": (0.04, 0.1), "training": (0.1, 0.95),
    },
    "export": {},
}  # fmt: skip
"""From where to where the progress goes in a stage; those not named don't move it."""


@dataclass(frozen=True)
class EpochState:
    """One epoch of fine-tuning; epoch 0 is the network with only its head fitted.

    Attributes:
        epoch: From 0.
        training_loss: None for epoch 0.
        validation_loss: None without validation pictures.
        validation_accuracy: 0 to 1; None without validation pictures.
        seconds: Since training began.
    """

    epoch: int
    training_loss: float | None
    validation_loss: float | None
    validation_accuracy: float | None
    seconds: float


@dataclass(frozen=True)
class JobState:
    """How a job goes.

    Attributes:
        number: Counts the jobs of this run, from 1.
        kind: What is done.
        status: Whether it goes on, and else how it ended.
        progress: 0 to 1; None where that can't be told.
        message: What is being done, or what came out, in a line.
        history: The epochs so far, where layers are trained.
        error: Why it failed, in the sentences of the script; empty else.
        output: The folder, or for an export the file, that is written.
    """

    number: int
    kind: JobKind
    status: JobStatus
    progress: float | None
    message: str
    history: tuple[EpochState, ...]
    error: str
    output: Path

    @property
    def is_running(self) -> bool:
        """Whether it goes on."""
        return self.status == "running"


class TrainingJobs:
    """Runs one job at a time, and remembers the last; all methods may be called from any thread.

    >>> with TrainingJobs() as jobs:
    ...     jobs.teach("head", Path("dataset"), Path("models/cups"))
    ...     jobs.wait(60.0)
    ...     jobs.state().status
    'done'

    Args:
        on_change: Called from any thread whenever the state has changed; it must be quick.
    """

    def __init__(self, on_change: Callable[[], None] | None = None) -> None:
        self._on_change = on_change or (lambda: None)
        self._lock = threading.Lock()
        self._state: JobState | None = None
        self._process: JobProcess | None = None
        self._is_cancelled = False
        self._thread: threading.Thread | None = None

    def teach(
        self,
        kind: Literal["head", "finetune"],
        dataset: Path,
        output: Path,
        *,
        epochs: int | None = None,
        backbone: str | None = None,
        input_size: int | None = None,
    ) -> JobState:
        """Begin to teach as `train.py DATASET --mode KIND --output OUTPUT` does.

        Args:
            kind: A head, or layers as well, which needs torch.
            dataset: The pictures.
            output: The folder of the model.
            epochs: Of fine-tuning; None leaves it to train.py.
            backbone: Likewise.
            input_size: Likewise, in pixels.

        Raises:
            UserError: Another job is running.
        """
        command = [str(SCRIPTS / "train.py"), str(dataset), "--mode", kind, "--output", str(output)]
        chosen = {"--epochs": epochs, "--backbone": backbone, "--input-size": input_size}
        for option, value in chosen.items():
            command += [] if value is None else [option, str(value)]
        return self._begin(kind, command, output)

    def export(
        self,
        model: Path,
        precision: Literal["fp32", "fp16", "int8"],
        pictures: Path | None = None,
    ) -> JobState:
        """Begin to export as `python -m export MODEL --precision PRECISION` does.

        Args:
            model: The model file, or its folder.
            precision: Of the numbers.
            pictures: The two are compared on these; None takes those that were held back, which
                after a short recording are too few.

        Raises:
            UserError: Another job is running.
        """
        file = model / "model.onnx" if model.is_dir() else model
        output = file.with_name(f"{file.stem}.{precision}.onnx")
        command = ["-m", "export", str(file), "--precision", precision, "--output", str(output)]
        command += [] if pictures is None else ["--pictures", str(pictures)]
        return self._begin("export", command, output)

    def cancel(self) -> None:
        """End the running job; what was there before it stays as it was."""
        with self._lock:
            if self._process is not None:
                self._is_cancelled = True
                # Not asked to end: asked, a training keeps what it has so far.
                self._process.kill()

    def state(self) -> JobState | None:
        """Give how the last job goes or went; None before the first."""
        return self._state

    def wait(self, timeout: float) -> JobState | None:
        """Wait for the end of the running job, so many seconds at the most; give its state."""
        if self._thread is not None:
            self._thread.join(timeout)
        return self._state

    def close(self) -> None:
        """End a running job."""
        self.cancel()
        if self._thread is not None:
            self._thread.join()

    def __enter__(self) -> TrainingJobs:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _begin(self, kind: JobKind, command: Sequence[str], output: Path) -> JobState:
        with self._lock:
            if self._state is not None and self._state.is_running:
                raise UserError("Something is being taught or exported. Wait, or cancel it first.")
            number = 1 if self._state is None else self._state.number + 1
            state = JobState(number, kind, "running", None, "starting", (), "", output)
            process = JobProcess(command, tells=kind != "export")
            self._state, self._process, self._is_cancelled = state, process, False
            self._thread = threading.Thread(
                target=self._follow, args=[process, state], name="training-job", daemon=True
            )
            self._thread.start()
        self._on_change()
        return state

    def _follow(self, process: JobProcess, state: JobState) -> None:
        code = None
        while code is None:
            code = process.wait(_LOOK_EVERY)
            lines = process.new_lines()
            if lines:
                self._state = state = _with_progress(state, lines)
                self._on_change()
        with self._lock:
            self._process = None
            if self._is_cancelled:
                state = replace(state, status="cancelled", message="cancelled")
            elif code == 0:
                message = _outcome(process.said)
                state = replace(state, status="done", progress=1.0, message=message)
            else:
                error = _error(process.complaints, code)
                state = replace(state, status="failed", message="failed", error=error)
            self._state = state
        process.clean_up()
        self._on_change()


def _with_progress(state: JobState, lines: Sequence[str]) -> JobState:
    for line in lines:
        fields: dict[str, Any] = json.loads(line)
        if "epoch" in fields:
            state = replace(state, history=(*state.history, _epoch(fields["epoch"])))
            continue
        stage, done, total = fields["stage"], fields["done"], fields["total"]
        message = f"{stage}: {done} of {total}" if total else f"{stage}: {done}"
        progress = state.progress
        if total and stage in _SHARES[state.kind]:
            first, last = _SHARES[state.kind][stage]
            progress = first + (last - first) * min(1.0, done / total)
        state = replace(state, message=message, progress=progress)
    return state


def _epoch(fields: Mapping[str, float]) -> EpochState:
    losses = (fields["training_loss"], fields["validation_loss"], fields["validation_accuracy"])
    training, validation, accuracy = (None if math.isnan(value) else value for value in losses)
    return EpochState(int(fields["number"]), training, validation, accuracy, fields["seconds"])


def _outcome(said: Sequence[str]) -> str:
    """Give the line that says how good it is."""
    told = [line for line in said if line.startswith(("accuracy ", "verdict: "))]
    return (told or said or ["done"])[-1].removeprefix("verdict: ")


def _error(complaints: Sequence[str], code: int) -> str:
    told = [line.removeprefix("error: ") for line in complaints if line.startswith("error: ")]
    return (told or complaints or [f"It ended with code {code}."])[-1]
